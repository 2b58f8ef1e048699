"""Do the slots fit the bookings? Every slot is held by a live booking, and every live booking holds its time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from appwrite.query import Query

from massage_link.domain.booking import Booking, Slot
from massage_link.domain.ids import slot_id
from massage_link.domain.reconciliation import Fault, Finding
from massage_link.domain.states import LIVE
from massage_link.domain.tables import BOOKINGS, SLOTS
from massage_link.errors import SlotTaken
from massage_link.usecases.commit import commit_once
from massage_link.usecases.lookups import BookingOrDraft, find_booking, list_bookings
from massage_link.usecases.ports import Ports
from massage_link.usecases.scanning import each_page, looked_up, raw_rows
from massage_link.usecases.slots import held
from massage_link.wire.call import Flow
from massage_link.wire.rows import list_rows, with_ids
from massage_link.wire.transactions import Operation, bulk_create, bulk_delete, update

__all__ = ["Mend", "Tell", "check_slots", "check_slots_of"]

#: Puts right what is wrong with a booking; whether it is now.
Mend: TypeAlias = Callable[[str], Flow[bool]]
#: Told a finding, and how it can be put right.
Tell: TypeAlias = Callable[[Finding, Mend | None], Flow[None]]
_PAGE = 1_000
#: Bookings whose slots are read at once: each has at most a hundred.
_ABREAST = 45
_MOST_SLOTS = 5_000
_LOOKS = 4


# --- slots without a booking ------------------------------------------------------------------------------------------
def check_slots(ports: Ports, tell: Tell, advance: Callable[[int], None]) -> Flow[None]:
    """Find slots that no live booking holds; those of a booking that has ended or is not there can be removed."""

    def deal(rows: list[dict[str, Any]]) -> Flow[None]:
        by_booking: defaultdict[str, list[str]] = defaultdict(list)
        for row in rows:
            by_booking[str(row.get("bookingId"))].append(str(row["$id"]))
        found = yield from looked_up(
            lambda ids: list_bookings(ports, [with_ids(ids), Query.limit(len(ids))]), sorted(by_booking)
        )
        known = {row.id: row for row in found}
        for booking_id, slot_ids in by_booking.items():
            if set(slot_ids) - _needed(known.get(booking_id)):
                yield from _stray(ports, booking_id, slot_ids, tell)
        advance(len(rows))

    yield from each_page(
        lambda queries: raw_rows(ports, SLOTS, queries),
        [Query.select(["$id", "bookingId"])],
        deal,
        size=_PAGE,
        id_of=lambda row: str(row["$id"]),
    )


def _needed(booking: BookingOrDraft | None) -> set[str]:
    """Ids of the slots that a booking holds while it is live."""
    if not isinstance(booking, Booking) or booking.status not in LIVE:
        return set()
    return {slot_id(booking.therapist_id, bucket) for bucket in booking.buckets}


def _stray(ports: Ports, booking_id: str, slot_ids: Sequence[str], tell: Tell) -> Flow[None]:
    booking, slots = yield from _still(ports, booking_id)
    stray = sorted({slot.id for slot in slots} & set(slot_ids) - _needed(booking))
    if not stray:
        return
    live = isinstance(booking, Booking) and booking.status in LIVE
    state = "has not asked for them" if live else "is not live" if booking is not None else "is not there"
    text = f"{len(stray)} slots, from {stray[0]} on, are held for a booking that {state}."
    yield from tell(Finding(Fault.ORPHAN_SLOTS, booking_id, text), None if live else _remover(ports, stray))


def _still(ports: Ports, booking_id: str) -> Flow[tuple[BookingOrDraft | None, list[Slot]]]:
    """A booking and its slots, read while neither changed."""
    booking = yield from find_booking(ports, booking_id)
    for _ in range(_LOOKS):
        slots = yield from _slots_of(ports, [booking_id])
        again = yield from find_booking(ports, booking_id)
        if again == booking:
            break
        booking = again
    return booking, slots


def _slots_of(ports: Ports, booking_ids: Iterable[str]) -> Flow[list[Slot]]:
    queries = [Query.equal("bookingId", list(booking_ids)), Query.limit(_MOST_SLOTS)]
    return (yield from list_rows(ports.address(SLOTS), Slot, queries))


def _remover(ports: Ports, stray: Sequence[str]) -> Mend:
    """Removes these slots of a booking. No booking comes back to life, so nobody can need them meanwhile."""

    def mend(booking_id: str) -> Flow[bool]:
        def prepare() -> Flow[tuple[list[Operation], bool]]:
            yield from ()
            return [bulk_delete(ports.address(SLOTS), [Query.equal("bookingId", [booking_id])])], True

        def outcome() -> Flow[bool | None]:
            left = {slot.id for slot in (yield from _slots_of(ports, [booking_id]))}
            return None if left & set(stray) else True

        return (yield from commit_once(ports, prepare, outcome))

    return mend


# --- bookings without slots -------------------------------------------------------------------------------------------
def check_slots_of(ports: Ports, bookings: Iterable[Booking], tell: Tell) -> Flow[None]:
    """Find live bookings that do not hold all of their time."""
    live = [booking for booking in bookings if booking.status in LIVE]
    found = yield from looked_up(lambda ids: _slots_of(ports, ids), [booking.id for booking in live], _ABREAST)
    held_by: defaultdict[str, set[str]] = defaultdict(set)
    for slot in found:
        held_by[slot.booking_id].add(slot.id)
    for booking in live:
        if _needed(booking) - held_by[booking.id]:
            yield from _uncovered(ports, booking.id, tell)


def _uncovered(ports: Ports, booking_id: str, tell: Tell) -> Flow[None]:
    booking, slots = yield from _still(ports, booking_id)
    missing = sorted(_needed(booking) - {slot.id for slot in slots})
    if not missing:
        return
    taken = yield from held(ports, missing, except_by=booking_id)
    others = f"; {len(taken)} are held by {', '.join(sorted({slot.booking_id for slot in taken}))}" if taken else ""
    text = f"{len(missing)} of its {len(_needed(booking))} slots are not held for it, from {missing[0]} on{others}."
    yield from tell(Finding(Fault.MISSING_SLOTS, booking_id, text), lambda _: _taken_back(ports, booking_id))


def _taken_back(ports: Ports, booking_id: str) -> Flow[bool]:
    """Hold a booking's time for it again, where nobody else does."""

    def prepare() -> Flow[tuple[list[Operation], bool]]:
        booking, slots = yield from _still(ports, booking_id)
        missing = sorted(_needed(booking) - {slot.id for slot in slots})
        if not missing or not isinstance(booking, Booking):
            return [], True
        # The booking is written as it is, so that nobody can have moved or ended it in between.
        unchanged = update(ports.address(BOOKINGS), booking.id, {"version": booking.version})
        rows = [
            (row_id, Slot(id=row_id, therapist_id=booking.therapist_id, booking_id=booking.id).columns())
            for row_id in missing
        ]
        return [unchanged, bulk_create(ports.address(SLOTS), rows)], True

    def outcome() -> Flow[bool | None]:
        booking, slots = yield from _still(ports, booking_id)
        missing = _needed(booking) - {slot.id for slot in slots}
        if not missing:
            return True
        if (yield from held(ports, sorted(missing), except_by=booking_id)):
            raise SlotTaken(f"the time of booking {booking_id} is held by another one.")
        return None

    return (yield from commit_once(ports, prepare, outcome))
