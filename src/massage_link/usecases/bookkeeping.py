"""Read all that the tables hold about the money of bookings, a page of bookings at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from appwrite.query import Query
from pydantic import ValidationError

from massage_link.domain.booking import Booking, BookingEvent, BookingEventType
from massage_link.domain.commission import CommissionEntry
from massage_link.domain.ids import event_id
from massage_link.domain.reconciliation import BookingBooks
from massage_link.domain.rows import Row
from massage_link.domain.states import LIVE
from massage_link.domain.tables import BOOKING_EVENTS, BOOKING_TERMS, COMMISSION_ENTRIES, COMMISSIONS, Table
from massage_link.usecases.lookups import find_booking
from massage_link.usecases.ports import Ports
from massage_link.usecases.scanning import each_page, raw_rows, rows_of
from massage_link.wire.call import Flow
from massage_link.wire.rows import with_ids

__all__ = ["books_again", "books_of", "parsed_rows"]

R = TypeVar("R", bound=Row)
_ENTRIES_PAGE = 1_000


def books_of(ports: Ports, bookings: Sequence[Booking]) -> Flow[list[BookingBooks]]:
    """The books of these bookings, at most 90; those that were never admitted (declined drafts) are left out."""
    ids = [booking.id for booking in bookings]
    terms = {row.id: row for row in (yield from _by_id(ports, BOOKING_TERMS, ids))}
    endings = yield from _events(ports, [(each.id, each.version) for each in bookings if each.status not in LIVE])
    raw = yield from raw_rows(ports, COMMISSIONS, [with_ids(ids), Query.limit(len(ids))])
    stored, bad = parsed_rows(COMMISSIONS, raw)
    commissions = {row.id: row for row in stored}
    entries, unreadable = yield from _entries(ports, ids)
    for row_id in bad:
        unreadable[row_id].append(row_id)
    without = [each for each in ids if each not in terms]
    first = yield from _events(ports, [(booking_id, 1) for booking_id in without])
    return [
        BookingBooks(
            booking,
            terms.get(booking.id),
            endings.get(booking.id),
            commissions.get(booking.id),
            entries.get(booking.id, []),
            tuple(unreadable.get(booking.id, ())),
        )
        for booking in bookings
        if booking.id in terms or _was_requested(first.get(booking.id))
    ]


def books_again(ports: Ports, booking_id: str) -> Flow[BookingBooks | None]:
    """The books of one booking, read anew; None when it is no booking."""
    booking = yield from find_booking(ports, booking_id)
    if not isinstance(booking, Booking):
        return None
    books = yield from books_of(ports, [booking])
    return books[0] if books else None


def parsed_rows(table: Table[R], raw: Iterable[dict[str, Any]]) -> tuple[list[R], list[str]]:
    """The rows that can be read, and the ids of those that cannot."""
    rows: list[R] = []
    bad: list[str] = []
    for each in raw:
        try:
            rows.append(table.model.model_validate(each))
        except ValidationError:
            bad.append(str(each.get("$id")))
    return rows, bad


def _was_requested(first: BookingEvent | None) -> bool:
    return first is not None and first.type is BookingEventType.REQUESTED


def _by_id(ports: Ports, table: Table[R], ids: Sequence[str]) -> Flow[list[R]]:
    if not ids:
        return []
    return (yield from rows_of(ports, table, [with_ids(ids), Query.limit(len(ids))]))


def _events(ports: Ports, wanted: Sequence[tuple[str, int]]) -> Flow[dict[str, BookingEvent]]:
    ids = [event_id(booking_id, version) for booking_id, version in wanted]
    return {event.booking_id: event for event in (yield from _by_id(ports, BOOKING_EVENTS, ids))}


def _entries(
    ports: Ports, ids: Sequence[str]
) -> Flow[tuple[dict[str, list[CommissionEntry]], defaultdict[str, list[str]]]]:
    entries: defaultdict[str, list[CommissionEntry]] = defaultdict(list)
    unreadable: defaultdict[str, list[str]] = defaultdict(list)

    def deal(raw: list[dict[str, Any]]) -> Flow[None]:
        yield from ()
        for row in raw:
            good, bad = parsed_rows(COMMISSION_ENTRIES, [row])
            for entry in good:
                entries[entry.booking_id].append(entry)
            unreadable[str(row.get("bookingId"))] += bad

    yield from each_page(
        lambda queries: raw_rows(ports, COMMISSION_ENTRIES, queries),
        [Query.equal("bookingId", list(ids))],
        deal,
        size=_ENTRIES_PAGE,
        id_of=lambda row: str(row["$id"]),
    )
    for booking_id in [each for each, bad in unreadable.items() if not bad]:
        del unreadable[booking_id]
    return entries, unreadable
