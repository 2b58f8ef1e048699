"""The shipped file, and the orders that are made of it."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.demo.orders import catalogue, load_week, orders, parse_week
from massage_link.domain.money import currency_exponent
from massage_link.domain.slots import buckets
from massage_link.domain.wish import BookingWish, check_available

WEEK = load_week()
NOW = datetime(2026, 3, 27, 22, 45, tzinfo=UTC)  # the clocks change in two days in Berlin, and today in Jerusalem
instants = st.datetimes(datetime(2025, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_the_file_has_sixty_bookings_of_several_therapists_services_and_zones() -> None:
    assert len(WEEK.templates) == 60
    assert len(WEEK.therapists) >= 3
    assert len({template.service for template in WEEK.templates}) >= 10
    assert len({therapist.timezone for therapist in WEEK.therapists}) >= 3


def test_its_currencies_have_no_two_and_three_decimals() -> None:
    assert {currency_exponent(therapist.currency) for therapist in WEEK.therapists} == {0, 2, 3}


def test_every_price_is_written_with_all_decimals_of_its_currency() -> None:
    for template in WEEK.templates:
        decimals = len(template.price.partition(".")[2])
        assert decimals == currency_exponent(template.therapist.currency), template


def test_some_prices_end_so_that_the_commission_is_half_a_minor_unit() -> None:
    halves = [order for order in orders(WEEK, 60, now=NOW) if order.request.price.minor * 3 % 10 == 5]
    assert len({order.request.price.currency for order in halves}) >= 3


def test_names_and_talks_hold_emoji_and_right_to_left_letters() -> None:
    names = "".join(person.name for person in WEEK.people)
    bodies = "".join(line.body for template in WEEK.templates for line in template.talk)
    for text in (names, bodies):
        assert {"R", "AL"} <= {unicodedata.bidirectional(sign) for sign in text}
        assert any(ord(sign) > 0x1F300 for sign in text)


def test_in_every_talk_both_speak() -> None:
    for template in WEEK.templates:
        assert {line.by for line in template.talk} == {"customer", "therapist"}


def test_half_of_the_orders_are_written_directly_by_customers_of_every_therapist() -> None:
    direct = [order for order in orders(WEEK, 60, now=NOW) if order.direct]
    assert len(direct) == 30
    assert {order.request.therapist_id for order in direct} == {therapist.id for therapist in WEEK.therapists}


def test_no_canary_is_written_directly_because_no_client_may_say_that_it_is_one() -> None:
    assert not any(order.direct for order in orders(WEEK, 60, now=NOW, canary=True))


@given(instants)
def test_the_catalogue_says_of_each_order_what_the_file_says(now: datetime) -> None:
    offered = {row.id: row for row in catalogue(WEEK)}
    for order in orders(WEEK, 120, now=now):
        asked, therapist = order.request, offered[order.request.therapist_id]
        wish = BookingWish(
            customer_id=asked.customer_id,
            therapist_id=asked.therapist_id,
            service=asked.service,
            starts_at=asked.starts_at,
        )
        found = wish.completed(therapist)
        assert (found.price, found.ends_at, found.buffer) == (asked.price, asked.ends_at, asked.buffer)
        assert (found.timezone, found.therapist_name) == (asked.timezone, asked.therapist_name)
        check_available(found, therapist, now)


@given(instants)
def test_every_order_can_be_booked_at_any_instant(now: datetime) -> None:
    for order in orders(WEEK, 60, now=now):
        order.request.check(now)


@given(instants)
def test_no_two_orders_hold_the_same_slot(now: datetime) -> None:
    held: defaultdict[str, set[int]] = defaultdict(set)
    for order in orders(WEEK, 200, now=now):
        wish = order.request
        wanted = set(buckets(wish.starts_at, wish.ends_at, wish.buffer))
        assert not held[wish.therapist_id] & wanted
        held[wish.therapist_id] |= wanted


def test_the_times_are_local_to_the_therapist_on_both_sides_of_a_change_of_clocks() -> None:
    for order, template in zip(orders(WEEK, 60, now=NOW), WEEK.templates, strict=True):
        local = order.request.starts_at.astimezone(ZoneInfo(template.therapist.timezone))
        assert local.time() == template.time
        assert order.request.ends_at - order.request.starts_at == timedelta(minutes=template.minutes)


def test_beyond_the_file_its_week_is_repeated() -> None:
    first, repeated = orders(WEEK, 1, now=NOW), orders(WEEK, 1, now=NOW, first=60)
    assert repeated[0].number == 60
    assert repeated[0].price == first[0].price
    zone = ZoneInfo(first[0].request.timezone)
    local = [order.request.starts_at.astimezone(zone).replace(tzinfo=None) for order in (first[0], repeated[0])]
    assert local[1] - local[0] == timedelta(days=7)


def test_canaries_are_marked() -> None:
    assert all(order.request.canary for order in orders(WEEK, 3, now=NOW, canary=True))
    assert not any(order.request.canary for order in orders(WEEK, 3, now=NOW))


def test_a_booking_that_names_an_unknown_customer_is_refused() -> None:
    with pytest.raises(KeyError, match="nobody"):
        parse_week('talks = {}\ntherapists = []\ncustomers = []\n[[bookings]]\ncustomer = "nobody"\n')
