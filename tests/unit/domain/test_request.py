"""What can be booked and what cannot, and the rows that a booking begins with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.domain.booking import Role, Status
from massage_link.domain.money import MAX_MINOR, Money
from massage_link.domain.request import BookingRequest, new_booking
from massage_link.domain.states import Actor
from massage_link.errors import InvalidBooking, InvalidInput, InvalidMoney

NOW = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
STARTS = datetime(2026, 7, 3, 14, tzinfo=UTC)
REQUEST = BookingRequest(
    customer_id="anna",
    therapist_id="tom",
    service="Swedish massage",
    starts_at=STARTS,
    ends_at=STARTS + timedelta(minutes=60),
    price=Money(9_500, "EUR"),
    timezone="Europe/Berlin",
    area="Berlin-Mitte",
    address="Torstraße 1",
    note="second floor",
    buffer=timedelta(minutes=15),
)


LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _minutes(count: float) -> datetime:
    return STARTS + timedelta(minutes=count)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"starts_at": NOW, "ends_at": NOW + timedelta(hours=1)}, "is in the past"),
        ({"starts_at": NOW - timedelta(days=1), "ends_at": NOW - timedelta(hours=23)}, "is in the past"),
        ({"starts_at": LONG_AGO, "ends_at": LONG_AGO + timedelta(hours=1)}, "beyond the calendar"),
        ({"ends_at": STARTS}, "is not after starts_at"),
        ({"ends_at": _minutes(-5)}, "is not after starts_at"),
        ({"starts_at": STARTS.replace(tzinfo=None)}, "starts_at is a datetime with a time zone"),
        ({"ends_at": "tomorrow"}, "ends_at is a datetime with a time zone"),
        ({"starts_at": _minutes(0.5)}, "is not on a whole minute"),
        ({"ends_at": STARTS + timedelta(hours=1, microseconds=1)}, "is not on a whole minute"),
        ({"ends_at": _minutes(60 * 24 * 7)}, "lasts at most 8:15:00"),
        ({"buffer": timedelta(minutes=-5)}, "buffer is zero or more whole minutes"),
        ({"buffer": timedelta(seconds=30)}, "buffer is zero or more whole minutes"),
        ({"buffer": timedelta(hours=5)}, "lasts at most 8:15:00"),
        ({"buffer": 15}, "buffer is zero or more whole minutes"),
        ({"cancellation_policy": "free"}, "cancellation_policy is a CancellationPolicy, not 'free'"),
        ({"canary": "yes"}, "canary is True or False, not 'yes'"),
        ({"timezone": "Berlin"}, "'Berlin' is not an IANA zone"),
        ({"timezone": ""}, "is not an IANA zone"),
        ({"timezone": "Europe"}, "is not an IANA zone"),
        ({"timezone": "../../etc/passwd"}, "is not an IANA zone"),
        ({"timezone": None}, "is not an IANA zone"),
        ({"price": Money(-1, "EUR")}, "is out of range"),
        ({"price": Money(MAX_MINOR + 1, "JPY")}, "is out of range"),
        ({"price": 95.0}, "price is Money"),
        ({"price": None}, "price is Money"),
        ({"customer_id": ""}, "customer_id '' is not an id"),
        ({"therapist_id": "a b"}, "therapist_id 'a b' is not an id"),
        ({"therapist_id": "ANNA"}, "customer and therapist are the same user"),
        ({"customer_id": "System"}, "customer_id is 'System', the name by which we ourselves act"),
        ({"therapist_id": "ops"}, "therapist_id is 'ops', the name by which we ourselves act"),
        ({"service": ""}, "service is empty"),
        ({"service": " \t"}, "service is empty"),
        ({"service": "s" * 129}, "service has at most 128 characters, this one has 129"),
        ({"service": None}, "service is a text"),
        ({"note": "n" * 10_240}, "note has at most 2,000 characters, this one has 10,240"),
        ({"area": "a" * 129}, "area has at most 128 characters"),
        ({"address": "a" * 501}, "address has at most 500 characters"),
        ({"customer_name": "a" * 129}, "customer_name has at most 128 characters"),
        ({"therapist_name": "a" * 129}, "therapist_name has at most 128 characters"),
        ({"note": "half \ud83d"}, "half of a surrogate pair"),
        ({"note": b"bytes"}, "note is a text"),
    ],
)
def test_a_bad_booking_is_refused_with_what_is_wrong(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidBooking) as refusal:
        replace(REQUEST, **change).check(NOW)
    assert said in str(refusal.value)


def test_an_unknown_currency_is_refused_before_there_is_a_request() -> None:
    with pytest.raises(InvalidMoney, match="'XYZ' is not an ISO 4217 currency"):
        Money(9_500, "XYZ")


@pytest.mark.parametrize(
    "name",
    [
        "Zoë 💆‍♀️",
        "👨‍👩‍👧‍👦" * 18,
        "שרה לוי",
        "محمد بن سلمان",
        "\u202eevil\u202c",
        "山田 太郎",
        "O'Brien; DROP TABLE",
        "é" * 128,
    ],
)
def test_names_of_every_script_are_accepted_as_they_are(name: str) -> None:
    request = replace(REQUEST, customer_name=name, therapist_name=name, note=name, area=name)
    begun = new_booking(request, booking_id="b1", command_id="k", now=NOW)
    assert begun.booking.customer_name == begun.booking.note == name


@pytest.mark.parametrize(
    "change",
    [
        {"price": Money(0, "EUR")},
        {"price": Money(MAX_MINOR, "KWD")},
        {"note": "n" * 2_000},
        {"buffer": timedelta(0)},
        {"starts_at": NOW + timedelta(minutes=1), "ends_at": NOW + timedelta(minutes=2)},
        {"starts_at": STARTS.astimezone(timezone(timedelta(hours=5, minutes=45)))},
        {"ends_at": _minutes(60 * 8 + 20 - 30)},
    ],
)
def test_what_is_just_within_the_rules_is_accepted(change: dict[str, Any]) -> None:
    replace(REQUEST, **change).check(NOW)


@given(
    st.datetimes(timezones=st.just(UTC)).map(lambda instant: instant.replace(second=0, microsecond=0)),
    st.integers(-10, 600),
    st.integers(0, 300),
)
def test_any_times_end_in_a_booking_within_the_limits_or_in_a_refusal(
    starts_at: datetime, minutes: int, buffer: int
) -> None:
    try:
        ends_at = starts_at + timedelta(minutes=minutes)
    except OverflowError:
        ends_at = starts_at
    request = replace(REQUEST, starts_at=starts_at, ends_at=ends_at, buffer=timedelta(minutes=buffer))
    try:
        begun = new_booking(request, booking_id="b1", command_id="k", now=NOW)
    except InvalidBooking:
        return
    assert starts_at > NOW
    assert 1 <= len(begun.slots) <= 100
    assert begun.booking.duration_minutes == minutes


# --- the rows ---------------------------------------------------------------------------------------------------------
def test_a_new_booking_is_pending_and_says_what_was_asked_for() -> None:
    booking = new_booking(REQUEST, booking_id="b1", command_id="k", now=NOW).booking
    assert (booking.id, booking.status, booking.version) == ("b1", Status.PENDING, 1)
    assert (booking.customer_id, booking.therapist_id, booking.service) == ("anna", "tom", "Swedish massage")
    assert (booking.starts_at, booking.ends_at, booking.duration_minutes) == (STARTS, _minutes(60), 60)
    assert (booking.price, booking.buffer, booking.timezone) == (
        Money(9_500, "EUR"),
        timedelta(minutes=15),
        "Europe/Berlin",
    )


# --- clocks that change -----------------------------------------------------------------------------------------------
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "minutes"),
    [
        # The clocks go forward from 2 to 3: an hour on the wall is missing.
        (datetime(2027, 3, 28, 1, 30, tzinfo=BERLIN), datetime(2027, 3, 28, 3, 30, tzinfo=BERLIN), 60),
        # They go back from 3 to 2: the end reads earlier than the beginning.
        (datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN), datetime(2026, 10, 25, 2, 15, fold=1, tzinfo=BERLIN), 45),
    ],
)
def test_a_booking_over_a_change_of_clocks_is_as_long_as_it_really_is(
    starts_at: datetime, ends_at: datetime, minutes: int
) -> None:
    request = replace(REQUEST, starts_at=starts_at, ends_at=ends_at, buffer=timedelta(0))
    begun = new_booking(request, booking_id="b1", command_id="k", now=NOW)
    assert begun.booking.duration_minutes == minutes
    assert len(begun.slots) == minutes // 5
    assert begun.booking.starts_at == starts_at.astimezone(UTC)


def test_an_end_that_only_reads_later_is_refused() -> None:
    # 02:15 the second time is after 02:30 the first time, and the reverse is not.
    starts_at = datetime(2026, 10, 25, 2, 15, fold=1, tzinfo=BERLIN)
    with pytest.raises(InvalidBooking, match="is not after starts_at"):
        replace(REQUEST, starts_at=starts_at, ends_at=starts_at.replace(minute=30, fold=0)).check(NOW)


def test_the_exact_address_is_not_on_the_booking() -> None:
    begun = new_booking(REQUEST, booking_id="b1", command_id="k", now=NOW)
    assert begun.place.address == "Torstraße 1"
    assert begun.place.id == begun.terms.id == "b1"
    assert "Torstraße" not in begun.booking.model_dump_json() + begun.event.model_dump_json()


def test_its_first_event_is_the_request_of_the_customer() -> None:
    event = new_booking(REQUEST, booking_id="b1", command_id="k", now=NOW).event
    assert (event.id, event.version, event.type, event.command_id) == ("b1_1", 1, "requested", "k")
    assert (event.actor, event.actor_role, event.from_status, event.to_status) == ("anna", "customer", None, "pending")
    assert event.at == NOW


def test_ops_may_ask_for_a_customer() -> None:
    ops = Actor("ops", Role.OPS)
    assert new_booking(REQUEST, booking_id="b1", command_id="k", now=NOW, actor=ops).event.actor_role is Role.OPS


def test_the_commission_rate_is_frozen_when_it_is_made() -> None:
    assert new_booking(REQUEST, booking_id="b1", command_id="k", now=NOW).terms.commission_bps == 3_000
    other = new_booking(REQUEST, booking_id="b1", command_id="k", now=NOW, commission_bps=1_250)
    assert other.terms.commission_bps == 1_250


def test_its_slots_cover_the_buffers_too() -> None:
    slots = new_booking(REQUEST, booking_id="b1", command_id="k", now=NOW).slots
    assert len(slots) == (15 + 60 + 15) // 5
    assert len({slot.id for slot in slots}) == len(slots)
    assert {(slot.therapist_id, slot.booking_id) for slot in slots} == {("tom", "b1")}


@pytest.mark.parametrize(
    ("until_start", "until_expiry"),
    [(timedelta(days=9), timedelta(hours=24)), (timedelta(hours=2), timedelta(hours=2))],
)
def test_a_request_expires_after_a_day_but_never_past_its_start(
    until_start: timedelta, until_expiry: timedelta
) -> None:
    starts_at = NOW + until_start
    request = replace(REQUEST, starts_at=starts_at, ends_at=starts_at + timedelta(hours=1))
    assert new_booking(request, booking_id="b1", command_id="k", now=NOW).booking.expires_at == NOW + until_expiry


def test_the_reason_of_an_exception_has_a_longest_length() -> None:
    new_booking(REQUEST, booking_id="b1", command_id="k1", now=NOW, exception="r" * 500)
    with pytest.raises(InvalidInput, match="at most 500 characters, this one has 501"):
        new_booking(REQUEST, booking_id="b1", command_id="k1", now=NOW, exception="r" * 501)
