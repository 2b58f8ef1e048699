"""Measure realtime against bare httpx and websockets: latency, CPU per change, memory, replay of what was missed.

1. latency: create a booking row → handler entered, our stack and the bare libraries in turns on one embedded server;
   both sides send the same body and parse the same answers.
2. cpu: seconds of this process per event, fed by another process with events as a real server sends them: ours (dedupe,
   typed row, `Change`) against recv + json.loads.
3. memory: resident size while a million events pass.
4. replay: 10,000 missed rows, written through the control plane, until the last one has been handled.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from massage_link import AsyncMassageLink, Booking, Money
from massage_link.client import watching
from massage_link.domain.tables import BOOKINGS
from massage_link.realtime import Credential, Mutable, Page, Policy, Position, Source, Subscriber
from massage_link.testing import Emulator, running_emulator
from massage_link.wire.rows import create_row, read_by
from massage_link.wire.users import create_user, set_labels

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from massage_link.realtime import RawRow

ROUND = 250
ROUNDS = 4
CPU_EVENTS = 50_000
MEMORY_EVENTS = 1_000_000
ROWS = 20_000  # the million events are states of this many rows
MISSED = 10_000
NEVER = 10_000.0
READERS = read_by(["customer", "therapist"])  # a row without them is no booking but a draft


# --- 1: latency -------------------------------------------------------------------------------------------------------
class Latency:
    """Both stacks on one server, in turns."""

    def __init__(self, server: Emulator, link: AsyncMassageLink, columns: Mapping[str, Any]) -> None:
        self._server = server
        self._link = link
        self._columns = dict(columns)
        self._sent: dict[str, float] = {}
        self._number = 0

    def _next(self, side: str) -> str:
        self._number += 1
        row_id = f"bench-{side}-{self._number}"
        self._sent[row_id] = time.perf_counter()
        return row_id

    async def _handled(self, changes: Subscriber[Booking]) -> float:
        await anext(changes)
        return time.perf_counter()

    async def _received(self, socket: ClientConnection) -> float:
        json.loads(await socket.recv())
        return time.perf_counter()

    async def ours(self, changes: Subscriber[Booking]) -> list[float]:
        """Milliseconds through the SDK."""
        took = []
        for _ in range(ROUND):
            row_id = self._next("ours")
            call = create_row(self._link.ports.address(BOOKINGS), Booking, row_id, self._columns, READERS)
            _, at = await asyncio.gather(self._link.send(call), self._handled(changes))
            took.append((at - self._sent[row_id]) * 1000)
        return took

    async def bare(self, http: httpx.AsyncClient, socket: ClientConnection) -> list[float]:
        """Milliseconds through httpx and websockets alone."""
        took = []
        path = "/tablesdb/massage_link/tables/bookings/rows"
        for _ in range(ROUND):
            row_id = self._next("bare")
            body = {"rowId": row_id, "data": self._columns, "permissions": READERS}
            answer, at = await asyncio.gather(http.post(path, json=body), self._received(socket))
            took.append((at - self._sent[row_id]) * 1000)
            answer.raise_for_status().json()
        return took


async def latency(server: Emulator, link: AsyncMassageLink, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Alternate rounds; while one side measures, the other does not listen."""
    bench = Latency(server, link, columns)
    ours: list[float] = []
    bare: list[float] = []
    headers = {"X-Appwrite-Project": server.project_id, "X-Appwrite-Key": server.api_key}
    async with httpx.AsyncClient(base_url=server.endpoint, headers=headers) as http:
        for _ in range(ROUNDS):
            async with link.as_user("ops").bookings.watch() as changes:
                await changes.wait_until_live()
                ours += await bench.ours(changes)
            async with await bare_socket(server, link) as socket:
                bare += await bench.bare(http, socket)
    result: dict[str, Any] = {"ours_ms": spread(ours), "bare_ms": spread(bare)}
    result["ratio"] = {name: round(result["ours_ms"][name] / result["bare_ms"][name], 2) for name in result["ours_ms"]}
    return result


async def bare_socket(server: Emulator, link: AsyncMassageLink) -> ClientConnection:
    """A plain WebSocket that is subscribed to bookings."""
    _, secret = await link.as_user("ops").proof()
    url = server.endpoint.replace("http", "ws", 1) + f"/realtime?project={server.project_id}"
    socket = await connect(url, additional_headers={"X-Appwrite-JWT": secret}, compression=None, proxy=None)
    await socket.recv()
    subscription = {"subscriptionId": "bookings", "channels": ["tablesdb.massage_link.tables.bookings.rows"]}
    await socket.send(json.dumps({"type": "subscribe", "data": [subscription]}))
    await socket.recv()
    return socket


async def columns_of_a_booking(link: AsyncMassageLink) -> dict[str, Any]:
    """What a booking row holds, taken from a real one."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
    booking = await link.bookings.request(
        customer_id="customer",
        therapist_id="therapist",
        service="Deep tissue",
        starts_at=start,
        ends_at=start + timedelta(hours=1),
        price=Money(9_505, "EUR"),
        note="Second courtyard, please ring",
    )
    source = watching.bookings(link)
    page = await source.read_back(Position(datetime.now(UTC) - timedelta(hours=1)), 100)
    [row] = [row for row in page.rows if row["$id"] == booking.id]
    return {name: value for name, value in row.items() if not name.startswith("$")}


def spread(values: list[float]) -> dict[str, float]:
    """The usual percentiles."""
    cuts = statistics.quantiles(values, n=100)
    return {"p50": round(cuts[49], 2), "p95": round(cuts[94], 2), "p99": round(cuts[98], 2)}


# --- 2 and 3: a stream of events --------------------------------------------------------------------------------------
def frame(number: int, columns: Mapping[str, Any], names: list[str]) -> str:
    """An event as a real server sends it: some sixty names, the channels, the row."""
    row_id = f"b{number % ROWS}"
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
    row = {**columns, "version": number // ROWS + 1, "$id": row_id, "$sequence": str(number % ROWS + 1)}
    row |= {
        "$createdAt": stamp,
        "$updatedAt": stamp,
        "$permissions": READERS,
        "$databaseId": "d",
        "$tableId": "bookings",
    }
    data = {"events": names, "channels": names[:16], "timestamp": stamp, "payload": row, "subscriptions": ["bookings"]}
    return json.dumps({"type": "event", "data": data})


async def blast(columns: Mapping[str, Any], events: int) -> None:
    """In a process of its own: a server that sends `events` frames to whoever subscribes, as fast as they are taken."""
    names = [f"tablesdb.massage_link.tables.bookings.rows.b1234567.update.{n}" for n in range(62)]

    async def handle(connection: ServerConnection) -> None:
        user = {"type": "connected", "data": {"channels": [], "subscriptions": [], "user": {"$id": "ops"}}}
        await connection.send(json.dumps(user))
        subscribed = json.loads(await connection.recv())
        confirmed = {"to": "subscribe", "success": True, "subscriptions": subscribed["data"]}
        await connection.send(json.dumps({"type": "response", "data": confirmed}))
        go = asyncio.ensure_future(_pongs(connection))
        for number in range(events):
            await connection.send(frame(number, columns, names))
        await go

    async with serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def _pongs(connection: ServerConnection) -> None:
    async for _ in connection:
        await connection.send('{"type":"pong"}')


async def with_blaster(columns: Mapping[str, Any], events: int, use: Callable[[int], Awaitable[Any]]) -> Any:
    """Run `use` on the port of a blaster in another process."""
    command = [sys.executable, __file__, "--blast", str(events)]
    environment = {**os.environ, "BENCH_COLUMNS": json.dumps(columns)}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, env=environment)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        return await use(int(await process.stdout.readline()))
    finally:
        process.kill()
        await process.wait()


def stream(port: int) -> Subscriber[Booking]:
    """A subscriber of the blaster; nothing is there to be read back."""

    async def read_back(after: Position, limit: int, /) -> Page:  # noqa: ARG001
        return Page([], datetime.now(UTC).replace(microsecond=0))

    async def credential() -> Credential:
        return Credential("session", "secret")

    def decode(raw: RawRow) -> Booking:
        return Booking.model_validate(dict(raw))

    source = Source(
        name="bookings", table="bookings", channels=["x"], identity=Mutable(), decode=decode, read_back=read_back
    )
    policy = Policy(read_back_every=NEVER, max_waiting=10_000_000)
    return Subscriber(
        endpoint=f"http://127.0.0.1:{port}/v1", project="p", sources=[source], credential=credential, policy=policy
    )


async def ours_cpu(port: int) -> float:
    """CPU seconds of this process for `CPU_EVENTS` changes."""
    async with stream(port) as changes:
        await anext(changes)
        begun = time.process_time()
        for _ in range(CPU_EVENTS - 1):
            await anext(changes)
        return time.process_time() - begun


async def bare_cpu(port: int) -> float:
    """CPU seconds of this process for receiving and parsing as many."""
    async with connect(f"ws://127.0.0.1:{port}/v1/realtime", compression=None, proxy=None) as socket:
        await socket.recv()
        await socket.send(json.dumps({"type": "subscribe", "data": [{"subscriptionId": "bookings"}]}))
        await socket.recv()
        json.loads(await socket.recv())
        begun = time.process_time()
        for _ in range(CPU_EVENTS - 1):
            json.loads(await socket.recv())
        return time.process_time() - begun


async def memory(port: int) -> dict[str, Any]:
    """Resident size, in MiB, at a tenth of the events, at half of them, and at the end."""
    sizes = {}
    begun = time.monotonic()
    async with stream(port) as changes:
        for number in range(1, MEMORY_EVENTS + 1):
            await anext(changes)
            if number in {MEMORY_EVENTS // 10, MEMORY_EVENTS // 2, MEMORY_EVENTS}:
                sizes[number] = resident()
    return {"resident_mib": sizes, "seconds": round(time.monotonic() - begun, 1)}


def resident() -> float:
    """This process's resident size now, in MiB (its peak where /proc does not exist)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123
            return round(int(statm.read().split()[1]) * resource.getpagesize() / 2**20, 1)
    except OSError:
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


# --- 4: replay --------------------------------------------------------------------------------------------------------
async def replay(server: Emulator, link: AsyncMassageLink, columns: Mapping[str, Any]) -> dict[str, Any]:
    """How long it takes until the last of the missed rows has been handled."""
    since = datetime.now(UTC)
    begun = time.monotonic()
    for first in range(0, MISSED, 1000):
        rows = [
            {**columns, "$id": f"missed-{number}", "$permissions": READERS} for number in range(first, first + 1000)
        ]
        body = {"databaseId": "massage_link", "tableId": "bookings", "rows": rows}
        await asyncio.to_thread(server.control, "POST", "seed", body)
    seeded = time.monotonic()
    missing = {f"missed-{number}" for number in range(MISSED)}
    async with link.as_user("ops").bookings.watch(since=since) as changes:
        while missing:
            missing.discard((await anext(changes)).row_id)
    return {
        "rows": MISSED,
        "seconds": round(time.monotonic() - seeded, 2),
        "seeding_seconds": round(seeded - begun, 1),
    }


async def run() -> dict[str, Any]:
    """All four."""
    with running_emulator() as server:
        async with server.async_link() as link:
            await link.send(create_user("ops", "ops@example.com", "password-1", "Ops"))
            await link.send(set_labels("ops", ["ops"]))
            columns = await columns_of_a_booking(link)
            result: dict[str, Any] = {"latency": await latency(server, link, columns)}
            result["replay"] = await replay(server, link, columns)
    ours = await with_blaster(columns, CPU_EVENTS, ours_cpu)
    bare = await with_blaster(columns, CPU_EVENTS, bare_cpu)
    microseconds = {"ours": round(ours / CPU_EVENTS * 1e6, 1), "bare": round(bare / CPU_EVENTS * 1e6, 1)}
    result["cpu_us_per_event"] = {**microseconds, "ratio": round(ours / bare, 2)}
    result["memory"] = {"events": MEMORY_EVENTS, "rows": ROWS, **await with_blaster(columns, MEMORY_EVENTS, memory)}
    return result


def beyond_limits(result: dict[str, Any]) -> Iterator[str]:
    """What took longer than it may, a sentence each."""
    ratio = result["latency"]["ratio"]
    resident_mib = list(result["memory"]["resident_mib"].values())
    for what, measured, allowed in (
        ("latency p50 beside raw httpx and websockets", ratio["p50"], 1.15),
        ("latency p99 beside raw httpx and websockets", ratio["p99"], 1.3),
        ("CPU per change beside raw receive and json.loads", result["cpu_us_per_event"]["ratio"], 2.5),
        ("seconds to replay the missed rows", result["replay"]["seconds"], 5.0),
        ("memory at the end beside a tenth of the way", round(resident_mib[-1] / resident_mib[0], 2), 1.1),
    ):
        if measured > allowed:
            yield f"{what}: {measured}, allowed {allowed}"


def main() -> int:
    """Run and print one JSON object; exit 1 when something is beyond its limit."""
    parser = argparse.ArgumentParser(prog="scripts/bench realtime", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--blast", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.blast:
        asyncio.run(blast(json.loads(os.environ["BENCH_COLUMNS"]), options.blast))
        return 0
    result = asyncio.run(run())
    print(json.dumps(result, indent=2))
    too_much = list(beyond_limits(result))
    for each in too_much:
        print(each, file=sys.stderr)
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
