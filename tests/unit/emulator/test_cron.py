"""Cron expressions of schedules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.emulator.functions.cron import Cron, CronError

moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def after(expression: str, moment: str) -> str:
    return Cron.parse(expression).after(datetime.fromisoformat(moment + "+00:00")).isoformat()[:16]


@pytest.mark.parametrize(
    ("expression", "moment", "due"),
    [
        ("* * * * *", "2026-11-23T10:00:30", "2026-11-23T10:01"),
        ("*/5 * * * *", "2026-11-23T10:00:00", "2026-11-23T10:05"),
        ("3-59/10 * * * *", "2026-11-23T10:53:00", "2026-11-23T11:03"),
        ("0 3 * * *", "2026-11-23T03:00:00", "2026-11-24T03:00"),
        ("0 0 1 1 *", "2026-11-23T00:00:00", "2027-01-01T00:00"),
        ("0 0 29 feb *", "2026-11-23T00:00:00", "2028-02-29T00:00"),
        ("0 9 * * mon-fri", "2026-11-20T10:00:00", "2026-11-23T09:00"),
        ("0 9 * * 7", "2026-11-23T00:00:00", "2026-11-29T09:00"),
        ("0 0 13 * 5", "2026-11-12T00:00:00", "2026-11-13T00:00"),
        ("0 0 14 * 5", "2026-11-10T00:00:00", "2026-11-13T00:00"),
        ("0 0 ? * 1", "2026-11-24T00:00:00", "2026-11-30T00:00"),
        ("5,10,15 8 * * *", "2026-11-23T08:10:59", "2026-11-23T08:15"),
        ("@hourly", "2026-11-23T08:10:00", "2026-11-23T09:00"),
        ("10/20 * * * *", "2026-11-23T08:31:00", "2026-11-23T08:50"),
    ],
)
def test_the_next_time_is_found(expression: str, moment: str, due: str) -> None:
    assert after(expression, moment) == due


@pytest.mark.parametrize(
    "expression",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *", "5-1 * * * *",
     "*/0 * * * *", "0 0 30 feb *", "@reboot", "* * * * * *", "1,,2 * * * *"],
)  # fmt: skip
def test_nonsense_is_refused(expression: str) -> None:
    with pytest.raises(CronError):
        Cron.parse(expression)


@given(moments, st.integers(0, 59), st.integers(0, 23))
def test_a_daily_schedule_is_due_within_a_day_and_at_its_time(moment: datetime, minute: int, hour: int) -> None:
    due = Cron.parse(f"{minute} {hour} * * *").after(moment)
    assert moment < due <= moment + timedelta(days=1)
    assert (due.minute, due.hour, due.second) == (minute, hour, 0)
