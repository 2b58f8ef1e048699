"""A small report of the business, for tests of how reports are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from massage_link import Money
from massage_link.domain.analytics import AnalyticsReport, Dimension, Earnings, Happening, Outcome, Period, Tallies

START = datetime(2026, 11, 2, tzinfo=UTC)


def report(*, by: Sequence[str] = ("day",), days: int = 3, service: str = "Thai") -> AnalyticsReport:
    """A request, its acceptance and completion on the first day; another request on the second."""
    tallies = Tallies(Period.parse(START, START + timedelta(days=days), "UTC"), Dimension.parse(by))
    later, paid = timedelta(hours=2, minutes=5), Earnings(Money(123_456_789, "EUR"), Money(37_037_037, "EUR"))
    for happening in (
        Happening(START, "mara", service, Outcome.REQUESTED),
        Happening(START + later, "mara", service, Outcome.ACCEPTED, answered_after=later),
        Happening(START + 2 * later, "mara", service, Outcome.COMPLETED, earned=paid),
        Happening(START + timedelta(days=1), "tom", service, Outcome.REQUESTED),
    ):
        tallies.add(happening)
    return tallies.report()
