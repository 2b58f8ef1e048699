"""Where a consumer stands in one source: what to read back, what of it is new.

The promise, per source: *rows that change* come with strictly increasing versions, each at most once, the newest never
missed; *numbered rows* come every one, in order.

Why it holds. The high water H is the greatest ``$updatedAt`` that a read-back has listed, never beyond the server's own
time when that read-back began. The next one begins at H - W. The assumption on the window W: a row that could not be
read at the server's time T has, once it can be read, a stamp of at least T - W (late commits and the spread of the
servers' clocks together). Then no row that a read-back could not see yet lies below the next one's beginning, and every
row is listed at least once after it became readable. What the socket brings never moves H: an event says nothing about
the events that were lost before it. Listing a row twice is harmless, as the ledger knows it. Events, too, are assumed
to be late by no more than W.

Beyond W: a row that becomes readable later than that, and whose event is lost as well, is missed until it is written
again; a numbered one until the next number of its scope arrives.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from massage_link.errors import UnexpectedAnswer
from massage_link.realtime.ledger import Accepted, Ledger, Mark, VersionLedger, stamp_of
from massage_link.realtime.sequence import SequenceLedger, Skipped, Wanted
from massage_link.realtime.source import Mutable, Position

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from massage_link.realtime.ledger import Arrival
    from massage_link.realtime.source import Identity, Page, RawRow


class Cursor:
    """One source's position and memory; pure.

    Args:
        identity: how two states of one row are told apart.
        start: what was created from this instant on counts as created.
        high_water: where the last read-back ended (see the module's text).
        window: W.
        marks: what has been delivered before, from a checkpoint or a baseline.
        capacity: how many rows or scopes are remembered beyond those that a read-back may list again.

    """

    def __init__(
        self,
        identity: Identity,
        *,
        start: datetime,
        high_water: datetime,
        window: timedelta,
        marks: Iterable[Mark] = (),
        capacity: int = 50_000,
    ) -> None:
        self.start = start
        self.high_water = high_water
        self._safe = high_water
        self._window = window
        self._ceiling: datetime | None = None
        self._ledger: Ledger
        self._sequences: SequenceLedger | None = None
        if isinstance(identity, Mutable):
            self._ledger = VersionLedger(identity, capacity=capacity)
        else:
            self._ledger = self._sequences = SequenceLedger(identity, capacity=capacity)
        for mark in marks:
            self._ledger.know(mark)

    @property
    def horizon(self) -> datetime:
        """The next read-back begins here; what is stamped before has been delivered, or precedes the start."""
        return self.high_water - self._window

    def forgettable(self, high_water: datetime) -> datetime:
        """What is stamped before this instant may be forgotten once the read-back has come to `high_water`.

        Neither a read-back nor an event brings it any more: an event may be late by up to W, and its row's stamp older
        than that by another W.
        """
        return high_water - 2 * self._window

    def safe_high_water(self) -> datetime:
        """The high water to restart from: it never falls, nor passes a row that has arrived but waits for others."""
        floor = self._ledger.floor
        self._safe = max(self._safe, self.high_water if floor is None else min(self.high_water, floor))
        return self._safe

    def offer(self, row: RawRow, arrival: Arrival) -> list[Accepted]:
        """What to deliver now that the socket has brought `row`, or a read-back has listed it.

        Raises UnexpectedAnswer when the row lacks what it is told apart by.
        """
        return self._ledger.offer(row, arrival)

    def begin(self) -> Position:
        """Where a new read-back begins."""
        self._ceiling = None
        return Position(self.horizon)

    def turn(self, page: Page, limit: int, *, exchange: timedelta = timedelta(0)) -> Position | None:
        """Where the page after `page` begins, or None at the end; to be called once the page's rows are offered.

        Args:
            page: what the server answered.
            limit: how many rows were asked for.
            exchange: how long the exchange took: the rows were read that long before `page.server_time`, at most.

        """
        if self._ceiling is None:
            self._ceiling = page.server_time - exchange
        position = None
        if page.rows:
            last = page.rows[-1]
            position = Position(stamp_of(last), str(last.get("$sequence", "")))
            self.high_water = max(self.high_water, min(position.updated_at, self._ceiling))
        if len(page.rows) >= limit:
            return position
        self._ledger.forget(self.forgettable(self.high_water))
        return None

    @property
    def has_gaps(self) -> bool:
        """True when numbered rows are missing."""
        return self._sequences is not None and self._sequences.has_gaps

    def wanted(self) -> list[Wanted]:
        """Numbered rows that are missing and have to be fetched; empty for rows that change."""
        return self._sequences.wanted() if self._sequences is not None else []

    def fetched(
        self, asked: Sequence[Wanted], rows: Iterable[RawRow], arrival: Arrival, *, now: float
    ) -> list[Accepted]:
        """What to deliver now that the answer to `asked` is here; `now` is a monotonic time in seconds."""
        if self._sequences is None:
            return []
        return self._sequences.fetched(asked, rows, arrival, settled=self.horizon, now=now)

    def give_up(self, *, now: float) -> tuple[list[Accepted], list[Skipped]]:
        """Pass over numbered rows that stayed unreadable for longer than W."""
        if self._sequences is None:
            return [], []
        return self._sequences.give_up(before=now - self._window.total_seconds())

    def is_created(self, accepted: Accepted) -> bool:
        """True when the row had not been seen and was created after the consumer's start."""
        if not accepted.first_sight:
            return False
        try:
            return stamp_of(accepted.row, "$createdAt") >= self.start
        except UnexpectedAnswer:
            return False  # who sends no $createdAt sends an update

    def mark_of(self, row: RawRow) -> Mark:
        """What `row` is remembered as."""
        return self._ledger.mark_of(row)
