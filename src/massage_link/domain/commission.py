"""The platform's commission: a share in basis points, rounded half-up to the minor unit, frozen on the booking.

========  ==========  ======  ==============  ============
currency  gross       rate    commission      net
========  ==========  ======  ==============  ============
JPY (0)   9,999       30 %    3,000 (2999.7)  6,999
EUR (2)   95.05       30 %    28.52 (28.515)  66.53
KWD (3)   12.345      30 %    3.704 (3.7035)  8.641
========  ==========  ======  ==============  ============
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from massage_link.domain.ids import entry_id
from massage_link.domain.money import MAX_MINOR, Money
from massage_link.domain.policy import share_of
from massage_link.domain.rows import Code, Minor, Row, ShortText, UserId, UtcDatetime
from massage_link.errors import InvalidInput

__all__ = [
    "DEFAULT_COMMISSION_BPS",
    "Commission",
    "CommissionEntry",
    "CommissionStatus",
    "EntryKind",
    "Rounding",
    "Split",
    "accrual",
    "charge_fee",
    "split",
]

#: 30 %, in basis points (hundredths of a percent).
DEFAULT_COMMISSION_BPS = 3_000
_WHOLE_BPS = 10_000


class Rounding(StrEnum):
    """How a share is rounded to the minor unit."""

    HALF_UP = "half_up"


class CommissionStatus(StrEnum):
    """Where a commission stands."""

    PENDING = "pending"  # the booking may still happen
    DUE = "due"  # the booking was completed
    VOID = "void"  # it was declined, expired or cancelled
    PAID = "paid"  # it was paid out


class EntryKind(StrEnum):
    """What a ledger entry records."""

    ACCRUAL = "accrual"
    REFUND = "refund"
    FEE = "fee"
    PAYOUT = "payout"
    ADJUSTMENT = "adjustment"


class Commission(Row):
    """What the platform earns on one booking: the projection of its ledger entries. The row id is the booking id.

    Attributes:
        entries: how many ledger entries the booking has.
        version: 1 when computed, one more with each change.

    """

    therapist_id: UserId
    gross_minor: Minor
    rate_bps: Annotated[int, Field(ge=0, le=_WHOLE_BPS)]
    commission_minor: Minor
    net_minor: Minor
    currency: Code
    status: CommissionStatus
    refunded_minor: Minor = 0
    refunded_commission_minor: Minor = 0
    entries: Annotated[int, Field(ge=1, le=10**7)] = 1
    version: Annotated[int, Field(ge=1, le=10**7)] = 1
    canary: bool = False

    @property
    def booking_id(self) -> str:
        """The booking that this is the commission of."""
        return self.id

    @property
    def gross(self) -> Money:
        """What the customer pays."""
        return Money(self.gross_minor, self.currency)

    @property
    def commission(self) -> Money:
        """The platform's share of it."""
        return Money(self.commission_minor, self.currency)

    @property
    def net(self) -> Money:
        """The therapist's share of it."""
        return Money(self.net_minor, self.currency)


_SignedMinor = Annotated[int, Field(ge=-MAX_MINOR, le=MAX_MINOR)]


class CommissionEntry(Row):
    """One append-only line of the commission ledger. The row id is ``{bookingId}_{n}``; the accrual is 1."""

    booking_id: Annotated[str, Field(max_length=28)]
    n: Annotated[int, Field(ge=1, le=10**7)]
    therapist_id: UserId
    kind: EntryKind
    gross_minor: _SignedMinor
    commission_minor: _SignedMinor
    net_minor: _SignedMinor
    currency: Code
    reference: ShortText
    at: UtcDatetime


@dataclass(frozen=True, slots=True)
class Split:
    """A gross amount and its two shares, which always add up to it."""

    gross: Money
    commission: Money
    net: Money


def split(gross: Money, rate_bps: int) -> Split:
    """Divide an amount between platform and therapist.

    The platform's share is ``gross × rate / 10000`` rounded half-up to the minor unit; the therapist gets the rest, so
    nothing is lost and nothing appears.

    Args:
        gross: what the customer pays, not negative.
        rate_bps: the platform's share in basis points, 0 to 10,000.

    Raises:
        InvalidInput: the amount is negative or the rate out of range.

    """
    if gross.minor < 0:
        raise InvalidInput(f"a commission is computed on an amount of zero or more, not on {gross}.")
    if not 0 <= rate_bps <= _WHOLE_BPS:
        raise InvalidInput(f"a commission rate is 0 to {_WHOLE_BPS} basis points, not {rate_bps}.")
    commission = share_of(gross, rate_bps)
    return Split(gross, commission, gross - commission)


def accrual(commission: Commission, at: UtcDatetime) -> CommissionEntry:
    """The ledger's first entry for a booking: what was agreed when it was made."""
    return CommissionEntry(
        id=entry_id(commission.id, 1),
        booking_id=commission.id,
        n=1,
        therapist_id=commission.therapist_id,
        kind=EntryKind.ACCRUAL,
        gross_minor=commission.gross_minor,
        commission_minor=commission.commission_minor,
        net_minor=commission.net_minor,
        currency=commission.currency,
        reference="accrual",
        at=at,
    )


def charge_fee(
    commission: Commission, fee: Split, *, version: int, at: UtcDatetime
) -> tuple[Commission, CommissionEntry]:
    """What becomes of a commission when a fee takes the place of the price, and the ledger entry that says so.

    Args:
        commission: as it stands.
        fee: what the customer owes instead of the price, and its shares.
        version: of the booking by which the fee fell due; the entry's reference is ``fee:{version}``.
        at: the instant.

    """
    after = commission.model_copy(
        update={
            "status": CommissionStatus.DUE,
            "gross_minor": fee.gross.minor,
            "commission_minor": fee.commission.minor,
            "net_minor": fee.net.minor,
            "entries": commission.entries + 1,
            "version": commission.version + 1,
        }
    )
    # The entry holds the difference, so that the entries of a booking always add up to its commission.
    entry = CommissionEntry(
        id=entry_id(commission.id, after.entries),
        booking_id=commission.id,
        n=after.entries,
        therapist_id=commission.therapist_id,
        kind=EntryKind.FEE,
        gross_minor=after.gross_minor - commission.gross_minor,
        commission_minor=after.commission_minor - commission.commission_minor,
        net_minor=after.net_minor - commission.net_minor,
        currency=commission.currency,
        reference=f"fee:{version}",
        at=at,
    )
    return after, entry
