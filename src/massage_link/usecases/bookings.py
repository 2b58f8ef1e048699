"""Request a booking: booking, terms, place, event and slots are written together or not at all."""

from __future__ import annotations

from datetime import datetime

from massage_link.domain.booking import Booking, BookingKey, Slot
from massage_link.domain.commission import DEFAULT_COMMISSION_BPS
from massage_link.domain.ids import booking_key_id, checked_text
from massage_link.domain.people import Therapist
from massage_link.domain.request import NewBooking, new_booking
from massage_link.domain.states import Actor
from massage_link.domain.tables import (
    BOOKING_EVENTS,
    BOOKING_KEYS,
    BOOKING_PLACES,
    BOOKING_TERMS,
    BOOKINGS,
    SLOTS,
    THERAPIST_TERMS,
    THERAPISTS,
)
from massage_link.domain.wish import BookingWish, check_available
from massage_link.errors import IdempotencyMismatch, InvalidInput, SlotTaken
from massage_link.usecases.commit import commit_once
from massage_link.usecases.lookups import get_booking
from massage_link.usecases.ports import Ports, find
from massage_link.usecases.slots import held, nearest_free, overdue, starts_of
from massage_link.usecases.transitions import expire_quietly
from massage_link.wire.call import Flow
from massage_link.wire.rows import read_by
from massage_link.wire.transactions import Operation, bulk_create, create

__all__ = ["commission_rate", "refuse_if_taken", "request_booking"]

_MAX_KEY = 200


def request_booking(
    ports: Ports,
    wish: BookingWish,
    *,
    idempotency_key: str | None = None,
    actor: Actor | None = None,
    exception: str = "",
) -> Flow[Booking]:
    """Book, or refuse.

    Args:
        ports: surroundings.
        wish: what the customer asks for; the therapist's catalogue fills in what is left open.
        idempotency_key: repeating a request with the same key gives the same booking; at most 200 characters.
        actor: who asks; the customer unless it is said.
        exception: ops' reason to book outside the therapist's hours; empty keeps to them.

    Raises:
        InvalidBooking: the request is malformed or in the past, or no catalogue says what it leaves open.
        NotAvailable: the therapist takes no bookings at that time.
        SlotTaken: the therapist's time is held by another booking.
        IdempotencyMismatch: the key was used for another request.

    """
    wish.check_people()
    key = None if idempotency_key is None else _key_row(ports, wish, idempotency_key)
    if key is not None and (earlier := (yield from _made_by(ports, key))) is not None:
        return earlier
    therapist = yield from find(ports, THERAPISTS, wish.therapist_id)
    request = wish.completed(therapist)
    now = ports.now()
    request.check(now)
    if therapist is not None and not exception:
        check_available(request, therapist, now)
    new = new_booking(
        request,
        booking_id=ports.new_id() if key is None else key.booking_id,
        command_id=ports.new_id(),
        now=now,
        actor=actor,
        commission_bps=(yield from commission_rate(ports, wish.therapist_id)),
        exception=exception,
    )
    operations = _operations(ports, new, key)

    def prepare() -> Flow[tuple[list[Operation], Booking]]:
        yield from ()
        return operations, new.booking

    def outcome() -> Flow[Booking | None]:
        return (yield from _outcome(ports, new, key, therapist))

    return (yield from commit_once(ports, prepare, outcome))


def commission_rate(ports: Ports, therapist_id: str) -> Flow[int]:
    """The platform's share in basis points that is agreed with a therapist now."""
    terms = yield from find(ports, THERAPIST_TERMS, therapist_id)
    agreed = terms.commission_bps if terms is not None else None
    return DEFAULT_COMMISSION_BPS if agreed is None else agreed


def _key_row(ports: Ports, wish: BookingWish, idempotency_key: str) -> BookingKey:
    if not isinstance(idempotency_key, str) or not 1 <= len(idempotency_key) <= _MAX_KEY:
        raise InvalidInput(f"an idempotency key is a text of 1 to {_MAX_KEY} characters, not {idempotency_key!r:.60}.")
    checked_text("idempotency_key", idempotency_key)
    return BookingKey(
        id=booking_key_id(wish.customer_id, idempotency_key),
        booking_id=ports.new_id(),
        request_hash=wish.fingerprint(),
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


def _operations(ports: Ports, new: NewBooking, key: BookingKey | None) -> list[Operation]:
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


def _outcome(
    ports: Ports, new: NewBooking, key: BookingKey | None, therapist: Therapist | None
) -> Flow[Booking | None]:
    # The slots first: whoever holds them has committed, so its event and its key are there to be seen as well. The
    # other way round a commit of our own that comes late would be taken for somebody else's booking.
    taken = yield from held(ports, [slot.id for slot in new.slots], except_by=new.booking.id)
    event = yield from find(ports, BOOKING_EVENTS, new.event.id)
    if event is not None and event.command_id == new.event.command_id:
        return new.booking
    if key is not None and (earlier := (yield from _made_by(ports, key))) is not None:
        return earlier
    yield from refuse_if_taken(ports, new.booking, taken, therapist)
    return None


def refuse_if_taken(ports: Ports, booking: Booking, taken: list[Slot], therapist: Therapist | None) -> Flow[None]:
    """Return when the slots can be had now, having expired on the spot what held them too long.

    Args:
        ports: surroundings.
        booking: that needs the slots.
        taken: those that other bookings hold.
        therapist: whose slots they are, with the catalogue; None when there is none.

    Raises:
        SlotTaken: another booking holds some, with the nearest free times.

    """
    if not taken:
        return
    expired = yield from overdue(ports, taken)
    for booking_id in expired:
        yield from expire_quietly(ports, booking_id)
    taken = [slot for slot in taken if slot.booking_id not in expired]
    if not taken:
        return
    nearest = yield from _nearest(ports, booking, therapist)
    starts = starts_of(taken)
    offer = f" Free nearby: {', '.join(f'{start:%Y-%m-%d %H:%M}' for start in nearest)} UTC." if nearest else ""
    raise SlotTaken(
        f"therapist {booking.therapist_id} is booked at {starts[0]:%Y-%m-%d %H:%M} UTC; "
        f"{booking.starts_at:%H:%M} to {booking.ends_at:%H:%M} is not free.{offer}",
        taken=starts,
        nearest=nearest,
    )


def _nearest(ports: Ports, booking: Booking, therapist: Therapist | None) -> Flow[tuple[datetime, ...]]:
    if therapist is None:
        return ()
    try:
        service = therapist.service(booking.service)
    except InvalidInput:
        return ()  # booked by its own price and length, so there is nothing to look for
    return (yield from nearest_free(ports, therapist, service, booking.starts_at))
