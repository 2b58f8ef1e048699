"""Read bookings, never a draft for one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, TypeAlias

from appwrite.query import Query
from pydantic import Field

from massage_link.domain.booking import Booking, BookingEventType
from massage_link.domain.draft import Draft, is_booking, is_shared
from massage_link.domain.ids import checked_text, event_id
from massage_link.domain.tables import BOOKING_EVENTS, BOOKINGS
from massage_link.errors import NotFound
from massage_link.usecases.ports import Ports, find
from massage_link.wire.call import Flow
from massage_link.wire.rows import list_rows, with_ids

__all__ = ["BookingOrDraft", "admitted", "as_draft", "find_booking", "get_booking", "list_bookings"]

BookingOrDraft: TypeAlias = Booking | Draft
#: What a row of the bookings table is parsed to: a booking if it has all that one has, or else a draft. In this order:
#: pydantic would else parse every row as both, to see which fits better.
_ROW: Any = Annotated[Booking | Draft, Field(union_mode="left_to_right")]


def list_bookings(ports: Ports, queries: Iterable[str]) -> Flow[list[BookingOrDraft]]:
    """One page of the bookings table."""
    rows: list[BookingOrDraft] = yield from list_rows(ports.address(BOOKINGS), _ROW, queries)
    return [row if isinstance(row, Booking) and is_booking(row) else as_draft(row) for row in rows]


def as_draft(row: BookingOrDraft) -> Draft:
    """A row as its author wrote it."""
    return row if isinstance(row, Draft) else Draft.model_validate(row.model_dump(by_alias=True))


def find_booking(ports: Ports, booking_id: str) -> Flow[BookingOrDraft | None]:
    """The booking or draft with this id, or None when there is none that the credential may see.

    Raises:
        InvalidInput: the id is not a text.

    """
    rows = yield from list_bookings(ports, [with_ids([checked_text("booking_id", booking_id)]), Query.limit(1)])
    return rows[0] if rows else None


def get_booking(ports: Ports, booking_id: str) -> Flow[Booking]:
    """The booking as it is now.

    Raises:
        NotFound: there is none with this id, or none that the credential may see.

    """
    booking = yield from find_booking(ports, booking_id)
    if booking is None:
        raise NotFound(f"there is no booking {booking_id!r}, or it is not visible to this credential.")
    if isinstance(booking, Draft):
        raise NotFound(f"booking {booking_id!r} is a draft that has not been admitted yet.")
    return booking


def admitted(ports: Ports, booking_id: str) -> Flow[Booking | None]:
    """The booking, when it was requested or admitted; None for a draft, also for one that was declined.

    Raises:
        NotFound: there is no such row.

    """
    booking = yield from find_booking(ports, booking_id)
    if booking is None:
        raise NotFound(f"there is no booking {booking_id!r}.")
    first = yield from find(ports, BOOKING_EVENTS, event_id(booking_id, 1))
    if isinstance(booking, Draft) or first is None or first.type is not BookingEventType.REQUESTED:
        return None
    if not is_shared(booking):
        return None  # its author overwrote it; it is going to be restored
    return booking
