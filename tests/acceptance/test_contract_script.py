"""`scripts/contract` on a server that it is told of: what it says, and what it leaves there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from checkout import ROOT
from massage_link.testing import Emulator, running_emulator
from massage_link.wire.call import Call, path, raw_json

#: What its first lines say that a key needs.
SCOPES = [f"{kind}.{deed}" for kind in ("databases", "tables", "rows", "users") for deed in ("read", "write")]
DEPLOYING = [*SCOPES, "functions.read", "functions.write", "execution.write"]
#: One that books by key, one that needs functions, one that no real server can have.
FEW = "test_the_same_key_gives_the_same_booking or test_a_guest_gives_no_commands or has_run_out"


@pytest.fixture(scope="module")
def named() -> Iterator[Emulator]:
    """A server in which somebody has a database and users already."""
    with running_emulator() as server:
        yield server


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "contract"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def _against(server: Emulator, scopes: Sequence[str]) -> subprocess.CompletedProcess[str]:
    key = server.control("POST", "keys", {"scopes": list(scopes)})["secret"]
    place = ("--endpoint", server.endpoint, "--project", server.project_id, "--key", key)
    return _run(*place, "-p", "no:cacheprovider", "-k", FEW)


def _everything(server: Emulator) -> dict[str, list[str]]:
    def ids(kind: str, field: str) -> list[str]:
        with server.link() as link:
            found: list[dict[str, Any]] = link.send(Call("GET", path(kind), raw_json))[field]
        return sorted(each["$id"] for each in found)

    return {
        "functions": ids("functions", "functions"),
        "databases": ids("tablesdb", "databases"),
        "users": ids("users", "users"),
    }


@pytest.mark.long
def test_a_named_server_gets_functions_for_the_tests_and_keeps_nothing_of_them(named: Emulator) -> None:
    before = _everything(named)
    done = _against(named, DEPLOYING)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Testing against {named.endpoint}" in done.stdout
    assert "plants faults or moves the clock: no real server can do that" in done.stdout
    assert "4 passed, 2 skipped" in done.stdout
    assert _everything(named) == before


@pytest.mark.long
def test_a_key_that_may_not_deploy_skips_what_needs_functions_and_says_so(named: Emulator) -> None:
    before = _everything(named)
    done = _against(named, SCOPES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the named server lets this key deploy no functions" in done.stdout
    assert "2 passed, 4 skipped" in done.stdout
    assert _everything(named) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--endpoint", "http://127.0.0.1:9/v1"), "MASSAGE_LINK_TEST_PROJECT_ID is not set; a server needs all three."),
        (("--key",), "usage: scripts/contract"),
    ],
)
def test_a_server_that_is_named_by_halves_is_refused(arguments: Sequence[str], said: str) -> None:
    done = _run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
