"""A realtime server small enough to misbehave on command: rows in memory, events over a real socket.

It speaks the messages that a 1.9.6 server was recorded to speak (tests/data/realtime.json). Rows are read back through
plain callables, so a test decides what the HTTP side answers.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from massage_link.realtime import Credential, Mutable, Numbered, Page, Policy, Source, Subscriber

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from massage_link.realtime import Change, Position

FAST = Policy(
    window=timedelta(seconds=5),
    read_back_every=30.0,
    ping_every=5.0,
    pong_within=2.5,
    backoff_first=0.001,
    backoff_most=0.01,
    connections_per_minute=10_000,
)
"""A policy under which reconnections take no time, and neither heartbeats nor read-backs come by themselves."""


@dataclass
class Table:
    """Rows of one table, as a server holds them."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    sequence: int = 0


class RealtimeDouble:
    """One project's tables, its sockets, and the faults planted in them.

    Attributes:
        lose: how many of the next events are written but not sent.
        greeting: sent instead of ``connected`` when set.
        answers: sent instead of the response to a message of this type; None for no answer.
        refuse_with: HTTP statuses for the next handshakes.
        read_errors: raised by the next read-backs.
        known_secrets: what a handshake's secret must be; anybody else is a guest.
        handshakes: the headers of each.
        received: every message from clients; `heard` is set with each.

    """

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.clock_offset = timedelta(0)
        self.lose = 0
        self.greeting: Mapping[str, Any] | None = None
        self.answers: dict[str, Mapping[str, Any] | None] = {}
        self.refuse_with: deque[int] = deque()
        self.read_errors: deque[Exception] = deque()
        self.fetched: list[str] = []
        self.read_backs = 0
        self.known_secrets = {"secret"}
        self.handshakes: list[Mapping[str, str]] = []
        self.received: list[dict[str, Any]] = []
        self.heard = asyncio.Event()
        self._subscriptions: dict[ServerConnection, dict[str, list[str]]] = {}
        self._frozen: set[ServerConnection] = set()
        self.server: Server | None = None

    @property
    def endpoint(self) -> str:
        """The address as a client's settings have it."""
        assert self.server is not None
        port = next(iter(self.server.sockets)).getsockname()[1]
        return f"http://127.0.0.1:{port}/v1"

    def now(self) -> datetime:
        """The server's clock, cut to milliseconds."""
        now = datetime.now(UTC) + self.clock_offset
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def write(
        self, table: str, row_id: str, *, stamp: datetime | None = None, lose: bool = False, **columns: Any
    ) -> None:
        """Create or update a row, and send the event unless it is to be lost."""
        here = self.tables.setdefault(table, Table())
        at = (stamp or self.now()).isoformat(timespec="milliseconds")
        old = here.rows.get(row_id)
        if old is None:
            here.sequence += 1
        row = {"$sequence": str(here.sequence), "$createdAt": at, **(old or {}), **columns}
        row |= {"$id": row_id, "$updatedAt": at, "$permissions": []}
        here.rows[row_id] = row
        if lose or self.lose > 0:
            self.lose -= not lose
            return
        self.publish(table, row, "update" if old else "create")

    def publish(self, table: str, row: Mapping[str, Any], action: str) -> None:
        """Send an event to every connection whose subscriptions match."""
        for connection, subscriptions in [*self._subscriptions.items()]:
            matching = [
                name for name, channels in subscriptions.items() if f"tablesdb.db.tables.{table}.rows" in channels
            ]
            if matching:
                event = f"tablesdb.db.tables.{table}.rows.{row['$id']}.{action}"
                data = {"events": [event], "channels": [], "timestamp": self.now().isoformat(), "payload": row}
                self.send(connection, {"type": "event", "data": {**data, "subscriptions": matching}})

    def send(self, connection: ServerConnection, message: Any) -> None:
        """Put a message on the wire now, without waiting."""
        if connection not in self._frozen and connection.state is State.OPEN:
            text = message if isinstance(message, str) else json.dumps(message)
            connection.protocol.send_text(text.encode())
            connection.send_data()

    def say(self, message: Any) -> None:
        """Send a message to every connection."""
        for connection in self._subscriptions:
            self.send(connection, message)

    def freeze(self) -> None:
        """Make the open connections half-open: they receive nothing any more, pongs neither."""
        self._frozen.update(self._subscriptions)

    def cut(self) -> None:
        """Break every connection as a crash would."""
        for connection in [*self._subscriptions]:
            connection.transport.abort()

    async def close(self, code: int) -> None:
        """Close every connection with a code."""
        await asyncio.gather(*(connection.close(code) for connection in [*self._subscriptions]))

    @property
    def connections(self) -> int:
        """How many sockets are open."""
        return len(self._subscriptions)

    def source(
        self, table: str = "bookings", *, numbered: bool = False, version: str | None = "version"
    ) -> Source[Any]:
        """A source that watches `table`; its rows stay mappings."""

        async def read_back(after: Position, limit: int) -> Page:
            self.read_backs += 1
            if self.read_errors:
                raise self.read_errors.popleft()
            rows = sorted(self.tables.get(table, Table()).rows.values(), key=_order)
            return Page([row for row in rows if _is_after(row, after)][:limit], self.now().replace(microsecond=0))

        async def fetch(ids: Sequence[str]) -> list[Mapping[str, Any]]:
            self.fetched += ids
            rows = self.tables.get(table, Table()).rows
            return [rows[one] for one in ids if one in rows]

        return Source(
            name=table,
            table=table,
            channels=[f"tablesdb.db.tables.{table}.rows"],
            identity=Numbered(scope="scope", number="n") if numbered else Mutable(version),
            decode=dict,
            read_back=read_back,
            fetch=fetch,
        )

    def subscriber(self, *sources: Source[Any], secret: str = "secret", **options: Any) -> Subscriber[Any]:
        """A subscriber of this server, with the `FAST` policy unless another is given."""

        async def credential() -> Credential:
            return Credential("session", secret)

        settings = {"policy": FAST, "credential": credential, **options}
        return Subscriber(endpoint=self.endpoint, project="p", sources=sources or (self.source(),), **settings)

    def _refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        self.handshakes.append(dict(request.headers.raw_items()))
        return connection.respond(self.refuse_with.popleft(), "refused") if self.refuse_with else None

    async def _serve(self, connection: ServerConnection) -> None:
        self._subscriptions[connection] = {}
        secret = self.handshakes[-1].get("X-Appwrite-Session", "")
        secret = secret or self.handshakes[-1].get("X-Appwrite-JWT", "")
        user = {"$id": "ann"} if secret in self.known_secrets else None
        greeting = {"type": "connected", "data": {"channels": [], "subscriptions": [], "user": user}}
        self.send(connection, self.greeting or greeting)
        try:
            async for frame in connection:
                message = json.loads(frame)
                self.received.append(message)
                self.heard.set()
                self._answer(connection, message)
        except ConnectionClosed:
            pass
        finally:
            del self._subscriptions[connection]

    def _answer(self, connection: ServerConnection, message: dict[str, Any]) -> None:
        if message["type"] in self.answers:
            if (answer := self.answers[message["type"]]) is not None:
                self.send(connection, answer)
            return
        if message["type"] == "ping":
            self.send(connection, {"type": "pong"})
            return
        assert message["type"] == "subscribe", message
        for item in message["data"]:
            self._subscriptions[connection][item["subscriptionId"]] = item["channels"]
        data = {"to": "subscribe", "success": True, "subscriptions": message["data"]}
        self.send(connection, {"type": "response", "data": data})


@asynccontextmanager
async def running_double() -> AsyncIterator[RealtimeDouble]:
    """A double that listens on a free port of the loopback."""
    double = RealtimeDouble()
    async with serve(
        double._serve,
        "127.0.0.1",
        0,
        process_request=double._refuse,
        ping_interval=None,
        compression=None,
        close_timeout=1,
    ) as server:
        double.server = server
        yield double
        double.cut()


def _order(row: Mapping[str, Any]) -> tuple[str, int]:
    return row["$updatedAt"], int(row["$sequence"])


def _is_after(row: Mapping[str, Any], after: Position) -> bool:
    stamp = datetime.fromisoformat(row["$updatedAt"])
    if after.sequence is None:
        return stamp >= after.updated_at
    return (stamp, int(row["$sequence"])) > (after.updated_at, int(after.sequence))


async def take(subscriber: Subscriber[Any], count: int) -> list[Change[Any]]:
    """The next `count` changes."""
    async with asyncio.timeout(20):
        return [await anext(subscriber) for _ in range(count)]


async def until_live(subscriber: Subscriber[Any]) -> None:
    """Wait for the subscriber, but not for ever."""
    async with asyncio.timeout(20):
        await subscriber.wait_until_live()


async def until(subscriber: Subscriber[Any], name: str) -> None:
    """Wait until the subscriber enters a state of this name."""
    async with asyncio.timeout(20):
        async for state in subscriber.states():
            if state.name == name:
                return
