"""Periods are whole days of a zone; those that follow each other meet, whatever its clocks do in between."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.domain.period import Period
from massage_link.errors import InvalidInput

ZONES = sorted(available_timezones() - {"localtime"})


@pytest.mark.parametrize(
    ("text", "zone", "start", "end"),
    [
        ("2026", "UTC", "2026-01-01T00:00", "2027-01-01T00:00"),
        ("2026-11", "Europe/Berlin", "2026-10-31T23:00", "2026-11-30T23:00"),
        ("2026-12", "Asia/Tokyo", "2026-11-30T15:00", "2026-12-31T15:00"),
        # The clocks go back on the 25th: the month is an hour longer than its days.
        ("2026-10", "Europe/Berlin", "2026-09-30T22:00", "2026-10-31T23:00"),
        ("2026-10-25", "Europe/Berlin", "2026-10-24T22:00", "2026-10-25T23:00"),
        ("2026-03-29", "Europe/Berlin", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("2026-W01", "UTC", "2025-12-29T00:00", "2026-01-05T00:00"),
        ("2026-11-01..2026-11-15", "UTC", "2026-11-01T00:00", "2026-11-16T00:00"),
        ("2028-02", "UTC", "2028-02-01T00:00", "2028-03-01T00:00"),
        # On this day there was no midnight: the clocks went from 0:00 to 1:00.
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00", "2018-11-05T02:00"),
    ],
)
def test_a_period_is_from_midnight_to_midnight(text: str, zone: str, start: str, end: str) -> None:
    period = Period.parse(text, zone)
    found = [instant.strftime("%Y-%m-%dT%H:%M") for instant in (period.start, period.end)]
    assert found == [start, end]
    assert (period.name, period.timezone) == (text, zone)


@given(st.dates(date(1990, 1, 1), date(2035, 12, 30)), st.sampled_from(ZONES))
def test_one_day_ends_where_the_next_begins(day: date, zone: str) -> None:
    today, tomorrow = (Period.parse((day + timedelta(days=n)).isoformat(), zone) for n in (0, 1))
    assert today.end == tomorrow.start > today.start
    assert timedelta(hours=0) < today.end - today.start <= timedelta(hours=49)


@given(st.integers(1970, 2100), st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia"]))
def test_the_months_make_up_the_year(year: int, zone: str) -> None:
    months = [Period.parse(f"{year}-{month:02}", zone) for month in range(1, 13)]
    whole = Period.parse(f"{year}", zone)
    assert (months[0].start, months[-1].end) == (whole.start, whole.end)
    assert all(one.end == other.start for one, other in pairwise(months))


@pytest.mark.parametrize(
    "text",
    ["", "26", "2026-13", "2026-00", "2026-02-30", "2026-W54", "2026-W00", "november", "2026-11-15..2026-11-01",
     "2026-11..2026-12", "2026-11-01..", "2026-11-01...2026-11-02", "9999", "9999-12", "٢٠٢٦"],
)  # fmt: skip
def test_what_is_no_period_is_refused_with_what_is_one(text: str) -> None:
    with pytest.raises(InvalidInput, match=r'a period is "2026", "2026-11"'):
        Period.parse(text)


@pytest.mark.parametrize("zone", ["", "Berlin", "Europe/Nowhere", "../etc/passwd", "\x00"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(InvalidInput, match="is not an IANA time zone"):
        Period.parse("2026", zone)


def test_an_instant_is_shown_by_the_clocks_of_the_zone() -> None:
    period = Period.parse("2026-11", "Europe/Berlin")
    assert period.local(datetime(2026, 11, 1, 12, tzinfo=UTC)).isoformat() == "2026-11-01T13:00:00+01:00"
