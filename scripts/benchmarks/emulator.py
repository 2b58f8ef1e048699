"""How fast the embedded server is, beside a bare starlette route that stores a row in SQLite, in one run.

Calls per second and times per call for one and for 16 clients, then the time from a write to the event at 1, 100 and
1,000 sockets. Both servers run in processes of their own under the same uvicorn; one raw HTTP client serves both sides,
parses every answer, and shares the machine with them. `--json` prints one object. Ends within 240 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import contextmanager, suppress
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

_KEY, _TOKEN, _PROJECT = "bench-key", "bench-token", "bench"
_SECONDS = 4.0  # per measurement
_COLUMNS = ("customerId", "therapistId", "service", "status", "timezone", "note")
_ROW = {"customerId": "c" * 20, "therapistId": "t" * 20, "service": "deep-tissue", "status": "pending", "n": 7}
_PERMISSIONS = ['read("user:customer")', 'read("user:therapist")', 'read("label:ops")']
_ALLOWED = 3.0


# The bare side


def bare_app() -> Starlette:
    """One route that stores a JSON body in SQLite and answers it: the least that a row store can be."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute("CREATE TABLE rows (id TEXT PRIMARY KEY, doc TEXT)")

    async def create(request: Request) -> JSONResponse:
        body = await request.json()
        database.execute("INSERT INTO rows VALUES (?, ?)", (body["rowId"], json.dumps(body["data"])))
        return JSONResponse({"$id": body["rowId"], **body["data"]}, 201)

    return Starlette(routes=[Route("/rows", create, methods=["POST"])])


def serve_bare() -> None:
    """Run the bare route on a free port, told on standard output."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.bind(("127.0.0.1", 0))
    sys.stdout.write(f"http://127.0.0.1:{sock.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(bare_app(), access_log=False, log_level="warning", http="httptools", loop="auto")
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[sock]))


@contextmanager
def running(*command: str) -> Iterator[str]:
    """A server process; gives the first line that it prints."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline()
    finally:
        process.terminate()
        process.wait(20)


# A client of as little cost as Python allows


class Client:
    """One kept-alive HTTP connection."""

    def __init__(self, address: str, headers: dict[str, str]) -> None:
        place = urlsplit(address)
        self._host, self._port, self._base = place.hostname or "", place.port or 0, place.path
        self._head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def open(self) -> Client:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    def close(self) -> None:
        self._writer.close()

    async def __call__(self, method: str, path: str, body: object = None) -> Any:
        """The parsed body of a call that must succeed."""
        payload = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {self._base}{path} HTTP/1.1\r\nHost: bench\r\n{self._head}"
            f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
        )
        self._writer.write(head.encode() + payload)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(answer.partition("content-length: ")[2].partition("\r\n")[0] or 0)
        raw = await self._reader.readexactly(length)
        status = int(answer[9:12])
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {raw[:300]!r}")
        return json.loads(raw) if raw else None


Work = Callable[[Client, str], Awaitable[object]]


async def measured(address: str, headers: dict[str, str], clients: int, work: Work) -> dict[str, float]:
    """Calls of `work` a second and its times in milliseconds, with so many clients at once."""
    times: list[float] = []
    end = time.perf_counter() + _SECONDS

    async def one(number: int) -> None:
        client = await Client(address, headers).open()
        count = 0
        while (began := time.perf_counter()) < end:
            await work(client, f"{os.urandom(4).hex()}-{number}-{count}")
            times.append(time.perf_counter() - began)
            count += 1
        client.close()

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(clients)))
    cuts = quantiles(times, n=100)
    return {
        "per_second": round(len(times) / (time.perf_counter() - began)),
        "p50_ms": round(median(times) * 1000, 3),
        "p95_ms": round(cuts[94] * 1000, 3),
        "p99_ms": round(cuts[98] * 1000, 3),
    }


# What is measured


async def bare_create(client: Client, name: str) -> None:
    await client("POST", "/rows", {"rowId": name, "data": _ROW, "permissions": _PERMISSIONS})


async def create(client: Client, name: str) -> None:
    body = {"rowId": name, "data": _ROW, "permissions": _PERMISSIONS}
    await client("POST", "/tablesdb/db/tables/bookings/rows", body)


async def get(client: Client, name: str) -> None:
    await client("GET", f"/tablesdb/db/tables/bookings/rows/seed{hash(name) % 100}")


async def list_100(client: Client, name: str) -> None:
    del name
    query = "queries[]=%7B%22method%22%3A%22limit%22%2C%22values%22%3A%5B100%5D%7D"
    found = await client("GET", f"/tablesdb/db/tables/seeded/rows?{query}")
    assert len(found["rows"]) == 100


async def booking(client: Client, name: str) -> None:
    """A booking's transaction: three rows, an event and twelve slots, in three calls."""
    begun = (await client("POST", "/tablesdb/transactions", {"ttl": 60}))["$id"]
    row = {**_ROW, "$permissions": _PERMISSIONS}
    operations: list[dict[str, object]] = [
        {"action": "create", "databaseId": "db", "tableId": "bookings", "rowId": f"{name}{part}", "data": row}
        for part in ("", "-terms", "-place", "_1")
    ]
    slots = [{"$id": f"{name}_{n}", "customerId": name} for n in range(12)]
    operations.append({"action": "bulkCreate", "databaseId": "db", "tableId": "slots", "data": slots})
    await client("POST", f"/tablesdb/transactions/{begun}/operations", {"operations": operations})
    await client("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True})


async def prepare(address: str, headers: dict[str, str]) -> float:
    """Tables and a hundred rows; gives the seconds that it took."""
    began = time.perf_counter()
    client = await Client(address, headers).open()
    await client("POST", "/tablesdb", {"databaseId": "db", "name": "db"})
    for table in ("bookings", "seeded", "slots", "news"):
        readers = ['read("any")'] if table == "news" else []
        body: dict[str, object] = {"tableId": table, "name": table, "rowSecurity": True, "permissions": readers}
        await client("POST", "/tablesdb/db/tables", body)
        columns = f"/tablesdb/db/tables/{table}/columns"
        for key in _COLUMNS:
            await client("POST", f"{columns}/string", {"key": key, "size": 100, "required": False})
        await client("POST", f"{columns}/integer", {"key": "n", "required": False})
        await columns_ready(client, columns)
    control = Client(address.removesuffix("/v1"), {"X-Emulator-Token": _TOKEN})
    await control.open()
    rows = [{"$id": f"seed{n}", "$permissions": _PERMISSIONS, **_ROW} for n in range(100)]
    for table in ("bookings", "seeded"):
        await control("POST", "/_emulator/seed", {"databaseId": "db", "tableId": table, "rows": rows})
    control.close()
    client.close()
    return time.perf_counter() - began


async def columns_ready(client: Client, path: str) -> None:
    """Ask until all columns are there."""
    while any(column["status"] != "available" for column in (await client("GET", path))["columns"]):
        pass


# Fan-out


class Listener(asyncio.Protocol):
    """A realtime socket that notes when each message arrived, without looking into it."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._buffer = b""
        self._open = False
        self.arrivals: list[float] = []
        self.ready = asyncio.get_running_loop().create_future()
        self._wanted = 0
        self._all = asyncio.Event()

    async def complete(self, messages: int) -> None:
        """Wait until so many messages have arrived."""
        self._wanted = messages
        if len(self.arrivals) < messages:
            await self._all.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._buffer += data
        if not self._open:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head[:20], head
            self._open, self._buffer = True, rest
        self._take_frames(now)

    def _take_frames(self, now: float) -> None:
        while len(self._buffer) >= 2:
            length, start = self._buffer[1] & 127, 2
            if length == 126:
                if len(self._buffer) < 4:
                    return
                length, start = struct.unpack("!H", self._buffer[2:4])[0], 4
            if len(self._buffer) < start + length:
                return
            self._buffer = self._buffer[start + length :]
            if not self.ready.done():
                self.ready.set_result(None)  # the greeting
            else:
                self.arrivals.append(now)
                if len(self.arrivals) == self._wanted:
                    self._all.set()


async def fan_out(
    address: str, headers: dict[str, str], sockets: int, rows: int, per_second: float
) -> dict[str, float]:
    """Times from a write's request to its event at each of so many sockets, in milliseconds."""
    loop = asyncio.get_running_loop()
    place = urlsplit(address)
    host, port = place.hostname or "", place.port or 0
    request = (
        f"GET {place.path}/realtime?project={_PROJECT}&channels[]=tablesdb.db.tables.news.rows HTTP/1.1\r\n"
        "Host: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    listeners: list[Listener] = []
    for _ in range(sockets):
        _, listener = await loop.create_connection(lambda: Listener(request), host, port)
        await listener.ready
        listeners.append(listener)
    client = await Client(address, headers).open()
    sent: list[float] = []
    began = time.perf_counter()
    for number in range(rows):
        await asyncio.sleep(max(0.0, began + number / per_second - time.perf_counter()))
        sent.append(time.perf_counter())
        await client("POST", "/tablesdb/db/tables/news/rows", {"rowId": "unique()", "data": _ROW})
    with suppress(TimeoutError):
        async with asyncio.timeout(10):
            await asyncio.gather(*(listener.complete(rows) for listener in listeners))
    times = [at - sent[n] for listener in listeners for n, at in enumerate(listener.arrivals)]
    lost = sockets * rows - len(times)
    for listener in listeners:
        listener.transport.close()
    client.close()
    cuts = quantiles(times, n=100)
    return {
        "sockets": sockets,
        "rows_per_second": per_second,
        "p50_ms": round(median(times) * 1000, 2),
        "p95_ms": round(cuts[94] * 1000, 2),
        "p99_ms": round(cuts[98] * 1000, 2),
        "lost": lost,
    }


async def run() -> dict[str, Any]:
    """All measurements."""
    result: dict[str, Any] = {"calls": {}, "fan_out": []}
    headers = {"X-Appwrite-Project": _PROJECT, "X-Appwrite-Key": _KEY}
    command = ("-m", "massage_link.emulator", "--json", "--project", _PROJECT, "--key", _KEY, "--control-token", _TOKEN)
    with running(__file__, "--bare") as bare, running(*command) as told:
        address = json.loads(told)["endpoint"]
        result["seeding_seconds"] = round(await prepare(address, headers), 2)
        works: tuple[tuple[str, str, Work], ...] = (
            ("bare create", bare.strip(), bare_create),
            ("create", address, create),
            ("get", address, get),
            ("list 100", address, list_100),
            ("booking transaction", address, booking),
        )
        for name, where, work in works:
            for clients in (1, 16):
                result["calls"][f"{name}, {clients} clients"] = await measured(where, headers, clients, work)
        for sockets, rows, per_second in ((1, 250, 50.0), (100, 250, 50.0), (1000, 250, 50.0)):
            result["fan_out"].append(await fan_out(address, headers, sockets, rows, per_second))
    ours, theirs = (result["calls"][f"{name}, 1 clients"]["p50_ms"] for name in ("create", "bare create"))
    result["create_over_bare"] = round(ours / theirs, 2)
    return result


def show(result: dict[str, Any]) -> str:
    """The result as a table."""
    lines = [f"{'':34}{'per second':>12}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}"]
    for name, found in result["calls"].items():
        cells = "".join(f"{found[key]:>10}" for key in ("p50_ms", "p95_ms", "p99_ms"))
        lines.append(f"{name:34}{found['per_second']:>12}{cells}")
    for found in result["fan_out"]:
        name = f"event at {found['sockets']} sockets, {found['rows_per_second']:.0f} rows/s"
        cells = "".join(f"{found[key]:>10}" for key in ("p50_ms", "p95_ms", "p99_ms"))
        lines.append(f"{name:34}{'':>12}{cells}  lost {found['lost']}")
    lines.append(f"create / bare create: {result['create_over_bare']} (allowed: {_ALLOWED})")
    lines.append(f"seeding took {result['seeding_seconds']} s")
    return "\n".join(lines)


def main() -> int:
    """0, or 1 when a create costs more than three bare routes or an event was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare:
        serve_bare()
        return 0
    result = asyncio.run(run())
    sys.stdout.write((json.dumps(result) if args.json else show(result)) + "\n")
    lost = sum(found["lost"] for found in result["fan_out"])
    return 1 if lost or result["create_over_bare"] > _ALLOWED else 0


if __name__ == "__main__":
    sys.exit(main())
