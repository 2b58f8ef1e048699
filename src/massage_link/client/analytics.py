"""``link.analytics``: how the business does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from massage_link.client.operation import AsyncResource, Resource, SyncResource, operation
from massage_link.domain.analytics import AnalyticsReport, Dimension, Period
from massage_link.errors import NotAllowed
from massage_link.usecases.analytics import analyse
from massage_link.usecases.commands import OPS_LABEL
from massage_link.wire.call import Flow
from massage_link.wire.users import account

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
        """Requests, answers, ends and earnings of a period; canary bookings are left out. For ops, and with a key::

            report = link.analytics.report(date(2026, 11, 1), date(2026, 12, 1), by="day", timezone="Europe/Berlin")
            for row in report.rows:
                print(row.day, row.requests, row.acceptance_rate, row.answer_p50, row.revenue("EUR"))

        Everything counts on the day on which it happened. All events of the period are read, page by page.

        Args:
            start, end: days, of which the last is not part of the period, or aware datetimes.
            by: how to divide it: "day", "therapist", "service", several of them, or none (``()``) for the total alone.
            timezone: IANA name of the zone whose days count.

        Raises:
            CredentialRequired: the link acts as a guest.
            NotAllowed: the user is not ops, and does not see every row.
            InvalidInput: no such period, division or time zone.

        """
        period, divided = Period.parse(start, end, timezone), Dimension.parse(by)
        if not self.link.acts_with_key:
            self.link.require_user("analytics.report")
            user = yield from account()
            if OPS_LABEL not in user.labels:
                # They would see their own bookings alone, and take them for the business.
                raise NotAllowed(f"analytics reads every booking, which is for ops; you are {user.id}.")
        return (yield from analyse(self._ports, period, divided))


class Analytics(AnalyticsOperations, SyncResource):
    """Analytics, blocking."""


class AsyncAnalytics(AnalyticsOperations, AsyncResource):
    """Analytics, awaited."""
