"""A server to test against, people who act on it, and links of both colours behind one awaited surface."""

from __future__ import annotations

import asyncio
import inspect
import os
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle, product
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
from appwrite.query import Query

from massage_link import AsyncMassageLink, MassageLink, Money
from massage_link.client.operation import listing
from massage_link.domain.booking import Booking
from massage_link.domain.commission import CommissionEntry
from massage_link.domain.ledger import rebuilt
from massage_link.domain.rows import Row
from massage_link.domain.slots import buckets
from massage_link.domain.states import LIVE
from massage_link.domain.tables import (
    BOOKING_EVENTS,
    BOOKING_KEYS,
    BOOKING_PLACES,
    BOOKING_TERMS,
    BOOKINGS,
    CHAT_MESSAGES,
    CHAT_ROOMS,
    COMMISSION_ENTRIES,
    COMMISSIONS,
    SLOTS,
    TABLES,
    Table,
)
from massage_link.errors import NotFound
from massage_link.testing import Emulator
from massage_link.usecases.ports import Ports
from massage_link.usecases.provision import push_schema
from massage_link.wire.call import Call, nothing, path
from massage_link.wire.control import delete_database
from massage_link.wire.rows import list_raw_rows, list_rows, with_ids
from massage_link.wire.users import create_user, delete_user, set_labels

R = TypeVar("R", bound=Row)
T = TypeVar("T")
_SETTINGS = ("APPWRITE_", "MASSAGE_LINK_")
#: A test that waits longer than this for others has found a fault. A real server starts functions cold, runs those of
#: one event after another, and makes its callers wait for the next minute.
PATIENCE = 240.0 if "MASSAGE_LINK_TEST_ENDPOINT" in os.environ else 60.0


@contextmanager
def without_settings() -> Iterator[None]:
    """No setting of the developer's own environment reaches a test."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(_SETTINGS)}
    try:
        yield
    finally:
        os.environ.update(kept)


# --- the server -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Server:
    """Where to test, with which key, in which database; `commands` is the id of that function there."""

    endpoint: str
    project_id: str
    api_key: str = field(repr=False)
    database: str = ""
    emulator: Emulator | None = None
    commands: str = "commands"

    def arguments(self, **changes: Any) -> dict[str, Any]:
        """The arguments with which to make a link with the key."""
        ports = Ports(commands_function=self.commands)
        wanted = {"api_key": self.api_key, "database": self.database or None, "ports": ports, **changes}
        return {"endpoint": self.endpoint, "project_id": self.project_id, **wanted}

    def link(self, **changes: Any) -> MassageLink:
        """A blocking link."""
        return MassageLink(**self.arguments(**changes))

    def env_file(self, folder: Path) -> Path:
        """A file of settings in this folder, by which a command acts with the key."""
        lines = {
            "APPWRITE_ENDPOINT": self.endpoint,
            "APPWRITE_PROJECT_ID": self.project_id,
            "APPWRITE_API_KEY": self.api_key,
            "MASSAGE_LINK_DATABASE": self.database,
        }
        file = folder / ".env"
        file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        return file


def named_server() -> Server | None:
    """The server that the environment names to be tested against, if it does."""
    endpoint = os.environ.get("MASSAGE_LINK_TEST_ENDPOINT")
    if endpoint is None:
        return None
    return Server(endpoint, os.environ["MASSAGE_LINK_TEST_PROJECT_ID"], os.environ["MASSAGE_LINK_TEST_API_KEY"])


#: Looked up at once: the tests run without our settings in the environment.
NAMED_SERVER = named_server()


@contextmanager
def own_database(
    server: Server, tables: Sequence[Table[Row]] = TABLES, *, direct_write: bool = False
) -> Iterator[Server]:
    """The server with our tables in a new database, which is removed at the end."""
    database = f"test_{secrets.token_hex(6)}"
    with server.link() as link:
        try:
            link.run(push_schema(Ports(database=database), tables=tables, direct_write=direct_write))
            # Users' commands run where `deployed` says; no function works in this database by itself.
            yield replace(server, database=database, commands=f"commands-of-{database}")
        finally:
            with suppress(NotFound):
                link.send(delete_database(database))


@dataclass(frozen=True)
class Person:
    """A user who can sign in."""

    id: str
    email: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class People:
    """One of each; `ops` has the label of that name."""

    customer: Person
    therapist: Person
    other_customer: Person
    other_therapist: Person
    ops: Person


@contextmanager
def hired_people(server: Server) -> Iterator[People]:
    """New users, who are removed at the end."""
    with ExitStack() as leaving, server.link() as link:

        def hire(part: str) -> Person:
            person_id = f"{part}-{secrets.token_hex(6)}"
            person = Person(person_id, f"{person_id}@example.com", secrets.token_hex(12))
            leaving.callback(_dismiss, server, person_id)
            link.send(create_user(person.id, person.email, person.password, part.title()))
            return person

        hired = People(hire("customer"), hire("therapist"), hire("customer-2"), hire("therapist-2"), hire("ops"))
        link.send(set_labels(hired.ops.id, ["ops"]))
        yield hired


def _dismiss(server: Server, person_id: str) -> None:
    with server.link() as link, suppress(NotFound):
        link.send(delete_user(person_id))


# --- links ------------------------------------------------------------------------------------------------------------
class LinkMaker:
    """Makes links of one colour, all with an awaited surface, and closes them at the end."""

    def __init__(self, server: Server, pool: ThreadPoolExecutor | None) -> None:
        self._server = server
        self._pool = pool
        self._made: list[AsyncMassageLink] = []

    @property
    def blocking(self) -> bool:
        """Whether the links behind the surface are blocking ones."""
        return self._pool is not None

    def __call__(self, **changes: Any) -> AsyncMassageLink:
        """A new link with the server's key, unless the arguments say otherwise."""
        arguments = self._server.arguments(**changes)
        made = AsyncMassageLink(**arguments) if self._pool is None else awaited(MassageLink(**arguments), self._pool)
        self._made.append(made)
        return made

    def abreast(self, number: int, **changes: Any) -> list[AsyncMassageLink]:
        """Links whose first commits wait for each other: all have read and staged before any of them commits."""
        if self._pool is None:
            together = asyncio.Barrier(number)
            return [self(transport=_AsyncGate(together), **changes) for _ in range(number)]
        barrier = threading.Barrier(number, timeout=PATIENCE)
        return [self(transport=_Gate(barrier), **changes) for _ in range(number)]

    async def aclose(self) -> None:
        """Close them all."""
        for link in self._made:
            await link.aclose()


def _commits(request: httpx.Request) -> bool:
    return request.method == "PATCH" and "/transactions/" in request.url.path


class _Gate(httpx.BaseTransport):
    def __init__(self, together: threading.Barrier) -> None:
        self._inner = httpx.HTTPTransport(verify=False)
        self._together: threading.Barrier | None = together

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if _commits(request) and self._together is not None:
            together, self._together = self._together, None
            together.wait()
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


class _AsyncGate(httpx.AsyncBaseTransport):
    def __init__(self, together: asyncio.Barrier) -> None:
        self._inner = httpx.AsyncHTTPTransport(verify=False)
        self._together: asyncio.Barrier | None = together

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if _commits(request) and self._together is not None:
            together, self._together = self._together, None
            async with asyncio.timeout(PATIENCE):
                await together.wait()
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def awaited(link: MassageLink, pool: ThreadPoolExecutor) -> AsyncMassageLink:
    """A blocking link with the surface of an async one: each call runs in a thread."""
    return cast("AsyncMassageLink", _Awaited(link, pool))


class _Awaited:
    """Looks like `AsyncMassageLink`; what it does is done by a `MassageLink`."""

    def __init__(self, link: MassageLink, pool: ThreadPoolExecutor) -> None:
        self._link = link
        self._pool = pool
        self.bookings = _AwaitedResource(link.bookings, pool)
        self.chat = _AwaitedResource(link.chat, pool)
        self.commissions = _AwaitedResource(link.commissions, pool)
        self.account = _AwaitedResource(link.account, pool)
        self.availability = _AwaitedResource(link.availability, pool)
        self.analytics = _AwaitedResource(link.analytics, pool)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    def __repr__(self) -> str:
        return repr(self._link)

    def as_user(self, user_id: str) -> _Awaited:
        return _Awaited(self._link.as_user(user_id), self._pool)

    def with_key(self, api_key: str) -> _Awaited:
        return _Awaited(self._link.with_key(api_key), self._pool)

    def with_session(self, session: str) -> _Awaited:
        return _Awaited(self._link.with_session(session), self._pool)

    def _sharing(self, session: Any) -> _Awaited:
        return _Awaited(self._link._sharing(session), self._pool)

    async def sign_in(self, email: str, password: str) -> _Awaited:
        return _Awaited(await _in_thread(self._pool, self._link.sign_in, email, password), self._pool)

    async def run(self, flow: Any) -> Any:
        return await _in_thread(self._pool, self._link.run, flow)

    async def send(self, call: Any) -> Any:
        return await _in_thread(self._pool, self._link.send, call)

    async def aclose(self) -> None:
        self._link.close()


class _AwaitedResource:
    def __init__(self, resource: object, pool: ThreadPoolExecutor) -> None:
        self._resource = resource
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._resource, name)
        if isinstance(inspect.getattr_static(type(self._resource), name), listing):
            return lambda *args, **kwargs: _walked(self._pool, method(*args, **kwargs))
        return partial(_in_thread, self._pool, method)


async def _in_thread(pool: ThreadPoolExecutor, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, partial(work, *args, **kwargs))


async def _walked(pool: ThreadPoolExecutor, rows: Iterator[T]) -> AsyncIterator[T]:
    done: Any = object()
    while (row := await _in_thread(pool, next, rows, done)) is not done:
        yield row


async def all_of(rows: AsyncIterator[T]) -> list[T]:
    """Everything that a listing gives."""
    return [row async for row in rows]


# --- what is asked for, and what is found ---------------------------------------------------------------------------
#: Within the horizon that a catalogue can have; no therapist of the tests is booked that often.
_times = cycle(product((12, 20, 4), range(2, 700)))


@dataclass(frozen=True)
class Market:
    """What tests ask for, and what they find in the tables with the key."""

    server: Server
    link: MassageLink = field(repr=False)

    def someone(self, part: str = "user") -> str:
        """A new user id; nobody signs in as this one."""
        return f"{part}-{secrets.token_hex(6)}"

    def start(self) -> datetime:
        """An hour, UTC, at which no test has booked one of its therapists yet, nor within some hours of it."""
        hour, days = next(_times)
        return datetime.now(UTC).replace(hour=hour, minute=0, second=0, microsecond=0) + timedelta(days=days)

    def wish(self, **changes: Any) -> dict[str, Any]:
        """Arguments of a request that is as it should be; the therapist is nobody's and the time is free."""
        starts_at = changes.pop("starts_at", None) or self.start()
        return {
            "customer_id": self.someone("customer"),
            "therapist_id": self.someone("therapist"),
            "service": "Deep tissue",
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(minutes=60),
            "price": Money(9_505, "EUR"),
            **changes,
        }

    def rows(self, table: Table[R], *queries: str) -> list[R]:
        """Rows of a table, read with the key; up to 5,000."""
        address = self.link.ports.address(table)
        return self.link.send(list_rows(address, table.model, [*queries, Query.limit(5_000)]))

    def raw_rows(self, table: Table[Row]) -> list[dict[str, Any]]:
        """Rows as the server shows them to the key; up to 5,000."""
        return self.link.send(list_raw_rows(self.link.ports.address(table), [Query.limit(5_000)])).rows

    def contents(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Every row of every table, by table and id."""
        return {table.id: {row["$id"]: row for row in self.raw_rows(table)} for table in TABLES}

    def empty(self) -> None:
        """Remove every row."""
        for table in TABLES:
            rows = path("tablesdb", self.server.database, "tables", table.id, "rows")
            self.link.send(Call("DELETE", rows, nothing, {"queries": []}))

    def remove(self, table: Table[Row], *row_ids: str) -> None:
        """Take rows away, as nobody of ours does."""
        rows = path("tablesdb", self.server.database, "tables", table.id, "rows")
        self.link.send(Call("DELETE", rows, nothing, {"queries": [with_ids(row_ids)]}))

    def slots_of(self, booking: Booking) -> list[int]:
        """Numbers of the slots that are held for a booking, ascending."""
        held = self.rows(SLOTS, Query.equal("bookingId", [booking.id]))
        return sorted(int(slot.id.rpartition("_")[2]) for slot in held)

    def check(self) -> None:
        """Assert what holds at any time, over every row of the database."""
        bookings = {row.id: row for row in self.rows(BOOKINGS)}
        self._check_bookings(bookings)
        self._check_slots(bookings)
        self._check_commissions(bookings)
        self._check_chat()

    def _check_bookings(self, bookings: dict[str, Booking]) -> None:
        versions: dict[str, list[int]] = {booking_id: [] for booking_id in bookings}
        for event in self.rows(BOOKING_EVENTS, Query.order_asc("version")):
            versions[event.booking_id].append(event.version)
        for booking in bookings.values():
            assert versions[booking.id] == list(range(1, booking.version + 1)), booking
        for table in (BOOKING_TERMS, BOOKING_PLACES):
            assert {row.id for row in self.rows(table)} == set(bookings), table.id
        assert {row.booking_id for row in self.rows(BOOKING_KEYS)} <= set(bookings)

    def _check_slots(self, bookings: dict[str, Booking]) -> None:
        held: dict[str, list[int]] = {}
        for slot in self.rows(SLOTS):
            held.setdefault(slot.booking_id, []).append(int(slot.id.rpartition("_")[2]))
        expected = {
            each.id: list(buckets(each.starts_at, each.ends_at, each.buffer))
            for each in bookings.values()
            if each.status in LIVE
        }
        assert {booking_id: sorted(numbers) for booking_id, numbers in held.items()} == expected

    def _check_commissions(self, bookings: dict[str, Booking]) -> None:
        commissions = {row.id: row for row in self.rows(COMMISSIONS)}
        entries: dict[str, list[CommissionEntry]] = {booking_id: [] for booking_id in commissions}
        for entry in self.rows(COMMISSION_ENTRIES, Query.order_asc("n")):
            entries[entry.booking_id].append(entry)
        assert set(commissions) <= set(bookings)
        for each in commissions.values():
            accrual = entries[each.id][0]
            assert (accrual.reference, accrual.gross_minor) == ("accrual", bookings[each.id].price_minor), each
            assert each.columns() == rebuilt(entries[each.id]).columns()
            assert each.commission + each.net == each.gross

    def _check_chat(self) -> None:
        numbers: dict[str, list[int]] = {}
        for message in self.rows(CHAT_MESSAGES, Query.order_asc("n")):
            numbers.setdefault(message.room_id, []).append(message.n)
        for room_id, found in numbers.items():
            assert found == list(range(1, len(found) + 1)), room_id
        for room in self.rows(CHAT_ROOMS):
            assert 1 <= room.message_count <= len(numbers[room.id]), room


async def gathered(*work: Any) -> Sequence[Any]:
    """Results and errors of things done at once."""
    return await asyncio.gather(*work, return_exceptions=True)
