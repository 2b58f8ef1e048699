"""The embedded server gives the answers that a real Appwrite 1.9.6 gave, step by step."""

from __future__ import annotations

import asyncio
import io
import tarfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from emulator_fixture import Served, served
from recorded import Scenario, run_realtime, run_rest, steps_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.emulator_only

_DATA = Path(__file__).parent.parent / "data"
_RECORDED_ON = "2026-11-22T12:00:00Z"  # a datetime column took "yesterday" then
_HELLO = b"async def main(context):\n    return context.res.json({'ok': True})\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served("--clock", _RECORDED_ON) as running:
        yield running


@asynccontextmanager
async def scenario(server: Served) -> AsyncIterator[Scenario]:
    async with httpx.AsyncClient(timeout=30) as http:
        yield Scenario(server.endpoint, server.project, server.key, http)


async def test_rows_transactions_users_and_teams_answer_as_recorded(server: Served) -> None:
    steps = steps_of(_DATA / "scenario-rows.json")
    async with scenario(server) as run:
        assert await run_rest(run, steps) == []
    assert len(steps) == 245


async def test_realtime_messages_come_as_recorded(server: Served) -> None:
    steps = steps_of(_DATA / "scenario-realtime.json")
    async with scenario(server) as run:
        assert await run_realtime(run, steps) == []
    assert len(steps) == 82


async def test_executions_answer_as_recorded(server: Served) -> None:
    await _deploy_hello(server)
    steps = steps_of(_DATA / "scenario-executions.json")
    async with scenario(server) as run:
        assert await run_rest(run, steps) == []
    assert len(steps) == 19


async def _deploy_hello(server: Served) -> None:
    """The function that the scenario needs, deployed twice by the CLI as it was when the scenario was recorded."""
    server.call(
        "POST",
        "/functions",
        {
            "functionId": "hello",
            "name": "hello",
            "runtime": "python-3.12",
            "entrypoint": "main.py",
            "execute": ["users"],
            "events": ["databases.clidb.tables.bookings.rows.*.create"],
            "scopes": ["rows.read", "rows.write"],
            "timeout": 15,
        },
    )
    headers = {"X-Appwrite-Project": server.project, "X-Appwrite-Key": server.key, "X-SDK-Language": "cli"}
    async with httpx.AsyncClient(headers=headers, timeout=30) as http:
        for _ in range(2):
            upload = {"code": ("code.tar.gz", _archive(), "application/gzip")}
            fields = {"entrypoint": "main.py", "activate": "true"}
            url = f"{server.endpoint}/functions/hello/deployments"
            deployment = (await http.post(url, data=fields, files=upload)).raise_for_status().json()
            await _ready(http, f"{url}/{deployment['$id']}")


async def _ready(http: httpx.AsyncClient, deployment: str) -> None:
    """Another process builds it, so all one can do is ask again."""
    for _ in range(600):
        if (await http.get(deployment)).json()["status"] == "ready":
            return
        await asyncio.sleep(0.05)
    pytest.fail("the function was not built within 30 s")


def _archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("main.py")
        entry.size = len(_HELLO)
        archive.addfile(entry, io.BytesIO(_HELLO))
    return packed.getvalue()
