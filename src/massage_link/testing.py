"""For your own tests: a running embedded server, in a process of its own."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from massage_link.client.drive import sync_http
from massage_link.client.link import AsyncMassageLink, MassageLink
from massage_link.errors import MassageLinkError, UsageError
from massage_link.usecases.provision import push_functions, push_schema

__all__ = ["Emulator", "EmulatorFailed", "running_emulator"]

_STOP_WITHIN = 10.0
_PACKAGES = ("httptools", "starlette", "uvicorn")


class EmulatorFailed(MassageLinkError):
    """The embedded server did not start; the message carries what it said."""


@dataclass(slots=True)
class Emulator:
    """A running embedded server.

    Attributes:
        endpoint: address of its API, ending in ``/v1``.
        project_id: its project.
        api_key: a key with all scopes.
        control_token: opens the control plane, for planting faults.

    """

    endpoint: str
    project_id: str
    api_key: str = field(repr=False)
    control_token: str = field(repr=False)
    process: subprocess.Popen[str] = field(repr=False)

    def link(self, **arguments: Any) -> MassageLink:
        """A blocking link with the key."""
        return MassageLink(self.endpoint, self.project_id, api_key=self.api_key, **arguments)

    def async_link(self, **arguments: Any) -> AsyncMassageLink:
        """An async link with the key."""
        return AsyncMassageLink(self.endpoint, self.project_id, api_key=self.api_key, **arguments)

    def control(self, method: str, path: str, body: object = None) -> Any:
        """A call of the control plane: plant faults, move the clock, reset. See docs/emulator.md.

        Args:
            method: HTTP method.
            path: below ``/_emulator/``, such as ``"faults"``.
            body: sent as JSON.

        """
        url = f"{self.endpoint.removesuffix('/v1')}/_emulator/{path}"
        with sync_http() as http:
            answer = http.request(method, url, json=body, headers={"X-Emulator-Token": self.control_token})
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running_emulator(
    *,
    data_dir: Path | str | None = None,
    functions: Path | str | None = None,
    project_id: str = "massage-link",
    port: int = 0,
    api_key: str | None = None,
    schema: bool = True,
    direct_write: bool = False,
    options: Sequence[str] = (),
) -> Generator[Emulator, None, None]:
    """An embedded server in a process of its own, with our tables; it ends with the block.

    ::

        with running_emulator() as server, server.link() as link:
            link.bookings.request(...)

    Args:
        data_dir: where it keeps its data; None keeps them in memory.
        functions: folder with our function folders; None runs no functions.
        project_id: its project.
        port: 0 takes a free one.
        api_key: a key with all scopes; None makes one up.
        schema: push our tables (and functions, when a folder is given) before the block begins.
        direct_write: let signed-in clients write booking rows themselves, to be admitted or declined.
        options: further options of ``python -m massage_link.emulator``.

    Raises:
        UsageError: the packages of the extra ``emulator`` are not installed.
        EmulatorFailed: it did not start.

    """
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        needed = f"the embedded server needs {', '.join(missing)}"
        raise UsageError(f'{needed}: pip install "massage-link[cli,emulator]"')
    key, token = api_key or secrets.token_hex(32), secrets.token_hex(16)
    command = [sys.executable, "-m", "massage_link.emulator", "--json", "--exit-with-stdin", "--port", str(port)]
    command += ["--project", project_id, "--key", key, "--control-token", token, *options]
    command += ["--data-dir", str(data_dir)] if data_dir is not None else []
    command += ["--functions", str(functions)] if functions is not None else []
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        emulator = Emulator(_ready(process)["endpoint"], project_id, key, token, process)
        if schema:
            with emulator.link() as link:
                link.run(push_schema(link.ports, direct_write=direct_write))
                if functions is not None:
                    link.run(push_functions(direct_write=direct_write))
        yield emulator
    finally:
        _stop(process)


def _ready(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        ready: dict[str, str] = json.loads(line)
    except ValueError:
        code = process.wait(_STOP_WITHIN)
        raise EmulatorFailed(
            f"the embedded server did not start (exit status {code}): {line.strip() or 'see above'}"
        ) from None
    return ready


def _stop(process: subprocess.Popen[str]) -> None:
    streams: list[IO[str] | None] = [process.stdin, process.stdout]
    process.terminate()
    try:
        process.wait(_STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in streams:
        if stream is not None:
            stream.close()
