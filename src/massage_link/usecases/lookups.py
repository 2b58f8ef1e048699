"""Read a booking, and tell a draft from a booking."""

from __future__ import annotations

from massage_link.domain.booking import Booking
from massage_link.domain.ids import event_id
from massage_link.domain.tables import BOOKING_EVENTS, BOOKINGS
from massage_link.errors import NotFound
from massage_link.usecases.ports import Ports, find
from massage_link.wire.call import Flow

__all__ = ["get_booking", "is_draft"]


def get_booking(ports: Ports, booking_id: str) -> Flow[Booking]:
    """The booking as it is now.

    Raises:
        NotFound: there is none with this id, or none that the credential may see.

    """
    booking = yield from find(ports, BOOKINGS, booking_id)
    if booking is None:
        raise NotFound(f"there is no booking {booking_id!r}, or it is not visible to this credential.")
    return booking


def is_draft(ports: Ports, booking: Booking) -> Flow[bool]:
    """Whether a client wrote the row and nobody has admitted it: a booking has its first event, a draft has none."""
    # A booking beyond version 1 has been through a transition. Only a key writes versions, but a client may have put
    # any number into its draft, so the event of that very version is looked for.
    return (yield from find(ports, BOOKING_EVENTS, event_id(booking.id, booking.version))) is None
