"""The entries of a commission's ledger, as they are made: what each kind changes is said in `ledger`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from massage_link.domain.booking import Booking, Status
from massage_link.domain.commission import Commission, CommissionEntry, CommissionStatus, EntryKind, Split, split
from massage_link.domain.ids import checked_key, entry_id
from massage_link.domain.money import MAX_MINOR, Money
from massage_link.domain.policy import share_of
from massage_link.domain.states import checked_reason
from massage_link.errors import AmountTooLarge, IllegalTransition, InvalidInput, InvalidMoney

__all__ = [
    "accrual",
    "adjustment",
    "charge_fee",
    "computed",
    "fall_due",
    "payout",
    "refund",
    "refundable",
    "settlement",
    "void",
]

_OWED = frozenset({CommissionStatus.DUE, CommissionStatus.PAID})


def computed(booking: Booking, rate_bps: int) -> Commission:
    """The commission of a booking at the rate that is frozen on it, while the booking may still happen."""
    shares = split(booking.price, rate_bps)
    return Commission(
        id=booking.id,
        therapist_id=booking.therapist_id,
        gross_minor=shares.gross.minor,
        rate_bps=rate_bps,
        commission_minor=shares.commission.minor,
        net_minor=shares.net.minor,
        currency=booking.currency,
        status=CommissionStatus.PENDING,
        canary=booking.canary,
    )


def accrual(commission: Commission, at: datetime) -> CommissionEntry:
    """The first entry of a booking: what was agreed when it was made."""
    shares = (commission.commission_minor, commission.net_minor)
    return _numbered(1, commission, EntryKind.ACCRUAL, "accrual", at, shares=shares, gross=commission.gross_minor)


def settlement(
    commission: Commission, booking: Booking, *, owed: Money | None, version: int, at: datetime
) -> CommissionEntry:
    """The ledger entry for the end of a booking.

    Args:
        commission: as it stands.
        booking: as it has ended.
        owed: the fee that takes the place of the price; None when there is none.
        version: of the booking by which it ended.
        at: the instant.

    """
    if owed is not None:
        agreed = None if booking.policy is None else booking.policy.platform_bps
        rate = commission.rate_bps if agreed is None else agreed
        return charge_fee(commission, split(owed, rate), rate_bps=rate, version=version, at=at)
    if booking.status is Status.COMPLETED:
        return fall_due(commission, version=version, at=at)
    return void(commission, version=version, at=at)


def fall_due(commission: Commission, *, version: int, at: datetime) -> CommissionEntry:
    """The booking was completed, by which it has this version: the net is owed."""
    return _next(commission, EntryKind.DUE, f"due:{version}", at, balance=commission.net_minor)


def charge_fee(commission: Commission, fee: Split, *, rate_bps: int, version: int, at: datetime) -> CommissionEntry:
    """A fee takes the place of the price.

    Args:
        commission: as it stands.
        fee: what the customer owes instead of the price, and its shares.
        rate_bps: by which the fee is shared.
        version: of the booking by which the fee fell due.
        at: the instant.

    """
    # The entry holds the difference, so that the entries of a booking always add up to its commission.
    return _next(
        commission,
        EntryKind.FEE,
        f"fee:{version}",
        at,
        shares=(fee.commission.minor - commission.commission_minor, fee.net.minor - commission.net_minor),
        balance=fee.net.minor,
        rate_bps=rate_bps,
    )


def void(commission: Commission, *, version: int, at: datetime) -> CommissionEntry:
    """The booking came to nothing, by which it has this version: what was agreed is taken back."""
    shares = (-commission.commission_minor, -commission.net_minor)
    return _next(commission, EntryKind.VOID, f"void:{version}", at, shares=shares)


def refundable(commission: Commission) -> Money:
    """What can still be given back to the customer; zero while nothing is due."""
    left = commission.gross - commission.refunded
    return left if commission.status in _OWED else left - left


def refund(
    commission: Commission, amount: Money, *, key: str, reason: str, actor: str, at: datetime
) -> CommissionEntry:
    """The customer gets something back; the platform and the therapist each give their share of it.

    The platform's share of all refunds together is that of one refund of their sum, at the original rate, half-up: so
    the parts always add up, and when everything is given back, exactly the commission is.

    Args:
        commission: as it stands: due or paid.
        amount: what the customer gets back, more than zero, at most what is left.
        key: of this refund; see `CommissionEntry.reference`.
        reason, actor: why and by whom.
        at: the instant.

    Raises:
        InvalidInput: no amount, no reason, or a key that is none.
        IllegalTransition: nothing is due yet, or it is void.
        AmountTooLarge: more than is left.

    """
    _check_correction(commission, amount, reason)
    if amount.minor <= 0:
        raise InvalidMoney(f"a refund is more than zero, not {amount}.")
    left = refundable(commission)
    if amount > left:
        raise AmountTooLarge(
            f"booking {commission.id} has {left} left to give back ({commission.refunded} of {commission.gross} were), "
            f"not {amount}."
        )
    share = share_of(commission.refunded + amount, commission.rate_bps).minor - commission.refunded_commission_minor
    net = amount.minor - share
    reference = f"refund:{checked_key('key', key)}"
    return _next(
        commission, EntryKind.REFUND, reference, at, shares=(-share, -net), balance=-net, reason=reason, actor=actor
    )


def adjustment(
    commission: Commission, amount: Money, *, key: str, reason: str, actor: str, at: datetime
) -> CommissionEntry:
    """Ops move something from the platform's share to the therapist's; a negative amount moves it back.

    Arguments and errors as `refund`.
    """
    _check_correction(commission, amount, reason)
    if not amount:
        raise InvalidMoney(
            "an adjustment is more or less than zero: more in the therapist's favour, less in the platform's."
        )
    if abs(commission.adjusted_minor + amount.minor) > MAX_MINOR:
        raise AmountTooLarge(f"the adjustments of booking {commission.id} would be more than a row can hold.")
    reference = f"adjustment:{checked_key('key', key)}"
    shares = (-amount.minor, amount.minor)
    return _next(
        commission, EntryKind.ADJUSTMENT, reference, at, shares=shares, balance=amount.minor, reason=reason, actor=actor
    )


def payout(commission: Commission, *, batch: str, actor: str, at: datetime, command_id: str = "") -> CommissionEntry:
    """The therapist is paid what is owed; a negative balance is taken off what they get for other bookings.

    Raises:
        IllegalTransition: nothing is due.

    """
    if commission.status is not CommissionStatus.DUE:
        raise IllegalTransition(f"the commission of booking {commission.id} is {commission.status}, not due.")
    reference = f"payout:{checked_key('batch', batch)}"
    owed = commission.balance_minor
    return _next(commission, EntryKind.PAYOUT, reference, at, balance=-owed, actor=actor, command_id=command_id)


def _check_correction(commission: Commission, amount: Money, reason: str) -> None:
    if not isinstance(amount, Money):
        raise InvalidMoney(f'an amount is Money, such as Money.parse("5.00", "EUR"), not {amount!r}.')
    if amount.currency != commission.currency:
        raise InvalidMoney(f"booking {commission.id} is paid in {commission.currency}, not in {amount.currency}.")
    if not checked_reason(reason).strip():
        raise InvalidInput("a reason is needed; it is kept in the ledger.")
    if commission.status not in _OWED:
        raise IllegalTransition(
            f"the commission of booking {commission.id} is {commission.status}; this asks for one that is due or paid."
        )


def _next(commission: Commission, kind: EntryKind, reference: str, at: datetime, **facts: Any) -> CommissionEntry:
    return _numbered(commission.entries + 1, commission, kind, reference, at, **facts)


def _numbered(
    n: int,
    commission: Commission,
    kind: EntryKind,
    reference: str,
    at: datetime,
    *,
    shares: tuple[int, int] = (0, 0),
    gross: int | None = None,
    balance: int = 0,
    rate_bps: int | None = None,
    reason: str = "",
    actor: str = "",
    command_id: str = "",
) -> CommissionEntry:
    return CommissionEntry(
        id=entry_id(commission.id, n),
        booking_id=commission.id,
        n=n,
        therapist_id=commission.therapist_id,
        kind=kind,
        gross_minor=sum(shares) if gross is None else gross,
        commission_minor=shares[0],
        net_minor=shares[1],
        balance_minor=balance,
        rate_bps=commission.rate_bps if rate_bps is None else rate_bps,
        currency=commission.currency,
        reference=reference,
        reason=reason,
        actor=actor,
        command_id=command_id,
        at=at,
        canary=commission.canary,
    )
