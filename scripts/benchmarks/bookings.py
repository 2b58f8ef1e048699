"""How long a booking takes: by key, through `commands`, and by direct write, until the therapist's handler has it.

Beside it the same raw calls: a bare HTTP client that parses the same bodies, and a bare socket. Then with 1,000, 10,000
and 100,000 bookings in the table, on a server each, taking turns. Exit status 1 when the median with 100,000 is more
than 1.3 times that with 1,000. `--json` prints one object. Ends within 240 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from massage_link import AsyncMassageLink, Booking
from massage_link.domain.ids import slot_id
from massage_link.domain.people import Therapist
from massage_link.domain.request import NewBooking, new_booking
from massage_link.domain.rows import to_wire_time
from massage_link.domain.tables import (
    BOOKING_EVENTS,
    BOOKING_PLACES,
    BOOKING_TERMS,
    BOOKINGS,
    DATABASE,
    SLOTS,
    THERAPIST_TERMS,
    THERAPISTS,
)
from massage_link.domain.wish import BookingWish
from massage_link.schema.functions import FUNCTIONS
from massage_link.testing import Emulator, running_emulator
from massage_link.usecases.ports import create_derived
from massage_link.wire.control import update_function
from massage_link.wire.executions import CALLER_JWT
from massage_link.wire.rows import read_by
from massage_link.wire.transactions import bulk_create, create
from massage_link.wire.users import create_user, user_jwt

_FUNCTIONS = Path(__file__).parents[2] / "functions"
_SIZES = (1_000, 10_000, 100_000)
_ROUNDS = 50  # bookings by each path, beside the raw calls, unless they take longer than
_SECONDS = 45.0
_ROUNDS_BY_SIZE = 150  # bookings by each path at each size, unless so many seconds have passed since the beginning
_END = 215.0
_WARM_UP = 5
_BATCH = 5_000  # rows of one seeding call
_THERAPISTS = 200
_ALLOWED_GROWTH = 1.3
_SERVICE = {"name": "Deep tissue", "minutes": 60, "priceMinor": 9505, "currency": "EUR", "bufferMinutes": 15}
_EVERY_DAY = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
_ROWS = f"/tablesdb/{DATABASE}/tables"
_APART = timedelta(minutes=90)
_TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

Taken = tuple[float, float]  # seconds until the answer and until the therapist's handler
Path_ = Callable[["Shop"], Awaitable[Taken]]


# --- who has been told ------------------------------------------------------------------------------------------------
class Arrivals:
    """When the other side first had each thing, by a name of it."""

    def __init__(self) -> None:
        self._at: defaultdict[str, asyncio.Future[float]] = defaultdict(asyncio.get_running_loop().create_future)

    def note(self, name: str) -> None:
        """It is there now."""
        if not self._at[name].done():
            self._at[name].set_result(time.perf_counter())

    async def of(self, name: str) -> float:
        """When it came, by `time.perf_counter`."""
        return await asyncio.wait_for(self._at[name], 30)


async def settled(http: httpx.AsyncClient, server: Emulator) -> None:
    """Wait until no function has anything left to do."""
    url = f"{server.endpoint.removesuffix('/v1')}/_emulator/functions"
    while True:
        answer = await http.get(url, headers={"X-Emulator-Token": server.control_token})
        if not answer.json()["pending"]:
            return


async def _handle(link: AsyncMassageLink, arrivals: Arrivals, live: asyncio.Event) -> None:
    async with link.bookings.watch(therapist_id="therapist-0") as changes:
        await changes.wait_until_live()
        live.set()
        async for change in changes:
            arrivals.note(change.row.id)


async def _listen(socket: ClientConnection, arrivals: Arrivals) -> None:
    async for message in socket:
        payload = json.loads(message)["data"]["payload"]
        if payload["status"] == "pending":
            arrivals.note(payload["$id"])


# --- a server with a therapist who listens, and a customer ------------------------------------------------------------
@dataclass(slots=True)
class Shop:
    """A server, and both sides of a booking."""

    server: Emulator
    link: AsyncMassageLink
    http: httpx.AsyncClient
    jwts: Mapping[str, str]
    handled: Arrivals
    heard: Arrivals
    starts: Iterator[datetime] = field(
        default_factory=lambda: (_TODAY + timedelta(days=1) + n * _APART for n in count())
    )

    @property
    def customer(self) -> AsyncMassageLink:
        """The customer's link."""
        return self.link.as_user("customer")

    async def raw(self, method: str, path: str, body: object = None, *, user: str = "") -> Any:
        """A bare call of the key or of a user, and its parsed body."""
        who = {"X-Appwrite-JWT": self.jwts[user]} if user else {"X-Appwrite-Key": self.server.api_key}
        answer = await self.http.request(method, path, json=body, headers=who)
        answer.raise_for_status()
        return answer.json()


@asynccontextmanager
async def opened(server: Emulator) -> AsyncIterator[Shop]:
    """The server with a catalogue, a customer, and a therapist who listens by the SDK and by a bare socket."""
    headers = {"X-Appwrite-Project": server.project_id}
    async with AsyncExitStack() as open_:
        link = await open_.enter_async_context(server.async_link())
        http = await open_.enter_async_context(httpx.AsyncClient(base_url=server.endpoint, headers=headers, timeout=30))
        await _furnish(link)
        jwts = {user: await link.send(user_jwt(user)) for user in ("customer", "therapist-0")}
        shop = Shop(server, link, http, jwts, Arrivals(), Arrivals())
        url = f"{server.endpoint.replace('http', 'ws', 1)}/realtime?project={server.project_id}"
        proof = {"X-Appwrite-JWT": jwts["therapist-0"]}
        socket = await open_.enter_async_context(connect(url, additional_headers=proof))
        await socket.recv()
        channels = [f"tablesdb.{DATABASE}.tables.{BOOKINGS.id}.rows"]
        await socket.send(json.dumps({"type": "subscribe", "data": [{"channels": channels}]}))
        await socket.recv()
        live = asyncio.Event()
        tasks = [
            asyncio.create_task(_handle(link.as_user("therapist-0"), shop.handled, live)),
            asyncio.create_task(_listen(socket, shop.heard)),
        ]
        await live.wait()
        yield shop
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _furnish(link: AsyncMassageLink) -> None:
    for user in ("customer", "therapist-0"):
        await link.send(create_user(user, f"{user}@example.com", "password-1", user))
    catalogue = Therapist(
        id="therapist-0",
        name="Tom",
        timezone="Europe/Berlin",
        hours=json.dumps({"weekly": _EVERY_DAY, "horizonDays": 730}),
        services=json.dumps([_SERVICE]),
    )
    await link.run(create_derived(link.ports, THERAPISTS, catalogue, []))
    # The minute's sweep would fall into some measurements and not into others.
    sweep = next(function for function in FUNCTIONS if function.id == "sweep")
    await link.send(update_function({**sweep.definition(), "schedule": ""}))


# --- a booking by each path, by the SDK and raw -----------------------------------------------------------------------
async def _by_the_sdk(shop: Shop, link: AsyncMassageLink) -> Taken:
    starts_at = next(shop.starts)
    began = time.perf_counter()
    booking = await link.bookings.request(
        customer_id="customer", therapist_id="therapist-0", service="Deep tissue", starts_at=starts_at
    )
    answered = time.perf_counter()
    return answered - began, await shop.handled.of(booking.id) - began


async def by_key(shop: Shop) -> Taken:
    """With an API key."""
    return await _by_the_sdk(shop, shop.link)


async def by_commands(shop: Shop) -> Taken:
    """As a signed-in user."""
    return await _by_the_sdk(shop, shop.customer)


async def by_direct_write(shop: Shop) -> Taken:
    """As the JavaScript app does: a row by the customer, then the therapist's handler once it is admitted."""
    return await _written_directly(shop, shop.handled)


async def raw_by_key(shop: Shop) -> Taken:
    """The five calls of a request with a key."""
    new = _new(shop)
    operations = _operations(shop, new)
    began = time.perf_counter()
    for table, row_id in ((THERAPISTS.id, "therapist-0"), (THERAPIST_TERMS.id, "therapist-0")):
        query = json.dumps({"method": "equal", "attribute": "$id", "values": [row_id]})
        await shop.raw("GET", f"{_ROWS}/{table}/rows?{httpx.QueryParams({'queries[]': query})}")
    transaction = f"/tablesdb/transactions/{(await shop.raw('POST', '/tablesdb/transactions', {'ttl': 60}))['$id']}"
    await shop.raw("POST", f"{transaction}/operations", {"operations": operations})
    await shop.raw("PATCH", transaction, {"commit": True})
    answered = time.perf_counter()
    return answered - began, await shop.heard.of(new.booking.id) - began


async def raw_by_commands(shop: Shop) -> Taken:
    """One execution of the function."""
    arguments = {
        "therapistId": "therapist-0",
        "service": "Deep tissue",
        "startsAt": to_wire_time(next(shop.starts)),
        "idempotencyKey": shop.link.ports.new_id(),
    }
    body = json.dumps({"command": "bookings.request", "arguments": arguments})
    began = time.perf_counter()
    asked = {"body": body, "async": False, "headers": {CALLER_JWT: shop.jwts["customer"]}}
    done = await shop.raw("POST", "/functions/commands/executions", asked, user="customer")
    booking = json.loads(done["responseBody"])["result"]
    answered = time.perf_counter()
    return answered - began, await shop.heard.of(booking["$id"]) - began


async def raw_by_direct_write(shop: Shop) -> Taken:
    """The row, and the event on a bare socket."""
    return await _written_directly(shop, shop.heard)


async def _written_directly(shop: Shop, arrivals: Arrivals) -> Taken:
    row_id, starts_at = shop.link.ports.new_id(), to_wire_time(next(shop.starts))
    data = {"customerId": "customer", "therapistId": "therapist-0", "service": "Deep tissue", "startsAt": starts_at}
    began = time.perf_counter()
    await shop.raw("POST", f"{_ROWS}/{BOOKINGS.id}/rows", {"rowId": row_id, "data": data}, user="customer")
    answered = time.perf_counter()
    return answered - began, await arrivals.of(row_id) - began


def _new(shop: Shop) -> NewBooking:
    ports, starts_at = shop.link.ports, next(shop.starts)
    therapist = Therapist(id="therapist-0", name="Tom", timezone="Europe/Berlin", services=json.dumps([_SERVICE]))
    wish = BookingWish(customer_id="customer", therapist_id="therapist-0", service="Deep tissue", starts_at=starts_at)
    request = wish.completed(therapist)
    return new_booking(request, booking_id=ports.new_id(), command_id=ports.new_id(), now=ports.now())


def _operations(shop: Shop, new: NewBooking) -> list[Mapping[str, Any]]:
    parts = (
        (BOOKINGS, new.booking),
        (BOOKING_TERMS, new.terms),
        (BOOKING_PLACES, new.place),
        (BOOKING_EVENTS, new.event),
    )
    operations = []
    for table, row in parts:
        readers = read_by(table.user_readers(customer_id="customer", therapist_id="therapist-0"))
        operations.append(create(shop.link.ports.address(table), row.id, row.columns(), readers))
    slots = [(slot.id, slot.columns()) for slot in new.slots]
    return [*operations, bulk_create(shop.link.ports.address(SLOTS), slots)]


PATHS: Mapping[str, Path_] = {"key": by_key, "commands": by_commands, "direct write": by_direct_write}
RAW: Mapping[str, Path_] = {"key": raw_by_key, "commands": raw_by_commands, "direct write": raw_by_direct_write}


# --- seeding ----------------------------------------------------------------------------------------------------------
def seeds(number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of so many bookings of 200 therapists: nine in ten are completed, one lies ahead and holds its slots."""
    readers = read_by(["customer", "somebody"])
    for n in range(number):
        therapist, position = f"therapist-{n % _THERAPISTS}", n // _THERAPISTS
        ahead = position % 10 == 0
        starts_at = _TODAY + (timedelta(days=400) + position * _APART if ahead else -timedelta(days=30 + position))
        booking = _seed(f"{n:028x}", therapist, starts_at, ahead=ahead)
        columns = {
            **booking.columns(),
            "$permissions": readers,
            "$createdAt": to_wire_time(_TODAY - timedelta(days=60)),
        }
        yield BOOKINGS.id, {"$id": booking.id, **columns}
        yield BOOKING_TERMS.id, {"$id": booking.id, "commissionBps": 3_000, "rounding": "half_up"}
        yield BOOKING_PLACES.id, {"$id": booking.id, "address": "Linienstraße 1"}
        yield BOOKING_EVENTS.id, {"$id": f"{booking.id}_1", **_event(booking), "$permissions": readers}
        for bucket in booking.buckets if ahead else ():
            slot = {"therapistId": therapist, "bookingId": booking.id}
            yield SLOTS.id, {"$id": slot_id(therapist, bucket), **slot}


def _seed(booking_id: str, therapist: str, starts_at: datetime, *, ahead: bool) -> Booking:
    return Booking.model_validate(
        {
            "$id": booking_id,
            "customerId": "somebody",
            "therapistId": therapist,
            "service": "Deep tissue",
            "startsAt": starts_at,
            "endsAt": starts_at + timedelta(hours=1),
            "timezone": "Europe/Berlin",
            "durationMinutes": 60,
            "bufferMinutes": 15,
            "priceMinor": 9505,
            "currency": "EUR",
            "status": "accepted" if ahead else "completed",
        }
    )


def _event(booking: Booking) -> dict[str, Any]:
    return {
        "bookingId": booking.id,
        "version": 1,
        "commandId": booking.id,
        "type": "requested",
        "actor": booking.customer_id,
        "actorRole": "customer",
        "toStatus": "pending",
        "at": to_wire_time(_TODAY),
    }


def seed(server: Emulator, number: int) -> float:
    """Put so many bookings into the tables; gives the seconds that it took."""
    began = time.perf_counter()
    waiting: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for table, row in seeds(number):
        waiting[table].append(row)
        if len(waiting[table]) == _BATCH:
            _insert(server, table, waiting.pop(table))
    for table, rows in waiting.items():
        _insert(server, table, rows)
    return time.perf_counter() - began


def _insert(server: Emulator, table: str, rows: list[dict[str, Any]]) -> None:
    server.control("POST", "seed", {"databaseId": DATABASE, "tableId": table, "rows": rows})


# --- measuring --------------------------------------------------------------------------------------------------------
async def turns(works: Mapping[str, tuple[Shop, Path_]], rounds: int, *, until: float) -> dict[str, list[Taken]]:
    """Do each in turn, so many times or until then, with nothing else going on; each round in another order."""
    taken: dict[str, list[Taken]] = {name: [] for name in works}
    order = list(works)
    for turn in range(_WARM_UP + rounds):
        for name in order:
            shop, path = works[name]
            times = await path(shop)
            await settled(shop.http, shop.server)
            if turn >= _WARM_UP:
                taken[name].append(times)
        random.shuffle(order)
        if time.perf_counter() > until and turn > _WARM_UP + 1:
            break
    return taken


def figures(taken: Sequence[Taken]) -> dict[str, float]:
    """Median and 95th percentile in milliseconds, until the answer and until the handler."""
    found = {}
    for what, times in zip(("answer", "handler"), zip(*taken, strict=True), strict=True):
        found[f"{what}_p50_ms"] = round(median(times) * 1000, 2)
        found[f"{what}_p95_ms"] = round(quantiles(times, n=20)[18] * 1000, 2)
    return found


async def run(servers: Mapping[int, Emulator]) -> dict[str, Any]:
    """Everything, measured."""
    began = time.perf_counter()
    async with AsyncExitStack() as open_:
        seeding = await asyncio.gather(*(asyncio.to_thread(seed, server, size) for size, server in servers.items()))
        shops = {size: await open_.enter_async_context(opened(server)) for size, server in servers.items()}
        small = shops[_SIZES[0]]
        beside = {name: (small, path) for name, path in PATHS.items()}
        beside |= {f"{name}, raw": (small, path) for name, path in RAW.items()}
        paths = await turns(beside, _ROUNDS, until=time.perf_counter() + _SECONDS)
        by_size = await turns(
            {f"{name}/{size}": (shop, path) for name, path in PATHS.items() for size, shop in shops.items()},
            _ROUNDS_BY_SIZE,
            until=began + _END,
        )
    medians = {name: figures(taken)["handler_p50_ms"] for name, taken in by_size.items()}
    return {
        "paths": {name: figures(taken) for name, taken in paths.items()},
        "sizes": {name: figures(taken) for name, taken in by_size.items()},
        "growth": {name: round(medians[f"{name}/{_SIZES[-1]}"] / medians[f"{name}/{_SIZES[0]}"], 2) for name in PATHS},
        "allowed_growth": _ALLOWED_GROWTH,
        "rounds": {"paths": len(paths["key"]), "sizes": len(by_size[f"key/{_SIZES[0]}"])},
        "seeding_seconds": {size: round(seconds, 1) for size, seconds in zip(servers, seeding, strict=True)},
    }


def show(result: Mapping[str, Any]) -> str:
    """The result as tables."""
    keys = ("answer_p50_ms", "answer_p95_ms", "handler_p50_ms", "handler_p95_ms")
    lines = [f"{'ms until':28}{'answer p50':>13}{'p95':>9}{'handler p50':>14}{'p95':>9}"]
    for name, found in (*result["paths"].items(), *result["sizes"].items()):
        label = name.replace("/", ", bookings: ")
        lines.append(
            f"{label:28}" + "".join(f"{found[key]:>{width}}" for key, width in zip(keys, (13, 9, 14, 9), strict=True))
        )
    for name, growth in result["growth"].items():
        lines.append(f"{name}: {growth} times as long with {_SIZES[-1]:,} bookings as with {_SIZES[0]:,}")
    lines.append(f"allowed: {result['allowed_growth']}; rounds: {result['rounds']}")
    seeding = ", ".join(f"{size:,} bookings {seconds} s" for size, seconds in result["seeding_seconds"].items())
    lines.append(f"seeding (at once): {seeding}")
    return "\n".join(lines)


def main() -> int:
    """0, or 1 when a booking takes too much longer in a full table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    with (
        running_emulator(functions=_FUNCTIONS, direct_write=True) as small,
        running_emulator(functions=_FUNCTIONS, direct_write=True) as middle,
        running_emulator(functions=_FUNCTIONS, direct_write=True) as large,
    ):
        result = asyncio.run(run(dict(zip(_SIZES, (small, middle, large), strict=True))))
    sys.stdout.write((json.dumps(result) if args.json else show(result)) + "\n")
    return 1 if max(result["growth"].values()) > _ALLOWED_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
