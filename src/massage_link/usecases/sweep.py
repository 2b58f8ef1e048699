"""What runs by the clock: expire what nobody answered, and do again what an event that never came left undone.

A run looks at what was written since the watermark, less a window, and at the indexes of what is due; so its cost
follows the change, not the size of the tables. What changed is told by tables whose rows keep their place: every change
of a booking is a row of `booking_events`, every message and every ledger entry is a row of its own; only drafts, and
bookings that their authors have overwritten, are found among the rows of `bookings` that were written. A run that has
no more time notes how far it came, and the next one goes on there.

A lease keeps a second sweeper away; that two work at once is harmless all the same, since every repair is safe to
repeat, and what is remembered is written only by who read it last.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from appwrite.query import Query

from massage_link.domain.booking import Booking, Status
from massage_link.domain.chat import RoomStatus
from massage_link.domain.draft import is_shared_row
from massage_link.domain.rows import Row, to_wire_time
from massage_link.domain.sweeping import MOST_FAILED, Pass, Stage, SweepReport, SweepState
from massage_link.domain.tables import (
    BOOKING_EVENTS,
    BOOKINGS,
    CHAT_MESSAGES,
    CHAT_ROOMS,
    COMMISSION_ENTRIES,
    SYSTEM_STATE,
    Table,
)
from massage_link.errors import BadRequest, MassageLinkError
from massage_link.usecases.canary import LEFTOVER_AFTER, leftover, remove_canaries
from massage_link.usecases.lookups import list_bookings
from massage_link.usecases.mending import Mender
from massage_link.usecases.ports import Ports
from massage_link.usecases.rooms import freeze_due
from massage_link.usecases.sweep_state import Held, TakenOverError, claim, look
from massage_link.usecases.transitions import expire_quietly
from massage_link.wire.call import Flow
from massage_link.wire.rows import list_raw_rows

__all__ = ["BUDGET", "Progress", "SweepReport", "sweep"]

#: How long a run takes at most before it leaves the rest to the next: well below the function's own time limit.
BUDGET = timedelta(seconds=40)
#: Told how much of the pass is done, 0 to 1.
Progress = Callable[[float], None]
#: Rows may become visible later than their stamp says, and servers' clocks differ: so far back it looks again.
_OVERLAP = timedelta(seconds=120)
#: How far back the first run looks, and how long a row that cannot be dealt with is tried again.
_FARTHEST = timedelta(days=7)
_DUE_PAGE = 100
_MOST_NAMED = 20
log = logging.getLogger("massage_link.sweep")


@dataclass(frozen=True, slots=True)
class _Stream:
    """What is read of a table in a pass: which columns, so many rows a call, in the order of which stamp.

    Of bookings those that were written count, since their authors may have overwritten them. Such a row can move on
    while it is read, so there the next page begins with the stamp of the last row, not after that row.
    """

    table: Table[Row]
    columns: tuple[str, ...]
    page: int
    stamp: str = "$createdAt"

    def place(self, last: Mapping[str, Any], before: datetime | None) -> dict[str, Any]:
        """The place behind a page that ends with this row; `before` is the time of the place behind the last one."""
        at = datetime.fromisoformat(last[self.stamp])
        moves = self.stamp == "$updatedAt" and at != before  # a page full of one stamp can only be left by its last row
        return {"after": "" if moves else last["$id"], "at": at}


_STREAMS: Mapping[Stage, _Stream] = {
    Stage.DRAFTS: _Stream(BOOKINGS, ("customerId", "therapistId", "status"), 500, stamp="$updatedAt"),
    Stage.EVENTS: _Stream(BOOKING_EVENTS, ("bookingId", "version", "at"), 90),
    Stage.MESSAGES: _Stream(CHAT_MESSAGES, ("roomId", "n"), 500),
    Stage.ENTRIES: _Stream(COMMISSION_ENTRIES, ("bookingId", "n"), 500),
}
_STAGES = tuple(Stage)


class _OutOfTimeError(Exception):
    """The rest is left to the next run."""


def _unheard(_: float) -> None:
    pass


def sweep(
    ports: Ports,
    *,
    budget: timedelta | None = BUDGET,
    since: datetime | None = None,
    dry_run: bool = False,
    holder: str | None = None,
    progress: Progress = _unheard,
) -> Flow[SweepReport]:
    """One run; see the module.

    Args:
        ports: surroundings.
        budget: time after which it leaves the rest to the next run; None takes what it needs.
        since: look back at least this far; if not said, to where the last pass began, or a week the first time.
        dry_run: say what would be done, and write nothing, no lease either.
        holder: the lease's owner; a new one unless it is said. The same one may take its own lease again.
        progress: told how far it is.

    """
    begun = ports.now()

    def heed_time() -> None:
        if budget is not None and ports.now() - begun > budget:
            raise _OutOfTimeError

    mender = Mender(ports, dry_run, heed_time)
    if dry_run:
        seen = yield from look(ports)
        return (yield from _Run(mender, seen.state, seen.now, progress).take(since))
    held = yield from claim(ports, holder or ports.new_id())
    if held is None:
        return SweepReport(elsewhere=True)
    run = _Run(mender, held.state, held.now, progress, held)
    try:
        report = yield from run.take(since)
        yield from held.save(run.remembered(report), release=True)
        return report
    except TakenOverError:
        log.warning("another sweeper has taken over; what was done is done, and what was reached is its to say")
        return run.report(complete=False, elsewhere=True)
    except MassageLinkError:
        with suppress(MassageLinkError, TakenOverError):
            yield from held.save(run.remembered(run.report(complete=False)), release=True)
        raise


@dataclass(slots=True)
class _Run:
    """One run.

    Attributes:
        state: what was remembered when it began.
        now: the server's time then.
        held: the lease; None for a dry run.
        current: the pass, as far as it has come; None once it is over.
        first: the pass as this run found or began it.
        tried: bookings that were tried again, since they could not be dealt with before.

    """

    mender: Mender
    state: SweepState
    now: datetime
    progress: Progress
    held: Held | None = None
    current: Pass | None = None
    first: Pass = field(init=False)
    tried: set[str] = field(default_factory=set)

    @property
    def ports(self) -> Ports:
        return self.mender.ports

    def take(self, since: datetime | None) -> Flow[SweepReport]:
        """Do everything, or what there is time for."""
        self.first = self.current = self._begun(since)
        try:
            yield from self._by_the_clock()
            yield from self._again()
            while self.current is not None:
                yield from self._through(self.current.stage)
        except _OutOfTimeError:
            return self.report(complete=False)
        return self.report(complete=True)

    def _begun(self, since: datetime | None) -> Pass:
        known = self.state.watermark
        start = self.now - _FARTHEST if known is None else known - _OVERLAP
        if since is not None:
            # Never later: what lies between would be passed over for good.
            return Pass(since=since if known is None else min(since, start), begun=self.now)
        return self.state.current or Pass(since=start, begun=self.now)

    # --- what is due, whenever it was written -------------------------------------------------------------------------
    def _by_the_clock(self) -> Flow[None]:
        yield from self._expire()
        for what, work in (("a room that is to be frozen", self._freeze), ("a health check", self._canaries)):
            try:
                yield from work()
            except MassageLinkError as error:
                log.warning("%s is left to the next run: %s", what, error)

    def _expire(self) -> Flow[None]:
        stuck = 0  # those that could not be expired stay at the head of the index
        while True:
            self.mender.heed_time()
            queries = _due(Status.PENDING.value, "expiresAt", self.ports.now())
            rows = yield from list_bookings(self.ports, [*queries, Query.limit(_DUE_PAGE), Query.offset(stuck)])
            for row in rows:
                stuck += not (isinstance(row, Booking) and (yield from self._expired(row)))
            if len(rows) < _DUE_PAGE:
                return

    def _expired(self, booking: Booking) -> Flow[bool]:
        """Whether it is overdue no more."""
        if self.mender.dry_run:
            self.mender.counts["expired"] += 1
            return False
        self.mender.heed_time()
        try:
            self.mender.counts["expired"] += yield from expire_quietly(self.ports, booking.id)
        except MassageLinkError as error:
            log.warning("booking %s, which is overdue, is left to the next run: %s", booking.id, error)
            self.mender.failed[booking.id] = error
            return False
        return True

    def _freeze(self) -> Flow[None]:
        if self.mender.dry_run:
            queries = _due(RoomStatus.OPEN.value, "freezesAt", self.ports.now())
            yield from self._count("frozen", CHAT_ROOMS, queries)
            return
        frozen = _DUE_PAGE
        while frozen == _DUE_PAGE:
            self.mender.heed_time()
            frozen = yield from freeze_due(self.ports, _DUE_PAGE)
            self.mender.counts["frozen"] += frozen

    def _canaries(self) -> Flow[None]:
        if self.mender.dry_run:
            yield from self._count("canaries", SYSTEM_STATE, leftover(self.ports, LEFTOVER_AFTER))
            return
        self.mender.heed_time()
        self.mender.counts["canaries"] += yield from remove_canaries(self.ports, LEFTOVER_AFTER)

    def _count(self, name: str, table: Table[Row], queries: Iterable[str]) -> Flow[None]:
        cursor: list[str] = []
        wanted = [*queries, Query.select(["$id"]), Query.limit(_STREAMS[Stage.DRAFTS].page)]
        while True:
            rows = (yield from list_raw_rows(self.ports.address(table), [*wanted, *cursor])).rows
            self.mender.counts[name] += len(rows)
            if len(rows) < _STREAMS[Stage.DRAFTS].page:
                return
            cursor = [Query.cursor_after(rows[-1]["$id"])]

    def _again(self) -> Flow[None]:
        """Try again what could not be dealt with before."""
        again = [each for each, first in self.state.failed.items() if self.now - first <= _FARTHEST]
        yield from self.mender.mend(again)
        self.tried.update(again)

    # --- what was written ---------------------------------------------------------------------------------------------
    def _through(self, stage: Stage) -> Flow[None]:
        """The rest of a stage, page by page."""
        stream = _STREAMS[stage]
        while True:
            assert self.current is not None
            self.mender.heed_time()
            rows = yield from self._page(stream, self.current)
            yield from self._dealt_with(stage, rows)
            if len(rows) < stream.page:
                break
            self.current = self.current.model_copy(update=stream.place(rows[-1], self.current.at))
            self.progress(self._done())
            if self.held is not None and self.held.is_due:
                yield from self.held.save(self.remembered(self.report(complete=False)))
        later = _STAGES[_STAGES.index(stage) + 1 :]
        self.progress((len(_STAGES) - len(later)) / len(_STAGES))
        fresh = {"stage": later[0], "after": "", "at": None} if later else {}
        self.current = self.current.model_copy(update=fresh) if later else None

    def _page(self, stream: _Stream, current: Pass) -> Flow[list[dict[str, Any]]]:
        def read(*cursor: str) -> Flow[list[dict[str, Any]]]:
            since = Query.greater_than_equal(stream.stamp, to_wire_time(current.at or current.since))
            page = [Query.order_asc(stream.stamp), Query.select(list(stream.columns)), Query.limit(stream.page)]
            return (yield from list_raw_rows(self.ports.address(stream.table), [since, *page, *cursor])).rows

        if not current.after:
            return (yield from read())
        try:
            return (yield from read(Query.cursor_after(current.after)))
        except BadRequest:  # the row is gone: on from its time
            return (yield from read())

    def _dealt_with(self, stage: Stage, rows: list[dict[str, Any]]) -> Flow[None]:
        if stage is Stage.DRAFTS:
            yield from self.mender.mend(row["$id"] for row in rows if not is_shared_row(row))
        elif stage is Stage.EVENTS:
            changes: dict[str, tuple[int, datetime]] = {}
            for row in rows:
                change = row["version"], datetime.fromisoformat(row["at"])
                changes[row["bookingId"]] = max(change, changes.get(row["bookingId"], change))
            yield from self.mender.mend(changes, changes)
        elif stage is Stage.MESSAGES:
            yield from self.mender.mend_rooms(_newest(rows, "roomId"))
        else:
            yield from self.mender.mend_commissions(_newest(rows, "bookingId"))

    def _done(self) -> float:
        assert self.current is not None
        whole = (self.current.begun - self.current.since) / timedelta(seconds=1)
        part = ((self.current.at or self.current.since) - self.current.since) / timedelta(seconds=1)
        share = min(part / whole, 1.0) if whole > 0 else 1.0
        return (_STAGES.index(self.current.stage) + share) / len(_STAGES)

    # --- what is told -------------------------------------------------------------------------------------------------
    def report(self, *, complete: bool, elsewhere: bool = False) -> SweepReport:
        """What was done so far."""
        until = self.first.begun if self.current is None else self.current.at or self.first.since
        return SweepReport(
            since=to_wire_time(self.first.since),
            until=to_wire_time(until),
            failed=tuple(self.mender.failed)[:_MOST_NAMED],
            complete=complete,
            elsewhere=elsewhere,
            dry_run=self.mender.dry_run,
            **self.mender.counts,
        )

    def remembered(self, report: SweepReport) -> SweepState:
        """What the next run has to know."""
        kept = {each: first for each, first in self.state.failed.items() if each not in self.tried}
        failed = {each: self.state.failed.get(each, self.now) for each in self.mender.failed}
        failed = {each: first for each, first in {**kept, **failed}.items() if self.now - first <= _FARTHEST}
        over = self.current is None and len(failed) <= MOST_FAILED
        return self.state.model_copy(
            update={
                "watermark": self.first.begun if over else self.state.watermark,
                "current": self.current,
                "failed": dict(list(failed.items())[:MOST_FAILED]),
                "report": json.loads(json.dumps(asdict(report))),
            }
        )


def _due(status: str, column: str, now: datetime) -> list[str]:
    return [
        Query.equal("status", [status]),
        Query.less_than_equal(column, to_wire_time(now)),
        Query.order_asc(column),
    ]


def _newest(rows: Iterable[Mapping[str, Any]], owner: str) -> dict[str, int]:
    newest: dict[str, int] = {}
    for row in rows:
        newest[row[owner]] = max(row["n"], newest.get(row[owner], 0))
    return newest
