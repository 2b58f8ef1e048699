"""Move a booking to another time, as one atomic step; also onto a time that overlaps its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC

from massage_link.domain.booking import Booking, Role
from massage_link.domain.calendar import refusal
from massage_link.domain.people import Therapist
from massage_link.domain.states import Actor, Decision
from massage_link.domain.tables import THERAPISTS
from massage_link.errors import NotAvailable
from massage_link.usecases.bookings import refuse_if_taken
from massage_link.usecases.lookups import get_booking
from massage_link.usecases.ports import Ports, find
from massage_link.usecases.slots import held
from massage_link.usecases.transitions import Wanted, new_slot_ids, transition
from massage_link.wire.call import Flow

__all__ = ["reschedule"]


def reschedule(ports: Ports, booking_id: str, wanted: Wanted, *, actor: Callable[[Booking], Actor]) -> Flow[Booking]:
    """Move a booking; its length and price stay.

    A pending one stays pending and an accepted one that the therapist or ops move stays accepted; an accepted one that
    the customer moves has to be accepted again.

    Args:
        ports: surroundings.
        booking_id: which booking.
        wanted: a reschedule with its `starts_at`.
        actor: who acts on it; ops may move a booking outside the therapist's hours.

    Raises:
        NotAvailable: the therapist takes no bookings at that time.
        SlotTaken: the therapist's time is held by another booking.
        InvalidBooking: the new time can not be.
        IllegalTransition, NotAllowed, StaleBooking, NotFound: as for every move.

    """
    booking = yield from get_booking(ports, booking_id)
    who = actor(booking)
    therapist = yield from find(ports, THERAPISTS, booking.therapist_id)
    if therapist is not None and who.role is not Role.OPS:
        _check_hours(ports, booking, wanted, therapist)

    def obstacle(decision: Decision) -> Flow[None]:
        taken = yield from held(ports, new_slot_ids(decision), except_by=booking_id)
        yield from refuse_if_taken(ports, decision.booking, taken, therapist)

    return (yield from transition(ports, booking_id, wanted, actor=actor, obstacle=obstacle))


def _check_hours(ports: Ports, booking: Booking, wanted: Wanted, therapist: Therapist) -> None:
    start = wanted.starts_at
    if start is None or start.tzinfo is None:
        return  # the state machine says what is wrong with it
    try:
        start = start.astimezone(UTC)  # Python adds on the clock on the wall, which jumps where a zone's clocks change
        end = start + (booking.ends_at - booking.starts_at)
    except OverflowError:
        return  # likewise
    reason = refusal(therapist.availability, therapist.zone, starts_at=start, ends_at=end, now=ports.now())
    if reason is not None:
        raise NotAvailable(f"{therapist.name} cannot be booked then: {reason}.")
