"""What the business looks at: how much was asked for, how it was answered, what came of it and what it earned.

Everything counts on the day on which it happened, so the days of a period add up to it, and a day that is over changes
no more, but for refunds: they are taken off where the money was earned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from math import ceil
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from massage_link.domain.booking import BookingEventType, Role, Status
from massage_link.domain.calendar import instant
from massage_link.domain.money import Money
from massage_link.errors import InvalidInput

__all__ = [
    "ENDS",
    "AnalyticsReport",
    "AnalyticsRow",
    "AnswerTimes",
    "Dimension",
    "Earnings",
    "Happening",
    "Outcome",
    "Period",
    "Tallies",
    "is_answer",
    "outcome_of",
]

#: So many different times to answer a group keeps exactly; see `AnswerTimes`.
_EXACT = 4_096
_KEPT_BITS = 7
_MILLISECOND = timedelta(milliseconds=1)


class Dimension(StrEnum):
    """By what a report is divided."""

    DAY = "day"
    THERAPIST = "therapist"
    SERVICE = "service"

    @classmethod
    def parse(cls, wanted: Iterable[str] | str) -> tuple[Dimension, ...]:
        """The dimensions that are named, each once, in the order in which rows are sorted.

        Raises:
            InvalidInput: there is none of that name.

        """
        try:
            named = {cls(each) for each in ([wanted] if isinstance(wanted, str) else wanted)}
        except (TypeError, ValueError):
            raise InvalidInput(f"by names {', '.join(cls)}, several of them or none, not {wanted!r}.") from None
        return tuple(each for each in cls if each in named)


@dataclass(frozen=True)
class Period:
    """From one instant up to another, and the zone whose days count.

    Attributes:
        start, end: aware instants; what happens at `end` belongs to the next period.
        zone: IANA time zone.

    """

    start: datetime
    end: datetime
    zone: ZoneInfo

    @classmethod
    def parse(cls, start: date, end: date, timezone: str) -> Period:
        """The period between two instants, or between the beginnings of two days.

        Raises:
            InvalidInput: no time zone of that name, an instant without one, or an end that is not after the start.

        """
        try:
            zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
            raise InvalidInput(f'timezone is an IANA name such as "Europe/Berlin", not {timezone!r}.') from None
        period = cls(_instant("start", start, zone), _instant("end", end, zone), zone)
        if period.start >= period.end:
            raise InvalidInput(f"the end {end} is not after the start {start}.")
        return period

    @property
    def days(self) -> list[date]:
        """Every day of it, also those on which nothing happened."""
        first = self.start.astimezone(self.zone).date()
        last = (self.end - _MILLISECOND).astimezone(self.zone).date()
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _instant(name: str, value: date, zone: ZoneInfo) -> datetime:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidInput(f"{name} needs a time zone; use datetime(…, tzinfo=UTC), or a date for its beginning.")
        return value
    if not isinstance(value, date):
        raise InvalidInput(f"{name} is a date, or a datetime with a time zone, not {value!r}.")
    try:
        return instant(value, "00:00", zone)
    except OverflowError:
        raise InvalidInput(f"{name} {value} lies beyond the calendar.") from None


# --- what happens -----------------------------------------------------------------------------------------------------
class Outcome(StrEnum):
    """What an event of a booking counts as."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"  # cancelled before there was an answer
    COMPLETED = "completed"
    CANCELLED = "cancelled"  # after it had been accepted
    NO_SHOW = "no_show"


#: By these an accepted booking ends, and money may fall due.
ENDS = frozenset({Outcome.COMPLETED, Outcome.CANCELLED, Outcome.NO_SHOW})
_OUTCOMES: Mapping[str, Outcome] = {outcome.value: outcome for outcome in Outcome}


def outcome_of(kind: BookingEventType, before: Status | None) -> Outcome | None:
    """What an event counts as; None when it is neither beginning, answer nor end (a start, a move).

    A draft that was declined never was a booking: it came from no state, and does not count.
    """
    if kind is BookingEventType.CANCELLED:
        return Outcome.WITHDRAWN if before is Status.PENDING else Outcome.CANCELLED
    if kind is BookingEventType.DECLINED and before is None:
        return None
    return _OUTCOMES.get(kind)


def is_answer(outcome: Outcome | None, role: Role) -> bool:
    """Whether somebody answered a request by it; what the system declines was answered by nobody."""
    return outcome in {Outcome.ACCEPTED, Outcome.DECLINED} and role is not Role.SYSTEM


@dataclass(frozen=True, slots=True)
class Earnings:
    """What a booking earned.

    Attributes:
        revenue: what the customer pays: the price, or a fee in its place, less what was refunded.
        commission: the platform's share of it.

    """

    revenue: Money
    commission: Money


@dataclass(frozen=True, slots=True)
class Happening:
    """What one event contributes.

    Attributes:
        at: when it happened.
        therapist_id, service: of the booking.
        outcome: what it counts as.
        answered_after: how long the request had waited for this answer; None when it is no answer.
        earned: what fell due by it; None for nothing.

    """

    at: datetime
    therapist_id: str
    service: str
    outcome: Outcome
    answered_after: timedelta | None = None
    earned: Earnings | None = None


class AnswerTimes:
    """How long requests waited, in bounded memory.

    Exact to the millisecond while there are at most 4,096 different times. Beyond that times are kept to seven binary
    digits, so a percentile is too small by less than 1/64 of it, and a group needs at most some 1,500 numbers.
    """

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._exact = True

    def add(self, waited: timedelta) -> None:
        """One more answer."""
        milliseconds = max(0, waited // _MILLISECOND)
        self._counts[milliseconds if self._exact else _coarse(milliseconds)] += 1
        if self._exact and len(self._counts) > _EXACT:
            self._exact = False
            fine, self._counts = self._counts, Counter()
            for each, count in fine.items():
                self._counts[_coarse(each)] += count

    def percentile(self, percent: int) -> timedelta | None:
        """The least time within which so many percent were answered (nearest rank); None when nothing was."""
        rank = ceil(self._counts.total() * percent / 100)
        for milliseconds in sorted(self._counts):
            rank -= self._counts[milliseconds]
            if rank <= 0:
                return milliseconds * _MILLISECOND
        return None


def _coarse(milliseconds: int) -> int:
    drop = max(0, milliseconds.bit_length() - _KEPT_BITS)
    return milliseconds >> drop << drop


# --- what is reported -------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class AnalyticsRow:
    """The numbers of one group, or of the whole period.

    Attributes:
        day, therapist_id, service: which group; None where the report is not divided by it.
        requests: bookings that were asked for.
        accepted, declined, expired: how requests ended; one that is accepted again after a move counts again.
        withdrawn: requests that were taken back before there was an answer.
        completed, cancelled, no_shows: how accepted bookings ended.
        answer_p50, answer_p90: within what time half, and nine tenths, of the answers came (nearest rank); None when
            there was none.
        earned: what fell due, one of each currency, by code.

    """

    day: date | None
    therapist_id: str | None
    service: str | None
    requests: int
    accepted: int
    declined: int
    expired: int
    withdrawn: int
    completed: int
    cancelled: int
    no_shows: int
    answer_p50: timedelta | None
    answer_p90: timedelta | None
    earned: tuple[Earnings, ...]

    @property
    def acceptance_rate(self) -> float | None:
        """Accepted, of what was accepted, declined or left to expire; None when nothing was."""
        return _share(self.accepted, self.accepted + self.declined + self.expired)

    @property
    def completion_rate(self) -> float | None:
        """Completed, of the accepted bookings that ended; None when none did. With the next two it makes 1."""
        return _share(self.completed, self._ended)

    @property
    def cancellation_rate(self) -> float | None:
        """Cancelled, of the accepted bookings that ended."""
        return _share(self.cancelled, self._ended)

    @property
    def no_show_rate(self) -> float | None:
        """No-shows, of the accepted bookings that ended."""
        return _share(self.no_shows, self._ended)

    @property
    def _ended(self) -> int:
        return self.completed + self.cancelled + self.no_shows

    def revenue(self, currency: str) -> Money:
        """What customers pay in this currency: prices and fees that fell due, less refunds."""
        return self._earned(currency).revenue

    def commission(self, currency: str) -> Money:
        """The platform's share of the revenue in this currency."""
        return self._earned(currency).commission

    def _earned(self, currency: str) -> Earnings:
        nothing = Money(0, currency)
        return next((each for each in self.earned if each.revenue.currency == currency), Earnings(nothing, nothing))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


@dataclass(frozen=True)
class AnalyticsReport:
    """The business in a period.

    Attributes:
        period: which.
        by: how the rows are divided, in this order.
        rows: one for each group in which something happened, sorted.
        total: all of them in one.

    """

    period: Period
    by: tuple[Dimension, ...]
    rows: tuple[AnalyticsRow, ...]
    total: AnalyticsRow

    @cached_property
    def currencies(self) -> tuple[str, ...]:
        """Every currency in which something was earned, by code."""
        return tuple(each.revenue.currency for each in self.total.earned)

    @cached_property
    def by_day(self) -> Mapping[date, AnalyticsRow]:
        """The row of every day of the period, also of those on which nothing happened; for a report by day alone."""
        if self.by != (Dimension.DAY,):
            raise InvalidInput("only a report by day alone has one row a day.")
        known = {row.day: row for row in self.rows}
        return {day: known.get(day) or _Tally().row((day, None, None)) for day in self.period.days}


_Key = tuple[date | None, str | None, str | None]


@dataclass(slots=True)
class _Tally:
    """The numbers of a group as they grow."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    waited: AnswerTimes = field(default_factory=AnswerTimes)
    revenue: Counter[str] = field(default_factory=Counter)
    commission: Counter[str] = field(default_factory=Counter)

    def add(self, happening: Happening) -> None:
        self.counts[happening.outcome] += 1
        if happening.answered_after is not None:
            self.waited.add(happening.answered_after)
        if happening.earned is not None:
            revenue, commission = happening.earned.revenue, happening.earned.commission
            self.revenue[revenue.currency] += revenue.minor
            self.commission[commission.currency] += commission.minor

    def row(self, key: _Key) -> AnalyticsRow:
        day, therapist_id, service = key
        return AnalyticsRow(
            day=day,
            therapist_id=therapist_id,
            service=service,
            requests=self.counts[Outcome.REQUESTED],
            accepted=self.counts[Outcome.ACCEPTED],
            declined=self.counts[Outcome.DECLINED],
            expired=self.counts[Outcome.EXPIRED],
            withdrawn=self.counts[Outcome.WITHDRAWN],
            completed=self.counts[Outcome.COMPLETED],
            cancelled=self.counts[Outcome.CANCELLED],
            no_shows=self.counts[Outcome.NO_SHOW],
            answer_p50=self.waited.percentile(50),
            answer_p90=self.waited.percentile(90),
            earned=tuple(
                Earnings(Money(self.revenue[each], each), Money(self.commission[each], each))
                for each in sorted(self.revenue)
            ),
        )


class Tallies:
    """Adds happenings up, in the order of their time, into a report.

    Held are the finished rows, which are the report, and the tallies of groups that can still grow: with the day among
    the dimensions those of two days, since happenings come in order.
    """

    def __init__(self, period: Period, by: tuple[Dimension, ...]) -> None:
        self._period = period
        self._by = by
        self._total = _Tally()
        self._open: dict[_Key, _Tally] = {}
        self._rows: list[AnalyticsRow] = []
        self._newest: date | None = None

    def add(self, happening: Happening) -> None:
        """Count one; none is older than the one before."""
        day = happening.at.astimezone(self._period.zone).date() if Dimension.DAY in self._by else None
        if day is not None and (self._newest is None or day > self._newest):
            self._newest = day
            # Where clocks go back over midnight, a day comes back for an hour.
            self._rows.extend(self._finished(before=day - timedelta(days=1)))
        key = (
            day,
            happening.therapist_id if Dimension.THERAPIST in self._by else None,
            happening.service if Dimension.SERVICE in self._by else None,
        )
        self._total.add(happening)
        self._open.setdefault(key, _Tally()).add(happening)

    def _finished(self, before: date) -> Iterator[AnalyticsRow]:
        over = [key for key in self._open if key[0] is not None and key[0] < before]
        for key in over:
            yield self._open.pop(key).row(key)

    def report(self) -> AnalyticsReport:
        """What was counted."""
        rows = [*self._rows, *(tally.row(key) for key, tally in self._open.items())]
        rows.sort(key=lambda row: (row.day or date.min, row.therapist_id or "", row.service or ""))
        return AnalyticsReport(self._period, self._by, tuple(rows), self._total.row((None, None, None)))
