"""Whatever anybody does in whatever order: no double booking, no wrong cent, no gap in any history."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from marketplace import Market, Server
from massage_link import Booking, Money, Status
from massage_link.domain.booking import BookingEvent, BookingEventType
from massage_link.domain.commission import Commission, CommissionEntry, CommissionStatus, EntryKind
from massage_link.domain.draft import is_booking_row
from massage_link.domain.ledger import rebuilt
from massage_link.domain.people import Therapist
from massage_link.domain.states import LIVE
from massage_link.domain.tables import BOOKINGS, THERAPISTS
from massage_link.domain.wish import BookingWish
from massage_link.errors import NotFound, RuleError, UsageError
from massage_link.usecases.admission import admit_booking
from massage_link.usecases.bookings import request_booking
from massage_link.usecases.commands import Caller, run_command
from massage_link.usecases.ports import Ports, create_derived
from massage_link.usecases.sweep import sweep
from massage_link.usecases.transitions import expire_due
from massage_link.wire.call import Call, nothing, path
from massage_link.wire.users import create_user, set_labels

pytestmark = pytest.mark.emulator_only

_ALWAYS = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
_PRICES = {"Deep tissue": 9_505, "Hot stone": 12_345}
_SERVICES = [
    {"name": "Deep tissue", "minutes": 60, "priceMinor": 9_505, "currency": "EUR", "bufferMinutes": 10},
    {"name": "Hot stone", "minutes": 25, "priceMinor": 12_345, "currency": "EUR"},
]
_POLICY = {"freeUntilHours": 24, "feeBps": 5_000, "noShowBps": 10_000, "platformBps": 4_000}
THERAPIST_IDS, CUSTOMERS, OPS = ("tessa", "tom"), ("carla", "cem"), "olga"
#: In what part somebody acts on a booking.
PARTS = ("customer", "therapist", "ops", "stranger")
#: Starts so near one another that they collide often.
STARTS = st.integers(0, 40).map(lambda number: timedelta(minutes=10 * number))
MOVES = ("accept", "decline", "cancel", "start", "complete", "no_show")
#: What people do, most often what they may.
DEEDS = st.sampled_from(
    [
        *[("accept", "therapist")] * 8,
        *[("cancel", "customer"), ("cancel", "therapist"), ("start", "therapist"), ("complete", "therapist")] * 2,
        *[("decline", "therapist"), ("no_show", "therapist"), ("no_show", "ops"), ("complete", "ops")],
        *[(move, part) for move in MOVES for part in PARTS],
    ]
)


@dataclass(frozen=True)
class World:
    """Where it all happens."""

    market: Market


class Marketplace(RuleBasedStateMachine):
    """Customers, therapists, ops and the clock, each doing what they like."""

    world: World
    bookings: Bundle[str] = Bundle("bookings")
    drafts: Bundle[str] = Bundle("drafts")

    @initialize()
    def open(self) -> None:
        """An empty marketplace, on a day of its own choosing."""
        self.market, self.link = self.world.market, self.world.market.link
        self.market.empty()
        self.now = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(days=1)
        self.ids = 0
        self.people: dict[str, tuple[str, str]] = {}
        self.seen: dict[str, tuple[str, int]] = {}
        for person in THERAPIST_IDS:
            row = Therapist(
                id=person,
                name=person.title(),
                timezone="Europe/Berlin",
                hours=json.dumps({"weekly": _ALWAYS, "horizonDays": 730}),
                services=json.dumps(_SERVICES),
                policy=json.dumps(_POLICY),
            )
            self.link.run(create_derived(self.ports, THERAPISTS, row, []))

    @property
    def ports(self) -> Ports:
        """The present."""
        return Ports(database=self.market.server.database, now=lambda: self.now, jitter=lambda _: 0.0)

    def _moment(self, start: timedelta) -> datetime:
        """Some time tomorrow."""
        return self.now.replace(minute=0) + timedelta(hours=26) + start

    def _actor(self, booking: str, part: str) -> str:
        customer, therapist = self.people[booking]
        stranger = next(each for each in (*CUSTOMERS, *THERAPIST_IDS) if each not in {customer, therapist})
        return {"customer": customer, "therapist": therapist, "ops": OPS, "stranger": stranger}[part]

    def _command(self, caller: str, name: str, **arguments: Any) -> Any:
        self.ids += 1
        named = {"idempotencyKey" if name == "bookings.request" else "commandId": f"k{self.ids}"} | arguments
        return self.link.run(run_command(self.ports, Caller(caller), name, named))

    # --- what people do
    @rule(
        target=bookings,
        customer=st.sampled_from(CUSTOMERS),
        therapist=st.sampled_from(THERAPIST_IDS),
        service=st.sampled_from(sorted(_PRICES)),
        start=STARTS,
    )
    def request(self, customer: str, therapist: str, service: str, start: timedelta) -> MultipleResults[str]:
        """A customer asks for a time."""
        asked = {"therapistId": therapist, "service": service, "startsAt": self._moment(start).isoformat()}
        with suppress(RuleError, UsageError):
            made = str(self._command(customer, "bookings.request", address="here", **asked)["$id"])
            self.people[made] = (customer, therapist)
            return multiple(made)
        return multiple()

    @rule(
        target=bookings,
        therapist=st.sampled_from(THERAPIST_IDS),
        start=STARTS,
        minutes=st.integers(5, 120),
        price=st.integers(0, 20_000),
    )
    def request_by_phone(self, therapist: str, start: timedelta, minutes: int, price: int) -> MultipleResults[str]:
        """Ops book by key, at a price and length of their own."""
        begin = self._moment(start) + timedelta(minutes=3)
        wish = BookingWish(
            customer_id="carla",
            therapist_id=therapist,
            service="Deep tissue",
            starts_at=begin,
            ends_at=begin + timedelta(minutes=minutes),
            price=Money(price, "EUR"),
        )
        with suppress(RuleError, UsageError):
            made = self.link.run(request_booking(self.ports, wish)).id
            self.people[made] = ("carla", therapist)
            return multiple(made)
        return multiple()

    @rule(
        target=drafts,
        customer=st.sampled_from(CUSTOMERS),
        therapist=st.sampled_from(THERAPIST_IDS),
        start=STARTS,
        forged=st.sampled_from([{}, {}, {"priceMinor": 1}, {"customerId": "victim"}, {"status": "accepted"}]),
    )
    def write(self, customer: str, therapist: str, start: timedelta, forged: dict[str, Any]) -> str:
        """A client writes a row of its own."""
        self.ids += 1
        row_id = f"draft{self.ids}"
        columns = {
            "customerId": customer,
            "therapistId": therapist,
            "service": "Hot stone",
            "startsAt": self._moment(start).isoformat(),
            **forged,
        }
        self.people[row_id] = (customer, therapist)
        permissions = [f'{right}("user:{customer}")' for right in ("read", "update", "delete")]
        rows = path("tablesdb", self.market.server.database, "tables", "bookings", "rows")
        self.link.send(Call("POST", rows, nothing, {"rowId": row_id, "data": columns, "permissions": permissions}))
        return row_id

    @rule(target=bookings, draft=drafts)
    def admit(self, draft: str) -> str:
        """The function looks at it, perhaps again."""
        self.link.run(admit_booking(self.ports, draft))
        return draft

    @rule(booking=bookings, deed=DEEDS)
    def move(self, booking: str, deed: tuple[str, str]) -> None:
        """Somebody does something with a booking."""
        move, part = deed
        with suppress(RuleError, UsageError, NotFound):
            self._command(self._actor(booking, part), f"bookings.{move}", bookingId=booking, reason="because")

    @rule(booking=bookings, part=st.sampled_from(PARTS), start=STARTS)
    def reschedule(self, booking: str, part: str, start: timedelta) -> None:
        """Somebody moves it."""
        moment = self._moment(start).isoformat()
        with suppress(RuleError, UsageError, NotFound):
            self._command(self._actor(booking, part), "bookings.reschedule", bookingId=booking, startsAt=moment)

    @rule(booking=bookings)
    def waive(self, booking: str) -> None:
        """Ops are kind."""
        with suppress(RuleError, UsageError, NotFound):
            self._command(OPS, "bookings.no_show", bookingId=booking, reason="ill", waiveFee=True)

    @rule(booking=bookings, part=st.sampled_from(PARTS))
    def talk(self, booking: str, part: str) -> None:
        """Somebody writes a message."""
        self.ids += 1
        message = {"bookingId": booking, "body": "hello", "clientId": f"m{self.ids}"}
        with suppress(RuleError, UsageError, NotFound):
            self.link.run(run_command(self.ports, Caller(self._actor(booking, part)), "chat.send", message))

    # --- what time does
    @rule(hours=st.sampled_from([1, 3, 12, 24]))
    def wait(self, hours: int) -> None:
        """Time passes."""
        self.now += timedelta(hours=hours)

    @rule(booking=bookings, end=st.sampled_from([(-60, "cancel", "customer"), (15, "no_show", "therapist")]))
    def disappoint(self, booking: str, end: tuple[int, str, str]) -> None:
        """A therapist accepts, and shortly before or after the start the customer is not there."""
        minutes, move, part = end
        self.move(booking, ("accept", "therapist"))
        row = next((row for row in self.market.raw_rows(BOOKINGS) if row["$id"] == booking), None)
        if row is not None:
            self.now = max(self.now, datetime.fromisoformat(row["startsAt"]) + timedelta(minutes=minutes))
        self.move(booking, (move, part))

    @precondition(lambda self: self.people)
    @rule()
    def expire(self) -> None:
        """What nobody answered expires."""
        self.link.run(expire_due(self.ports))

    @precondition(lambda self: self.people)
    @rule()
    def sweep(self) -> None:
        """The sweeper runs."""
        self.link.run(sweep(self.ports))

    # --- what always holds
    @invariant()
    def all_is_well(self) -> None:
        """Over every row."""
        contents = self.market.contents()
        rows = [row for row in contents["bookings"].values() if is_booking_row(row)]
        events = [BookingEvent.model_validate(row) for row in contents["booking_events"].values()]
        requested = {event.booking_id for event in events if event.type is BookingEventType.REQUESTED}
        bookings = [Booking.model_validate(row) for row in rows if row["$id"] in requested]
        assert {row["$id"] for row in rows if row["status"] != "declined"} <= requested
        self._check_times(bookings, contents["slots"])
        for booking in bookings:
            self._check_history(booking, [event for event in events if event.booking_id == booking.id])
            self._check_place(booking, contents["booking_places"][booking.id])
            self._check_money(booking, contents)
        assert set(contents["chat_rooms"]) | set(contents["commissions"]) <= requested

    @staticmethod
    def _check_times(bookings: list[Booking], slots: Mapping[str, Mapping[str, Any]]) -> None:
        live = [booking for booking in bookings if booking.status in LIVE]
        for one, other in combinations(live, 2):
            if one.therapist_id == other.therapist_id:
                begins, ends = one.starts_at - one.buffer, one.ends_at + one.buffer
                assert other.ends_at + other.buffer <= begins or ends <= other.starts_at - other.buffer, (one, other)
        held = {(row["bookingId"], int(row_id.rpartition("_")[2])) for row_id, row in slots.items()}
        assert held == {(booking.id, bucket) for booking in live for bucket in booking.buckets}

    def _check_history(self, booking: Booking, events: list[BookingEvent]) -> None:
        assert sorted(event.version for event in events) == list(range(1, booking.version + 1))
        newest = max(events, key=lambda event: event.version)
        assert newest.to_status is booking.status
        assert (booking.expires_at is not None) is (booking.status is Status.PENDING)
        # What was agreed stays; what somebody saw is never undone.
        price, version = self.seen.get(booking.id, (str(booking.price), 0))
        assert price == str(booking.price)
        assert version <= booking.version
        self.seen[booking.id] = (price, booking.version)

    @staticmethod
    def _check_place(booking: Booking, place: Mapping[str, Any]) -> None:
        shown = f'read("user:{booking.therapist_id}")' in place["$permissions"]
        if booking.status in {Status.PENDING, Status.DECLINED, Status.EXPIRED}:
            assert not shown
        elif booking.status in {Status.ACCEPTED, Status.IN_PROGRESS, Status.COMPLETED, Status.NO_SHOW}:
            assert shown

    @staticmethod
    def _check_money(booking: Booking, contents: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        raw = contents["commissions"].get(booking.id)
        entries = [
            CommissionEntry.model_validate(row)
            for row in contents["commission_entries"].values()
            if row["bookingId"] == booking.id
        ]
        if raw is None:
            assert booking.status in LIVE
            assert entries == []
            return
        commission = Commission.model_validate(raw)
        assert commission.commission + commission.net == commission.gross <= booking.price
        assert commission.columns() == rebuilt(entries).columns()
        fees = [entry for entry in entries if entry.kind is EntryKind.FEE]
        assert len(fees) <= (1 if booking.status in {Status.CANCELLED, Status.NO_SHOW} else 0)
        if booking.status in LIVE:
            expected = CommissionStatus.PENDING
        else:
            due = booking.status is Status.COMPLETED or fees
            expected = CommissionStatus.DUE if due else CommissionStatus.VOID
        assert commission.status is expected
        if expected is CommissionStatus.VOID:
            assert commission.gross_minor == 0
        else:
            assert fees or commission.gross == booking.price


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[World]:
    """A server on which somebody is known to be ops."""
    with server.link() as link:
        with suppress(Exception):
            link.send(create_user(OPS, "olga@example.com", "password-1", "Olga"))
        link.send(set_labels(OPS, ["ops"]))
        yield World(Market(server, link))


def _run(world: World, examples: int, steps: int) -> None:
    machine = type("Machine", (Marketplace,), {"world": world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_whatever_anybody_does_the_books_are_right(world: World) -> None:
    _run(world, examples=25, steps=30)


@pytest.mark.long
def test_whatever_anybody_does_for_long_the_books_are_right(world: World) -> None:
    _run(world, examples=100, steps=50)
