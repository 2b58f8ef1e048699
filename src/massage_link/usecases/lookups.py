"""Read a booking, and its latest event, by which a booking is told from a draft."""

from __future__ import annotations

from massage_link.domain.booking import Booking, BookingEvent
from massage_link.domain.ids import event_id
from massage_link.domain.tables import BOOKING_EVENTS, BOOKINGS
from massage_link.errors import NotFound
from massage_link.usecases.ports import Ports, find
from massage_link.wire.call import Flow

__all__ = ["get_booking", "latest_event"]


def get_booking(ports: Ports, booking_id: str) -> Flow[Booking]:
    """The booking as it is now.

    Raises:
        NotFound: there is none with this id, or none that the credential may see.

    """
    booking = yield from find(ports, BOOKINGS, booking_id)
    if booking is None:
        raise NotFound(f"there is no booking {booking_id!r}, or it is not visible to this credential.")
    return booking


def latest_event(ports: Ports, booking: Booking) -> Flow[BookingEvent | None]:
    """The event that made the booking what it is; None for a draft, which a client wrote and nobody has admitted."""
    # A client may have put any version into its draft, so the event of that very version is looked for.
    return (yield from find(ports, BOOKING_EVENTS, event_id(booking.id, booking.version)))
