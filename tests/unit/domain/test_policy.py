"""What a cancellation or a no-show costs: half-up, never more than the price, and free until the very moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.domain.commission import split
from massage_link.domain.money import MAX_MINOR, Money
from massage_link.domain.policy import CancellationPolicy, parse_policy, share_of
from massage_link.errors import InvalidInput

START = datetime(2026, 7, 3, 9, tzinfo=UTC)
BPS = st.integers(0, 10_000)
AMOUNTS = st.integers(0, MAX_MINOR)


@pytest.mark.parametrize(
    ("minor", "currency", "bps", "share"),
    [
        (9_505, "EUR", 3_000, 2_852),  # 2851.5 cents
        (9_505, "EUR", 5_000, 4_753),  # 4752.5
        (9_999, "JPY", 3_000, 3_000),  # 2999.7 yen
        (12_345, "KWD", 3_000, 3_704),  # 3703.5 fils
        (1, "EUR", 4_999, 0),
        (1, "EUR", 5_000, 1),
        (0, "EUR", 10_000, 0),
        (MAX_MINOR, "EUR", 10_000, MAX_MINOR),
    ],
)
def test_a_share_is_rounded_half_up_to_the_minor_unit(minor: int, currency: str, bps: int, share: int) -> None:
    assert share_of(Money(minor, currency), bps) == Money(share, currency)


@given(AMOUNTS, BPS)
def test_a_share_is_within_half_a_minor_unit_of_the_exact_one(minor: int, bps: int) -> None:
    exact = Fraction(minor * bps, 10_000)
    assert -Fraction(1, 2) < share_of(Money(minor, "EUR"), bps).minor - exact <= Fraction(1, 2)


@given(AMOUNTS, BPS, BPS)
def test_platform_and_therapist_share_the_whole_fee(minor: int, fee_bps: int, platform_bps: int) -> None:
    fee = CancellationPolicy(fee_bps=fee_bps).cancellation_fee(Money(minor, "EUR"), starts_at=START, now=START)
    shares = split(fee, platform_bps)
    assert shares.commission + shares.net == fee <= Money(minor, "EUR")
    assert shares.net >= Money(0, "EUR")


@pytest.mark.parametrize(
    ("before_start", "fee"),
    [
        (timedelta(days=30), 0),
        (timedelta(hours=24), 0),  # the last moment that is free
        (timedelta(hours=24) - timedelta(milliseconds=1), 4_753),
        (timedelta(0), 4_753),
        (timedelta(hours=-1), 4_753),
    ],
)
def test_a_cancellation_is_free_until_the_moment_that_was_agreed(before_start: timedelta, fee: int) -> None:
    policy = CancellationPolicy(free_until_hours=24, fee_bps=5_000)
    price = Money(9_505, "EUR")
    assert policy.cancellation_fee(price, starts_at=START, now=START - before_start) == Money(fee, "EUR")


def test_without_hours_a_cancellation_is_free_until_the_start() -> None:
    policy = CancellationPolicy(free_until_hours=0, fee_bps=10_000)
    price = Money(100, "EUR")
    assert policy.cancellation_fee(price, starts_at=START, now=START) == Money(0, "EUR")
    assert policy.cancellation_fee(price, starts_at=START, now=START + timedelta(seconds=1)) == price


def test_a_no_show_has_its_own_share() -> None:
    policy = CancellationPolicy(fee_bps=1_000, no_show_bps=8_000)
    assert policy.no_show_fee(Money(9_505, "EUR")) == Money(7_604, "EUR")


@given(
    st.builds(
        CancellationPolicy,
        free_until_hours=st.integers(0, 1_440),
        fee_bps=BPS,
        no_show_bps=BPS,
        platform_bps=st.none() | BPS,
    )
)
def test_a_policy_reads_back_as_it_was_written_and_fits_its_column(policy: CancellationPolicy) -> None:
    assert parse_policy(policy.text()) == policy
    assert len(policy.text()) <= 1_000


def test_no_text_is_no_policy() -> None:
    assert parse_policy("") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "text: Invalid JSON"),
        ('{"feeBps": 10001}', "feeBps: Input should be less than or equal to 10000"),
        ('{"feeBps": -1}', "feeBps"),
        ('{"noShowBps": 0.5}', "noShowBps"),
        ('{"freeUntilHours": -1}', "freeUntilHours"),
        ('{"refund": true}', "refund: Extra inputs are not permitted"),
    ],
)
def test_a_malformed_policy_is_refused_and_the_message_says_where(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_policy(text)
    assert said in str(refused.value)
