"""``link.commissions``: what the platform earns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appwrite.query import Query

from massage_link.client.operation import AsyncResource, Pages, Resource, SyncResource, listing, operation
from massage_link.client.paging import DEFAULT_PAGE, in_state, only, pages_of
from massage_link.client.watched import Watch, watched, watching
from massage_link.domain.commission import Commission, CommissionEntry, CommissionStatus
from massage_link.domain.ids import checked_text
from massage_link.domain.tables import COMMISSION_ENTRIES, COMMISSIONS
from massage_link.usecases.commissions import get_commission
from massage_link.usecases.totals import CommissionTotal, add_to_totals, totals_of
from massage_link.wire.call import Flow

if TYPE_CHECKING:
    from datetime import datetime

    from massage_link.realtime import Checkpoint, Policy

__all__ = ["AsyncCommissions", "CommissionOperations", "Commissions"]


class CommissionOperations(Resource):
    """What can be read of commissions, defined once."""

    @operation
    def get(self, booking_id: str) -> Flow[Commission]:
        """The commission of a booking.

        Raises:
            NotFound: none is on the books (yet), or none that the credential may see.

        """
        return get_commission(self._ports, booking_id)

    @listing
    def list(
        self,
        *,
        therapist_id: str | None = None,
        status: CommissionStatus | None = None,
        limit: int | None = None,
        page_size: int = DEFAULT_PAGE,
    ) -> Pages[Commission]:
        """The commissions that the credential may see, in the order in which they were made."""
        queries = [Query.order_asc("$createdAt"), *only(therapist_id=therapist_id), *in_state(CommissionStatus, status)]
        return pages_of(self._ports, COMMISSIONS, queries, page_size=page_size, limit=limit)

    @listing
    def entries(self, booking_id: str) -> Pages[CommissionEntry]:
        """The ledger entries of a booking, by number."""
        queries = [Query.equal("bookingId", [checked_text("booking_id", booking_id)]), Query.order_asc("n")]
        return pages_of(self._ports, COMMISSION_ENTRIES, queries)

    @watched
    def watch(
        self,
        *,
        therapist_id: str | None = None,
        checkpoint: Checkpoint | None = None,
        since: datetime | None = None,
        policy: Policy | None = None,
    ) -> Watch[Commission]:
        """Changes of commissions as they happen: the newest state of each, versions strictly increasing.

        Arguments and errors as `link.bookings.watch`.
        """
        return Watch(lambda link: [watching().commissions(link, therapist_id=therapist_id)], checkpoint, since, policy)


class Commissions(CommissionOperations, SyncResource):
    """Commissions, blocking."""

    def totals(
        self, *, therapist_id: str | None = None, status: CommissionStatus | None = None
    ) -> list[CommissionTotal]:
        """Sums per currency, ordered by code, over every commission that the credential may see."""
        return totals_of(self.list(therapist_id=therapist_id, status=status, page_size=1_000))


class AsyncCommissions(CommissionOperations, AsyncResource):
    """Commissions, awaited."""

    async def totals(
        self, *, therapist_id: str | None = None, status: CommissionStatus | None = None
    ) -> list[CommissionTotal]:
        """Sums per currency, ordered by code, over every commission that the credential may see."""
        totals: dict[str, CommissionTotal] = {}
        async for row in self.list(therapist_id=therapist_id, status=status, page_size=1_000):
            add_to_totals(totals, row)
        return [totals[currency] for currency in sorted(totals)]
