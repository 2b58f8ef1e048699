"""What runs by the clock: expire what nobody answered, and do again what an event that never came left undone.

Everything that it does is safe to repeat, also beside a second sweeper. Its cost follows what was written since the
last run, not the size of the tables.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from appwrite.query import Query

from massage_link.domain.booking import Booking
from massage_link.domain.rows import to_wire_time
from massage_link.domain.system import SystemState
from massage_link.domain.tables import SYSTEM_STATE
from massage_link.usecases.admission import take_up_drafts
from massage_link.usecases.chat import ensure_room
from massage_link.usecases.commissions import ensure_commission
from massage_link.usecases.lookups import list_bookings
from massage_link.usecases.ports import Ports, create_derived, find
from massage_link.usecases.transitions import expire_due
from massage_link.wire.call import Flow
from massage_link.wire.rows import update_row

__all__ = ["SweepReport", "sweep"]

_STATE = "sweep"
#: Rows may become visible later than their stamp says, and servers' clocks differ: so far back it looks again.
_OVERLAP = timedelta(seconds=120)
#: How far back the first run looks.
_FIRST = timedelta(days=7)
_PAGE = 100


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep did.

    Attributes:
        expired: pending bookings whose time to answer was over.
        admitted, declined: drafts that no event had brought to `admit_booking`.
        checked: bookings whose room and commission were looked at, and made if they were missing.
        since, until: the span of creation times that was looked at, ISO 8601.

    """

    expired: int
    admitted: int
    declined: int
    checked: int
    since: str
    until: str


def sweep(ports: Ports) -> Flow[SweepReport]:
    """One run; see the module."""
    now = ports.now()
    state = yield from find(ports, SYSTEM_STATE, _STATE)
    since = (now - _FIRST if state is None else _watermark(state)) - _OVERLAP
    expired = yield from expire_due(ports)
    drafts = yield from take_up_drafts(ports, created_since=to_wire_time(since))
    checked = yield from _ensure_all(ports, since)
    report = SweepReport(expired, drafts.admitted, drafts.declined, checked, to_wire_time(since), to_wire_time(now))
    yield from _remember(ports, state, report)
    return report


def _watermark(state: SystemState) -> datetime:
    return datetime.fromisoformat(json.loads(state.value)["until"])


def _ensure_all(ports: Ports, since: datetime) -> Flow[int]:
    queries = [Query.greater_than_equal("$createdAt", to_wire_time(since)), Query.order_asc("$createdAt")]
    checked = 0
    cursor: list[str] = []
    while True:
        rows = yield from list_bookings(ports, [*queries, Query.limit(_PAGE), *cursor])
        for row in rows:
            if isinstance(row, Booking):
                yield from ensure_room(ports, row.id)
                yield from ensure_commission(ports, row.id)
                checked += 1
        if len(rows) < _PAGE:
            return checked
        cursor = [Query.cursor_after(rows[-1].id)]


def _remember(ports: Ports, state: SystemState | None, report: SweepReport) -> Flow[None]:
    # The watermark is written last: a run that dies is done again from where the one before it ended.
    value = json.dumps(asdict(report))
    if state is None:
        state = yield from create_derived(ports, SYSTEM_STATE, SystemState(id=_STATE, value=value), [])
    if state.value != value:
        yield from update_row(ports.address(SYSTEM_STATE), SystemState, _STATE, {"value": value})
