"""A data directory survives a kill at any moment: what was acknowledged is there, and no transaction by halves."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from emulator_fixture import KEY, PROJECT, Served, query, served

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.emulator_only

_CLIENTS = 4
_ROWS = "/tablesdb/db/tables/t/rows"


class Load:
    """Clients that write single rows and pairs of rows in transactions, and remember what was acknowledged."""

    def __init__(self, server: Served, round_: int) -> None:
        self._server = server
        self._round = round_
        self._written = 0
        self.rows: set[str] = set()
        self.pairs: set[str] = set()

    async def until(self, acknowledged: int) -> None:
        """Write until so many rows are acknowledged, then kill the server in the midst of it."""
        headers = {"X-Appwrite-Project": PROJECT, "X-Appwrite-Key": KEY}
        enough = asyncio.Event()
        async with httpx.AsyncClient(base_url=self._server.endpoint, headers=headers, timeout=30) as http:
            writers = [asyncio.create_task(self._write(http, n, acknowledged, enough)) for n in range(_CLIENTS)]
            await enough.wait()
            self._server.process.send_signal(signal.SIGKILL)
            await asyncio.gather(*writers, return_exceptions=True)

    async def _write(self, http: httpx.AsyncClient, client: int, acknowledged: int, enough: asyncio.Event) -> None:
        for n in range(1_000_000):
            name = f"{self._round}-{client}-{n}"
            if n % 5 == 4:
                await self._pair(http, name)
            else:
                answer = await http.post(_ROWS, json={"rowId": name, "data": {"name": name}})
                assert answer.status_code == 201
                self.rows.add(name)
            self._written += 1
            if self._written >= acknowledged:
                enough.set()

    async def _pair(self, http: httpx.AsyncClient, name: str) -> None:
        begun = (await http.post("/tablesdb/transactions", json={"ttl": 60})).json()["$id"]
        operations = [
            {"action": "create", "databaseId": "db", "tableId": "t", "rowId": f"{name}{side}", "data": {"name": name}}
            for side in "ab"
        ]
        await http.post(f"/tablesdb/transactions/{begun}/operations", json={"operations": operations})
        assert (await http.patch(f"/tablesdb/transactions/{begun}", json={"commit": True})).status_code == 200
        self.pairs.add(name)


def _stored(server: Served) -> set[str]:
    """The ids of all rows."""
    found: set[str] = set()
    after = ""
    while True:
        texts = [query("limit", None, 5000), query("select", None, "$id")]
        if after:
            texts.append(query("cursorAfter", None, after))
        answer = httpx.get(
            server.endpoint + _ROWS,
            params={"queries[]": texts},
            headers={"X-Appwrite-Project": PROJECT, "X-Appwrite-Key": KEY},
        )
        rows = answer.raise_for_status().json()["rows"]
        if not rows:
            return found
        found |= {row["$id"] for row in rows}
        after = rows[-1]["$id"]


def _start(directory: Path) -> list[str]:
    return ["--data-dir", str(directory), "--project", PROJECT, "--key", KEY]


async def _survives(directory: Path, kills: int, rows: int) -> float:
    """Kill a server `kills` times under load; gives how long the last start took, in seconds."""
    choose = random.Random(20261123)  # noqa: S311 - moments, not secrets
    with served(*_start(directory)) as server:
        server.call("POST", "/tablesdb", {"databaseId": "db", "name": "db"})
        server.call("POST", "/tablesdb/db/tables", {"tableId": "t", "name": "t"})
        column = {"key": "name", "size": 40, "required": True}
        server.call("POST", "/tablesdb/db/tables/t/columns/string", column)
        while server.call("GET", "/tablesdb/db/tables/t/columns/name")["status"] != "available":
            pass
    rows_known: set[str] = set()
    pairs_known: set[str] = set()
    for round_ in range(kills):
        with served(*_start(directory)) as server:
            load = Load(server, round_)
            await load.until(rows // kills // 2 + choose.randrange(rows // kills))
        rows_known |= load.rows
        pairs_known |= load.pairs
        began = time.perf_counter()
        with served(*_start(directory)) as server:
            took = time.perf_counter() - began
            stored = _stored(server)
        assert rows_known <= stored
        assert {f"{name}{side}" for name in pairs_known for side in "ab"} <= stored
        halves = {
            row_id
            for row_id in stored
            if row_id[-1] in "ab" and row_id[:-1] + "ba"["ab".index(row_id[-1])] not in stored
        }
        assert halves == set()
    return took


async def test_every_acknowledged_row_survives_a_kill(tmp_path: Path) -> None:
    await _survives(tmp_path, kills=2, rows=200)


@pytest.mark.long
async def test_ten_thousand_rows_survive_twenty_kills(tmp_path: Path) -> None:
    await _survives(tmp_path, kills=20, rows=10_000)


def test_users_sessions_and_definitions_survive_a_restart(tmp_path: Path) -> None:
    with served(*_start(tmp_path)) as server:
        server.call("POST", "/users", {"userId": "ann", "email": "ann@example.test", "password": "password-1"})
        secret = server.call("POST", "/users/ann/sessions", {})["secret"]
        server.call("POST", "/tablesdb", {"databaseId": "db", "name": "db"})
        server.call("POST", "/tablesdb/db/tables", {"tableId": "t", "name": "t", "permissions": ['read("users")']})
    with served(*_start(tmp_path)) as server:
        headers = {"X-Appwrite-Project": PROJECT, "X-Appwrite-Session": secret}
        assert httpx.get(f"{server.endpoint}/account", headers=headers).json()["$id"] == "ann"
        assert server.call("GET", "/tablesdb/db/tables/t")["$permissions"] == ['read("users")']


def test_a_second_server_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    with served(*_start(tmp_path)):
        command = [sys.executable, "-m", "massage_link.emulator", *_start(tmp_path)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 2
    assert "in use by another emulator" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_gracefully(tmp_path: Path, stop: signal.Signals) -> None:
    with served(*_start(tmp_path)) as server:
        server.process.send_signal(stop)
        assert server.process.wait(20) in (0, -stop)
