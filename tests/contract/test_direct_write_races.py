"""Direct-write mode under attack: whatever its author and others do between any two steps of an admission.

Every writer signs what they write in the note. Whoever sees a booking must find it signed by its customer, at the
catalogue's price and with the event of a request; and nothing may be admitted by halves.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from appwrite.query import Query
from websockets.asyncio.client import connect

from emulator_live import subscribed
from marketplace import Market, People, Person, Server, own_database
from massage_link import Booking, MassageLink, Money, Status
from massage_link.domain.booking import BookingEventType
from massage_link.domain.draft import Draft, is_booking_row, is_locked
from massage_link.domain.tables import (
    BOOKING_EVENTS,
    BOOKING_PLACES,
    BOOKING_TERMS,
    BOOKINGS,
    CHAT_ROOMS,
    COMMISSIONS,
    SLOTS,
    SYSTEM_STATE,
)
from massage_link.errors import MassageLinkError
from massage_link.usecases.admission import admit_booking
from massage_link.usecases.sweep import sweep
from massage_link.wire.call import Call, nothing, path
from massage_link.wire.rows import with_ids
from massage_link.wire.users import user_jwt
from patient import Patient
from salon import SERVICE, Salon
from steps import Crash, Steps, at, crash

#: More calls than an admission has.
_MOST = 40


@dataclass
class Author:
    """A signed-in user with a client of their own."""

    person: Person
    http: httpx.Client = field(repr=False)
    rows: str

    def content(self, **changes: Any) -> dict[str, Any]:
        """What they write, signed."""
        return {"note": self.person.id, **changes}

    def create(self, row_id: str, content: Mapping[str, Any], permissions: list[str] | None = None) -> httpx.Response:
        """Create a row."""
        body: dict[str, Any] = {"rowId": row_id, "data": content}
        return self.http.post(self.rows, json=body if permissions is None else {**body, "permissions": permissions})

    def patch(self, row_id: str, **columns: Any) -> httpx.Response:
        """Change a row."""
        return self.http.patch(f"{self.rows}/{row_id}", json={"data": self.content(**columns)})

    def put(self, row_id: str, content: Mapping[str, Any]) -> httpx.Response:
        """Create or replace a row."""
        return self.http.put(f"{self.rows}/{row_id}", json={"data": content})

    def delete(self, row_id: str) -> httpx.Response:
        """Delete a row."""
        return self.http.delete(f"{self.rows}/{row_id}")

    def staged(self, table: str, row_id: str, action: str, **data: Any) -> Callable[[], object]:
        """A transaction of theirs that has one operation; the result commits it."""
        transaction = self.http.post("/tablesdb/transactions", json={"ttl": 600}).json()["$id"]
        database = self.rows.split("/")[2]
        operation = {"action": action, "databaseId": database, "tableId": table, "rowId": row_id}
        wanted = [{**operation, "data": data} if data else operation]
        staged = self.http.post(f"/tablesdb/transactions/{transaction}/operations", json={"operations": wanted})
        assert staged.status_code == 201, staged.text
        return lambda: self.http.patch(f"/tablesdb/transactions/{transaction}", json={"commit": True})


@dataclass
class Stage:
    """Where it happens: a database into which users may write bookings, and no function that looks at them."""

    salon: Salon
    alice: Author
    mallory: Author
    victim: str
    seen_by: Mapping[str, MassageLink]
    errors: list[MassageLinkError] = field(default_factory=list)

    @property
    def link(self) -> MassageLink:
        """The key."""
        return self.salon.link

    def wish(self, starts_at: datetime, **changes: Any) -> dict[str, Any]:
        """What Alice writes."""
        return self.alice.content(
            customerId=self.alice.person.id,
            therapistId=self.victim,
            startsAt=starts_at.isoformat(),
            **{"service": SERVICE, **changes},
        )

    def forget(self) -> None:
        """Remove all booking rows: a sweep looks at each."""
        for table in (BOOKINGS, SYSTEM_STATE):
            rows = path("tablesdb", self.salon.server.database, "tables", table.id, "rows")
            self.link.send(Call("DELETE", rows, nothing, {"queries": []}))

    def admit(self, booking_id: str, steps: Steps) -> Booking | None:
        """One run of `admit_booking`."""
        with self.salon.server.link(transport=steps) as link:
            try:
                return link.run(admit_booking(link.ports, booking_id))
            except MassageLinkError as error:
                self.errors.append(error)
                return None


@pytest.fixture(scope="module")
def stage(server: Server, people: People) -> Iterator[Stage]:
    """A database of these tests alone."""
    with own_database(server, direct_write=True) as shop, ExitStack() as leaving:
        link = leaving.enter_context(shop.link())
        salon = Salon(shop, people, Market(shop, link), leaving)
        salon.therapist(people.therapist.id)
        salon.therapist(people.other_therapist.id)

        def author(person: Person) -> Author:
            headers = {"X-Appwrite-Project": shop.project_id, "X-Appwrite-JWT": link.send(user_jwt(person.id))}
            client = httpx.Client(base_url=shop.endpoint, headers=headers, timeout=60, transport=Patient())
            http = leaving.enter_context(client)
            return Author(person, http, salon.rows)

        everybody = (people.customer, people.other_customer, people.therapist, people.other_therapist)
        seen_by = {person.id: link.as_user(person.id) for person in everybody}
        yield Stage(salon, author(people.customer), author(people.other_customer), people.therapist.id, seen_by)


# --- what may not happen, whatever happens ----------------------------------------------------------------------------
def check_visible(stage: Stage) -> None:
    """What anybody sees through the SDK is signed by its customer and was requested at the catalogue's price."""
    for user_id, link in stage.seen_by.items():
        for booking in link.bookings.list():
            if booking.status is Status.DECLINED:
                assert booking.customer_id == user_id
            else:
                _check_honest(booking)


def _check_honest(booking: Booking) -> None:
    assert booking.note == booking.customer_id, booking
    assert booking.price == Money(9_505, "EUR"), booking


def check_whole(stage: Stage, booking_id: str) -> Status | None:
    """Nothing is there of the booking, or all of it; the status it has, None when it is gone."""
    market = stage.salon.market
    of_it = Query.equal("bookingId", [booking_id])
    raw = next((row for row in market.raw_rows(BOOKINGS) if row["$id"] == booking_id), None)
    events = market.rows(BOOKING_EVENTS, of_it)
    slots = sorted(int(row.id.rpartition("_")[2]) for row in market.rows(SLOTS, of_it))
    with_its_id = (BOOKING_TERMS, BOOKING_PLACES, CHAT_ROOMS, COMMISSIONS)
    parts = [bool(market.rows(table, with_ids([booking_id]))) for table in with_its_id]
    if raw is None:
        assert (events, slots, any(parts)) == ([], [], False)
        return None
    (event,) = events
    if raw["status"] == "declined":
        assert (event.type, slots, any(parts)) == (BookingEventType.DECLINED, [], False)
        assert is_locked(Draft.model_validate(raw))
        return Status.DECLINED
    assert is_booking_row(raw), raw
    booking = Booking.model_validate(raw)
    _check_honest(booking)
    assert booking.status is Status.PENDING
    assert (event.type, event.actor) == (BookingEventType.REQUESTED, booking.customer_id)
    assert slots == list(booking.buckets)
    assert all(parts)
    return booking.status


# --- races ------------------------------------------------------------------------------------------------------------
Prank = Callable[[Stage, str, dict[str, Any]], Callable[[], object]]


def _now(act: Callable[[Stage, str, dict[str, Any]], object]) -> Prank:
    return lambda stage, row_id, wish: lambda: act(stage, row_id, wish)


def _recreate(stage: Stage, row_id: str, wish: dict[str, Any], permissions: list[str] | None = None) -> None:
    """Alice takes it back, and Mallory writes under its id what shall pass for hers."""
    if stage.alice.delete(row_id).status_code == 204:
        created = stage.mallory.create(row_id, {**wish, "note": stage.mallory.person.id}, permissions)
        assert created.status_code == 201, created.text


def _share(stage: Stage, row_id: str, wish: dict[str, Any]) -> None:
    """Alice lets everybody change it, and Mallory does."""
    anybody = [f'{right}("users")' for right in ("read", "update", "delete")]
    stage.alice.http.patch(f"{stage.alice.rows}/{row_id}", json={"permissions": anybody})
    stage.mallory.patch(row_id, customerId=stage.alice.person.id)


PRANKS: Mapping[str, Prank] = {
    "patches the price": _now(lambda stage, row_id, _: stage.alice.patch(row_id, priceMinor=1)),
    "patches the status": _now(lambda stage, row_id, _: stage.alice.patch(row_id, status="accepted", version=7)),
    "patches the customer": _now(
        lambda stage, row_id, _: stage.alice.patch(row_id, customerId=stage.mallory.person.id)
    ),
    "patches the therapist": _now(
        lambda stage, row_id, _: stage.alice.patch(row_id, therapistId=stage.salon.people.other_therapist.id)
    ),
    "puts a price": _now(lambda stage, row_id, wish: stage.alice.put(row_id, {**wish, "priceMinor": 1})),
    "puts another customer": _now(
        lambda stage, row_id, wish: stage.alice.put(row_id, {**wish, "customerId": stage.mallory.person.id})
    ),
    "deletes it": _now(lambda stage, row_id, _: stage.alice.delete(row_id)),
    "has it recreated by another": _now(_recreate),
    "has it recreated by another for all to see": _now(
        lambda stage, row_id, wish: _recreate(stage, row_id, wish, ['read("users")', 'update("users")'])
    ),
    "shares it": _now(_share),
    "is overwritten by another": _now(
        lambda stage, row_id, wish: stage.mallory.put(row_id, {**wish, "note": stage.mallory.person.id})
    ),
    "commits an update": lambda stage, row_id, _: stage.alice.staged("bookings", row_id, "update", priceMinor=1),
    "commits a deletion": lambda stage, row_id, _: stage.alice.staged("bookings", row_id, "delete"),
    "commits an increment": lambda stage, row_id, _: stage.alice.staged(
        "bookings", row_id, "increment", column="version", value=5
    ),
}


@pytest.mark.parametrize(
    ("column", "declined"),
    [("priceMinor", True), ("durationMinutes", True), ("bufferMinutes", False), ("version", False)],
)
@pytest.mark.parametrize("service", [SERVICE, "Hot stone"])
def test_a_number_that_was_raised_beyond_what_its_column_allows_does_not_keep_a_draft_from_being_judged(
    stage: Stage, column: str, declined: bool, service: str
) -> None:
    """Appwrite's increment minds no bounds, and every later write to such a row is refused until they hold again."""
    row_id = stage.salon.market.someone("d")
    before = {"priceMinor": 9_505, "durationMinutes": 60, "bufferMinutes": 10, "version": 1}
    stage.alice.create(row_id, stage.wish(stage.salon.market.start(), service=service, **before))
    raised = stage.alice.http.patch(f"{stage.alice.rows}/{row_id}/{column}/increment", json={"value": 1_000_000_000})
    if raised.status_code == 200 and column == "priceMinor":  # a price may be that high
        raised = stage.alice.http.patch(f"{stage.alice.rows}/{row_id}/{column}/increment", json={"value": 10**14})
    assert raised.status_code == 200, raised.text
    booking = stage.admit(row_id, Steps())
    expected = Status.DECLINED if declined or service != SERVICE else Status.PENDING
    assert (booking is None) is (expected is Status.DECLINED), stage.errors
    stage.link.run(sweep(stage.link.ports))
    assert check_whole(stage, row_id) is expected
    check_visible(stage)
    stage.forget()


def _commits(calls: list[str]) -> bool:
    return any(call.startswith("PATCH") and "/transactions/" in call for call in calls)


@pytest.mark.parametrize("prank", PRANKS)
def test_whatever_happens_between_two_steps_nothing_forged_is_seen_and_nothing_is_done_by_halves(
    stage: Stage, prank: str
) -> None:
    number, decided = 0, False
    while not decided:
        row_id, wish = stage.salon.market.someone("d"), stage.wish(stage.salon.market.start())
        assert stage.alice.create(row_id, wish).status_code == 201
        act = PRANKS[prank](stage, row_id, wish)
        steps = Steps(before=at(number, act))
        stage.admit(row_id, steps)
        decided, number = _commits(steps.sent[:number]), number + 1
        check_visible(stage)
        stage.link.run(sweep(stage.link.ports))
        check_visible(stage)
        check_whole(stage, row_id)
        stage.forget()
        assert number < _MOST
    assert number > 5


@pytest.mark.parametrize("heard_of", [True, False], ids=["between calls", "before the answer"])
@pytest.mark.parametrize("forged", [{}, {"priceMinor": 1}], ids=["honest", "forged"])
def test_wherever_an_admission_dies_the_sweeper_ends_it(stage: Stage, forged: dict[str, Any], heard_of: bool) -> None:
    number, finished = 0, False
    while not finished:
        row_id = stage.salon.market.someone("d")
        stage.alice.create(row_id, stage.wish(stage.salon.market.start(), **forged))
        hook = at(number, crash)
        steps = Steps(before=hook) if heard_of else Steps(after=hook)
        try:
            stage.admit(row_id, steps)
            finished = True
        except Crash:
            number += 1
        check_visible(stage)
        stage.link.run(sweep(stage.link.ports))
        assert check_whole(stage, row_id) is (Status.DECLINED if forged else Status.PENDING)
        stage.forget()
    assert number > 5


def test_two_who_admit_at_once_admit_once(stage: Stage) -> None:
    number, reached = 0, True
    while reached:
        row_id = stage.salon.market.someone("d")
        stage.alice.create(row_id, stage.wish(stage.salon.market.start()))
        steps = Steps(before=at(number, lambda row_id=row_id: stage.admit(row_id, Steps())))  # type: ignore[misc]
        booking = stage.admit(row_id, steps)
        assert booking is not None, stage.errors
        assert check_whole(stage, row_id) is Status.PENDING
        reached, number = len(steps.sent) > number, number + 1


# --- forgeries --------------------------------------------------------------------------------------------------------
def test_permissions_that_a_transaction_stores_unchecked_prove_nothing(stage: Stage) -> None:
    """Appwrite checks in a transaction whose roles are granted, but for those of "write", which it stores as it is."""
    row_id, victim = stage.salon.market.someone("d"), stage.alice.person.id
    wish = {**stage.wish(stage.salon.market.start()), "note": stage.mallory.person.id}
    commit = stage.mallory.staged("bookings", row_id, "create", **wish, **{"$permissions": [f'write("user:{victim}")']})
    commit()
    stage.admit(row_id, Steps())
    check_visible(stage)
    assert check_whole_or_unreadable(stage, row_id)


def check_whole_or_unreadable(stage: Stage, row_id: str) -> bool:
    """Declined, readable by nobody, with its event and nothing else."""
    row = next(row for row in stage.salon.market.raw_rows(BOOKINGS) if row["$id"] == row_id)
    slots = [slot for slot in stage.salon.market.rows(SLOTS) if slot.booking_id == row_id]
    return (row["status"], row["$permissions"], slots) == ("declined", [], [])


def test_roles_that_one_does_not_hold_cannot_be_granted_in_a_transaction(stage: Stage) -> None:
    victim = stage.alice.person.id
    for right in ("read", "update", "delete"):
        with pytest.raises(AssertionError, match="user_unauthorized"):
            stage.mallory.staged(
                "bookings", "forged", "create", **stage.wish(stage.salon.market.start()),
                **{"$permissions": [f'{right}("user:{victim}")']},
            )  # fmt: skip


@pytest.mark.parametrize("length", [28, 29, 36])
def test_a_draft_with_an_id_that_is_too_long_is_declined_once(stage: Stage, length: int) -> None:
    row_id = stage.salon.market.someone("d").ljust(length, "x")
    stage.alice.create(row_id, stage.wish(stage.salon.market.start()))
    stage.admit(row_id, Steps())
    row = next(row for row in stage.salon.market.raw_rows(BOOKINGS) if row["$id"] == row_id)
    assert row["status"] == ("pending" if length == 28 else "declined")
    again = Steps()
    stage.admit(row_id, again)
    assert {call.split()[0] for call in again.sent} == {"GET"}  # a write would be an event, and start it all over


@pytest.mark.parametrize(
    "forged",
    [
        {"priceMinor": 1},
        {"currency": "JPY"},
        {"durationMinutes": 5},
        {"timezone": "UTC"},
        {"service": "Hot stone"},
        {"therapistId": "nobody"},
        {"startsAt": "2020-01-01T10:00:00Z"},
        {"note": '{"method":"increment","values":[1]}'},
    ],
)
def test_what_the_catalogue_does_not_say_is_declined_with_a_reason_for_its_author(
    stage: Stage, forged: dict[str, Any]
) -> None:
    row_id = stage.salon.market.someone("d")
    created = stage.alice.create(row_id, {**stage.wish(stage.salon.market.start()), **forged})
    assert created.status_code == 201, created.text
    assert stage.admit(row_id, Steps()) is None
    row = next(row for row in stage.salon.market.raw_rows(BOOKINGS) if row["$id"] == row_id)
    assert (row["status"], row["$permissions"]) == ("declined", [f'read("user:{stage.alice.person.id}")'])
    assert row["statusReason"]
    (event,) = [event for event in stage.salon.market.rows(BOOKING_EVENTS) if event.booking_id == row_id]
    assert (event.type, event.reason) == (BookingEventType.DECLINED, row["statusReason"])


def test_what_a_client_says_of_status_version_and_slots_is_not_believed(stage: Stage) -> None:
    row_id = stage.salon.market.someone("d")
    start = stage.salon.market.start()
    lies = {"status": "completed", "version": 9, "bufferMinutes": 0, "canary": True, "cancellationPolicy": "{}"}
    stage.alice.create(row_id, stage.wish(start, **lies))
    booking = stage.admit(row_id, Steps())
    assert booking is not None
    assert (booking.status, booking.version, booking.canary) == (Status.PENDING, 1, False)
    assert booking.buffer == timedelta(minutes=10)
    assert check_whole(stage, row_id) is Status.PENDING


# --- realtime ---------------------------------------------------------------------------------------------------------
@pytest.fixture
async def ears(stage: Stage) -> AsyncIterator[list[dict[str, Any]]]:
    """Everything that the therapist's own client hears of bookings, rooms and events."""
    jwt = stage.link.send(user_jwt(stage.victim))
    server = stage.salon.server
    url = server.endpoint.replace("http", "ws", 1) + f"/realtime?project={server.project_id}"
    messages: list[dict[str, Any]] = []
    tables = ("bookings", "chat_rooms", "booking_events", "commissions")
    channels = [f"tablesdb.{server.database}.tables.{table}.rows" for table in tables]
    async with connect(url, additional_headers={"X-Appwrite-JWT": jwt}) as socket:
        await subscribed(socket, *channels)

        async def listen() -> None:
            while True:
                messages.append(json.loads(await socket.recv()))

        listening = asyncio.ensure_future(listen())
        yield messages
        listening.cancel()


async def test_the_therapist_hears_of_a_booking_when_it_is_admitted_and_of_no_forgery(
    stage: Stage, ears: list[dict[str, Any]]
) -> None:
    forged = [stage.salon.market.someone("d") for _ in range(3)]
    stage.alice.create(forged[0], stage.wish(stage.salon.market.start(), priceMinor=1))
    stage.mallory.create(forged[1], stage.wish(stage.salon.market.start()))
    _recreate(stage, forged[0], stage.wish(stage.salon.market.start()))
    stage.alice.create(forged[2], stage.wish(stage.salon.market.start(), service="Hot stone"))
    honest = stage.salon.market.someone("d")
    stage.alice.create(honest, stage.wish(stage.salon.market.start()))
    for row_id in (*forged, honest):
        await asyncio.to_thread(stage.admit, row_id, Steps())
    async with asyncio.timeout(60):
        while not any(message["data"]["payload"].get("$id") == honest for message in ears):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not [message for message in ears if any(row_id in json.dumps(message) for row_id in forged)]
