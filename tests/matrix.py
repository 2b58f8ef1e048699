"""The access matrix: who there is, one row of every table, every raw call in both spellings, and what is expected."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from marketplace import Market, People, Server
from massage_link import Booking, MassageLink
from massage_link.domain.ids import booking_key_id, read_mark_id
from massage_link.domain.rows import Row
from massage_link.domain.tables import BOOKINGS, SLOTS, TABLES, Reader, Table
from massage_link.usecases.commissions import ensure_commission
from massage_link.wire.rows import create_row
from massage_link.wire.users import user_jwt
from patient import Patient

Part: TypeAlias = Literal["customer", "other_customer", "therapist", "other_therapist", "ops", "guest", "key"]
Standing: TypeAlias = Literal["pending", "accepted"]
SIGNED_IN: tuple[Part, ...] = ("customer", "other_customer", "therapist", "other_therapist", "ops")
PARTS: tuple[Part, ...] = (*SIGNED_IN, "guest", "key")
STANDINGS: tuple[Standing, ...] = ("pending", "accepted")


def readers(table: Table[Row], standing: Standing) -> set[Part]:
    """Who may read the row of a booking of `customer` with `therapist`, by the table of readers."""
    parts: set[Part] = {"key"}
    for reader in table.readers:
        match reader:
            case Reader.ANY:
                parts |= set(PARTS)
            case Reader.OPS:
                parts.add("ops")
            case Reader.CUSTOMER:
                parts.add("customer")
            case Reader.THERAPIST:
                parts.add("therapist")
            case Reader.THERAPIST_ONCE_ACCEPTED if standing == "accepted":
                parts.add("therapist")
    return parts


# --- one row of every table ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Seeded:
    """Two bookings of `customer` with `therapist`, one pending and one accepted, and a row of each table for each."""

    bookings: Mapping[Standing, Booking]
    ids: Mapping[tuple[str, Standing], str]


def seed(server: Server, people: People) -> Seeded:
    """Write them, with the use cases where there are some."""
    customer, therapist = people.customer.id, people.therapist.id
    with server.link() as link:
        market = Market(server, link)
        by_hand = dict(_rows_without_a_use_case(link, people))
        bookings: dict[Standing, Booking] = {}
        ids: dict[tuple[str, Standing], str] = {}
        for standing in STANDINGS:
            wish = market.wish(customer_id=customer, therapist_id=therapist, address="Linienstraße 1")
            booking = link.bookings.request(**wish, idempotency_key=standing)
            message = link.chat.send(booking.id, "hello", sender_id=customer)
            link.chat.mark_read(booking.id, message.n, user_id=customer)
            link.run(ensure_commission(link.ports, booking.id))
            if standing == "accepted":
                booking = link.bookings.accept(booking.id, by=therapist)
            bookings[standing] = booking
            ids |= {(name, standing): row_id for name, row_id in by_hand.items()}
            ids |= {(name, standing): row_id for name, row_id in _ids_of(market, booking, message.id, standing).items()}
        return Seeded(bookings, ids)


def _ids_of(market: Market, booking: Booking, message_id: str, standing: Standing) -> dict[str, str]:
    same = ("bookings", "booking_terms", "booking_places", "chat_rooms", "commissions")
    slots = (row["$id"] for row in market.raw_rows(SLOTS) if row["bookingId"] == booking.id)
    return {
        **dict.fromkeys(same, booking.id),
        "booking_keys": booking_key_id(booking.customer_id, standing),
        "booking_events": f"{booking.id}_{booking.version}",
        "slots": next(slots),
        "chat_messages": message_id,
        "chat_reads": read_mark_id(booking.id, booking.customer_id),
        "commission_entries": f"{booking.id}_1",
    }


def _rows_without_a_use_case(link: MassageLink, people: People) -> Iterator[tuple[str, str]]:
    therapist = people.therapist.id
    rows: Mapping[str, tuple[str, dict[str, object]]] = {
        "therapists": ("catalogue-entry", {"name": "Thea", "timezone": "Europe/Berlin"}),
        "therapist_terms": (therapist, {"commissionBps": 2_500}),
        "system_state": ("watermark", {"value": "{}"}),
    }
    for table in TABLES:
        if table.id in rows:
            row_id, columns = rows[table.id]
            granted = [f'read("user:{reader}")' for reader in table.user_readers(therapist_id=therapist)]
            link.send(create_row(link.ports.address(table), table.model, row_id, columns, granted))
            yield table.id, row_id


# --- raw calls ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Spelling:
    """One of the two names by which Appwrite knows everything."""

    name: str
    service: str
    tables: str
    rows: str
    row_id: str

    def path(self, database: str, table: str, *more: str) -> str:
        """Of the table's rows, or below."""
        return "/".join(("", self.service, database, self.tables, table, self.rows, *more))


TABLESDB = Spelling("tablesdb", "tablesdb", "tables", "rows", "rowId")
DOCUMENTS = Spelling("documents", "databases", "collections", "documents", "documentId")
SPELLINGS = (TABLESDB, DOCUMENTS)


@dataclass(frozen=True)
class Target:
    """A row to be read or attacked: where it is, what it holds, and what a forger would make of it."""

    spelling: Spelling
    database: str
    table: str
    row_id: str
    columns: Mapping[str, Any]
    forged: Mapping[str, Any]
    new_id: str

    @property
    def rows(self) -> str:
        """Path of the table's rows."""
        return self.spelling.path(self.database, self.table)

    @property
    def row(self) -> str:
        """Path of the row."""
        return f"{self.rows}/{self.row_id}"

    @property
    def one(self) -> dict[str, str]:
        """The query for this row alone."""
        return {"queries[]": json.dumps({"method": "equal", "attribute": "$id", "values": [self.row_id]})}

    @property
    def number(self) -> str | None:
        """A column to count up, if the table has one."""
        return next((name for name, value in self.columns.items() if type(value) is int), None)

    def new(self, **more: Any) -> dict[str, Any]:
        """The body with which a copy of the row is made."""
        return {self.spelling.row_id: self.new_id, "data": dict(self.columns), **more}


Answer: TypeAlias = httpx.Response
RawCall: TypeAlias = Callable[[httpx.Client, Target], Answer]
READS: Mapping[str, RawCall] = {
    "list": lambda http, it: http.get(it.rows, params=it.one),
    "get": lambda http, it: http.get(it.row),
}
#: What would make a new row.
CREATES: Mapping[str, RawCall] = {
    "create": lambda http, it: http.post(it.rows, json=it.new()),
    "create for everybody": lambda http, it: http.post(it.rows, json=it.new(permissions=['read("any")'])),
    "create for another": lambda http, it: http.post(it.rows, json=it.new(permissions=['read("user:victim")'])),
    "put a new one": lambda http, it: http.put(f"{it.rows}/{it.new_id}", json={"data": it.new()["data"]}),
}
#: What would change or remove a row that is there, or rows at large.
CHANGES: Mapping[str, RawCall] = {
    "patch": lambda http, it: http.patch(it.row, json={"data": it.forged}),
    "patch readers": lambda http, it: http.patch(it.row, json={"permissions": ['read("any")']}),
    "put over it": lambda http, it: http.put(it.row, json={"data": {**it.columns, **it.forged}}),
    "delete": lambda http, it: http.request("DELETE", it.row, json={}),
    "increment": lambda http, it: http.patch(f"{it.row}/{it.number}/increment", json={"value": 1}),
    "decrement": lambda http, it: http.patch(f"{it.row}/{it.number}/decrement", json={"value": 1}),
    "bulk create": lambda http, it: http.post(it.rows, json={it.spelling.rows: [_bulk_row(it)]}),
    "bulk put": lambda http, it: http.put(it.rows, json={it.spelling.rows: [_bulk_row(it)]}),
    "bulk patch": lambda http, it: http.patch(it.rows, json={"data": it.forged}),
    "bulk delete": lambda http, it: http.request("DELETE", it.rows, json={"queries": []}),
}


COUNTING = ("increment", "decrement")


def calls_on(it: Target) -> Mapping[str, RawCall]:
    """The changes that make sense for the target: without a number there is nothing to count."""
    return {name: call for name, call in CHANGES.items() if name not in COUNTING or it.number}


def _bulk_row(it: Target) -> dict[str, Any]:
    return {"$id": it.new_id, **it.columns}


#: Operations that a user may try to slip in by a transaction.
STAGED: Mapping[str, Callable[[Target], dict[str, Any]]] = {
    "create": lambda it: {"action": "create", "rowId": it.new_id, "data": dict(it.columns)},
    "create for another": lambda it: {
        "action": "create",
        "rowId": it.new_id,
        "data": {**it.columns, "$permissions": ['read("user:victim")']},
    },
    "update": lambda it: {"action": "update", "rowId": it.row_id, "data": dict(it.forged)},
    "delete": lambda it: {"action": "delete", "rowId": it.row_id},
    "increment": lambda it: {"action": "increment", "rowId": it.row_id, "data": {"column": it.number, "value": 1}},
    "bulk create": lambda it: {"action": "bulkCreate", "data": [_bulk_row(it)]},
    "bulk update": lambda it: {"action": "bulkUpdate", "data": {"queries": [], "data": dict(it.forged)}},
    "bulk delete": lambda _: {"action": "bulkDelete", "data": {"queries": []}},
}


def transacted(http: httpx.Client, it: Target, name: str) -> bool:
    """Whether a transaction with this operation was committed."""
    begun = http.post("/tablesdb/transactions", json={"ttl": 60})
    if begun.is_error:
        return False
    transaction = f"/tablesdb/transactions/{begun.json()['$id']}"
    operation = {"databaseId": it.database, "tableId": it.table, **STAGED[name](it)}
    if http.post(f"{transaction}/operations", json={"operations": [operation]}).is_error:
        return False
    return http.patch(transaction, json={"commit": True}).is_success


def may_create(part: Part, table: Table[Row], *, direct_write: bool) -> bool:
    """Whether somebody may write a new row of a table: the key any, signed-in users bookings in direct-write mode."""
    return part == "key" or (direct_write and table.id == BOOKINGS.id and part in SIGNED_IN)


# --- who calls ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Cast:
    """Everybody, with the headers by which they are known, and a bare HTTP client each."""

    server: Server
    headers: Mapping[Part, Mapping[str, str]] = field(repr=False)
    http: Mapping[Part, httpx.Client] = field(repr=False)


@contextmanager
def cast(server: Server, people: People) -> Iterator[Cast]:
    """Users act by short JWTs, the key by itself, the guest by nothing."""
    project = {"X-Appwrite-Project": server.project_id}
    known: dict[Part, Mapping[str, str]] = {"guest": project, "key": project | {"X-Appwrite-Key": server.api_key}}
    with server.link() as link, ExitStack() as leaving:
        for part in SIGNED_IN:
            known[part] = project | {"X-Appwrite-JWT": link.send(user_jwt(getattr(people, part).id))}
        clients = {
            part: leaving.enter_context(
                httpx.Client(base_url=server.endpoint, headers=dict(headers), timeout=30, transport=Patient())
            )
            for part, headers in known.items()
        }
        yield Cast(server, known, clients)


# --- realtime -----------------------------------------------------------------------------------------------------
_ROW = re.compile(r"databases\.[^.]+\.tables\.(?P<table>[^.]+)\.rows\.(?P<row>.+)\.[a-z]+")
_FENCES = 3
#: Tables and row ids.
RowNames: TypeAlias = set[tuple[str, str]]


@dataclass
class Ear:
    """One socket that listens to all rows of all tables, by one spelling of the channels."""

    socket: ClientConnection
    heard: RowNames = field(default_factory=set)

    async def listen_until(self, fence: tuple[str, str], times: int) -> None:
        """Note every row that an event is about, until the fence has come so many times."""
        while times:
            message = json.loads(await self.socket.recv())
            assert message["type"] == "event", message
            named = [found for found in map(_ROW.fullmatch, message["data"]["events"]) if found]
            row = (named[0]["table"], message["data"]["payload"]["$id"])
            times -= row == fence
            self.heard.add(row)


def channels(spelling: Spelling, database: str) -> list[str]:
    """The channels of all rows."""
    return [spelling.path(database, table.id).removeprefix("/").replace("/", ".") for table in TABLES]


class Ears:
    """Sockets of everybody, in every spelling of the channels."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._open = AsyncExitStack()
        self.by: dict[tuple[Part, str], Ear] = {}

    async def __aenter__(self) -> Self:
        server = self._cast.server
        url = f"{server.endpoint.replace('http', 'ws', 1)}/realtime?project={server.project_id}"
        for part in PARTS:
            for spelling in SPELLINGS:
                given = dict(self._cast.headers[part])
                socket = await self._open.enter_async_context(connect(url, additional_headers=given, max_size=None))
                assert json.loads(await socket.recv())["type"] == "connected"
                wanted = [{"channels": channels(spelling, server.database)}]
                await socket.send(json.dumps({"type": "subscribe", "data": wanted}))
                assert json.loads(await socket.recv())["data"]["success"]
                self.by[part, spelling.name] = Ear(socket)
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(ConnectionClosed):
            await self._open.aclose()

    async def heard(
        self, market: Market, fence: Table[Row], row_id: str
    ) -> dict[tuple[Part, str], set[tuple[str, str]]]:
        """What each has heard by now. Everybody may read the fence: once it came, what was written before it has come.

        Appwrite does not keep the order of events strictly, so the fence is written several times.
        """
        row = next(row for row in market.raw_rows(fence) if row["$id"] == row_id)
        for _ in range(_FENCES):
            touch(self._cast, fence, row)
        for ear in self.by.values():
            await ear.listen_until((fence.id, row_id), _FENCES)
        return {who: ear.heard - {(fence.id, row_id)} for who, ear in self.by.items()}


def touch(cast: Cast, table: Table[Row], row: Mapping[str, Any]) -> None:
    """Write a row as it is, with the key: nothing changes, and everybody who may read it gets an event."""
    name = next(name for name, value in row.items() if not name.startswith("$") and isinstance(value, str))
    path = TABLESDB.path(cast.server.database, table.id, row["$id"])
    cast.http["key"].patch(path, json={"data": {name: row[name]}}).raise_for_status()


def columns_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a raw row."""
    return {name: value for name, value in row.items() if not name.startswith("$")}


def expected_rows(part: Part, seeded: Seeded, tables: Sequence[Table[Row]] = TABLES) -> RowNames:
    """The seeded rows that somebody may read."""
    return {
        (table.id, seeded.ids[table.id, standing])
        for table in tables
        for standing in STANDINGS
        if part in readers(table, standing)
    }
