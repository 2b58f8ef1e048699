"""What a therapist earns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from massage_link.domain.commission import Commission, CommissionStatus
from massage_link.domain.money import Money

__all__ = ["earned_this_month"]

_EARNED = frozenset({CommissionStatus.DUE, CommissionStatus.PAID})


def earned_this_month(commissions: Iterable[Commission], moment: datetime) -> str:
    """The therapist's share of what was completed in this month, per currency."""
    sums: dict[str, int] = defaultdict(int)
    for each in commissions:
        changed = each.updated_at or moment
        if each.status in _EARNED and (changed.year, changed.month) == (moment.year, moment.month):
            sums[each.currency] += each.net_minor
    return " + ".join(str(Money(minor, currency)) for currency, minor in sorted(sums.items())) or "–"
