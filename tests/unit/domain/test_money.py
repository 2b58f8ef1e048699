"""Money: exact integers of minor units, one currency at a time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.domain.money import MAX_MINOR, Money, currency_exponent
from massage_link.errors import InvalidMoney

MINORS = st.integers(-MAX_MINOR, MAX_MINOR)
CURRENCIES = st.sampled_from(["JPY", "EUR", "USD", "KWD", "CLF", "HUF", "ISK"])
MONEY = st.builds(Money, MINORS, CURRENCIES)


@pytest.mark.parametrize(
    ("currency", "exponent"),
    [("JPY", 0), ("ISK", 0), ("EUR", 2), ("HUF", 2), ("KWD", 3), ("TND", 3), ("CLF", 4)],
)
def test_a_currency_has_the_decimals_that_iso_4217_gives_it(currency: str, exponent: int) -> None:
    assert currency_exponent(currency) == exponent


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "XAU", "XTS", "€", "ZZZ", " EUR", None, 978, ["EUR"]])
def test_what_is_no_currency_is_refused_by_name(currency: Any) -> None:
    with pytest.raises(InvalidMoney) as refusal:
        Money(1, currency)
    assert repr(currency) in str(refusal.value)


@pytest.mark.parametrize("minor", [1.0, 0.1, "1", None, Decimal(1), True])
def test_an_amount_that_is_no_integer_is_refused(minor: Any) -> None:
    with pytest.raises(InvalidMoney, match="integer of minor units"):
        Money(minor, "EUR")


@given(MONEY)
def test_the_decimal_amount_is_exact_and_parses_back(money: Money) -> None:
    assert money.decimal == Decimal(money.minor) / 10 ** currency_exponent(money.currency)
    assert Money.parse(str(money.decimal), money.currency) == money
    assert Money.parse(money.decimal, money.currency) == money


@given(MINORS, MINORS, CURRENCIES)
def test_arithmetic_and_order_are_those_of_the_minor_units(a: int, b: int, currency: str) -> None:
    x, y = Money(a, currency), Money(b, currency)
    assert (x + y).minor == a + b
    assert (x - y).minor == a - b
    assert (-x).minor == -a
    assert ((x < y), (x <= y), (x > y), (x >= y), (x == y)) == ((a < b), (a <= b), (a > b), (a >= b), (a == b))
    assert bool(x) == (a != 0)


@pytest.mark.parametrize("operation", ["__add__", "__sub__", "__lt__", "__le__", "__gt__", "__ge__"])
def test_currencies_do_not_mix(operation: str) -> None:
    with pytest.raises(InvalidMoney, match="EUR and USD do not mix"):
        getattr(Money(1, "EUR"), operation)(Money(1, "USD"))


@pytest.mark.parametrize("other", [1, 1.0, "1", None])
def test_money_does_not_mix_with_plain_numbers(other: Any) -> None:
    with pytest.raises(InvalidMoney, match="is not Money"):
        Money(1, "EUR") + other


def test_the_same_amount_of_another_currency_is_not_equal() -> None:
    assert Money(1, "EUR") != Money(1, "USD")


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("95.00", "EUR", 9_500), ("95", "EUR", 9_500), ("9500", "JPY", 9_500), ("0.001", "KWD", 1), ("-1.5", "EUR", -150)],
)
def test_a_decimal_text_is_parsed_exactly(text: str, currency: str, minor: int) -> None:
    assert Money.parse(text, currency).minor == minor


@pytest.mark.parametrize(("text", "currency"), [("95.001", "EUR"), ("0.5", "JPY"), ("1.0001", "KWD")])
def test_more_decimals_than_the_currency_has_are_refused(text: str, currency: str) -> None:
    with pytest.raises(InvalidMoney, match="more decimals"):
        Money.parse(text, currency)


@pytest.mark.parametrize("text", ["", "ninety", "1,50", "NaN", "sNaN", "Infinity", "-Infinity", "1e999999", "1 2"])
def test_a_text_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidMoney):
        Money.parse(text, "EUR")


@pytest.mark.parametrize("text", ["9" * 27 + ".01", "1e400000", "0." + "1" * 30])
def test_an_amount_is_never_rounded_to_fit(text: str) -> None:
    with pytest.raises(InvalidMoney):
        Money.parse(text, "EUR")


def test_an_amount_of_any_length_is_shown_exactly() -> None:
    assert str(Money(10**40 + 1, "EUR")).endswith("000.01 EUR")


@pytest.mark.parametrize("amount", [95.0, 95, None, b"95"])
def test_only_a_text_or_decimal_is_parsed(amount: Any) -> None:
    with pytest.raises(InvalidMoney, match="a text or a Decimal"):
        Money.parse(amount, "EUR")


def test_money_reads_well() -> None:
    assert [str(Money(123_456_7, currency)) for currency in ("EUR", "JPY", "KWD")] == [
        "12,345.67 EUR",
        "1,234,567 JPY",
        "1,234.567 KWD",
    ]
