"""The ledger of a booking's commission: what its entries add up to. The commission is a function of them alone.

What an entry of each kind changes::

    accrual      gross, commission, net as agreed; the commission is pending
    due          nothing but the state: from now on the net is owed to the therapist
    fee          the difference between a fee and the price; the fee's net is owed
    void         takes back what was agreed; nobody owes anything
    refund       gross, commission and net back, in proportion; the net off what is owed, also after a payout
    adjustment   from the platform's share to the therapist's (or back); gross stays
    payout       what was owed is not owed any more
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from massage_link.domain.commission import Commission, CommissionEntry, CommissionStatus, EntryKind
from massage_link.errors import BrokenLedger

__all__ = ["after", "rebuilt"]

_PENDING, _DUE, _VOID, _PAID = (
    CommissionStatus.PENDING,
    CommissionStatus.DUE,
    CommissionStatus.VOID,
    CommissionStatus.PAID,
)
_STATUS_AFTER = {EntryKind.DUE: _DUE, EntryKind.FEE: _DUE, EntryKind.VOID: _VOID, EntryKind.PAYOUT: _PAID}


def rebuilt(entries: Iterable[CommissionEntry]) -> Commission:
    """The commission that the entries of one booking tell.

    Raises:
        BrokenLedger: they do not begin with the accrual, one is missing, or they are not of one booking.

    """
    first, *others = _chain(sorted(entries, key=lambda entry: entry.n))
    commission = _opened(first)
    for entry in others:
        commission = after(commission, entry)
    return commission


def _chain(entries: Sequence[CommissionEntry]) -> Sequence[CommissionEntry]:
    if not entries:
        raise BrokenLedger("a ledger without entries tells nothing; it begins with the accrual.")
    first = entries[0]
    if first.n != 1 or first.kind is not EntryKind.ACCRUAL:
        raise BrokenLedger(f"the ledger of booking {first.booking_id} begins with {first.kind} {first.n}, not with 1.")
    for n, entry in enumerate(entries, start=1):
        if entry.n != n or (entry.kind is EntryKind.ACCRUAL) != (n == 1):
            raise BrokenLedger(f"entry {n} of the ledger of booking {first.booking_id} is missing or doubled.")
        if (entry.booking_id, entry.currency, entry.therapist_id) != _identity(first):
            raise BrokenLedger(f"entry {n} of the ledger of booking {first.booking_id} is about something else.")
    return entries


def _identity(entry: CommissionEntry) -> tuple[str, str, str]:
    return entry.booking_id, entry.currency, entry.therapist_id


def _opened(entry: CommissionEntry) -> Commission:
    return Commission(
        id=entry.booking_id,
        therapist_id=entry.therapist_id,
        gross_minor=entry.gross_minor,
        rate_bps=entry.rate_bps,
        commission_minor=entry.commission_minor,
        net_minor=entry.net_minor,
        currency=entry.currency,
        status=_PENDING,
        canary=entry.canary,
    )


def after(commission: Commission, entry: CommissionEntry) -> Commission:
    """What becomes of a commission with its next entry."""
    balance = commission.balance_minor + entry.balance_minor
    settled = commission.status is _PAID and balance == 0
    status = _STATUS_AFTER.get(entry.kind, _PAID if settled else _DUE)
    changes: dict[str, Any] = {
        "balance_minor": balance,
        "status": status,
        "entries": entry.n,
        "version": entry.n,
        **_sums(commission, entry),
    }
    if status is _DUE and commission.status is not _DUE:
        changes["due_at"] = entry.at
    return commission.model_copy(update=changes)


def _sums(commission: Commission, entry: CommissionEntry) -> dict[str, int]:
    match entry.kind:
        case EntryKind.REFUND:
            return {
                "refunded_minor": commission.refunded_minor - entry.gross_minor,
                "refunded_commission_minor": commission.refunded_commission_minor - entry.commission_minor,
            }
        case EntryKind.ADJUSTMENT:
            return {"adjusted_minor": commission.adjusted_minor + entry.net_minor}
        case EntryKind.PAYOUT:
            return {"paid_minor": commission.paid_minor - entry.balance_minor}
        case _:
            return {
                "gross_minor": commission.gross_minor + entry.gross_minor,
                "commission_minor": commission.commission_minor + entry.commission_minor,
                "net_minor": commission.net_minor + entry.net_minor,
                "rate_bps": entry.rate_bps,
            }
