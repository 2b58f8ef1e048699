"""The platform's share: half-up, and never a cent lost or made."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from massage_link.domain.commission import (
    DEFAULT_COMMISSION_BPS,
    Commission,
    CommissionStatus,
    EntryKind,
    split,
)
from massage_link.domain.entries import accrual
from massage_link.domain.money import Money
from massage_link.errors import InvalidInput

RATES = st.integers(0, 10_000)
# One currency for each number of decimals that ISO 4217 knows.
CURRENCIES = st.sampled_from(["JPY", "EUR", "KWD", "CLF"])


@given(st.integers(0, 10**12), RATES, CURRENCIES)
@example(9_999, 3_000, "JPY")
@example(9_505, 3_000, "EUR")
@example(12_345, 3_000, "KWD")
@example(5, 1_000, "EUR")  # exactly half a cent
def test_a_split_is_decimals_half_up_and_its_parts_add_up(gross: int, rate: int, currency: str) -> None:
    parts = split(Money(gross, currency), rate)
    # The oracle computes in major units, as a person with pencil and paper would.
    unit = Money(1, currency).decimal
    share = (Money(gross, currency).decimal * rate / 10_000).quantize(unit, rounding=ROUND_HALF_UP)
    assert parts.commission.decimal == share
    assert parts.commission + parts.net == parts.gross == Money(gross, currency)
    assert 0 <= parts.commission.minor <= gross


@given(st.integers(0, 10**12), RATES, RATES)
def test_a_higher_rate_never_gives_a_smaller_commission(gross: int, one: int, other: int) -> None:
    low, high = sorted((one, other))
    money = Money(gross, "EUR")
    assert split(money, low).commission <= split(money, high).commission


@pytest.mark.parametrize(
    ("gross", "currency", "commission", "net"),
    [(9_999, "JPY", 3_000, 6_999), (9_505, "EUR", 2_852, 6_653), (12_345, "KWD", 3_704, 8_641), (0, "EUR", 0, 0)],
)
def test_thirty_percent_as_documented(gross: int, currency: str, commission: int, net: int) -> None:
    parts = split(Money(gross, currency), DEFAULT_COMMISSION_BPS)
    assert (parts.commission.minor, parts.net.minor) == (commission, net)


def test_the_whole_and_nothing_are_rates_too() -> None:
    assert split(Money(7, "EUR"), 0).net == Money(7, "EUR")
    assert split(Money(7, "EUR"), 10_000).net == Money(0, "EUR")


@pytest.mark.parametrize(("minor", "rate", "said"), [(-1, 3_000, "zero or more"), (1, -1, "0 to"), (1, 10_001, "0 to")])
def test_a_negative_amount_or_a_rate_out_of_range_is_refused(minor: int, rate: int, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        split(Money(minor, "EUR"), rate)


def test_the_half_is_rounded_up_where_bankers_rounding_would_not() -> None:
    assert split(Money(5, "EUR"), 1_000).commission == Money(1, "EUR")
    assert round(Decimal("0.5")) == 0


COMMISSION = Commission(
    id="b1",
    therapist_id="t1",
    gross_minor=9_505,
    rate_bps=3_000,
    commission_minor=2_852,
    net_minor=6_653,
    currency="EUR",
    status=CommissionStatus.PENDING,
)


def test_a_commission_row_shows_its_amounts_as_money() -> None:
    assert COMMISSION.booking_id == "b1"
    assert (str(COMMISSION.gross), str(COMMISSION.commission), str(COMMISSION.net)) == (
        "95.05 EUR",
        "28.52 EUR",
        "66.53 EUR",
    )


def test_the_ledger_begins_with_what_was_agreed() -> None:
    at = datetime(2026, 7, 1, 9, tzinfo=UTC)
    entry = accrual(COMMISSION, at)
    assert (entry.id, entry.n, entry.kind, entry.reference) == ("b1_1", 1, EntryKind.ACCRUAL, "accrual")
    assert entry.gross_minor == entry.commission_minor + entry.net_minor == 9_505
    assert (entry.therapist_id, entry.currency, entry.at) == ("t1", "EUR", at)
