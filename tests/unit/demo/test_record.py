"""What was seen, and how long it took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo_world import FIRST, SECOND, expected_sights, good_record
from massage_link.demo.record import Kind, Record, Sight, latency


def test_a_good_record_misses_nothing_and_repeats_nothing() -> None:
    record = good_record()
    assert record.unseen() == []
    assert record.repeated() == []
    assert record.leaked() == []


@pytest.mark.parametrize("index", range(expected_sights(good_record())))
def test_whatever_is_not_seen_is_missed(index: int) -> None:
    record = good_record()
    expected = record.expected()[index]
    del record.seen[expected.user_id, expected.sight]
    assert record.unseen() == [expected]


@pytest.mark.parametrize("index", range(expected_sights(good_record())))
def test_whatever_is_seen_again_is_repeated(index: int) -> None:
    record = good_record()
    expected = record.expected()[index]
    record.saw(expected.user_id, expected.sight, 99.0)
    record.saw(expected.user_id, expected.sight, 99.1)
    assert record.repeated() == [(expected.user_id, expected.sight, 2)]


def test_what_nobody_waits_for_counts_as_repeated_too() -> None:
    record = good_record()
    own = Sight("chat_messages", FIRST, "line-0")
    customer = record.booked[FIRST].request.customer_id
    record.saw(customer, own, 1.0)
    record.saw(customer, own, 2.0)
    assert (customer, own, 1) in record.repeated()


def test_a_sight_of_a_strangers_booking_is_a_leak() -> None:
    record = good_record()
    stranger = record.booked[SECOND].request.therapist_id
    sight = Sight("bookings", FIRST, "accepted")
    record.saw(stranger, sight, 1.0)
    assert record.leaked() == [(stranger, sight)]


def test_bookings_of_the_warm_up_do_not_count() -> None:
    record = good_record()
    for _ in range(2):
        record.saw("anybody", Sight("bookings", "canary", "pending"), 1.0)
    assert record.repeated() == []
    assert record.leaked() == []


def test_latency_is_from_request_to_handler_in_milliseconds() -> None:
    record = good_record()
    messages = record.latency(Kind.MESSAGE)
    for kind in (Kind.ALERT, Kind.DIRECT_ALERT):
        alerts = record.latency(kind)
        assert (alerts.count, alerts.p50_ms, alerts.p99_ms) == (1, 10.0, 10.0)
    assert messages.count == sum(len(order.talk) for order in record.booked.values())


def test_without_anything_seen_there_is_no_latency() -> None:
    empty = Record().latency(Kind.ALERT)
    assert (empty.count, empty.p50_ms, empty.p95_ms, empty.p99_ms) == (0, None, None, None)


def test_percentiles_are_values_that_occurred() -> None:
    hundred = latency([number / 1000 for number in range(100, 0, -1)])
    assert (hundred.p50_ms, hundred.p95_ms, hundred.p99_ms) == (50.0, 95.0, 99.0)


@given(st.lists(st.integers(0, 10_000), min_size=1))
def test_at_least_the_percentage_of_values_is_within_a_percentile(milliseconds: list[int]) -> None:
    found = latency([value / 1000 for value in milliseconds])
    for percent, value in ((50, found.p50_ms), (95, found.p95_ms), (99, found.p99_ms)):
        assert value is not None
        assert sum(each <= value for each in milliseconds) * 100 >= percent * len(milliseconds)
