"""Slots: two bookings whose times overlap always share one, so that the database refuses the second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from massage_link.domain.slots import SLOT, bucket_start, buckets

BEGIN = datetime(2026, 3, 28, tzinfo=UTC)
MINUTES = st.integers(0, 3 * 24 * 60)
DURATIONS = st.integers(1, 8 * 60)
BUFFERS = st.integers(0, 60)


def _span(start: int, duration: int) -> tuple[datetime, datetime]:
    begin = BEGIN + timedelta(minutes=start)
    return begin, begin + timedelta(minutes=duration)


@given(MINUTES, DURATIONS, BUFFERS, MINUTES, DURATIONS, BUFFERS)
def test_bookings_that_overlap_with_their_buffers_share_a_slot(
    start: int, duration: int, buffer: int, other_start: int, other_duration: int, other_buffer: int
) -> None:
    one = buckets(*_span(start, duration), timedelta(minutes=buffer))
    other = buckets(*_span(other_start, other_duration), timedelta(minutes=other_buffer))
    overlap = (
        start - buffer < other_start + other_duration + other_buffer
        and other_start - other_buffer < start + duration + buffer
    )
    shared = set(one) & set(other)
    assert shared or not overlap


@given(st.integers(0, 500), st.integers(1, 60), BUFFERS)
def test_back_to_back_bookings_on_five_minute_marks_share_none(start: int, slots: int, buffer_slots: int) -> None:
    buffer = SLOT * (buffer_slots // 10)
    first = BEGIN + SLOT * start
    middle = first + SLOT * slots
    last = middle + 2 * buffer + SLOT * slots
    one, other = buckets(first, middle, buffer), buckets(middle + 2 * buffer, last, buffer)
    assert not set(one) & set(other)
    assert one.stop == other.start


@given(MINUTES, DURATIONS, BUFFERS)
def test_the_slots_cover_the_booking_and_nothing_that_it_does_not_touch(start: int, duration: int, buffer: int) -> None:
    begins, ends = _span(start, duration)
    held = buckets(begins, ends, timedelta(minutes=buffer))
    first, after = bucket_start(held.start), bucket_start(held.stop)
    assert first <= begins - timedelta(minutes=buffer) < first + SLOT
    assert after - SLOT < ends + timedelta(minutes=buffer) <= after


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"])
@given(start=st.integers(0, 365 * 24 * 60), duration=DURATIONS, buffer=BUFFERS)
@example(start=25 * 60 + 10, duration=60, buffer=15)  # 03:10 in Berlin, ten minutes after the clocks went forward
@example(start=(211 * 24 + 1) * 60 + 10, duration=60, buffer=15)  # 02:10 for the second time, after they went back
def test_the_same_instants_in_another_zone_are_the_same_slots(
    zone: str, start: int, duration: int, buffer: int
) -> None:
    begins, ends = _span(start, duration)
    local = ZoneInfo(zone)
    in_utc = buckets(begins, ends, timedelta(minutes=buffer))
    assert buckets(begins.astimezone(local), ends.astimezone(local), timedelta(minutes=buffer)) == in_utc


def test_a_slot_is_the_number_of_five_minutes_since_1970() -> None:
    begins = datetime(1970, 1, 1, 1, tzinfo=UTC)
    assert buckets(begins, begins + timedelta(minutes=11)) == range(12, 15)
    assert bucket_start(12) == begins
