"""Look at many bookings at once for what events should have made and have not; make what is missing.

A look costs some four calls for ninety bookings, so a sweep over many costs little where nothing is missing. Everything
that is made here is made by the use case that the event runs, so a repeat, also beside it, changes nothing.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from appwrite.query import Query

from massage_link.domain.booking import Booking, Status
from massage_link.domain.chat import ChatRoom, MessageKind
from massage_link.domain.commission import CommissionStatus
from massage_link.domain.draft import Draft, is_locked, is_shared
from massage_link.domain.lines import event_client_id, freeze_time
from massage_link.domain.rows import Row
from massage_link.domain.states import LIVE
from massage_link.domain.tables import CHAT_MESSAGES, CHAT_ROOMS, COMMISSIONS
from massage_link.errors import MassageLinkError, NotFound
from massage_link.usecases.admission import admit_booking
from massage_link.usecases.chat import ensure_room
from massage_link.usecases.commissions import refresh_commission
from massage_link.usecases.lookups import as_draft, list_bookings
from massage_link.usecases.ports import Ports, find, rows_with_ids
from massage_link.usecases.rooms import refresh_room
from massage_link.usecases.system_lines import ensure_lines
from massage_link.wire.call import Flow
from massage_link.wire.rows import IDS_PER_QUERY, list_rows, with_ids

__all__ = ["Mender"]

_LINES_PAGE = 1_000
log = logging.getLogger("massage_link.sweep")


class _Standing(Row):
    """What is looked at of a commission."""

    status: CommissionStatus
    entries: int


class _Count(Row):
    """What is looked at of a room when only its messages have changed."""

    message_count: int


class _Line(Row):
    """What is looked at of a system line."""

    room_id: str
    n: int
    client_id: str


@dataclass(frozen=True, slots=True)
class _Lack:
    """What a booking lacks.

    Attributes:
        room, commission: they are missing.
        lines: so many lines of changes are missing.
        stale_room, stale_commission: they do not show what they should.

    """

    booking: Booking
    room: bool
    lines: int
    stale_room: bool
    commission: bool
    stale_commission: bool

    def __bool__(self) -> bool:
        return any([self.room, self.lines, self.stale_room, self.commission, self.stale_commission])


@dataclass(slots=True)
class Mender:
    """Puts right what is missing, or with `dry_run` only counts it.

    Attributes:
        heed_time: called before each repair; raises when there is no more time.
        counts: what was put right, by the names of a `SweepReport`'s fields.
        failed: ids of bookings that could not be dealt with.

    """

    ports: Ports
    dry_run: bool
    heed_time: Callable[[], None]
    counts: Counter[str] = field(default_factory=Counter)
    failed: dict[str, MassageLinkError] = field(default_factory=dict)
    _noted: set[tuple[str, str]] = field(default_factory=set)

    def mend(self, booking_ids: Iterable[str], changes: Mapping[str, tuple[int, datetime]] | None = None) -> Flow[None]:
        """Deal with these bookings and drafts.

        Args:
            booking_ids: which; those that are there no more are passed over.
            changes: the newest change that is known of each, as version and time.

        """
        wanted = list(dict.fromkeys(booking_ids))
        for first in range(0, len(wanted), IDS_PER_QUERY):
            ids = wanted[first : first + IDS_PER_QUERY]
            rows = yield from list_bookings(self.ports, [with_ids(ids), Query.limit(len(ids))])
            bookings = [row for row in rows if isinstance(row, Booking) and is_shared(row)]
            known = {booking.id for booking in bookings}
            for draft in (as_draft(row) for row in rows if row.id not in known):
                yield from self._tried(draft.id, self._decide(draft))
            self.counts["checked"] += len(bookings)
            for lack in (yield from self._look(bookings, changes or {})):
                yield from self._tried(lack.booking.id, self._supply(lack))

    def mend_rooms(self, newest: Mapping[str, int]) -> Flow[None]:
        """Bring rooms up to messages that were posted: by room, the greatest number that is known."""
        rooms = yield from rows_with_ids(self.ports, CHAT_ROOMS, _Count, newest, select=["messageCount"])
        known = {room.id: room.message_count for room in rooms}
        yield from self.mend(room_id for room_id in newest if room_id not in known)
        for room_id in (each for each in known if known[each] < newest[each]):
            yield from self._tried(room_id, self._refresh_room(room_id))

    def mend_commissions(self, newest: Mapping[str, int]) -> Flow[None]:
        """Bring commissions up to ledger entries that were written: by booking, the greatest number that is known."""
        rows = yield from self._standings(newest)
        known = {row.id: row.entries for row in rows}
        yield from self.mend(booking_id for booking_id in newest if booking_id not in known)
        for booking_id in (each for each in known if known[each] < newest[each]):
            yield from self._tried(booking_id, self._refresh_commission(booking_id))

    def _tried(self, booking_id: str, repair: Flow[None]) -> Flow[None]:
        self.heed_time()
        try:
            yield from repair
        except MassageLinkError as error:
            # One row that cannot be dealt with keeps no other from it, and is not forgotten either.
            log.warning("booking %s is left to the next run: %s", booking_id, error)
            self.failed[booking_id] = error

    # --- looking ------------------------------------------------------------------------------------------------------
    def _look(self, bookings: list[Booking], changes: Mapping[str, tuple[int, datetime]]) -> Flow[list[_Lack]]:
        ids = [booking.id for booking in bookings]
        rooms = {room.id: room for room in (yield from rows_with_ids(self.ports, CHAT_ROOMS, ChatRoom, ids))}
        standings = {row.id: row for row in (yield from self._standings(ids))}
        lines = yield from self._lines([booking.id for booking in bookings if booking.version > 1])
        found = []
        for booking in bookings:
            room, standing, told = rooms.get(booking.id), standings.get(booking.id), lines[booking.id]
            lack = _Lack(
                booking,
                room=room is None,
                lines=len(set(map(event_client_id, range(2, booking.version + 1))) - set(told)),
                stale_room=room is not None and self._lags(room, booking, told, changes.get(booking.id)),
                commission=standing is None,
                stale_commission=standing is not None
                and (standing.status is CommissionStatus.PENDING) != (booking.status in LIVE),
            )
            if lack:
                found.append(lack)
        return found

    def _lags(
        self, room: ChatRoom, booking: Booking, told: Mapping[str, int], change: tuple[int, datetime] | None
    ) -> bool:
        if max(told.values(), default=0) > room.message_count:
            return True
        if room.ops_freeze_at is not None or change is None or change[0] != booking.version:
            return False
        return room.freezes_at != freeze_time(booking, change[1], self.ports.freeze_after)

    def _standings(self, ids: Iterable[str]) -> Flow[list[_Standing]]:
        return rows_with_ids(self.ports, COMMISSIONS, _Standing, ids, select=["status", "entries"])

    def _lines(self, room_ids: list[str]) -> Flow[defaultdict[str, dict[str, int]]]:
        """The numbers of the rooms' system lines by their client ids."""
        lines: defaultdict[str, dict[str, int]] = defaultdict(dict)
        wanted = [
            Query.equal("roomId", room_ids),
            Query.equal("kind", [MessageKind.SYSTEM.value]),
            Query.select(["roomId", "n", "clientId"]),
            Query.limit(_LINES_PAGE),
        ]
        cursor: list[str] = []
        while room_ids:
            page = yield from list_rows(self.ports.address(CHAT_MESSAGES), _Line, [*wanted, *cursor])
            for line in page:
                lines[line.room_id][line.client_id] = line.n
            if len(page) < _LINES_PAGE:
                break
            cursor = [Query.cursor_after(page[-1].id)]
        return lines

    def _note(self, name: str, booking_id: str, count: int = 1) -> None:
        # What is not put right is found again where it shows next.
        if count and (name, booking_id) not in self._noted:
            self._noted.add((name, booking_id))
            self.counts[name] += count

    # --- putting right ------------------------------------------------------------------------------------------------
    def _decide(self, draft: Draft) -> Flow[None]:
        # What reads like a draft that was declined may be a booking that its author made to look like that.
        over = draft.status == Status.DECLINED and is_locked(draft)
        if self.dry_run:
            self._note("drafts", draft.id, not over)
            return
        booking = yield from admit_booking(self.ports, draft.id)
        if booking is not None or not over:
            self.counts["declined" if booking is None else "admitted"] += 1

    def _supply(self, lack: _Lack) -> Flow[None]:
        booking_id = lack.booking.id
        if self.dry_run:
            for name, count in _counted(lack):
                self._note(name, booking_id, count)
            return
        if lack.room:
            yield from ensure_room(self.ports, booking_id)
            self.counts["rooms"] += 1
        if lack.lines or lack.room:
            self.counts["lines"] += yield from ensure_lines(self.ports, lack.booking)
            yield from refresh_room(self.ports, booking_id)
        elif lack.stale_room:
            yield from self._refresh_room(booking_id)
        if lack.commission:
            if (yield from refresh_commission(self.ports, booking_id)) is None:
                raise NotFound(f"booking {booking_id!r} has lost its terms, so its commission cannot be computed.")
            self.counts["commissions"] += 1
        elif lack.stale_commission:
            yield from self._refresh_commission(booking_id)

    def _refresh_room(self, booking_id: str) -> Flow[None]:
        if self.dry_run:
            self._note("stale_rooms", booking_id)
            return
        before = yield from find(self.ports, CHAT_ROOMS, booking_id)
        after = yield from refresh_room(self.ports, booking_id)
        self.counts["stale_rooms"] += _differ(before, after)

    def _refresh_commission(self, booking_id: str) -> Flow[None]:
        if self.dry_run:
            self._note("stale_commissions", booking_id)
            return
        before = yield from find(self.ports, COMMISSIONS, booking_id)
        after = yield from refresh_commission(self.ports, booking_id)
        self.counts["stale_commissions"] += _differ(before, after)


def _differ(before: Row | None, after: Row | None) -> bool:
    return before is not None and after is not None and before.columns() != after.columns()


def _counted(lack: _Lack) -> Iterator[tuple[str, int]]:
    yield "rooms", lack.room
    yield "lines", lack.lines
    yield "stale_rooms", lack.stale_room and not lack.lines
    yield "commissions", lack.commission
    yield "stale_commissions", lack.stale_commission
