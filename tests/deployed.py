"""A server with our functions on it: the emulator with the checkout's folders, or the one that the environment names.

A named server gets functions of this run, with ids of their own and working in a database of their own, as an operator
would deploy them: uploaded, built by the server, removed at the end with all that they wrote.
"""

from __future__ import annotations

import io
import secrets
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest

from checkout import ROOT
from marketplace import NAMED_SERVER, Server, own_database
from massage_link import MassageLink
from massage_link.cli.bundles import build_bundle
from massage_link.domain.tables import DATABASE
from massage_link.errors import NotFound, RateLimited, Unauthorized
from massage_link.schema import Function, functions_of
from massage_link.testing import running_emulator
from massage_link.wire.control import create_function, delete_function
from massage_link.wire.executions import execute

FUNCTIONS = ROOT / "functions"
#: Seconds that a server may take to build a function, while it builds the others too.
_BUILT_WITHIN = 900.0
_POLL = 1.0
#: Seconds for one call: a first execution may be slow, and so may a deletion.
_PATIENCE = 120.0


@contextmanager
def deployed(*, direct_write: bool) -> Iterator[Server]:
    """The server, its tables and its functions. Skips the test when the key may not deploy any.

    Args:
        direct_write: with signed-in users' own booking rows admitted or declined, or without such rows.

    """
    if NAMED_SERVER is None:
        with running_emulator(functions=FUNCTIONS, direct_write=direct_write) as emulator:
            yield Server(emulator.endpoint, emulator.project_id, emulator.api_key, DATABASE, emulator)
        return
    with own_database(NAMED_SERVER, direct_write=direct_write) as server, own_functions(server, direct_write) as both:
        yield both


@contextmanager
def own_functions(server: Server, direct_write: bool) -> Iterator[Server]:
    """Functions of this run for the server's database, but for the scheduled one; removed at the end."""
    mark = secrets.token_hex(4)
    wanted = [each for each in functions_of(direct_write=direct_write) if not each.schedule]  # tests sweep themselves
    with server.link(timeout=_PATIENCE) as link, _http(server) as http, ExitStack() as leaving:
        ids = {function.id: _uploaded(leaving, link, http, function, mark) for function in wanted}
        for function_id in ids.values():
            _wait_until_built(http, function_id)
        with_commands = replace(server, commands=ids["commands"])
        link.send(execute(with_commands.commands, {}))  # a first call may be slow; nobody shall count on it
        yield with_commands


def _http(server: Server) -> httpx.Client:
    headers = {"X-Appwrite-Project": server.project_id, "X-Appwrite-Key": server.api_key}
    return httpx.Client(base_url=f"{server.endpoint}/functions", headers=headers, timeout=_PATIENCE)


def _uploaded(leaving: ExitStack, link: MassageLink, http: httpx.Client, function: Function, mark: str) -> str:
    """Id of a function of this run, whose code is being built."""
    function_id, database = f"{function.id}-{mark}", link.ports.database
    definition: dict[str, Any] = {**function.definition(database), "$id": function_id, "name": function_id}
    try:
        link.send(create_function(definition))
    except Unauthorized as error:
        pytest.skip(f"the named server lets this key deploy no functions: {error}")
    except RateLimited as error:
        pytest.skip(f"the named server takes no more new functions for now: {error}")
    leaving.callback(_remove, link, function_id)
    variable = {"variableId": "unique()", "key": "MASSAGE_LINK_DATABASE", "value": database, "secret": False}
    http.post(f"/{function_id}/variables", json=variable).raise_for_status()
    form = {"activate": "true", "entrypoint": definition["entrypoint"], "commands": definition["commands"]}
    code = {"code": ("code.tar.gz", _packed(function.id), "application/gzip")}
    http.post(f"/{function_id}/deployments", data=form, files=code).raise_for_status()
    return function_id


def _remove(link: MassageLink, function_id: str) -> None:
    with suppress(NotFound):
        link.send(delete_function(function_id))


def _packed(function: str) -> bytes:
    """A function's folder as the Appwrite CLI sends it."""
    bundle = build_bundle(ROOT)
    main = (FUNCTIONS / function / "main.py").read_bytes()
    files = {
        "main.py": main, "requirements.txt": bundle.requirements.encode(), bundle.wheel_name: bundle.wheel,
    }  # fmt: skip
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _wait_until_built(http: httpx.Client, function_id: str) -> None:
    """Until its code is the active one, which a server says a moment after the build is over."""
    until = time.monotonic() + _BUILT_WITHIN
    while time.monotonic() < until:
        function = http.get(f"/{function_id}").raise_for_status().json()
        if function["deploymentId"]:
            return
        if function["latestDeploymentStatus"] in {"failed", "canceled"}:
            (deployment,) = http.get(f"/{function_id}/deployments").raise_for_status().json()["deployments"]
            pytest.fail(f"the server could not build {function_id}: {deployment['buildLogs'][-2_000:]}")
        time.sleep(_POLL)  # of builds no key hears in realtime
    pytest.fail(f"the server did not build {function_id} within {_BUILT_WITHIN:.0f} seconds")
