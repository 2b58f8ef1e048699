"""Every use case, with its setting, so that each can be tried with every accident; and a picture of what it leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from marketplace import Market
from massage_link import MassageLink, Money
from massage_link.domain.people import Therapist
from massage_link.domain.policy import CancellationPolicy
from massage_link.domain.states import Command
from massage_link.domain.tables import TABLES, THERAPISTS
from massage_link.domain.wish import BookingWish
from massage_link.usecases.admission import admit_booking
from massage_link.usecases.amending import delete_message, edit_message
from massage_link.usecases.bookings import request_booking
from massage_link.usecases.chat import ensure_room, send_message
from massage_link.usecases.commissions import ensure_commission, refresh_commission
from massage_link.usecases.corrections import adjust_commission, refund_booking
from massage_link.usecases.payouts import pay_out
from massage_link.usecases.ports import Ports, create_derived
from massage_link.usecases.read_marks import mark_read
from massage_link.usecases.rescheduling import reschedule
from massage_link.usecases.rooms import freeze_due, freeze_room, reopen_room
from massage_link.usecases.sweep import sweep
from massage_link.usecases.transitions import OPS, SYSTEM, Wanted, acting, transition
from massage_link.wire.call import Call, Flow, nothing, path

NOW = datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0) + timedelta(days=1)
START = NOW + timedelta(days=3)
HOUR = timedelta(hours=1)
POLICY = CancellationPolicy(free_until_hours=24, fee_bps=5_000, no_show_bps=10_000)
_ALWAYS = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


@dataclass
class Run:
    """One try: people and a booking of its own, so that tries leave each other alone.

    Attributes:
        link: with the key, without accidents; the setting is made with it.
        booking_id: of the booking that it is about; empty when it is to be made.

    """

    link: MassageLink
    market: Market
    customer: str = field(init=False)
    therapist: str = field(init=False)
    booking_id: str = ""

    def __post_init__(self) -> None:
        self.customer, self.therapist = self.market.someone("customer"), self.market.someone("therapist")

    def ports(self, now: datetime = NOW) -> Ports:
        """Surroundings in which time stands still."""
        return Ports(database=self.market.server.database, now=lambda: now, jitter=lambda _: 0.0)

    def wish(self, starts_at: datetime = START, **changes: Any) -> BookingWish:
        """What the customer asks for."""
        facts: dict[str, Any] = {
            "customer_id": self.customer,
            "therapist_id": self.therapist,
            "service": "Deep tissue",
            "starts_at": starts_at,
            "ends_at": starts_at + HOUR,
            "price": Money(9_505, "EUR"),
            "address": "Linienstraße 1",
            "cancellation_policy": POLICY,
        }
        return BookingWish(**{**facts, **changes})

    def made(self, *moves: Command, **changes: Any) -> None:
        """A booking that has gone so far."""
        self.booking_id = self.link.run(request_booking(self.ports(), self.wish(**changes))).id
        for move in moves:
            self.link.run(self.move(move))

    def move(self, command: Command, *, by: str | None = None, now: datetime = NOW, **wanted: Any) -> Flow[Any]:
        """A transition that may be repeated."""
        use_case = reschedule if command is Command.RESCHEDULE else transition
        asked = Wanted(command, reason="as it was", command_id=f"{command}-1", **wanted)
        return use_case(self.ports(now), self.booking_id, asked, actor=acting(by))

    def draft(self, **changes: Any) -> None:
        """A row as the customer's own client has written it, for a therapist with a catalogue."""
        service = {"name": "Deep tissue", "minutes": 60, "priceMinor": 9_505, "currency": "EUR"}
        catalogue = Therapist(
            id=self.therapist,
            name="Thea",
            timezone="Europe/Berlin",
            hours=json.dumps({"weekly": _ALWAYS}),
            services=json.dumps([service]),
        )
        self.link.run(create_derived(self.ports(), THERAPISTS, catalogue, []))
        self.booking_id = self.market.someone("d")
        columns = {
            "customerId": self.customer,
            "therapistId": self.therapist,
            "service": "Deep tissue",
            "startsAt": START.isoformat(),
            **changes,
        }
        permissions = [f'{right}("user:{self.customer}")' for right in ("read", "update", "delete")]
        rows = path("tablesdb", self.market.server.database, "tables", "bookings", "rows")
        written = {"rowId": self.booking_id, "data": columns, "permissions": permissions}
        self.link.send(Call("POST", rows, nothing, written))


@dataclass(frozen=True)
class Case:
    """A use case.

    Attributes:
        before: the setting.
        act: the use case; may be repeated.
        again: what is done after the accident; the use case itself unless it is said.

    """

    before: Callable[[Run], None]
    act: Callable[[Run], Flow[Any]]
    again: Callable[[Run], Flow[Any]] | None = None


_LATE, _ON_SITE, _EXPIRED = START - HOUR, START + HOUR / 4, NOW + timedelta(hours=25)


def _swept(run: Run) -> Flow[Any]:
    return sweep(run.ports())


def _requested_late(run: Run) -> Flow[Any]:
    return request_booking(run.ports(_EXPIRED), run.wish(START + HOUR / 2), idempotency_key=run.customer)


def _requested_and_swept(run: Run) -> Flow[Any]:
    """The one that expired on the way is nobody's business any more; the sweeper brings its room up to it."""
    yield from _requested_late(run)
    yield from sweep(run.ports(_EXPIRED))


def _nothing(run: Run) -> None:
    pass


def _completed(run: Run) -> None:
    run.made(Command.ACCEPT, Command.COMPLETE)


def _paid(run: Run) -> None:
    _completed(run)
    run.link.run(_paid_out(run, "old"))


def _paid_out(run: Run, batch: str) -> Flow[Any]:
    return pay_out(run.ports(), batch, therapist_id=run.therapist, actor=OPS)


def _refunded(run: Run) -> Flow[Any]:
    return refund_booking(run.ports(), run.booking_id, Money(1_000, "EUR"), key="k", reason="ill", actor=OPS)


def _adjusted(run: Run) -> Flow[Any]:
    return adjust_commission(run.ports(), run.booking_id, Money(-100, "EUR"), key="k", reason="so", actor=OPS)


def _refreshed(run: Run) -> Flow[Any]:
    return refresh_commission(run.ports(), run.booking_id)


def _without_its_commission(run: Run) -> None:
    _completed(run)
    rows = path("tablesdb", run.market.server.database, "tables", "commissions", "rows", run.booking_id)
    run.link.send(Call("DELETE", rows, nothing))


def _with_a_room(run: Run) -> None:
    run.made()
    run.link.run(ensure_room(run.ports(), run.booking_id))


def _with_a_message(run: Run) -> None:
    _with_a_room(run)
    run.link.run(send_message(run.ports(), run.booking_id, sender_id=run.customer, body="Hullo", client_id="m-1"))


def _frozen(run: Run) -> None:
    _with_a_room(run)
    run.link.run(freeze_room(run.ports(), run.booking_id))


CASES: Mapping[str, Case] = {
    "request": Case(_nothing, lambda run: request_booking(run.ports(), run.wish(), idempotency_key=run.customer)),
    "request onto an expired one": Case(Run.made, _requested_late, _requested_and_swept),
    "accept": Case(Run.made, lambda run: run.move(Command.ACCEPT, by=run.therapist)),
    "decline": Case(Run.made, lambda run: run.move(Command.DECLINE, by=run.therapist)),
    "cancel": Case(Run.made, lambda run: run.move(Command.CANCEL, by=run.customer)),
    "cancel late": Case(
        lambda run: run.made(Command.ACCEPT), lambda run: run.move(Command.CANCEL, by=run.customer, now=_LATE)
    ),
    "start": Case(lambda run: run.made(Command.ACCEPT), lambda run: run.move(Command.START, by=run.therapist)),
    "complete": Case(lambda run: run.made(Command.ACCEPT), lambda run: run.move(Command.COMPLETE, by=run.therapist)),
    "no-show": Case(
        lambda run: run.made(Command.ACCEPT), lambda run: run.move(Command.NO_SHOW, by=run.therapist, now=_ON_SITE)
    ),
    "no-show, waived": Case(
        lambda run: run.made(Command.ACCEPT), lambda run: run.move(Command.NO_SHOW, now=_ON_SITE, waive_fee=True)
    ),
    "move onto its own time": Case(
        Run.made, lambda run: run.move(Command.RESCHEDULE, by=run.customer, starts_at=START + HOUR / 2)
    ),
    "move an accepted one": Case(
        lambda run: run.made(Command.ACCEPT),
        lambda run: run.move(Command.RESCHEDULE, by=run.customer, starts_at=START + 5 * HOUR),
    ),
    "expire": Case(
        Run.made,
        lambda run: transition(
            run.ports(_EXPIRED), run.booking_id, Wanted(Command.EXPIRE, command_id="e"), actor=lambda _: SYSTEM
        ),
    ),
    "expire by the sweeper": Case(Run.made, lambda run: sweep(run.ports(_EXPIRED))),
    "admit": Case(lambda run: run.draft(), lambda run: admit_booking(run.ports(), run.booking_id), _swept),
    "decline a draft": Case(
        lambda run: run.draft(priceMinor=1), lambda run: admit_booking(run.ports(), run.booking_id), _swept
    ),
    "open the room": Case(Run.made, lambda run: ensure_room(run.ports(), run.booking_id)),
    "book the commission": Case(Run.made, lambda run: ensure_commission(run.ports(), run.booking_id)),
    "send": Case(
        Run.made,
        lambda run: send_message(run.ports(), run.booking_id, sender_id=run.customer, body="Hello", client_id="m"),
    ),
    "read": Case(
        _with_a_room,
        lambda run: mark_read(run.ports(), run.booking_id, user_id=run.therapist, n=1),
    ),
    "edit": Case(
        _with_a_message,
        lambda run: edit_message(
            run.ports(), run.booking_id, 2, sender_id=run.customer, body="Hello!", client_id="edit-1"
        ),
    ),
    "delete": Case(
        _with_a_message,
        lambda run: delete_message(run.ports(), run.booking_id, 2, sender_id=run.customer, client_id="delete-1"),
    ),
    "freeze": Case(_with_a_room, lambda run: freeze_room(run.ports(), run.booking_id)),
    "reopen": Case(_frozen, lambda run: reopen_room(run.ports(), run.booking_id, until=START)),
    "freeze what is due": Case(_with_a_room, lambda run: freeze_due(run.ports(START + 72 * HOUR))),
    "sweep": Case(Run.made, _swept),
    "refund": Case(_completed, _refunded),
    "refund what was paid": Case(_paid, _refunded),
    "adjust": Case(_paid, _adjusted),
    "pay out": Case(_completed, lambda run: _paid_out(run, "new")),
    # Until they are done, the books are not as they should be: that is why `again` is said.
    "refund without the commission": Case(_without_its_commission, _refunded, _refunded),
    "refresh the commission": Case(_without_its_commission, _refreshed, _refreshed),
}
_SERVERS_OWN = {"$createdAt", "$updatedAt", "$sequence", "$databaseId", "$tableId", "commandId", "requestHash"}
_HASH = re.compile(r"^[0-9a-f]{26,36}(?=_|$)")


def picture(run: Run) -> dict[str, list[str]]:
    """All rows that are about this try, without what differs from one try to the next."""
    contents = run.market.contents()
    ids = [row_id for row_id, row in contents["bookings"].items() if row["customerId"] == run.customer]
    ids.sort(key=lambda row_id: str(contents["bookings"][row_id]["$createdAt"]))
    names = {run.customer: "CUSTOMER", run.therapist: "THERAPIST"}
    names |= {row_id: f"BOOKING{number}" for number, row_id in enumerate(ids)}

    def shown(row: Mapping[str, Any]) -> str:
        text = json.dumps({key: value for key, value in row.items() if key not in _SERVERS_OWN}, sort_keys=True)
        for name, stands_for in names.items():
            text = text.replace(name, stands_for)
        facts = json.loads(text)
        return json.dumps({**facts, "$id": _HASH.sub("HASH", facts["$id"])}, sort_keys=True)

    found: dict[str, list[str]] = {}
    for table in TABLES:
        rows = [row for row in contents[table.id].values() if any(name in json.dumps(row) for name in names)]
        found[table.id] = sorted(shown(row) for row in rows)
    return found


def once(market: Market, case: Case) -> dict[str, list[str]]:
    """What the use case leaves when nothing goes wrong."""
    run = Run(market.link, market)
    case.before(run)
    market.link.run(case.act(run))
    market.link.run((case.again or case.act)(run))
    return picture(run)
