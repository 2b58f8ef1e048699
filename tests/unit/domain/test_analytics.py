"""The numbers of the business, against what a naive computation says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from math import ceil
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link import Money
from massage_link.domain import analytics
from massage_link.domain.analytics import (
    ENDS,
    AnalyticsReport,
    AnalyticsRow,
    AnswerTimes,
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
from massage_link.domain.states import TRANSITIONS
from massage_link.errors import InvalidInput

#: Over the end of summer time in New York.
START = datetime(2026, 10, 30, tzinfo=UTC)
ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia")
MINUTE = timedelta(minutes=1)


def percentile(waits: Sequence[timedelta], percent: int) -> timedelta | None:
    """By the definition: the smallest that so many percent do not exceed."""
    for wait in sorted(waits):
        if 100 * sum(each <= wait for each in waits) >= percent * len(waits):
            return wait
    return None


def naive(happenings: Sequence[Happening], row: AnalyticsRow) -> AnalyticsRow:
    """The row that all of these make, each number looked for by itself."""
    waits = [each.answered_after for each in happenings if each.answered_after is not None]
    counted = {outcome: [each.outcome for each in happenings].count(outcome) for outcome in Outcome}
    earned = [each.earned for each in happenings if each.earned is not None]
    currencies = sorted({each.revenue.currency for each in earned})

    def total(part: str, currency: str) -> Money:
        amounts = [getattr(each, part).minor for each in earned if each.revenue.currency == currency]
        return Money(sum(amounts), currency)

    return AnalyticsRow(
        day=row.day,
        therapist_id=row.therapist_id,
        service=row.service,
        requests=counted[Outcome.REQUESTED],
        accepted=counted[Outcome.ACCEPTED],
        declined=counted[Outcome.DECLINED],
        expired=counted[Outcome.EXPIRED],
        withdrawn=counted[Outcome.WITHDRAWN],
        completed=counted[Outcome.COMPLETED],
        cancelled=counted[Outcome.CANCELLED],
        no_shows=counted[Outcome.NO_SHOW],
        answer_p50=percentile(waits, 50),
        answer_p90=percentile(waits, 90),
        earned=tuple(Earnings(total("revenue", each), total("commission", each)) for each in currencies),
    )


def belongs(happening: Happening, row: AnalyticsRow, zone: ZoneInfo) -> bool:
    """Whether a row counts it."""
    return (
        row.day in {None, happening.at.astimezone(zone).date()}
        and row.therapist_id in {None, happening.therapist_id}
        and row.service in {None, happening.service}
    )


@st.composite
def happenings(draw: st.DrawFn) -> list[Happening]:
    """What may happen within a week, in order."""
    found = []
    for offset in sorted(draw(st.lists(st.integers(0, 7 * 24 * 60 - 1), max_size=40))):
        outcome = draw(st.sampled_from(list(Outcome)))
        waited = earned = None
        if outcome in {Outcome.ACCEPTED, Outcome.DECLINED}:
            waited = draw(st.none() | st.integers(0, 86_400_000).map(lambda n: timedelta(milliseconds=n)))
        if outcome in ENDS and draw(st.booleans()):
            currency = draw(st.sampled_from(["EUR", "JPY", "KWD"]))
            gross, share = draw(st.integers(0, 10**12)), draw(st.integers(0, 10**12))
            earned = Earnings(Money(gross, currency), Money(min(gross, share), currency))
        therapist, service = draw(st.sampled_from(["mara", "tom"])), draw(st.sampled_from(["Deep tissue", "Thai"]))
        found.append(Happening(START + offset * MINUTE, therapist, service, outcome, waited, earned))
    return found


def reported(found: Sequence[Happening], by: Sequence[str] = ("day",), timezone: str = "UTC") -> AnalyticsReport:
    """The report of a week."""
    tallies = Tallies(Period.parse(START, START + timedelta(days=7), timezone), Dimension.parse(by))
    for each in found:
        tallies.add(each)
    return tallies.report()


@given(happenings(), st.lists(st.sampled_from(list(Dimension))), st.sampled_from(ZONES))
def test_every_row_is_what_a_naive_count_says(found: list[Happening], by: list[Dimension], timezone: str) -> None:
    report, zone = reported(found, by, timezone), ZoneInfo(timezone)
    assert report.total == naive(found, report.total)
    for row in report.rows:
        assert row == naive([each for each in found if belongs(each, row, zone)], row)
    for each in found:
        assert len([row for row in report.rows if belongs(each, row, zone)]) == 1
    keys = [(row.day or date.min, row.therapist_id or "", row.service or "") for row in report.rows]
    assert keys == sorted(set(keys))


@given(st.lists(st.integers(0, 86_400_000), min_size=1, max_size=400), st.integers(1, 100))
def test_a_percentile_is_exact_and_beyond_the_memory_allowed_off_by_less_than_a_sixty_fourth(
    waits: list[int], percent: int
) -> None:
    expected = sorted(waits)[ceil(len(waits) * percent / 100) - 1]
    exact, rough = AnswerTimes(), AnswerTimes()
    for each in waits:
        exact.add(timedelta(milliseconds=each))
    assert exact.percentile(percent) == timedelta(milliseconds=expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analytics, "_EXACT", 3)
        for each in waits:
            rough.add(timedelta(milliseconds=each))
    found = rough.percentile(percent)
    assert found is not None
    assert expected * (63 / 64) <= found / timedelta(milliseconds=1) <= expected


def test_however_many_answers_there_are_a_group_keeps_few_numbers() -> None:
    times = AnswerTimes()
    for number in range(50_000):
        times.add(timedelta(milliseconds=number * 1_700))  # up to a day
    assert len(times._counts) < 1_500
    assert times._counts.total() == 50_000


def test_the_rates_are_shares_of_what_was_decided() -> None:
    outcomes = [Outcome.REQUESTED] * 9 + [Outcome.ACCEPTED] * 6 + [Outcome.DECLINED, Outcome.EXPIRED, Outcome.WITHDRAWN]
    outcomes += [Outcome.COMPLETED] * 3 + [Outcome.CANCELLED, Outcome.NO_SHOW]
    total = reported([Happening(START, "mara", "Thai", each) for each in outcomes]).total
    assert total.acceptance_rate == 6 / 8
    assert (total.completion_rate, total.cancellation_rate, total.no_show_rate) == (3 / 5, 1 / 5, 1 / 5)
    assert (total.withdrawn, total.answer_p50, total.revenue("EUR")) == (1, None, Money(0, "EUR"))


def test_where_nothing_was_decided_there_is_no_rate() -> None:
    total = reported([]).total
    rates = (total.acceptance_rate, total.completion_rate, total.cancellation_rate, total.no_show_rate)
    assert rates == (None, None, None, None)


def test_a_report_by_day_knows_every_day_also_those_without_anything() -> None:
    report = reported([Happening(START + timedelta(days=2), "mara", "Thai", Outcome.REQUESTED)])
    assert [row.requests for row in report.by_day.values()] == [0, 0, 1, 0, 0, 0, 0]
    assert list(report.by_day) == report.period.days == [date(2026, 10, 30) + timedelta(days=n) for n in range(7)]
    with pytest.raises(InvalidInput, match="by day alone"):
        _ = reported([], ["day", "service"]).by_day


def test_a_day_is_counted_once_where_clocks_go_back_over_midnight() -> None:
    # St. John's, 2010-11-07: a minute after midnight it became 23:01 of the 6th again.
    midnight = datetime(2010, 11, 7, 2, 30, tzinfo=UTC)
    period = Period.parse(midnight - timedelta(days=1), midnight + timedelta(days=2), "America/St_Johns")
    tallies = Tallies(period, (Dimension.DAY,))
    for minutes in (-90, -1, 0, 1, 59, 61, 24 * 60 + 60):
        tallies.add(Happening(midnight + minutes * MINUTE, "mara", "Thai", Outcome.REQUESTED))
    assert [(row.day, row.requests) for row in tallies.report().rows] == [
        (date(2010, 11, 6), 4),
        (date(2010, 11, 7), 2),
        (date(2010, 11, 8), 1),
    ]


def test_every_event_of_a_booking_counts_as_what_it_is() -> None:
    counted = {(arrow.event, arrow.source): outcome_of(arrow.event, arrow.source) for arrow in TRANSITIONS}
    assert counted[BookingEventType.CANCELLED, Status.PENDING] is Outcome.WITHDRAWN
    assert counted[BookingEventType.CANCELLED, Status.ACCEPTED] is Outcome.CANCELLED
    assert counted[BookingEventType.STARTED, Status.ACCEPTED] is None
    assert counted[BookingEventType.RESCHEDULED, Status.PENDING] is None
    assert outcome_of(BookingEventType.REQUESTED, None) is Outcome.REQUESTED
    assert {each for each in counted.values() if each is not None} == set(Outcome) - {Outcome.REQUESTED}


def test_a_draft_that_was_declined_is_no_booking() -> None:
    assert outcome_of(BookingEventType.DECLINED, None) is None


def test_only_people_answer() -> None:
    assert is_answer(Outcome.ACCEPTED, Role.THERAPIST)
    assert is_answer(Outcome.DECLINED, Role.OPS)
    assert not is_answer(Outcome.DECLINED, Role.SYSTEM)
    assert not is_answer(Outcome.EXPIRED, Role.SYSTEM)


def test_days_begin_at_midnight_in_their_zone() -> None:
    period = Period.parse(date(2026, 3, 29), date(2026, 3, 30), "Europe/Berlin")
    assert period.end - period.start == timedelta(hours=23)
    assert period.start == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert period.days == [date(2026, 3, 29)]


@pytest.mark.parametrize(
    ("start", "end", "timezone", "said"),
    [
        (date(2026, 1, 2), date(2026, 1, 2), "UTC", "is not after the start"),
        (datetime(2026, 1, 1), date(2026, 1, 2), "UTC", "needs a time zone"),  # noqa: DTZ001 - what is refused
        ("2026-01-01", date(2026, 1, 2), "UTC", "is a date"),
        (date(2026, 1, 1), date(2026, 1, 2), "Mars/Olympus", "IANA"),
        (date(2026, 1, 1), date(2026, 1, 2), "../etc/passwd", "IANA"),
        (date(1, 1, 1), date(2026, 1, 2), "Asia/Tokyo", "beyond the calendar"),
    ],
)
def test_what_is_no_period_is_refused(start: date, end: date, timezone: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Period.parse(start, end, timezone)


def test_what_is_no_division_is_refused() -> None:
    assert Dimension.parse("service") == (Dimension.SERVICE,)
    assert Dimension.parse(["service", "day", "service"]) == (Dimension.DAY, Dimension.SERVICE)
    for wrong in ("week", ["day", "week"], [7], 7):
        with pytest.raises(InvalidInput, match="by names day, therapist, service"):
            Dimension.parse(wrong)  # type: ignore[arg-type]
