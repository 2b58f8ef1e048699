"""Who holds which of a therapist's five-minute slots, and what is free."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from appwrite.query import Query

from massage_link.domain.booking import Booking, Slot, Status
from massage_link.domain.calendar import FreeSlot, Service, free_slots
from massage_link.domain.ids import slot_id
from massage_link.domain.people import Therapist
from massage_link.domain.slots import bucket_start, buckets
from massage_link.domain.tables import SLOTS, THERAPISTS
from massage_link.errors import InvalidInput, NotFound
from massage_link.usecases.lookups import list_bookings
from massage_link.usecases.ports import Ports, find, rows_with_ids
from massage_link.wire.call import Flow
from massage_link.wire.rows import IDS_PER_QUERY, list_raw_rows, update_row, with_ids

__all__ = ["bucket_of", "free_times", "get_therapist", "held", "nearest_free", "overdue", "starts_of", "take_bookings"]

#: Rows of one page of taken slots: more than a fortnight that is booked day and night.
_PAGE = 5_000
_LONGEST_RANGE = timedelta(days=31)
_NEAREST = 3
#: How far around a time that is taken free ones are looked for.
_AROUND = timedelta(days=2)


def bucket_of(row_id: str) -> int:
    """The number of a slot, from its row id."""
    return int(row_id.rpartition("_")[2])


def held(ports: Ports, slot_ids: Iterable[str], *, except_by: str) -> Flow[list[Slot]]:
    """Those of the slots that another booking holds."""
    found = yield from rows_with_ids(ports, SLOTS, Slot, slot_ids)
    return [slot for slot in found if slot.booking_id != except_by]


def overdue(ports: Ports, slots: Iterable[Slot]) -> Flow[list[str]]:
    """Ids of the bookings that hold these slots although their time to answer is over."""
    booking_ids = sorted({slot.booking_id for slot in slots})[:IDS_PER_QUERY]
    rows = yield from list_bookings(ports, [with_ids(booking_ids), Query.limit(len(booking_ids))])
    now = ports.now()
    return [
        row.id
        for row in rows
        if isinstance(row, Booking)
        and row.status is Status.PENDING
        and row.expires_at is not None
        and row.expires_at <= now
    ]


def get_therapist(ports: Ports, therapist_id: str) -> Flow[Therapist]:
    """The therapist's catalogue.

    Raises:
        NotFound: there is none.

    """
    therapist = yield from find(ports, THERAPISTS, therapist_id)
    if therapist is None:
        raise NotFound(f"there is no therapist {therapist_id!r} in the catalogue.")
    return therapist


def take_bookings(ports: Ports, therapist_id: str, *, taking: bool) -> Flow[Therapist]:
    """Let a therapist be booked, or not for now; what is booked already stays as it is.

    Raises:
        NotFound: there is no such therapist.
        InvalidInput: `taking` is neither True nor False.

    """
    if type(taking) is not bool:
        raise InvalidInput(f"taking is True or False, not {taking!r}.")
    therapist = yield from get_therapist(ports, therapist_id)
    return (yield from update_row(ports.address(THERAPISTS), Therapist, therapist.id, {"active": taking}))


def free_times(
    ports: Ports, therapist_id: str, service: str, *, start: datetime, end: datetime
) -> Flow[list[FreeSlot]]:
    """The times at which a service can be booked, ascending: two calls, a third for a calendar that is all but full.

    Args:
        ports: surroundings.
        therapist_id: whose time.
        service: name of the service.
        start, end: aware instants, at most 31 days apart; the service begins at or after the first, before the second.

    Raises:
        NotFound: there is no such therapist.
        InvalidInput: a service that is not on offer, or a range that is not one.

    """
    aware = all(isinstance(each, datetime) and each.tzinfo is not None for each in (start, end))
    if not aware or not timedelta(0) < end - start <= _LONGEST_RANGE:
        raise InvalidInput(
            f"a range of at most {_LONGEST_RANGE.days} days is asked for, from one aware instant to a later one, "
            f"not {start} to {end}."
        )
    therapist = yield from get_therapist(ports, therapist_id)
    return (yield from _free(ports, therapist, therapist.service(service), start, end))


def nearest_free(ports: Ports, therapist: Therapist, service: Service, wanted: datetime) -> Flow[tuple[datetime, ...]]:
    """The free beginnings that are nearest to a time that is taken, ascending."""
    free = yield from _free(ports, therapist, service, wanted - _AROUND, wanted + _AROUND)
    starts = sorted((slot.starts_at for slot in free), key=lambda start: abs(start - wanted))
    return tuple(sorted(starts[:_NEAREST]))


def _free(ports: Ports, therapist: Therapist, service: Service, start: datetime, end: datetime) -> Flow[list[FreeSlot]]:
    hours, now = therapist.availability, ports.now()
    # Only what can be offered at all: nothing of the past, nothing beyond the horizon.
    start, end = max(start, now).astimezone(UTC), min(end, now + timedelta(days=hours.horizon_days)).astimezone(UTC)
    if not therapist.active or end <= start:
        return []
    around = buckets(start, end + service.duration, service.buffer)
    taken = yield from _taken(ports, therapist.id, around)
    return list(free_slots(hours, therapist.zone, service, start=start, end=end, now=now, taken=taken))


def _taken(ports: Ports, therapist_id: str, wanted: range) -> Flow[set[int]]:
    """Numbers of the held slots in a range: row ids of one therapist sort as their numbers do."""
    queries = [
        Query.greater_than_equal("$id", slot_id(therapist_id, wanted.start)),
        Query.less_than("$id", slot_id(therapist_id, wanted.stop)),
        Query.order_asc("$id"),
        Query.limit(_PAGE),
        Query.select(["$id"]),
    ]
    taken: set[int] = set()
    cursor: list[str] = []
    while True:
        page = yield from list_raw_rows(ports.address(SLOTS), [*queries, *cursor])
        taken |= {bucket_of(row["$id"]) for row in page.rows}
        if len(page.rows) < _PAGE:
            return taken
        cursor = [Query.cursor_after(page.rows[-1]["$id"])]


def starts_of(slots: Iterable[Slot]) -> tuple[datetime, ...]:
    """Beginnings of the slots, ascending."""
    return tuple(sorted(bucket_start(bucket_of(slot.id)) for slot in slots))
