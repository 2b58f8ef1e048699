"""Money: integer minor units of an ISO 4217 currency.

The exponents come from the published ISO 4217 table (package ``iso4217``): 2 for EUR, 0 for JPY, 3 for KWD.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import lru_cache

from massage_link.errors import InvalidMoney

__all__ = ["MAX_MINOR", "Money", "currency_exponent"]

#: The largest amount that a row can hold, in minor units; far below the 2**53 that every JSON reader keeps exact.
MAX_MINOR = 10**12
# What does not fit is refused; Python's own context would round an amount of more than 28 digits silently.
_EXACT = Context(prec=28, Emax=27, traps=[Inexact, InvalidOperation, Overflow])


@lru_cache(maxsize=1)
def _exponents() -> dict[str, int]:
    # Imported on first use: the table is parsed from XML, which no program that only reads rows should pay for.
    from iso4217 import Currency  # noqa: PLC0415

    # Codes without an exponent (XAU, XTS, …) are units of account or tests, not money that a customer pays with.
    return {each.code: each.exponent for each in Currency if each.exponent is not None}


def currency_exponent(currency: str) -> int:
    """How many decimals the currency has.

    Args:
        currency: ISO 4217 code in capitals, such as ``"EUR"``.

    Raises:
        InvalidMoney: there is no such currency.

    """
    try:
        return _exponents()[currency]
    except (KeyError, TypeError):
        raise InvalidMoney(
            f'{currency!r} is not an ISO 4217 currency; give a code in capitals, such as "EUR".'
        ) from None


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one currency, exact.

    Args:
        minor: the amount in minor units (cents, fils; whole yen), an `int`; negative for what is given back.
        currency: ISO 4217 code in capitals.

    Raises:
        InvalidMoney: the amount is not an integer, or the currency is not one.

    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise InvalidMoney(
                f"an amount is an integer of minor units, not {self.minor!r} ({type(self.minor).__name__}); "
                'for a decimal text use Money.parse("95.00", "EUR").'
            )
        currency_exponent(self.currency)

    @classmethod
    def parse(cls, text: str | Decimal, currency: str) -> Money:
        """Money from a decimal text such as ``"95.00"``, exactly; floats are refused because they are not exact.

        Raises:
            InvalidMoney: not a decimal number, or one with more decimals than the currency has.

        """
        if not isinstance(text, str | Decimal):
            raise InvalidMoney(f"an amount is a text or a Decimal, not {text!r} ({type(text).__name__}).")
        exponent = currency_exponent(currency)
        try:
            scaled = Decimal(text).scaleb(exponent, _EXACT)
            minor = int(scaled)
        except (ArithmeticError, ValueError):
            raise InvalidMoney(f'{text!r} is not an amount; write it like "95.00".') from None
        if scaled != minor:
            raise InvalidMoney(f"{text} has more decimals than {currency} has ({exponent}).")
        return cls(minor, currency)

    @property
    def decimal(self) -> Decimal:
        """The amount in major units, exact: ``Decimal("95.00")``."""
        return Decimal(f"{self.minor}e-{currency_exponent(self.currency)}")

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        return f"{self.decimal:,f} {self.currency}"

    def _same(self, other: Money) -> int:
        if not isinstance(other, Money):
            raise InvalidMoney(f"{other!r} ({type(other).__name__}) is not Money.")
        if other.currency != self.currency:
            raise InvalidMoney(f"{self.currency} and {other.currency} do not mix; convert one of them first.")
        return other.minor
