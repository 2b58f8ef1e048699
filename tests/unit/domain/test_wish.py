"""What somebody wants to book: what the catalogue fills in, and how a repeat is told from another wish."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from massage_link.domain.money import Money
from massage_link.domain.people import Therapist
from massage_link.domain.policy import CancellationPolicy
from massage_link.domain.wish import BookingWish, check_available
from massage_link.errors import InvalidBooking, NotAvailable

NOW = datetime(2027, 3, 1, 8, 0, tzinfo=UTC)  # a Monday
STARTS = datetime(2027, 3, 2, 9, 0, tzinfo=UTC)
WISH = BookingWish(customer_id="ann", therapist_id="tom", service="Deep tissue", starts_at=STARTS)
POLICY = CancellationPolicy(free_until_hours=12)
TOM = Therapist(
    id="tom",
    name="Tom",
    timezone="Europe/Berlin",
    hours=json.dumps({"weekly": {"tue": [["09:00", "17:00"]]}, "noticeMinutes": 60, "horizonDays": 30}),
    services=json.dumps(
        [{"name": "Deep tissue", "minutes": 60, "priceMinor": 9500, "currency": "EUR", "bufferMinutes": 15}]
    ),
    policy=POLICY.text(),
)


def test_the_catalogue_fills_in_what_is_left_open() -> None:
    request = WISH.completed(TOM)
    assert request.ends_at == STARTS + timedelta(minutes=60)
    assert request.price == Money(9500, "EUR")
    assert request.buffer == timedelta(minutes=15)
    assert request.timezone == "Europe/Berlin"
    assert request.therapist_name == "Tom"
    assert request.cancellation_policy == POLICY


def test_what_is_said_wins_over_the_catalogue() -> None:
    said: dict[str, Any] = {
        "ends_at": STARTS + timedelta(minutes=90),
        "price": Money(1, "USD"),
        "buffer": timedelta(0),
        "timezone": "UTC",
        "therapist_name": "Thomas",
    }
    request = replace(WISH, **said).completed(TOM)
    assert {name: getattr(request, name) for name in said} == said


@pytest.mark.parametrize(("missing", "named"), [("price", "give the price"), ("ends_at", "give ends_at")])
def test_without_a_catalogue_price_and_end_have_to_be_said(missing: str, named: str) -> None:
    full = replace(WISH, price=Money(9500, "EUR"), ends_at=STARTS + timedelta(hours=1))
    assert full.completed(None).price == Money(9500, "EUR")
    left_open: dict[str, Any] = {missing: None}
    lacking = replace(full, **left_open)
    with pytest.raises(InvalidBooking, match=named):
        lacking.completed(None)


def test_a_service_that_is_not_on_offer_is_refused_with_those_that_are() -> None:
    with pytest.raises(InvalidBooking, match="does not offer 'Shiatsu'; on offer: Deep tissue"):
        replace(WISH, service="Shiatsu").completed(TOM)


def test_a_therapist_who_takes_no_bookings_is_not_available() -> None:
    with pytest.raises(NotAvailable, match="Tom is not taking bookings"):
        WISH.completed(TOM.model_copy(update={"active": False}))


@pytest.mark.parametrize(
    ("starts_at", "reason"),
    [
        (datetime(2027, 3, 2, 7, 59, tzinfo=UTC), "outside the therapist's hours"),
        (datetime(2027, 3, 2, 15, 1, tzinfo=UTC), "outside the therapist's hours"),
        (datetime(2027, 3, 3, 9, 0, tzinfo=UTC), "outside the therapist's hours"),
        (datetime(2027, 3, 1, 8, 59, tzinfo=UTC), "at least 60 minutes ahead"),
        (datetime(2027, 3, 31, 8, 0, tzinfo=UTC), "up to 30 days ahead"),
    ],
)
def test_a_time_at_which_the_therapist_takes_no_bookings_is_refused_with_the_reason(
    starts_at: datetime, reason: str
) -> None:
    with pytest.raises(NotAvailable, match=reason):
        check_available(replace(WISH, starts_at=starts_at).completed(TOM), TOM, NOW)


@pytest.mark.parametrize("hour", [8, 15])
def test_the_first_and_the_last_possible_hour_are_available(hour: int) -> None:
    check_available(replace(WISH, starts_at=STARTS.replace(hour=hour)).completed(TOM), TOM, NOW)


# --- the fingerprint --------------------------------------------------------------------------------------------------
def test_the_same_wish_has_the_same_fingerprint_in_any_time_zone() -> None:
    moved = replace(WISH, starts_at=STARTS.astimezone(timezone(timedelta(hours=-3, minutes=-30))))
    assert moved.fingerprint() == WISH.fingerprint()
    assert len(WISH.fingerprint()) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"customer_id": "bea"},
        {"therapist_id": "tim"},
        {"service": "Thai massage"},
        {"starts_at": STARTS + timedelta(minutes=1)},
        {"ends_at": STARTS + timedelta(minutes=61)},
        {"price": Money(9_501, "EUR")},
        {"price": Money(9_500, "USD")},
        {"timezone": "UTC"},
        {"area": "Mitte"},
        {"address": "Unter den Linden 1"},
        {"note": "ring twice"},
        {"customer_name": "Anna"},
        {"therapist_name": "Tom"},
        {"buffer": timedelta(0)},
        {"cancellation_policy": POLICY},
        {"canary": True},
    ],
)
def test_a_different_wish_has_a_different_fingerprint(change: dict[str, Any]) -> None:
    assert replace(WISH, **change).fingerprint() != WISH.fingerprint()
