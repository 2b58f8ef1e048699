"""What runs by the clock: expire what nobody answered, and do again what an event that never came left undone.

Everything that it does is safe to repeat, also beside a second sweeper. Its cost follows what was written since the
last run, not the size of the tables; a run that has no more time leaves the rest to the next.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from appwrite.query import Query

from massage_link.domain.booking import Booking, Status
from massage_link.domain.draft import is_locked, is_shared
from massage_link.domain.rows import to_wire_time
from massage_link.domain.system import SystemState
from massage_link.domain.tables import SYSTEM_STATE
from massage_link.errors import MassageLinkError
from massage_link.usecases.admission import admit_booking
from massage_link.usecases.chat import ensure_room
from massage_link.usecases.commissions import ensure_commission
from massage_link.usecases.lookups import BookingOrDraft, as_draft, list_bookings
from massage_link.usecases.ports import Ports, create_derived, find
from massage_link.usecases.rooms import catch_up
from massage_link.usecases.transitions import expire_due
from massage_link.wire.call import Flow
from massage_link.wire.rows import update_row, with_ids

__all__ = ["BUDGET", "SweepReport", "sweep"]

#: How long a run takes at most before it leaves the rest to the next: well below the function's own time limit.
BUDGET = timedelta(seconds=40)
_STATE = "sweep"
#: Rows may become visible later than their stamp says, and servers' clocks differ: so far back it looks again.
_OVERLAP = timedelta(seconds=120)
#: How far back a run looks, the first one and any other.
_FARTHEST = timedelta(days=7)
_PAGE = 100
_MOST_FAILED = 20
#: Queries, and which of the rows that they find are looked at.
_Pass: TypeAlias = tuple[Sequence[str], Callable[["BookingOrDraft"], bool]]
log = logging.getLogger("massage_link.sweep")


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep did.

    Attributes:
        expired: pending bookings whose time to answer was over.
        admitted, declined: drafts that no event had brought to `admit_booking`; bookings that were made anew because
            their authors had overwritten them count as admitted.
        checked: bookings whose room and commission were looked at, and made if they were missing.
        since, until: the span of creation times that was looked at, ISO 8601; the next run begins where it ended.
        failed: ids of bookings that could not be dealt with, at most twenty; the next runs try them again.
        complete: False when time ran out, and the next run goes on.

    """

    since: str
    until: str
    expired: int = 0
    admitted: int = 0
    declined: int = 0
    checked: int = 0
    failed: tuple[str, ...] = ()
    complete: bool = False


def sweep(ports: Ports, *, budget: timedelta = BUDGET) -> Flow[SweepReport]:
    """One run; see the module."""
    begun = ports.now()
    state = yield from find(ports, SYSTEM_STATE, _STATE)
    last = {} if state is None else json.loads(state.value)
    farthest = begun - _FARTHEST
    since = farthest if state is None else max(farthest, datetime.fromisoformat(last["until"]))
    report = SweepReport(to_wire_time(since), to_wire_time(since), expired=(yield from _expired(ports)))
    horizon = to_wire_time(since - _OVERLAP)
    created = Query.greater_than_equal("$createdAt", horizon)
    written = [Query.less_than("$createdAt", horizon), Query.greater_than_equal("$updatedAt", horizon)]
    # What is older comes first: it does not move the watermark, so that a run that ends early leaves it to the next.
    passes: list[_Pass] = [(written, _is_no_booking), ([created], _is_anything)]
    carried = tuple(last.get("failed", ()))
    if carried:  # last, so that it takes no other's time; and not for ever
        farthest_back = Query.greater_than_equal("$createdAt", to_wire_time(farthest))
        passes.append(([with_ids(carried), farthest_back], _is_anything))
    for rows in passes:
        report, finished = yield from _sweep(ports, report, rows, carried, until=begun + budget)
        if not finished:
            failed = tuple(dict.fromkeys([*report.failed, *carried]))
            return (yield from _remember(ports, state, replace(report, failed=failed)))
    until = report.until if len(report.failed) >= _MOST_FAILED else to_wire_time(begun)
    return (yield from _remember(ports, state, replace(report, until=until, complete=True)))


def _is_anything(row: BookingOrDraft) -> bool:  # noqa: ARG001 - every new row is looked at
    return True


def _is_no_booking(row: BookingOrDraft) -> bool:
    """A draft, or what its author made of a booking. A booking that was written since needs nothing."""
    return not isinstance(row, Booking) or not is_shared(row)


def _sweep(
    ports: Ports,
    report: SweepReport,
    rows_of: _Pass,
    carried: Collection[str],
    *,
    until: datetime,
) -> Flow[tuple[SweepReport, bool]]:
    """Deal with the rows that are found and wanted; the report, and whether there was time for all of them."""
    queries, wanted = rows_of
    cursor: list[str] = []
    while True:
        page = [*queries, Query.order_asc("$createdAt"), Query.limit(_PAGE), *cursor]
        rows = yield from list_bookings(ports, page)
        for row in filter(wanted, rows):
            if ports.now() > until:
                return report, False
            report = yield from _looked_at(ports, row, report, carried)
        if len(rows) < _PAGE:
            return report, True
        cursor = [Query.cursor_after(rows[-1].id)]


def _expired(ports: Ports) -> Flow[int]:
    try:
        return (yield from expire_due(ports))
    except MassageLinkError as error:
        log.warning("a booking that is overdue is left to the next run: %s", error)
    return 0


def _looked_at(ports: Ports, row: BookingOrDraft, report: SweepReport, carried: Collection[str]) -> Flow[SweepReport]:
    assert row.created_at is not None
    if row.id in report.failed:
        return report
    # When no more can be noted, the watermark stays before the next one that fails.
    full = len({*report.failed, *carried}) >= _MOST_FAILED and row.id not in carried
    try:
        report = yield from _dealt_with(ports, row, report)
    except MassageLinkError as error:
        # One row that cannot be dealt with keeps no other from it, and is not forgotten either.
        log.warning("booking %s is left to the next run: %s", row.id, error)
        report = report if full else replace(report, failed=(*report.failed, row.id))
    return report if full else replace(report, until=max(report.until, to_wire_time(row.created_at)))


def _dealt_with(ports: Ports, row: BookingOrDraft, report: SweepReport) -> Flow[SweepReport]:
    if isinstance(row, Booking) and is_shared(row):
        yield from ensure_room(ports, row.id)
        yield from ensure_commission(ports, row.id)
        yield from catch_up(ports, row)
        return replace(report, checked=report.checked + 1)
    draft = as_draft(row)
    over = draft.status == Status.DECLINED and is_locked(draft)  # or a booking that its author made to look like that
    booking = yield from admit_booking(ports, row.id)
    if booking is None and over:
        return report
    if booking is None:
        return replace(report, declined=report.declined + 1)
    return replace(report, admitted=report.admitted + 1)


def _remember(ports: Ports, state: SystemState | None, report: SweepReport) -> Flow[SweepReport]:
    # The watermark is written last: a run that dies is done again from where the one before it ended.
    value = json.dumps(asdict(report))
    if state is None:
        state = yield from create_derived(ports, SYSTEM_STATE, SystemState(id=_STATE, value=value), [])
    if state.value != value:
        yield from update_row(ports.address(SYSTEM_STATE), SystemState, _STATE, {"value": value})
    return report
