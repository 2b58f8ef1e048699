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
    DUE = "due"  # completed, or ended with a fee; or something came after the payout that is not settled yet
    VOID = "void"  # it was declined, expired or cancelled, and nobody owes anything
    PAID = "paid"  # the therapist has been paid all of it


class EntryKind(StrEnum):
    """What a ledger entry records."""

    ACCRUAL = "accrual"  # what was agreed when the booking was made
    DUE = "due"  # the booking was completed
    FEE = "fee"  # a fee took the place of the price
    VOID = "void"  # it came to nothing: what was agreed is taken back
    REFUND = "refund"  # the customer got something back
    ADJUSTMENT = "adjustment"  # ops moved something between platform and therapist
    PAYOUT = "payout"  # the therapist was paid


_SignedMinor = Annotated[int, Field(ge=-MAX_MINOR, le=MAX_MINOR)]
_Bps = Annotated[int, Field(ge=0, le=_WHOLE_BPS)]
_Count = Annotated[int, Field(ge=1, le=10**7)]


class Commission(Row):
    """What the platform earns on one booking: the projection of its ledger entries. The row id is the booking id.

    It holds nothing that its entries do not tell (`massage_link.domain.ledger.rebuilt`).

    Attributes:
        gross_minor, commission_minor, net_minor: the price, or the fee that took its place, and its two shares; zero
            when it is void. Refunds do not change them.
        rate_bps: the rate by which they are shared: the booking's, or the policy's for a fee.
        refunded_minor, refunded_commission_minor: what the customer got back, and the platform's share of it.
        adjusted_minor: what ops moved from the platform to the therapist; negative the other way.
        paid_minor: what the therapist has been paid.
        balance_minor: what the therapist is owed now; negative when a refund came after the payout.
        due_at: when it last fell due.
        entries: how many ledger entries the booking has.
        version: 1 when computed, one more with each entry.

    """

    therapist_id: UserId
    gross_minor: Minor
    rate_bps: _Bps
    commission_minor: Minor
    net_minor: Minor
    currency: Code
    status: CommissionStatus
    refunded_minor: Minor = 0
    refunded_commission_minor: Minor = 0
    adjusted_minor: _SignedMinor = 0
    paid_minor: _SignedMinor = 0
    balance_minor: _SignedMinor = 0
    due_at: UtcDatetime | None = None
    entries: _Count = 1
    version: _Count = 1
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

    @property
    def refunded(self) -> Money:
        """What the customer got back."""
        return Money(self.refunded_minor, self.currency)

    @property
    def earned(self) -> Money:
        """What the platform keeps, after refunds and adjustments."""
        return Money(self.commission_minor - self.refunded_commission_minor - self.adjusted_minor, self.currency)

    @property
    def paid(self) -> Money:
        """What the therapist has been paid."""
        return Money(self.paid_minor, self.currency)

    @property
    def balance(self) -> Money:
        """What the therapist is owed now."""
        return Money(self.balance_minor, self.currency)


class CommissionEntry(Row):
    """One append-only line of the commission ledger. The row id is ``{bookingId}_{n}``; the accrual is 1.

    Attributes:
        gross_minor, commission_minor, net_minor: what changes with it; commission + net = gross in every line.
        balance_minor: by how much it changes what the therapist is owed: nothing is until the booking has ended.
        rate_bps: the rate by which its amounts are shared.
        reference: what it is about, unique with the booking, so that a repeat adds nothing: ``accrual``,
            ``due:{version}``, ``fee:{version}``, ``void:{version}`` (of the booking), ``refund:{key}``,
            ``adjustment:{key}``, ``payout:{batch}``.
        reason, actor: why and by whom, for what ops do.
        command_id: of the run of a batch that wrote it, which tells it from that of another run.

    """

    booking_id: Annotated[str, Field(max_length=28)]
    n: _Count
    therapist_id: UserId
    kind: EntryKind
    gross_minor: _SignedMinor
    commission_minor: _SignedMinor
    net_minor: _SignedMinor
    balance_minor: _SignedMinor = 0
    rate_bps: _Bps
    currency: Code
    reference: ShortText
    reason: Annotated[str, Field(max_length=500)] = ""
    actor: Annotated[str, Field(max_length=36)] = ""
    command_id: Annotated[str, Field(max_length=36)] = ""
    at: UtcDatetime
    canary: bool = False

    @property
    def gross(self) -> Money:
        """By how much the customer's part changes."""
        return Money(self.gross_minor, self.currency)

    @property
    def balance(self) -> Money:
        """By how much it changes what the therapist is owed."""
        return Money(self.balance_minor, self.currency)


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
