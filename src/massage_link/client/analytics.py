"""``link.analytics``: how the business does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from massage_link.client.operation import AsyncResource, Resource, SyncResource, operation
from massage_link.domain.analytics import AnalyticsReport, Dimension, Period
from massage_link.errors import CredentialRequired
from massage_link.usecases.analytics import analyse
from massage_link.wire.call import Flow

__all__ = ["Analytics", "AnalyticsOperations", "AsyncAnalytics"]


class AnalyticsOperations(Resource):
    """What can be asked about the business, defined once."""

    @operation
    def report(
        self,
        start: date,
        end: date,
        *,
        by: Iterable[Dimension | str] | str = "day",
        timezone: str = "UTC",
    ) -> Flow[AnalyticsReport]:
        """Requests, answers, ends and earnings of a period; canary bookings are left out. Needs an API key::

            report = link.analytics.report(date(2026, 11, 1), date(2026, 12, 1), by="day", timezone="Europe/Berlin")
            for row in report.rows:
                print(row.day, row.requests, row.acceptance_rate, row.answer_p50, row.revenue("EUR"))

        Everything counts on the day on which it happened. All events of the period are read, page by page.

        Args:
            start, end: days, of which the last is not part of the period, or aware datetimes.
            by: how to divide it: "day", "therapist", "service", several of them, or none (``()``) for the total alone.
            timezone: IANA name of the zone whose days count.

        Raises:
            CredentialRequired: the link acts with another credential than a key, which does not see every row.
            InvalidInput: no such period, division or time zone.

        """
        if not self.link.acts_with_key:
            raise CredentialRequired(
                "analytics reads every booking, which takes an API key, and this link acts as a "
                f"{self.link.credential.kind}; set APPWRITE_API_KEY or make the link with api_key=…."
            )
        return analyse(self._ports, Period.parse(start, end, timezone), Dimension.parse(by))


class Analytics(AnalyticsOperations, SyncResource):
    """Analytics, blocking."""


class AsyncAnalytics(AnalyticsOperations, AsyncResource):
    """Analytics, awaited."""
