"""Read the history of all bookings, page by page, and count."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from appwrite.query import Query

from massage_link.domain.analytics import (
    ENDS,
    AnalyticsReport,
    Dimension,
    Earnings,
    Happening,
    Outcome,
    Period,
    Tallies,
    is_answer,
    outcome_of,
)
from massage_link.domain.booking import BookingEventType, Role, Status
from massage_link.domain.commission import Commission, CommissionStatus
from massage_link.domain.ids import event_id
from massage_link.domain.rows import Row, UtcDatetime, to_wire_time
from massage_link.domain.tables import BOOKING_EVENTS, BOOKINGS, COMMISSIONS
from massage_link.usecases.ports import Ports, rows_with_ids
from massage_link.wire.call import Flow
from massage_link.wire.rows import list_rows

__all__ = ["Progress", "analyse", "analyse_each"]

#: Told after each page: the time of its last event.
Progress = Callable[[datetime], None]
_PAGE = 1_000
#: Of so many bookings it is remembered whose they are, and when an answer was asked for.
_REMEMBERED = 20_000
_EARNED = frozenset({CommissionStatus.DUE, CommissionStatus.PAID})


class _Line(Row):
    """What counts of an event."""

    booking_id: str
    version: int
    type: BookingEventType
    actor_role: Role
    from_status: Status | None = None
    to_status: Status
    at: UtcDatetime

    @property
    def outcome(self) -> Outcome | None:
        return outcome_of(self.type, self.from_status)

    @property
    def judged(self) -> tuple[Outcome | None, Role]:
        return self.outcome, self.actor_role


_LINE = ["bookingId", "version", "type", "actorRole", "fromStatus", "toStatus", "at"]


class _Facts(Row):
    """What counts of a booking."""

    therapist_id: str
    service: str
    canary: bool | None = None


_FACTS = ["therapistId", "service", "canary"]


class _Whose(NamedTuple):
    """What is remembered of it: a row would need five times the memory."""

    therapist_id: str
    service: str
    canary: bool


def analyse(
    ports: Ports, period: Period, by: tuple[Dimension, ...], *, progress: Progress = lambda _: None
) -> Flow[AnalyticsReport]:
    """Count what happened to all bookings but canaries, from their events, in bounded memory.

    Args:
        ports: surroundings; the credential has to see every row, so it is a key's, or that of ops.
        period: by the times of the events.
        by: how to divide it.
        progress: told how far it is.

    """
    (report,) = yield from analyse_each(ports, period, [by], progress=progress)
    return report


def analyse_each(
    ports: Ports, period: Period, divisions: Sequence[tuple[Dimension, ...]], *, progress: Progress = lambda _: None
) -> Flow[list[AnalyticsReport]]:
    """The same for several divisions of a period, a report for each, while everything is read once."""
    tallied, memory = [Tallies(period, by) for by in divisions], _Memory()
    queries = [
        Query.greater_than_equal("at", to_wire_time(period.start)),
        Query.less_than("at", to_wire_time(period.end)),
        Query.order_asc("at"),
        Query.select(_LINE),
        Query.limit(_PAGE),
    ]
    cursor: list[str] = []
    while True:
        lines = yield from list_rows(ports.address(BOOKING_EVENTS), _Line, [*queries, *cursor])
        for happening in (yield from _happenings(ports, memory, lines)):
            for tallies in tallied:
                tallies.add(happening)
        if len(lines) < _PAGE:
            return [tallies.report() for tallies in tallied]
        progress(lines[-1].at)
        cursor = [Query.cursor_after(lines[-1].id)]


def _happenings(ports: Ports, memory: _Memory, lines: Sequence[_Line]) -> Flow[list[Happening]]:
    facts = yield from memory.facts_of(ports, (line.booking_id for line in lines))
    asked = yield from memory.asked_for(ports, lines)
    earned = yield from _earned(ports, (line.booking_id for line in lines if line.outcome in ENDS))
    found = []
    for line in lines:
        booking, outcome = facts.get(line.booking_id), line.outcome
        if booking is None or booking.canary or outcome is None:
            continue
        since = asked.get(line.id)
        waited = None if since is None else line.at - since
        money = earned.get(line.booking_id) if outcome in ENDS else None
        found.append(Happening(line.at, booking.therapist_id, booking.service, outcome, waited, money))
    return found


def _earned(ports: Ports, booking_ids: Iterable[str]) -> Flow[dict[str, Earnings]]:
    """What is due or paid by the books, less what was given back."""
    rows = yield from rows_with_ids(ports, COMMISSIONS, Commission, booking_ids)
    return {row.id: Earnings(row.gross - row.refunded, row.earned) for row in rows if row.status in _EARNED}


class _Memory:
    """What was read of late, so that it need not be read again: most of a booking's events are near each other."""

    def __init__(self) -> None:
        self._facts: OrderedDict[str, _Whose] = OrderedDict()
        self._asked: OrderedDict[str, datetime] = OrderedDict()

    def facts_of(self, ports: Ports, booking_ids: Iterable[str]) -> Flow[Mapping[str, _Whose]]:
        """Whose bookings these are; one that is there no more is left out."""
        wanted = dict.fromkeys(booking_ids)
        missing = [each for each in wanted if each not in self._facts]
        for row in (yield from rows_with_ids(ports, BOOKINGS, _Facts, missing, select=_FACTS)):
            self._facts[row.id] = _Whose(row.therapist_id, row.service, bool(row.canary))
        found = {each: self._facts[each] for each in wanted if each in self._facts}
        _forget_all_but(self._facts, _REMEMBERED)
        return found

    def asked_for(self, ports: Ports, lines: Sequence[_Line]) -> Flow[Mapping[str, datetime]]:
        """When each answer among the events was asked for, by the answer's id: the event before it says so."""
        for line in lines:
            if line.to_status is Status.PENDING:
                self._asked[line.id] = line.at
        before = {line.id: event_id(line.booking_id, line.version - 1) for line in lines if is_answer(*line.judged)}
        missing = [each for each in before.values() if each not in self._asked]
        for row in (yield from rows_with_ids(ports, BOOKING_EVENTS, _Line, missing, select=_LINE)):
            self._asked[row.id] = row.at
        asked = {answer: self._asked.pop(question) for answer, question in before.items() if question in self._asked}
        _forget_all_but(self._asked, _REMEMBERED)
        return asked


def _forget_all_but(remembered: OrderedDict[str, Any], newest: int) -> None:
    while len(remembered) > newest:
        remembered.popitem(last=False)
