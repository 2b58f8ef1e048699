"""When a request is accepted without asking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.domain.booking import Status
from massage_link.errors import InvalidInput
from massage_link.worker import Hours, Rules
from worker_world import NOON, booking

MINUTE = timedelta(minutes=1)


def test_without_rules_everything_is_accepted() -> None:
    assert Rules().objection(booking(), [booking("b2", status=Status.ACCEPTED)]) is None


@pytest.mark.parametrize("name", ["Deep tissue", "deep TISSUE"])
def test_a_service_is_accepted_by_name_whatever_its_case(name: str) -> None:
    assert Rules(services=frozenset({name, "Thai"})).objection(booking(), []) is None


def test_another_service_is_left_to_a_human() -> None:
    objection = Rules(services=frozenset({"Thai"})).objection(booking(), [])
    assert objection == "'Deep tissue' is not among the services to accept"


@pytest.mark.parametrize(
    ("hours", "zone", "accepted"),
    [
        ("12:00-13:00", "UTC", True),
        ("09:00-18:00", "UTC", True),
        ("12:01-18:00", "UTC", False),
        ("09:00-12:59", "UTC", False),
        ("13:00-14:00", "Europe/Berlin", True),
        ("12:00-13:00", "Europe/Berlin", False),
        ("00:00-24:00", "UTC", True),
        ("22:00-02:00", "UTC", False),
        ("22:00-13:00", "UTC", True),
        ("09:00-18:00", "No/Where", False),
    ],
)
def test_hours_are_those_of_the_place(hours: str, zone: str, *, accepted: bool) -> None:
    objection = Rules(hours=Hours.parse(hours)).objection(booking(timezone=zone), [])
    assert (objection is None) is accepted, objection


@pytest.mark.parametrize(
    "starts", [datetime(2026, 11, 25, 23, 30, tzinfo=UTC), datetime(2026, 11, 26, 0, 30, tzinfo=UTC)]
)
def test_hours_over_midnight_hold_on_both_sides_of_it(starts: datetime) -> None:
    assert Hours.parse("22:00-02:00").hold(booking(starts_at=starts))


def test_hours_follow_the_clocks_when_these_change() -> None:
    before = booking(starts_at=datetime(2027, 3, 27, 8, 0, tzinfo=UTC), timezone="Europe/Berlin")
    after = booking(starts_at=datetime(2027, 3, 28, 7, 0, tzinfo=UTC), timezone="Europe/Berlin")
    nine_to_ten = Hours.parse("09:00-10:00")
    assert nine_to_ten.hold(before)
    assert nine_to_ten.hold(after)


@pytest.mark.parametrize("text", ["", "9-18", "09:00", "09:00-09:00", "25:00-26:00", "09:00-18:60", "24:00-09:00", "x"])
def test_what_are_no_hours_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match='"09:00-18:00"'):
        Hours.parse(text)


@pytest.mark.parametrize("gap", [-MINUTE, timedelta(days=1, minutes=1)])
def test_a_gap_below_zero_or_above_a_day_is_refused(gap: timedelta) -> None:
    with pytest.raises(InvalidInput, match="a gap is between"):
        Rules(gap=gap)


@given(start=st.integers(-300, 300), length=st.integers(5, 240), gap=st.integers(0, 120))
def test_the_gap_is_kept_on_both_sides(start: int, length: int, gap: int) -> None:
    request = booking()
    begins = NOON + start * MINUTE
    neighbour = booking("b2", starts_at=begins, ends_at=begins + length * MINUTE)
    objection = Rules(gap=gap * MINUTE).objection(request, [neighbour])
    is_far_before = start + length + gap <= 0
    is_far_after = start >= 60 + gap
    assert (objection is None) is (is_far_before or is_far_after), objection


def test_the_booking_itself_is_no_neighbour() -> None:
    assert Rules(gap=30 * MINUTE).objection(booking(), [booking()]) is None


def test_the_objection_names_the_neighbour_and_the_distance() -> None:
    close = booking("b2", starts_at=NOON + timedelta(minutes=75))
    assert Rules(gap=30 * MINUTE).objection(booking(), [close]) == "booking b2 is 15 minutes away"
