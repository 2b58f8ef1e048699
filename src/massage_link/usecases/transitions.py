"""Move a booking through its states: each move is one transaction, and one line of its history."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from appwrite.query import Query

from massage_link.domain.booking import Booking, BookingEvent, Role, Slot, Status
from massage_link.domain.chat import ChatMessage
from massage_link.domain.commission import Commission
from massage_link.domain.entries import settlement
from massage_link.domain.ids import checked_id, slot_id
from massage_link.domain.money import Money
from massage_link.domain.rows import to_wire_time
from massage_link.domain.states import EVENT_OF, Actor, Command, Decision, decide, owed_for, role_in
from massage_link.domain.tables import (
    BOOKING_EVENTS,
    BOOKING_PLACES,
    BOOKINGS,
    SLOTS,
)
from massage_link.errors import (
    IdempotencyMismatch,
    IllegalTransition,
    MassageLinkError,
    NotFound,
    RowNotFound,
    StaleBooking,
)
from massage_link.usecases.commissions import ensure_ledger, posting, refresh_commission
from massage_link.usecases.commit import commit_once
from massage_link.usecases.lookups import get_booking, list_bookings
from massage_link.usecases.ports import Ports, find
from massage_link.usecases.rooms import catch_up
from massage_link.usecases.system_lines import LineOfChange
from massage_link.wire.call import Flow
from massage_link.wire.rows import IDS_PER_QUERY, list_rows, read_by, with_ids
from massage_link.wire.transactions import Operation, bulk_create, bulk_delete, create, update

__all__ = [
    "OPS",
    "SYSTEM",
    "Quote",
    "Wanted",
    "acting",
    "expire_due",
    "expire_quietly",
    "new_slot_ids",
    "quote",
    "transition",
]

#: Who acts when no user is named: a key is trusted as ops are.
OPS = Actor("ops", Role.OPS)
#: Who acts when time runs out.
SYSTEM = Actor("system", Role.SYSTEM)
_Obstacle = Callable[[Decision], Flow[None]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants of a booking.

    Attributes:
        command: what.
        reason: said to the other side.
        starts_at: the new beginning, for a reschedule.
        waive_fee: ops: no fee although the policy asks for one.
        expected_version: only if the booking still has this version; None takes it as it is.
        at_most_minor: only if it costs the customer no more than this, in minor units; None costs what it costs.
        command_id: the caller's own id for this command: repeated, whenever, it changes nothing more.

    """

    command: Command
    reason: str = ""
    starts_at: datetime | None = None
    waive_fee: bool = False
    expected_version: int | None = None
    at_most_minor: int | None = None
    command_id: str | None = None


def transition(
    ports: Ports,
    booking_id: str,
    wanted: Wanted,
    *,
    actor: Callable[[Booking], Actor],
    obstacle: _Obstacle | None = None,
) -> Flow[Booking]:
    """Accept, decline, cancel, start, complete… a booking.

    Args:
        ports: surroundings.
        booking_id: which booking.
        wanted: what is to become of it.
        actor: who acts on it; raises when it is nobody who may.
        obstacle: asked before and after a commit that did not go through; raises when the move can not be made.

    Raises:
        NotFound: there is no such booking.
        IllegalTransition: the booking is not in a state for it.
        NotAllowed: this actor may not.
        StaleBooking: somebody else changed the booking first, or it costs more by now than was quoted.
        IdempotencyMismatch: the command id was used for something else.

    """
    booking = yield from get_booking(ports, booking_id)
    who = actor(booking)
    if (yield from _done_before(ports, booking, wanted, who)):
        with suppress(MassageLinkError):  # whoever did it may have stopped right after
            yield from catch_up(ports, booking)
        return booking
    if wanted.expected_version not in {None, booking.version}:
        raise StaleBooking(
            f"booking {booking.id} has version {booking.version} by now, not {wanted.expected_version}.",
            current=booking,
        )
    decision = decide(
        booking,
        wanted.command,
        who,
        now=ports.now(),
        command_id=wanted.command_id or ports.new_id(),
        reason=wanted.reason,
        starts_at=wanted.starts_at,
        waive_fee=wanted.waive_fee,
    )
    _hold_to_quote(decision, wanted)

    line = LineOfChange(ports, decision.booking, decision.event)

    def prepare() -> Flow[tuple[list[Operation], tuple[Booking, ChatMessage | None]]]:
        commission = None
        if decision.transition.commission is not None:
            commission = yield from ensure_ledger(ports, booking_id)
        told = yield from line.staged()
        return [*_operations(ports, decision, commission), *line.operations(told)], (decision.booking, told)

    def outcome() -> Flow[tuple[Booking, ChatMessage | None] | None]:
        known = yield from _outcome(ports, decision)
        if known is None and obstacle is not None:
            yield from obstacle(decision)
        return None if known is None else (known, None)

    try:
        booking, told = yield from commit_once(ports, prepare, outcome)
    except RowNotFound:
        # Only somebody from outside can have taken the commission away; its entries tell it.
        if decision.transition.commission is None or (yield from refresh_commission(ports, booking_id)) is None:
            raise
        booking, told = yield from commit_once(ports, prepare, outcome)
    yield from line.finish(told)
    return booking


def _done_before(ports: Ports, booking: Booking, wanted: Wanted, who: Actor) -> Flow[bool]:
    """Whether this very command has changed the booking already, however much has happened to it since."""
    version, command_id = Query.equal("version", [booking.version]), wanted.command_id
    queries = [Query.equal("bookingId", [booking.id]), Query.limit(IDS_PER_QUERY), version]
    if command_id is not None:
        same = Query.equal("commandId", [checked_id("command_id", command_id)])
        queries[-1] = Query.or_queries([version, same])
    events = yield from list_rows(ports.address(BOOKING_EVENTS), BookingEvent, queries)
    if all(event.version != booking.version for event in events):
        raise NotFound(f"booking {booking.id!r} is a draft that has not been admitted yet.")
    for event in events:
        if command_id is not None and event.command_id == command_id:
            if (event.type, event.actor) == (EVENT_OF[wanted.command], who.id):
                return True
            raise IdempotencyMismatch(
                f"command id {command_id!r} was used by {event.actor_role} {event.actor}, by whom booking {booking.id} "
                f"was {event.type}; use a new one for a new command."
            )
    return False


def _hold_to_quote(decision: Decision, wanted: Wanted) -> None:
    fee = decision.owed or Money(0, decision.before.currency)
    if wanted.at_most_minor is not None and fee.minor > wanted.at_most_minor:
        quoted = Money(wanted.at_most_minor, fee.currency)
        raise StaleBooking(
            f"to {wanted.command} booking {decision.before.id} costs {fee} by now, not {quoted}; ask for a new quote.",
            current=decision.before,
        )


def acting(user_id: str | None) -> Callable[[Booking], Actor]:
    """How a key says who acts: a user of the booking, or (None) ops."""
    if user_id is None:
        return lambda _: OPS
    return lambda booking: Actor(user_id, role_in(booking, user_id))


def _operations(ports: Ports, decision: Decision, commission: Commission | None) -> list[Operation]:
    booking, arrow, event = decision.booking, decision.transition, decision.event
    customer, therapist = booking.customer_id, booking.therapist_id
    event_readers = read_by(BOOKING_EVENTS.user_readers(customer_id=customer, therapist_id=therapist))
    operations = [
        update(ports.address(BOOKINGS), booking.id, decision.changes),
        create(ports.address(BOOKING_EVENTS), event.id, event.columns(), event_readers),
    ]
    revealed = booking.status is Status.ACCEPTED
    if arrow.reveals_place or (decision.before.status is Status.ACCEPTED and booking.status is Status.PENDING):
        readers = BOOKING_PLACES.user_readers(customer_id=customer, therapist_id=therapist, accepted=revealed)
        operations.append(update(ports.address(BOOKING_PLACES), booking.id, {}, read_by(readers)))
    if arrow.releases_slots:
        operations.append(bulk_delete(ports.address(SLOTS), [Query.equal("bookingId", [booking.id])]))
    elif arrow.command is Command.RESCHEDULE:
        operations += _moved_slots(ports, decision)
    if commission is not None:
        entry = settlement(commission, booking, owed=decision.owed, version=booking.version, at=event.at)
        operations += posting(ports, commission, entry)
    return operations


def new_slot_ids(decision: Decision) -> list[str]:
    """Ids of the slots that a reschedule needs and the booking does not hold."""
    needed = sorted(set(decision.booking.buckets) - set(decision.before.buckets))
    return [slot_id(decision.booking.therapist_id, bucket) for bucket in needed]


def _moved_slots(ports: Ports, decision: Decision) -> list[Operation]:
    """Let go of the slots that are not needed any more and take the new ones; those in both stay as they are."""
    booking = decision.booking
    left = sorted(set(decision.before.buckets) - set(booking.buckets))
    old = [slot_id(booking.therapist_id, bucket) for bucket in left]
    operations: list[Operation] = [
        bulk_delete(ports.address(SLOTS), [with_ids(old[first : first + IDS_PER_QUERY])])
        for first in range(0, len(old), IDS_PER_QUERY)
    ]
    new = [
        (row_id, Slot(id=row_id, therapist_id=booking.therapist_id, booking_id=booking.id).columns())
        for row_id in new_slot_ids(decision)
    ]
    return [*operations, bulk_create(ports.address(SLOTS), new)] if new else operations


def _outcome(ports: Ports, decision: Decision) -> Flow[Booking | None]:
    event = yield from find(ports, BOOKING_EVENTS, decision.event.id)
    if event is None:
        return None
    wanted = decision.event
    if (event.command_id, event.type, event.actor) == (wanted.command_id, wanted.type, wanted.actor):
        return decision.booking
    current = yield from get_booking(ports, decision.booking.id)
    raise StaleBooking(
        f"booking {current.id} was {event.type} by {event.actor_role} {event.actor} first; it is {current.status} now.",
        current=current,
    )


# --- expiry -----------------------------------------------------------------------------------------------------------
def expire_quietly(ports: Ports, booking_id: str) -> Flow[bool]:
    """Expire a pending booking whose time to answer is over; False when somebody else dealt with it first."""
    with suppress(StaleBooking, IllegalTransition):
        yield from transition(ports, booking_id, Wanted(Command.EXPIRE), actor=lambda _: SYSTEM)
        return True
    return False


def expire_due(ports: Ports, *, limit: int = 100) -> Flow[int]:
    """Expire pending bookings whose time to answer is over, at most `limit`; the result is how many.

    One that cannot be expired keeps no other from it: its error is raised when all were tried.
    """
    queries = [
        Query.equal("status", [Status.PENDING.value]),
        Query.less_than_equal("expiresAt", to_wire_time(ports.now())),
        Query.order_asc("expiresAt"),
        Query.limit(limit),
    ]
    expired, failure = 0, None
    for row in (yield from list_bookings(ports, queries)):
        if isinstance(row, Booking):
            try:
                expired += yield from expire_quietly(ports, row.id)
            except MassageLinkError as error:
                failure = error
    if failure is not None:
        raise failure
    return expired


# --- quotes -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Quote:
    """What a cancellation would cost now.

    Attributes:
        fee: what the customer owes; zero when it is free.
        free_until: until when a cancellation is free; None when it is free whenever.
        version: of the booking that it was made for.

    To cancel with the quote (``cancel(booking_id, quoted=quote)``) holds to it: refused when the booking was changed
    since, or when it costs more by now.


    """

    fee: Money
    free_until: datetime | None
    version: int = field(compare=False)


def quote(booking: Booking, role: Role, now: datetime) -> Quote:
    """What a cancellation by somebody in this part would cost at this moment."""
    fee = owed_for(booking, Command.CANCEL, role, now) or Money(0, booking.currency)
    return Quote(fee, booking.free_until if role is Role.CUSTOMER else None, booking.version)
