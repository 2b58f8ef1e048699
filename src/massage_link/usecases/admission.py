"""Direct-write mode: a client writes a booking row, and we admit or decline it.

The steps, each of which may be the last before a crash, whereupon the sweeper takes the draft up by the same rule:

1. The row is read by list, and the users whom its permissions name are kept as the proof of who wrote it.
2. Its permissions are replaced by read for exactly those, unless it was written to since: from now on no client can
   change or delete it.
3. It is read again, from step 1 on until it reads as locked: this is what was asked for, and by whom.
4. It is admitted in the transaction that takes the slots, writes its first event and lets the therapist read it, or it
   is declined by the system with a reason. It is declined unless its customer is among its authors and its price, end,
   service and hours are the catalogue's.

Until step 4 the therapist can not read it, and the SDK passes it over even for those who can.

What its author began to write before step 2 may, on a server of today, take effect after step 4: then the booking is
made anew, see `massage_link.usecases.restoring`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from massage_link.domain.booking import Booking, BookingEvent, BookingEventType, Role, Status
from massage_link.domain.draft import Draft, is_locked, is_shared
from massage_link.domain.history import beginning
from massage_link.domain.ids import BOOKING_ID_LENGTH, event_id
from massage_link.domain.people import Therapist
from massage_link.domain.request import NewBooking, new_booking
from massage_link.domain.rows import to_wire_time
from massage_link.domain.tables import (
    BOOKING_EVENTS,
    BOOKING_PLACES,
    BOOKING_TERMS,
    BOOKINGS,
    SLOTS,
    THERAPISTS,
)
from massage_link.domain.wish import BookingWish, check_available
from massage_link.errors import Conflict, InvalidInput, RowNotFound, RuleError, SlotTaken
from massage_link.usecases.bookings import commission_rate, refuse_if_taken
from massage_link.usecases.chat import ensure_room
from massage_link.usecases.commissions import ensure_commission
from massage_link.usecases.commit import commit_once
from massage_link.usecases.lookups import BookingOrDraft, as_draft, find_booking
from massage_link.usecases.ports import Ports, find
from massage_link.usecases.restoring import restored
from massage_link.usecases.slots import held
from massage_link.wire.call import Flow
from massage_link.wire.instructions import without_instructions
from massage_link.wire.rows import read_by, set_permissions
from massage_link.wire.transactions import Operation, bulk_create, create, update

__all__ = ["admit_booking"]

_MAX_REASON = 500
#: How often a draft is read that its author keeps changing, before it is left to the next event or sweep.
_ATTEMPTS = 10


def admit_booking(ports: Ports, booking_id: str) -> Flow[Booking | None]:
    """Admit or decline a draft, and see to its room and commission. A booking is left as it is.

    One whose row was overwritten or deleted after its admission is made anew.

    Returns:
        The booking when it was admitted (now or before), None when it was declined or is not there.

    """
    draft = yield from _locked(ports, booking_id)
    if not isinstance(draft, Draft):
        return draft
    booking = yield from _admit_or_decline(ports, draft, sorted(draft.authors))
    return (yield from _provided(ports, booking))


def _locked(ports: Ports, booking_id: str) -> Flow[BookingOrDraft | None]:
    """The draft once it reads as one that no client can change, whoever may have written to it in between.

    The booking when it is one (again), None when there is nothing to decide any more.
    """
    conflict: Conflict | None = None
    for _ in range(_ATTEMPTS):
        found = yield from find_booking(ports, booking_id)
        if isinstance(found, Booking) and is_shared(found):
            return found
        try:
            first = yield from _event(ports, booking_id)
            if first is not None:
                return (yield from _decided(ports, booking_id, first))
            if found is None:
                return None
            draft = as_draft(found)
            # Written to only when there is something to replace: each write is an event that starts this function
            # again, and a run that fails after it must not start the next one for ever.
            if is_locked(draft):
                return None if draft.status == Status.DECLINED else draft  # a declined one stays with its author
            yield from _lock(ports, draft)
        except RowNotFound:
            return None  # its author took it back in time
        except Conflict as error:
            # Changed, or deleted and made anew by somebody else, since its authors were read: they are read again.
            conflict = error
    assert conflict is not None
    raise conflict


def _lock(ports: Ports, draft: Draft) -> Flow[None]:
    assert draft.updated_at is not None
    readers, stamp = read_by(sorted(draft.authors)), to_wire_time(draft.updated_at)
    address, right = ports.address(BOOKINGS), draft.out_of_bounds
    yield from set_permissions(address, draft.id, readers, right, unless_changed=stamp)


def _decided(ports: Ports, booking_id: str, first: BookingEvent) -> Flow[Booking | None]:
    """The booking if it has been admitted, as its events say if it has been tampered with; None if it was declined."""
    row = yield from find_booking(ports, booking_id)
    if isinstance(row, Booking) and is_shared(row):
        return row if row.status is not Status.DECLINED else None
    if first.type is not BookingEventType.REQUESTED:
        return None
    booking = yield from restored(ports, booking_id, row)
    return (yield from _provided(ports, booking))


def _provided(ports: Ports, booking: Booking | None) -> Flow[Booking | None]:
    """The booking, with its room and its commission."""
    if booking is not None:
        yield from ensure_room(ports, booking.id)
        yield from ensure_commission(ports, booking.id)
    return booking


def _event(ports: Ports, booking_id: str) -> Flow[BookingEvent | None]:
    if len(booking_id) > BOOKING_ID_LENGTH:
        return None
    return (yield from find(ports, BOOKING_EVENTS, event_id(booking_id, 1)))


def _admit_or_decline(ports: Ports, draft: Draft, authors: Sequence[str]) -> Flow[Booking | None]:
    therapist = None
    if draft.therapist_id:
        therapist = yield from find(ports, THERAPISTS, draft.therapist_id)
    try:
        wish = _checked(draft, authors, therapist)
        assert therapist is not None
        request = wish.completed(therapist)
        now = ports.now()
        request.check(now)
        check_available(request, therapist, now)
        new = new_booking(
            request,
            booking_id=draft.id,
            command_id=ports.new_id(),
            now=now,
            commission_bps=(yield from commission_rate(ports, therapist.id)),
        )
        return (yield from _admit(ports, new, therapist))
    except (RuleError, InvalidInput) as refusal:
        yield from _decline(ports, draft, authors, str(refusal), therapist)
        return None


def _checked(draft: Draft, authors: Sequence[str], therapist: Therapist | None) -> BookingWish:
    """What the draft asks for, when its author may ask for it and the catalogue says the same."""
    if len(draft.id) > BOOKING_ID_LENGTH:
        raise InvalidInput(f"the booking's id has more than {BOOKING_ID_LENGTH} characters.")
    if draft.customer_id not in authors:
        raise InvalidInput("the booking was not written by its customer.")
    if therapist is None:
        raise InvalidInput("there is no such therapist in the catalogue.")
    if draft.starts_at is None:
        raise InvalidInput("the booking has no start.")
    # These texts go back to the server in an update, where it would obey them.
    without_instructions(
        {"service": draft.service, "area": draft.area, "note": draft.note, "name": draft.customer_name}
    )
    service = therapist.service(draft.service)
    said_and_true = {
        "end": (draft.ends_at, draft.starts_at + service.duration),
        "duration": (draft.duration_minutes, service.minutes),
        "price": (draft.price_minor, service.price_minor),
        "currency": (draft.currency, service.currency),
        "time zone": (draft.timezone, therapist.timezone),
    }
    for name, (said, true) in said_and_true.items():
        if said not in {None, true}:
            raise InvalidInput(f"the booking's {name} is {said}; the catalogue says {true}.")
    return BookingWish(
        customer_id=draft.customer_id,
        therapist_id=draft.therapist_id,
        service=draft.service,
        starts_at=draft.starts_at,
        area=draft.area or "",
        note=draft.note or "",
        customer_name=draft.customer_name or "",
    )


def _admit(ports: Ports, new: NewBooking, therapist: Therapist) -> Flow[Booking]:
    def prepare() -> Flow[tuple[list[Operation], Booking]]:
        yield from ()
        return _admission(ports, new), new.booking

    def outcome() -> Flow[Booking | None]:
        taken = yield from held(ports, [slot.id for slot in new.slots], except_by=new.booking.id)
        event = yield from find(ports, BOOKING_EVENTS, new.event.id)
        if event is not None:
            # Whoever wrote it went by the same rule: the function, its repeat, or the sweeper.
            known = yield from find_booking(ports, new.booking.id)
            if isinstance(known, Booking):
                return known
            raise SlotTaken("the booking was declined meanwhile.")
        yield from refuse_if_taken(ports, new.booking, taken, therapist)
        return None

    return (yield from commit_once(ports, prepare, outcome))


def _admission(ports: Ports, new: NewBooking) -> list[Operation]:
    customer, therapist = new.booking.customer_id, new.booking.therapist_id
    readers = read_by(BOOKINGS.user_readers(customer_id=customer, therapist_id=therapist))
    return [
        update(ports.address(BOOKINGS), new.booking.id, new.booking.columns(), readers),
        *(
            create(
                ports.address(table),
                row.id,
                row.columns(),
                read_by(table.user_readers(customer_id=customer, therapist_id=therapist)),
            )
            for table, row in (
                (BOOKING_TERMS, new.terms),
                (BOOKING_PLACES, new.place),
                (BOOKING_EVENTS, new.event.model_copy(update={"data": beginning(new.booking)})),
            )
        ),
        bulk_create(ports.address(SLOTS), [(slot.id, slot.columns()) for slot in new.slots]),
    ]


def _decline(
    ports: Ports, draft: Draft, authors: Sequence[str], reason: str, therapist: Therapist | None
) -> Flow[None]:
    """Decline the draft as the system: its author sees the reason, and nobody else learns of it."""
    changes = {
        **_filled_in(draft, therapist),
        "status": Status.DECLINED.value,
        "statusReason": reason[:_MAX_REASON],
        "version": 1,
        "expiresAt": None,
        "respondedAt": None,
    }
    now = ports.now()
    operations = [update(ports.address(BOOKINGS), draft.id, changes, read_by(authors))]
    known_to = [author for author in authors if author == draft.customer_id]
    if len(draft.id) <= BOOKING_ID_LENGTH:
        event = BookingEvent(
            id=event_id(draft.id, 1),
            booking_id=draft.id,
            version=1,
            command_id=ports.new_id(),
            type=BookingEventType.DECLINED,
            actor="system",
            actor_role=Role.SYSTEM,
            to_status=Status.DECLINED,
            reason=reason[:_MAX_REASON],
            at=now,
        )
        operations.append(create(ports.address(BOOKING_EVENTS), event.id, event.columns(), read_by(known_to)))

    def prepare() -> Flow[tuple[list[Operation], bool]]:
        yield from ()
        return operations, True

    def outcome() -> Flow[bool | None]:
        row = yield from find_booking(ports, draft.id)
        if row is None or isinstance(row, Booking) or row.status == Status.DECLINED:
            return True
        return None if (yield from _event(ports, draft.id)) is None else True

    yield from commit_once(ports, prepare, outcome)


def _filled_in(draft: Draft, therapist: Therapist | None) -> dict[str, Any]:
    """What the catalogue says of end, length, zone and price, so that a declined draft reads like a booking."""
    if therapist is None or draft.starts_at is None:
        return {}
    try:
        service = therapist.service(draft.service)
    except InvalidInput:
        return {}
    return {
        "endsAt": to_wire_time(draft.starts_at + service.duration),
        "timezone": therapist.timezone,
        "durationMinutes": service.minutes,
        "bufferMinutes": service.buffer_minutes,
        "priceMinor": service.price_minor,
        "currency": service.currency,
    }
