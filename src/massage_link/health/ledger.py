"""The probe of the books: do bookings, commissions and ledger entries tell the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from massage_link.health.report import Finding, State
from massage_link.health.surroundings import Asked, Surroundings
from massage_link.usecases.reconciliation import Report, check_ledger

__all__ = ["LEDGER"]

#: What was written before was looked at before; `massage-link reconcile` looks at everything.
_SPAN = timedelta(hours=24)
#: So long a booking may wait for its commission: the sweeper's next run brings what an event did not.
_SETTLE = timedelta(minutes=3)
_WITHIN = 3.5
_RECONCILE = "`massage-link reconcile` names each, and puts right what can be put right"


async def _ledger(surroundings: Surroundings) -> Finding:
    link = surroundings.link
    try:
        async with asyncio.timeout(_WITHIN):
            flow = check_ledger(link.ports, since=link.ports.now() - _SPAN, settle=_SETTLE)
            return judged_ledger(await link.run(flow))
    except TimeoutError:
        found = f"The bookings of the last day could not be compared within {_WITHIN:g} s."
        return Finding(State.UNKNOWN, found, f"There may just be many: {_RECONCILE}, and takes its time.")


def judged_ledger(report: Report) -> Finding:
    """What follows from the comparison. Amounts are told, nobody's booking is."""
    compared = f"{report.bookings} bookings of the last day"
    if report.ok:
        return Finding(
            State.OK, f"{compared}, their commissions and ledger entries tell the same: the difference is 0."
        )
    kinds = Counter(str(each.fault) for each in report.findings if not each.repaired)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    off = ", ".join(f"{amount} {currency}" for currency, amount in report.difference.items() if amount)
    found = f"Of {compared}, {report.faults} are not right: {told}."
    if off:
        return Finding(State.DOWN, f"{found} In minor units the books differ by {off}.", f"{_RECONCILE}.")
    return Finding(State.DEGRADED, f"{found} No amount differs.", f"{_RECONCILE}.")


LEDGER = Asked(
    "ledger",
    "Therapists are paid too much or too little, and the platform does not know its share.",
    _ledger,
    needs=("credentials", "schema"),
)
