"""Request a booking, and move it through its states. Each write is one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appwrite.query import Query

from massage_link.domain.booking import Booking, BookingKey, Role, Slot
from massage_link.domain.commission import DEFAULT_COMMISSION_BPS
from massage_link.domain.ids import booking_key_id, checked_text, event_id
from massage_link.domain.request import BookingRequest, NewBooking, new_booking
from massage_link.domain.slots import bucket_start
from massage_link.domain.states import Actor, Command, Decision, decide, role_in
from massage_link.domain.tables import (
    BOOKING_EVENTS,
    BOOKING_KEYS,
    BOOKING_PLACES,
    BOOKING_TERMS,
    BOOKINGS,
    COMMISSIONS,
    SLOTS,
    THERAPIST_TERMS,
)
from massage_link.errors import IdempotencyMismatch, InvalidInput, NotFound, SlotTaken, StaleBooking
from massage_link.usecases.commissions import ensure_commission
from massage_link.usecases.commit import commit_once
from massage_link.usecases.ports import Ports, find
from massage_link.wire.call import Flow
from massage_link.wire.rows import IDS_PER_QUERY, list_rows, read_by, with_ids
from massage_link.wire.transactions import Operation, bulk_create, bulk_delete, create, update

if TYPE_CHECKING:
    from massage_link.domain.commission import Commission

__all__ = ["get_booking", "request_booking", "transition"]

_MAX_KEY = 200


def get_booking(ports: Ports, booking_id: str) -> Flow[Booking]:
    """The booking as it is now.

    Raises:
        NotFound: there is none with this id, or none that the credential may see.

    """
    booking = yield from find(ports, BOOKINGS, booking_id)
    if booking is None:
        raise NotFound(f"there is no booking {booking_id!r}, or it is not visible to this credential.")
    return booking


# --- request ----------------------------------------------------------------------------------------------------------
def request_booking(
    ports: Ports, request: BookingRequest, *, idempotency_key: str | None = None, actor: Actor | None = None
) -> Flow[Booking]:
    """Book, or refuse: booking, terms, place, event and slots are written together or not at all.

    Args:
        ports: surroundings.
        request: what the customer asks for.
        idempotency_key: repeating a request with the same key gives the same booking; at most 200 characters.
        actor: who asks; the customer unless it is said.

    Raises:
        InvalidBooking: the request is malformed or in the past.
        SlotTaken: the therapist's time is held by another booking.
        IdempotencyMismatch: the key was used for another request.

    """
    request.check_form()
    key = None if idempotency_key is None else _key_row(ports, request, idempotency_key)
    if key is not None and (earlier := (yield from _made_by(ports, key))) is not None:
        return earlier
    terms = yield from find(ports, THERAPIST_TERMS, request.therapist_id)
    agreed = terms.commission_bps if terms is not None else None
    new = new_booking(
        request,
        booking_id=ports.new_id() if key is None else key.booking_id,
        command_id=ports.new_id(),
        now=ports.now(),
        actor=actor,
        commission_bps=DEFAULT_COMMISSION_BPS if agreed is None else agreed,
    )
    operations = _request_operations(ports, new, key)

    def prepare() -> Flow[tuple[list[Operation], Booking]]:
        yield from ()
        return operations, new.booking

    def outcome() -> Flow[Booking | None]:
        return (yield from _request_outcome(ports, new, key))

    return (yield from commit_once(ports, prepare, outcome))


def _key_row(ports: Ports, request: BookingRequest, idempotency_key: str) -> BookingKey:
    if not isinstance(idempotency_key, str) or not 1 <= len(idempotency_key) <= _MAX_KEY:
        raise InvalidInput(f"an idempotency key is a text of 1 to {_MAX_KEY} characters, not {idempotency_key!r:.60}.")
    checked_text("idempotency_key", idempotency_key)
    return BookingKey(
        id=booking_key_id(request.customer_id, idempotency_key),
        booking_id=ports.new_id(),
        request_hash=request.fingerprint(),
    )


def _made_by(ports: Ports, key: BookingKey) -> Flow[Booking | None]:
    """The booking that the key has made already, if any."""
    known = yield from find(ports, BOOKING_KEYS, key.id)
    if known is None:
        return None
    if known.request_hash != key.request_hash:
        raise IdempotencyMismatch(
            f"this idempotency key has made booking {known.booking_id} from a request with other content; "
            "use a new key for a new request."
        )
    return (yield from get_booking(ports, known.booking_id))


def _request_operations(ports: Ports, new: NewBooking, key: BookingKey | None) -> list[Operation]:
    customer, therapist = new.booking.customer_id, new.booking.therapist_id
    operations = [
        create(
            ports.address(table),
            row.id,
            row.columns(),
            read_by(table.user_readers(customer_id=customer, therapist_id=therapist)),
        )
        for table, row in (
            (BOOKINGS, new.booking),
            (BOOKING_TERMS, new.terms),
            (BOOKING_PLACES, new.place),
            (BOOKING_EVENTS, new.event),
        )
    ]
    operations.append(bulk_create(ports.address(SLOTS), [(slot.id, slot.columns()) for slot in new.slots]))
    if key is not None:
        operations.append(create(ports.address(BOOKING_KEYS), key.id, key.columns(), []))
    return operations


def _request_outcome(ports: Ports, new: NewBooking, key: BookingKey | None) -> Flow[Booking | None]:
    # The slots first: whoever holds them has committed, so its event and its key are there to be seen as well. The
    # other way round a commit of our own that comes late would be taken for somebody else's booking.
    taken = yield from _taken(ports, new.slots)
    event = yield from find(ports, BOOKING_EVENTS, new.event.id)
    if event is not None and event.command_id == new.event.command_id:
        return new.booking
    if key is not None and (earlier := (yield from _made_by(ports, key))) is not None:
        return earlier
    if taken:
        starts = tuple(sorted(bucket_start(int(slot.id.rpartition("_")[2])) for slot in taken))
        raise SlotTaken(
            f"therapist {new.booking.therapist_id} is booked at {starts[0]:%Y-%m-%d %H:%M} UTC; "
            f"{new.booking.starts_at:%H:%M} to {new.booking.ends_at:%H:%M} is not free.",
            taken=starts,
        )
    return None


def _taken(ports: Ports, slots: tuple[Slot, ...]) -> Flow[list[Slot]]:
    taken: list[Slot] = []
    for first in range(0, len(slots), IDS_PER_QUERY):
        ids = [slot.id for slot in slots[first : first + IDS_PER_QUERY]]
        taken += yield from list_rows(ports.address(SLOTS), Slot, [with_ids(ids), Query.limit(len(ids))])
    return taken


# --- transitions ------------------------------------------------------------------------------------------------------
def transition(
    ports: Ports, booking_id: str, command: Command, *, by: str | None = None, reason: str = ""
) -> Flow[Booking]:
    """Accept, decline, cancel, start, complete… a booking.

    Args:
        ports: surroundings.
        booking_id: which booking.
        command: what is wanted.
        by: id of the user who acts: the booking's customer or therapist. None acts as ops, which a key is trusted with.
        reason: said to the other side.

    Raises:
        NotFound: there is no such booking.
        IllegalTransition: the booking is not in a state for it.
        NotAllowed: this user may not.
        StaleBooking: somebody else changed the booking first.

    """
    booking = yield from get_booking(ports, booking_id)
    yield from _refuse_draft(ports, booking)
    actor = Actor("ops", Role.OPS) if by is None else Actor(by, role_in(booking, by))
    decision = decide(booking, command, actor, now=ports.now(), command_id=ports.new_id(), reason=reason)

    def prepare() -> Flow[tuple[list[Operation], Booking]]:
        commission = None
        if decision.transition.commission is not None:
            commission = yield from ensure_commission(ports, booking_id)
        return _transition_operations(ports, decision, commission), decision.booking

    def outcome() -> Flow[Booking | None]:
        return (yield from _transition_outcome(ports, decision))

    return (yield from commit_once(ports, prepare, outcome))


def _refuse_draft(ports: Ports, booking: Booking) -> Flow[None]:
    # A booking beyond version 1 has been through a transition, so only a first one needs the look.
    if booking.version == 1 and (yield from find(ports, BOOKING_EVENTS, event_id(booking.id, 1))) is None:
        raise NotFound(f"booking {booking.id!r} is a draft that has not been admitted yet.")


def _transition_operations(ports: Ports, decision: Decision, commission: Commission | None) -> list[Operation]:
    booking, arrow, event = decision.booking, decision.transition, decision.event
    customer, therapist = booking.customer_id, booking.therapist_id
    operations = [
        update(ports.address(BOOKINGS), booking.id, decision.changes),
        create(
            ports.address(BOOKING_EVENTS),
            event.id,
            event.columns(),
            read_by(BOOKING_EVENTS.user_readers(customer_id=customer, therapist_id=therapist)),
        ),
    ]
    if arrow.reveals_place:
        readers = read_by(BOOKING_PLACES.user_readers(customer_id=customer, therapist_id=therapist, accepted=True))
        operations.append(update(ports.address(BOOKING_PLACES), booking.id, {}, readers))
    if arrow.releases_slots:
        operations.append(bulk_delete(ports.address(SLOTS), [Query.equal("bookingId", [booking.id])]))
    if commission is not None and arrow.commission is not None:
        changes = {"status": arrow.commission.value, "version": commission.version + 1}
        operations.append(update(ports.address(COMMISSIONS), booking.id, changes))
    return operations


def _transition_outcome(ports: Ports, decision: Decision) -> Flow[Booking | None]:
    event = yield from find(ports, BOOKING_EVENTS, decision.event.id)
    if event is None:
        return None
    if event.command_id == decision.event.command_id:
        return decision.booking
    current = yield from get_booking(ports, decision.booking.id)
    raise StaleBooking(
        f"booking {current.id} was {event.type} by {event.actor_role} {event.actor} first; it is {current.status} now.",
        current=current,
    )
