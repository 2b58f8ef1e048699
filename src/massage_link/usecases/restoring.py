"""Make a booking's row anew from its events when its author has overwritten or deleted it after its admission.

In direct-write mode that is possible on a server of today. Appwrite's upsert reads the row and looks at its permissions
without a lock, and writes afterwards; in a transaction all of its reads are of the moment of the first one. So what was
begun while the author could still write takes effect later, whatever has become of the row by then, and gives the
author the right to change and delete it again. No client can touch the events, and every write starts the function that
calls this.
"""

from __future__ import annotations

import logging

from appwrite.query import Query

from massage_link.domain.booking import Booking, BookingEvent
from massage_link.domain.history import replayed
from massage_link.domain.rows import to_wire_time
from massage_link.domain.tables import BOOKING_EVENTS, BOOKINGS
from massage_link.usecases.lookups import BookingOrDraft
from massage_link.usecases.ports import Ports
from massage_link.wire.call import Flow
from massage_link.wire.rows import create_row, list_rows, patch_row, read_by

__all__ = ["restored"]

_PAGE = 100
log = logging.getLogger("massage_link.restoring")


def restored(ports: Ports, booking_id: str, found: BookingOrDraft | None) -> Flow[Booking | None]:
    """Write the row of an admitted booking as its events say, readable by customer and therapist again.

    Args:
        ports: surroundings.
        booking_id: of a booking whose first event is a request.
        found: what is in the row's place: a draft, a booking that only its author may read, or nothing.

    Returns:
        The booking; None when its events do not tell what it began with.

    Raises:
        Conflict: the row was written since it was read; read it again.

    """
    booking = replayed((yield from _events(ports, booking_id)))
    if booking is None:
        happened = _what_happened(found)
        log.error("booking %s was %s after its admission; its events do not tell what it was", booking_id, happened)
        return None
    log.warning("booking %s was %s after its admission; it is restored", booking_id, _what_happened(found))
    readers = read_by(BOOKINGS.user_readers(customer_id=booking.customer_id, therapist_id=booking.therapist_id))
    address, columns = ports.address(BOOKINGS), booking.columns()
    if found is None:
        return (yield from create_row(address, Booking, booking_id, columns, readers))
    assert found.updated_at is not None
    unless_changed = to_wire_time(found.updated_at)
    return (yield from patch_row(address, Booking, booking_id, columns, readers, unless_changed=unless_changed))


def _what_happened(found: BookingOrDraft | None) -> str:
    return "deleted" if found is None else "overwritten"


def _events(ports: Ports, booking_id: str) -> Flow[list[BookingEvent]]:
    queries = [Query.equal("bookingId", [booking_id]), Query.order_asc("version"), Query.limit(_PAGE)]
    events: list[BookingEvent] = []
    while True:
        after = [Query.greater_than("version", events[-1].version)] if events else []
        page = yield from list_rows(ports.address(BOOKING_EVENTS), BookingEvent, [*queries, *after])
        events += page
        if len(page) < _PAGE:
            return events
