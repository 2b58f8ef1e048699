"""What the commissions add up to, per currency, in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from massage_link.domain.commission import Commission
from massage_link.domain.money import Money

__all__ = ["CommissionTotal", "add_to_totals", "totals_of"]


@dataclass(frozen=True, slots=True)
class CommissionTotal:
    """Sums of one currency.

    Attributes:
        count: how many commissions.
        gross, commission, net: prices or the fees in their place, and their shares; what is void counts as nothing.
        refunded: what customers got back.
        earned: what the platform keeps: its share, less its part of refunds, less adjustments.
        paid: what therapists have been paid.
        balance: what therapists are owed now.

    """

    currency: str
    count: int
    gross: Money
    commission: Money
    net: Money
    refunded: Money
    earned: Money
    paid: Money
    balance: Money

    def as_json(self) -> dict[str, Any]:
        """As JSON values; amounts are in minor units."""
        sums = {f"{name}Minor": getattr(self, name).minor for name in _SUMS}
        return {"currency": self.currency, "count": self.count, **sums}


_SUMS = ("gross", "commission", "net", "refunded", "earned", "paid", "balance")


def add_to_totals(totals: dict[str, CommissionTotal], commission: Commission) -> None:
    """Count one commission more; canaries are left out."""
    if commission.canary:
        return
    known = totals.get(commission.currency)
    if known is None:
        nothing = Money(0, commission.currency)
        known = CommissionTotal(commission.currency, 0, **dict.fromkeys(_SUMS, nothing))
    sums = {name: getattr(known, name) + getattr(commission, name) for name in _SUMS}
    totals[commission.currency] = replace(known, count=known.count + 1, **sums)


def totals_of(commissions: Iterable[Commission]) -> list[CommissionTotal]:
    """Sums per currency, ordered by code; canaries are left out."""
    totals: dict[str, CommissionTotal] = {}
    for each in commissions:
        add_to_totals(totals, each)
    return [totals[currency] for currency in sorted(totals)]
