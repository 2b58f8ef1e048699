"""A therapist's statement: what was owed, what came to it, what was paid, what is owed; per currency."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from massage_link.domain.commission import CommissionEntry, EntryKind
from massage_link.domain.ids import entry_id
from massage_link.domain.money import Money
from massage_link.domain.period import Period
from massage_link.domain.rows import to_wire_time

__all__ = ["LISTED", "Account", "Statement", "StatementLine", "statement_of"]

#: Entries that a statement shows: those that change what is owed. What is only agreed, or came to nothing, does not.
LISTED = (EntryKind.DUE, EntryKind.FEE, EntryKind.REFUND, EntryKind.ADJUSTMENT, EntryKind.PAYOUT)
_WITH_AGREED = frozenset({EntryKind.DUE, EntryKind.FEE})


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One thing that changed what the therapist is owed.

    Attributes:
        at: when, UTC.
        booking_id, kind, reference, reason: of the ledger entry.
        gross, commission, net: what the customer pays or gets back, and its two shares; nothing for a payout.
        amount: by how much it changes the balance.
        balance: what is owed after it.

    """

    at: datetime
    booking_id: str
    kind: EntryKind
    reference: str
    reason: str
    gross: Money
    commission: Money
    net: Money
    amount: Money
    balance: Money

    def as_json(self) -> dict[str, Any]:
        """As JSON values; amounts are in minor units."""
        return {
            "at": to_wire_time(self.at),
            "bookingId": self.booking_id,
            "kind": self.kind.value,
            "reference": self.reference,
            "reason": self.reason,
            "grossMinor": self.gross.minor,
            "commissionMinor": self.commission.minor,
            "netMinor": self.net.minor,
            "amountMinor": self.amount.minor,
            "balanceMinor": self.balance.minor,
        }


@dataclass(frozen=True, slots=True)
class Account:
    """The lines of one currency.

    Attributes:
        opening, closing: what is owed at the beginning and at the end.
        earned, refunded, adjusted, paid: what the lines add up to, by what they are about; opening + earned + refunded
            + adjusted + paid = closing, where refunds and payouts are negative.
        gross, commission: prices and fees of the period, less refunds; and the platform's part of it.

    """

    currency: str
    opening: Money
    lines: tuple[StatementLine, ...]
    closing: Money

    @property
    def earned(self) -> Money:
        """The therapist's share of what fell due."""
        return self._sum("amount", EntryKind.DUE, EntryKind.FEE)

    @property
    def refunded(self) -> Money:
        """The therapist's share of refunds, negative."""
        return self._sum("amount", EntryKind.REFUND)

    @property
    def adjusted(self) -> Money:
        """What ops moved to the therapist."""
        return self._sum("amount", EntryKind.ADJUSTMENT)

    @property
    def paid(self) -> Money:
        """What was paid, negative."""
        return self._sum("amount", EntryKind.PAYOUT)

    @property
    def gross(self) -> Money:
        """Prices and fees, less refunds."""
        return self._sum("gross", *LISTED)

    @property
    def commission(self) -> Money:
        """The platform's part of them."""
        return self._sum("commission", *LISTED)

    def _sum(self, column: str, *kinds: EntryKind) -> Money:
        amounts: list[Money] = [getattr(line, column) for line in self.lines if line.kind in kinds]
        return sum(amounts, Money(0, self.currency))

    def as_json(self) -> dict[str, Any]:
        """As JSON values; amounts are in minor units."""
        names = ("opening", "earned", "refunded", "adjusted", "paid", "closing", "gross", "commission")
        sums = {f"{name}Minor": getattr(self, name).minor for name in names}
        return {"currency": self.currency, **sums, "lines": [line.as_json() for line in self.lines]}


@dataclass(frozen=True, slots=True)
class Statement:
    """What a therapist was owed and paid in a period.

    Attributes:
        therapist_id, therapist_name: whose; the name is empty when no catalogue says it.
        period: of when.
        accounts: one for each currency in which anything is or was owed, ordered by code.

    """

    therapist_id: str
    therapist_name: str
    period: Period
    accounts: tuple[Account, ...]

    def as_json(self) -> dict[str, Any]:
        """As JSON values; amounts are in minor units."""
        return {
            "therapistId": self.therapist_id,
            "therapistName": self.therapist_name,
            "period": self.period.as_json(),
            "accounts": [account.as_json() for account in self.accounts],
        }


def statement_of(
    therapist_id: str,
    therapist_name: str,
    period: Period,
    *,
    opening: Mapping[str, int],
    entries: Iterable[CommissionEntry],
    agreed: Mapping[str, CommissionEntry],
) -> Statement:
    """Draw up a statement.

    Args:
        therapist_id, therapist_name, period: whose, and of when.
        opening: what was owed at the beginning, in minor units by currency.
        entries: of the period, in any order.
        agreed: the accruals, by their id, of the bookings that fell due in it.

    """
    by_currency: defaultdict[str, list[CommissionEntry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda each: (each.at, each.booking_id, each.n)):
        by_currency[entry.currency].append(entry)
    currencies = sorted({*by_currency, *(currency for currency, minor in opening.items() if minor)})
    accounts = (_account(currency, opening.get(currency, 0), by_currency[currency], agreed) for currency in currencies)
    return Statement(therapist_id, therapist_name, period, tuple(accounts))


def _account(
    currency: str, opening: int, entries: Iterable[CommissionEntry], agreed: Mapping[str, CommissionEntry]
) -> Account:
    balance = Money(opening, currency)
    lines = []
    for entry in entries:
        balance += entry.balance
        lines.append(_line(entry, agreed.get(entry_id(entry.booking_id, 1)), balance))
    return Account(currency, Money(opening, currency), tuple(lines), balance)


def _line(entry: CommissionEntry, accrual: CommissionEntry | None, balance: Money) -> StatementLine:
    # What falls due is what was agreed; a fee's entry holds the difference to it.
    base = accrual if entry.kind in _WITH_AGREED else None
    gross, commission, net = (
        Money(getattr(entry, name) + (getattr(base, name) if base else 0), entry.currency)
        for name in ("gross_minor", "commission_minor", "net_minor")
    )
    return StatementLine(
        entry.at,
        entry.booking_id,
        entry.kind,
        entry.reference,
        entry.reason,
        gross,
        commission,
        net,
        entry.balance,
        balance,
    )
