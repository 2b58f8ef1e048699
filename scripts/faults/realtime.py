"""Break connections, kill the consumer and restart the server under load, and count what realtime lost.

Load (bookings that are requested, accepted and cancelled) goes straight to the server. A consumer in a process of its
own watches all bookings and booking events as a service user, through a TCP proxy that drops, resets, stalls, delays,
throttles and splits; it writes down each change before it acknowledges it. In the end that record is held against the
tables. By default all this happens to an embedded server; MASSAGE_LINK_TEST_ENDPOINT, _PROJECT_ID and _API_KEY name a
real one (then without restarts, in a database of its own).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import secrets
import signal
import socket
import struct
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from appwrite.query import Query

from massage_link import AsyncMassageLink, Booking, Money
from massage_link.client import watching
from massage_link.domain.tables import BOOKING_EVENTS, BOOKINGS
from massage_link.errors import IllegalTransition, MassageLinkError, UsageError
from massage_link.realtime import FileCheckpoint, Policy
from massage_link.testing import Emulator, running_emulator
from massage_link.usecases.ports import Ports
from massage_link.usecases.provision import push_schema
from massage_link.wire.control import delete_database
from massage_link.wire.rows import list_rows
from massage_link.wire.users import create_user, delete_user, set_labels

WORKERS = 6
HARD_LIMIT = 390.0  # seconds; the run ends itself then
SETTLE_WITHIN = 60.0
CUTS = ("drop", "drop", "reset", "reset", "stall")
POLICY = Policy(read_back_every=5.0, ping_every=2.0, pong_within=1.0, backoff_first=0.05, backoff_most=1.0)


# --- the proxy --------------------------------------------------------------------------------------------------------
class FaultProxy:
    """Forwards TCP connections to a server and does to them what it is told.

    Attributes:
        delay: seconds that each piece waits.
        piece: bytes forwarded at a time; small ones split frames.
        rate: bytes per second.

    """

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._stalled: set[asyncio.StreamWriter] = set()
        self.delay, self.piece, self.rate = 0.0, 65_536, 0.0
        self.port = 0

    async def start(self) -> asyncio.Server:
        """Listen on a free port of the loopback."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def cut(self, how: str) -> None:
        """End every connection by ``drop`` (closed) or ``reset``, or ``stall`` it: open, but nothing gets through."""
        for pair in [*self._pairs]:
            for writer in pair:
                if how == "stall":
                    self._stalled.add(writer)
                elif not writer.is_closing():
                    _end(writer, reset=how == "reset")

    @property
    def connections(self) -> int:
        """How many connections could be cut now."""
        return len(self._pairs)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            other_reader, other = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        pair = writer, other
        self._pairs.append(pair)
        await asyncio.gather(self._pump(reader, other), self._pump(other_reader, writer))
        self._pairs.remove(pair)
        self._stalled.difference_update(pair)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                piece = self.piece  # it may change meanwhile
                for begin in range(0, len(data), piece):
                    part = data[begin : begin + piece]
                    await asyncio.sleep(self.delay + (len(part) / self.rate if self.rate else 0.0))
                    if writer not in self._stalled:
                        writer.write(part)
                        await writer.drain()
        writer.close()


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if not reset:
        writer.close()
        return
    no_linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
    writer.transport.abort()


# --- the consumer, in its own process ---------------------------------------------------------------------------------
def connect_through(proxy_port: int) -> None:
    """Send every connection of this process to the proxy: the server's own name stays in TLS and in `Host`."""
    connect = asyncio.BaseEventLoop.create_connection

    async def through(loop: Any, factory: Any, host: str, port: int, **options: Any) -> Any:  # noqa: ARG001
        return await connect(loop, factory, "127.0.0.1", proxy_port, **options)

    asyncio.BaseEventLoop.create_connection = through  # type: ignore[assignment, method-assign]


async def consume(options: argparse.Namespace) -> None:
    """Write down every change, one JSON object per line, then ask for the next."""
    key = os.environ["CHAOS_KEY"]
    connect_through(options.through)
    with open(options.record, "ab", buffering=0) as record:  # noqa: ASYNC230, PTH123 # one short write per change

        def note(**facts: object) -> None:
            record.write(json.dumps({"life": options.life, "at": time.time(), **facts}).encode() + b"\n")

        async with AsyncMassageLink(options.endpoint, options.project, api_key=key, database=options.database) as link:
            ops = link.as_user(options.user)
            sources: list[Any] = [watching.bookings(ops), watching.booking_events(ops)]
            checkpoint = FileCheckpoint(options.checkpoint)
            async with watching.subscriber(ops, sources, checkpoint=checkpoint, policy=POLICY) as changes:

                async def note_states() -> None:
                    async for state in changes.states():
                        note(state=state.name, connections=changes.statistics.connections)

                noting = asyncio.create_task(note_states())
                async for change in changes:
                    scope = getattr(change.row, "booking_id", change.row_id)
                    note(id=change.id, table=change.table, scope=scope, version=change.version, source=change.source)
                await noting


@dataclass
class Consumer:
    """The consumer's process, and its lives."""

    arguments: list[str]
    environment: dict[str, str]
    lives: int = 0
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Begin a life."""
        self.lives += 1
        command = [sys.executable, __file__, "--consume", *self.arguments, "--life", str(self.lives)]
        self.process = await asyncio.create_subprocess_exec(*command, env=self.environment)

    async def end(self, how: signal.Signals) -> None:
        """End this life."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(how)
            await self.process.wait()


# --- the load ---------------------------------------------------------------------------------------------------------
@dataclass
class Load:
    """Bookings, each requested, accepted and cancelled; a call that fails is made again until it is answered."""

    link: AsyncMassageLink
    total: int
    rng: random.Random
    done: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    run: str = field(default_factory=lambda: secrets.token_hex(4))

    async def work(self, worker: int) -> None:
        """Every `WORKERS`-th booking, one after the other."""
        for index in range(worker, self.total, WORKERS):
            await self._live(index)
            self.done += 1

    async def _live(self, index: int) -> None:
        starts_at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2 + index // 50)
        booking = await self._surely(
            lambda: self.link.bookings.request(
                customer_id=f"customer-{index % 97}",
                therapist_id=f"therapist-{self.run}-{index}",
                service="Deep tissue",
                starts_at=starts_at,
                ends_at=starts_at + timedelta(hours=1),
                price=Money(9_505, "EUR"),
                idempotency_key=f"{self.run}-{index}",
            )
        )
        await self._surely(lambda: self.link.bookings.accept(booking.id, by=booking.therapist_id))
        await self._surely(lambda: self.link.bookings.cancel(booking.id, by=booking.customer_id))

    async def _surely(self, call: Any) -> Any:
        while True:
            try:
                return await call()
            except IllegalTransition:
                return None  # an earlier attempt had succeeded, and its answer was lost
            except MassageLinkError as error:
                self.errors[type(error).__name__] += 1
                await asyncio.sleep(self.rng.uniform(0.05, 0.3))


# --- the faults -------------------------------------------------------------------------------------------------------
@dataclass
class Chaos:
    """Spreads its faults evenly over the load's progress."""

    load: Load
    proxy: FaultProxy
    consumer: Consumer
    rng: random.Random
    restart: Any
    planted: Counter[str] = field(default_factory=Counter)

    async def wreak(self, *, drops: int, kills: int, restarts: int) -> None:
        """Plant them all."""
        plan = [(self.rng.random(), kind) for kind, times in self._kinds(drops, kills, restarts) for _ in range(times)]
        for moment, kind in sorted(plan):
            while self.load.done < moment * self.load.total * 0.95:  # noqa: ASYNC110 # progress is a number
                await asyncio.sleep(0.01)  # progress is a number, and this is a script
            self.planted[kind] += 1
            await self._plant(kind)

    def _kinds(self, drops: int, kills: int, restarts: int) -> list[tuple[str, int]]:
        return [("cut", drops), ("slow", max(1, drops // 20)), ("kill", kills), ("restart", restarts)]

    async def _plant(self, kind: str) -> None:
        if kind == "cut":
            while not self.proxy.connections:  # noqa: ASYNC110 # a number again
                await asyncio.sleep(0.01)
            how = self.rng.choice(CUTS)
            self.planted[how] += 1
            self.proxy.cut(how)
        elif kind == "slow":
            self.proxy.delay, self.proxy.piece, self.proxy.rate = self.rng.choice(
                [(0.0, 65_536, 0.0), (0.02, 65_536, 0.0), (0.0, 7_000, 2e6), (0.0005, 100, 0.0)]
            )
        elif kind == "kill":
            await self.consumer.end(signal.SIGKILL)
            await self.consumer.start()
        else:
            await self.restart()


# --- the verdict ------------------------------------------------------------------------------------------------------
def judge(record: Path, bookings: list[Booking], events: dict[str, int]) -> dict[str, Any]:
    """Hold what the consumer wrote down against what the tables hold."""
    lines = [json.loads(line) for line in record.read_bytes().splitlines()]
    changes = [line for line in lines if "id" in line]
    by_life = Counter((line["life"], line["id"]) for line in changes)
    first: dict[str, dict[str, Any]] = {}
    for line in changes:
        first.setdefault(line["id"], line)
    versions: dict[tuple[str, str], list[int]] = defaultdict(list)
    for line in first.values():
        versions[line["table"], line["scope"]].append(line["version"])
    lost = sum(max(versions[BOOKINGS.id, each.id], default=0) != each.version for each in bookings)
    lost += sum(len(set(range(1, n + 1)) - set(versions[BOOKING_EVENTS.id, scope])) for scope, n in events.items())
    return {
        "changes": len(first),
        "replays": sum(line["source"] == "replay" for line in first.values()),
        "lost": lost,
        "duplicates": sum(times - 1 for times in by_life.values()),
        "redelivered": len(by_life) - len(first),
        "out_of_order": sum(order != sorted(order) for order in versions.values()),
        "recovery_seconds": recoveries(lines),
    }


def recoveries(lines: list[dict[str, Any]]) -> dict[str, float]:
    """From losing the connection to live again, in seconds; a kill ends what was being measured."""
    took, lost_at, life = [], None, 0
    for line in lines:
        if line["life"] != life:
            lost_at, life = None, line["life"]
        if line.get("state") == "reconnecting" and lost_at is None:
            lost_at = line["at"]
        elif line.get("state") == "live" and lost_at is not None:
            took.append(line["at"] - lost_at)
            lost_at = None
    took.sort()
    shares = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    values = {
        name: round(took[min(len(took) - 1, int(share * len(took)))], 3) for name, share in shares.items() if took
    }
    return {"count": len(took), **values}


async def truth(link: AsyncMassageLink) -> tuple[list[Booking], dict[str, int]]:
    """Every booking, and how many events each has."""
    bookings = await _all(link, BOOKINGS)
    events: Counter[str] = Counter(event.booking_id for event in await _all(link, BOOKING_EVENTS))
    return bookings, dict(events)


async def _all(link: AsyncMassageLink, table: Any) -> list[Any]:
    rows: list[Any] = []
    while True:
        queries = [Query.order_asc("$sequence"), Query.limit(1000)]
        queries += [Query.cursor_after(rows[-1].id)] if rows else []
        page = await link.send(list_rows(link.ports.address(table), table.model, queries))
        rows += page
        if len(page) < 1000:
            return rows


# --- all of it --------------------------------------------------------------------------------------------------------
@dataclass
class Ground:
    """The server that it happens to."""

    endpoint: str
    project: str
    key: str
    database: str | None
    emulator: Emulator | None = None


def prepare(stack: ExitStack, folder: Path) -> Ground:
    """An embedded server, or the one that the environment names."""
    named = {name: os.environ.get(f"MASSAGE_LINK_TEST_{name}", "") for name in ("ENDPOINT", "PROJECT_ID", "API_KEY")}
    if any(named.values()):
        for name, value in named.items():
            if not value:
                raise UsageError(
                    f"MASSAGE_LINK_TEST_{name} is missing: a server is named by endpoint, project and key."
                )
        return Ground(named["ENDPOINT"], named["PROJECT_ID"], named["API_KEY"], f"chaos_{secrets.token_hex(6)}")
    emulator = stack.enter_context(running_emulator(data_dir=folder / "data"))
    return Ground(emulator.endpoint, emulator.project_id, emulator.api_key, None, emulator)


async def run(options: argparse.Namespace, stack: ExitStack, folder: Path) -> dict[str, Any]:
    """One run; returns what to print."""
    ground = prepare(stack, folder)
    begun = time.monotonic()
    rng = random.Random(options.seed)  # noqa: S311
    user = f"chaos-ops-{secrets.token_hex(4)}"
    async with AsyncExitStack() as later:
        link = await later.enter_async_context(
            AsyncMassageLink(ground.endpoint, ground.project, api_key=ground.key, database=ground.database)
        )
        if ground.database:
            await link.run(push_schema(Ports(database=ground.database)))
            later.push_async_callback(link.send, delete_database(ground.database))
        await link.send(create_user(user, f"{user}@example.com", secrets.token_hex(12), "Chaos"))
        later.push_async_callback(link.send, delete_user(user))
        await link.send(set_labels(user, ["ops"]))
        parts = urlsplit(ground.endpoint)
        proxy = FaultProxy(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        await later.enter_async_context(await proxy.start())
        consumer = _consumer(ground, proxy, user, folder)
        later.push_async_callback(consumer.end, signal.SIGKILL)
        await consumer.start()
        await _until_live(folder / "record")

        async def restart() -> None:
            assert ground.emulator is not None
            ground.emulator.kill()
            again = running_emulator(data_dir=folder / "data", port=parts.port or 0, api_key=ground.key, schema=False)
            ground.emulator = await asyncio.to_thread(stack.enter_context, again)

        load = Load(link, options.bookings, rng)
        chaos = Chaos(load, proxy, consumer, rng, restart)
        wreaking = chaos.wreak(
            drops=options.drops, kills=options.kills, restarts=options.restarts if ground.emulator else 0
        )
        await asyncio.gather(wreaking, *(load.work(worker) for worker in range(WORKERS)))
        proxy.delay, proxy.piece, proxy.rate = 0.0, 65_536, 0.0
        loaded = time.monotonic()
        verdict = await _settle(link, folder / "record")
        await consumer.end(signal.SIGTERM)
        return {
            "bookings": options.bookings,
            "seed": options.seed,
            "drops": chaos.planted["cut"],
            "kills": chaos.planted["kill"],
            "restarts": chaos.planted["restart"],
            "faults": dict(chaos.planted),
            **verdict,
            "load_errors": dict(load.errors),
            "settled_seconds": round(time.monotonic() - loaded, 1),
            "seconds": round(time.monotonic() - begun, 1),
        }


def _consumer(ground: Ground, proxy: FaultProxy, user: str, folder: Path) -> Consumer:
    arguments = ["--endpoint", ground.endpoint, "--through", str(proxy.port)]
    arguments += ["--project", ground.project, "--user", user]
    arguments += ["--record", str(folder / "record"), "--checkpoint", str(folder / "checkpoint")]
    arguments += ["--database", ground.database] if ground.database else []
    return Consumer(arguments, {**os.environ, "CHAOS_KEY": ground.key})


async def _until_live(record: Path) -> None:
    async with asyncio.timeout(30):
        while not record.exists() or b'"live"' not in record.read_bytes():  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.05)


async def _settle(link: AsyncMassageLink, record: Path) -> dict[str, Any]:
    """The verdict, as soon as nothing is missing, or when it was waited for long enough."""
    bookings, events = await truth(link)
    deadline = time.monotonic() + SETTLE_WITHIN
    while True:
        verdict = judge(record, bookings, events)
        if not verdict["lost"] or time.monotonic() > deadline:
            return {"events": sum(events.values()), **verdict}
        await asyncio.sleep(0.5)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of zero or more")
    return int(text)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/chaos realtime", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--bookings", type=_count, default=400)
    parser.add_argument("--drops", type=_count, default=40, help="connections cut: closed, reset or stalled")
    parser.add_argument("--kills", type=_count, default=4, help="kill -9 of the consumer")
    parser.add_argument("--restarts", type=_count, default=1, help="kill -9 and restart of the embedded server")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--consume", action="store_true", help=argparse.SUPPRESS)
    for name in ("endpoint", "project", "user", "record", "checkpoint", "database"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    for name in ("life", "through"):
        parser.add_argument(f"--{name}", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Run, print one JSON object, and judge: 0 when nothing was lost, doubled or out of order."""
    options = parse()
    logging.getLogger("massage_link").setLevel(logging.ERROR)  # what is planted need not be reported
    if options.consume:
        with suppress(KeyboardInterrupt):
            asyncio.run(consume(options))
        return 0
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        try:
            result = asyncio.run(asyncio.wait_for(run(options, stack, Path(folder)), HARD_LIMIT))
        except MassageLinkError as error:
            print(f"scripts/chaos realtime: {error}", file=sys.stderr)
            return 2
        except TimeoutError:
            print("scripts/chaos realtime: it took too long and was ended; try fewer bookings.", file=sys.stderr)
            return 2
    print(json.dumps(result, indent=2))
    good = not (result["lost"] or result["duplicates"] or result["out_of_order"])
    return 0 if good and result["redelivered"] <= result["kills"] else 1


if __name__ == "__main__":
    sys.exit(main())
