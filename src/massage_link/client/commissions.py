"""``link.commissions``: what the platform earns, and what therapists are owed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from appwrite.query import Query

from massage_link.client.operation import AsyncResource, Pages, Resource, SyncResource, listing, operation
from massage_link.client.paging import DEFAULT_PAGE, in_state, only, pages_of
from massage_link.client.watched import Watch, watched, watching
from massage_link.domain.commission import Commission, CommissionEntry, CommissionStatus
from massage_link.domain.ids import checked_text
from massage_link.domain.money import Money
from massage_link.domain.period import Period
from massage_link.domain.statement import Statement
from massage_link.domain.tables import COMMISSION_ENTRIES, COMMISSIONS
from massage_link.errors import InvalidMoney, NotAllowed
from massage_link.usecases.commands import OPS_LABEL
from massage_link.usecases.commissions import get_commission
from massage_link.usecases.corrections import adjust_commission, refund_booking
from massage_link.usecases.payouts import PayoutReport, pay_out, payout_report
from massage_link.usecases.statements import draw_up_statement
from massage_link.usecases.totals import CommissionTotal, add_to_totals, totals_of
from massage_link.usecases.transitions import OPS
from massage_link.wire.call import Flow
from massage_link.wire.users import account

if TYPE_CHECKING:
    from massage_link.realtime import Checkpoint, Policy

__all__ = ["AsyncCommissions", "CommissionOperations", "Commissions"]


class CommissionOperations(Resource):
    """What can be done with commissions, defined once."""

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

    @operation
    def statement(self, therapist_id: str, period: str | Period, *, timezone: str | None = None) -> Flow[Statement]:
        """What a therapist was owed and paid in a period: for the therapist, and for ops.

        Args:
            therapist_id: whose.
            period: ``"2026"``, ``"2026-11"``, ``"2026-W48"``, ``"2026-11-23"``, ``"2026-11-01..2026-11-15"`` (both days
                included), or a `Period`.
            timezone: IANA name of the zone of the period's midnights; None takes the therapist's, or UTC.

        Raises:
            NotAllowed: the user is neither this therapist nor ops.
            InvalidInput: the period or the zone is none.

        """
        if not self.link.acts_with_key:
            self.link.require_user("commissions.statement")
            user = yield from account()
            if user.id != therapist_id and OPS_LABEL not in user.labels:
                # Nothing of it could be read: it would be a statement of nothing.
                raise NotAllowed(f"a statement is for the therapist and for ops; you are {user.id}.")
        return (yield from draw_up_statement(self._ports, therapist_id, period, timezone=timezone))

    @operation
    def refund(self, booking_id: str, amount: Money, *, key: str, reason: str) -> Flow[CommissionEntry]:
        """Give something back to the customer; platform and therapist each give their share of it. For ops.

        All refunds of a booking together are shared as one would be, so that the parts always add up. After a payout
        the therapist's share is taken off the next one.

        Args:
            booking_id: which booking; its commission is due or paid.
            amount: more than zero, at most what is left.
            key: repeating the refund with the same key changes nothing more; 1 to 50 of a-z, 0-9, '.', '_', ':', '-'.
            reason: kept in the ledger, which the therapist may read; at most 500 characters.

        Returns:
            The ledger entry.

        Raises:
            NotFound: there is no such booking.
            NotAllowed: the user is not ops.
            IllegalTransition: nothing is due (yet).
            AmountTooLarge: more than is left.
            IdempotencyMismatch: the key was used for another amount.

        """
        if not self.link.acts_with_key:
            return self._correct("refund", booking_id, amount, key, reason)
        return refund_booking(self._ports, booking_id, amount, key=key, reason=reason, actor=OPS)

    @operation
    def adjust(self, booking_id: str, amount: Money, *, key: str, reason: str) -> Flow[CommissionEntry]:
        """Move something from the platform's share to the therapist's, or back when it is negative. For ops.

        Arguments and errors as `refund`.
        """
        if not self.link.acts_with_key:
            return self._correct("adjust", booking_id, amount, key, reason)
        return adjust_commission(self._ports, booking_id, amount, key=key, reason=reason, actor=OPS)

    @operation
    def pay_out(
        self,
        batch: str,
        *,
        therapist_id: str | None = None,
        until: datetime | None = None,
        dry_run: bool = False,
    ) -> Flow[PayoutReport]:
        """Pay what is due, one transaction for each booking. For ops.

        Whoever is stopped half-way repeats the batch: no booking is paid twice under one name.

        Args:
            batch: its name, such as ``"2026-11"``; 1 to 50 of a-z, 0-9, '.', '_', ':', '-'.
            therapist_id: only this therapist's.
            until: only what fell due before this aware instant; None takes all that is due now.
            dry_run: write nothing, and say what would be paid.

        Returns:
            Who is to get how much: what the whole batch has paid by now.

        Raises:
            NotAllowed: the user is not ops.

        """
        if self.link.acts_with_key:
            arguments: dict[str, Any] = {"therapist_id": therapist_id, "until": until, "dry_run": dry_run}
            return (yield from pay_out(self._ports, batch, actor=OPS, **arguments))
        asked = {
            "batch": batch,
            "therapistId": therapist_id,
            "until": until,
            "dryRun": dry_run,
        }
        paid = 0
        while True:
            report = yield from self._remote("commissions.pay_out", asked, payout_report)
            paid += report.paid
            if report.complete or dry_run or not report.paid:  # one that pays nothing would not get any further
                return replace(report, paid=paid)

    def _correct(self, name: str, booking_id: str, amount: Money, key: str, reason: str) -> Flow[CommissionEntry]:
        if not isinstance(amount, Money):
            raise InvalidMoney(f'an amount is Money, such as Money.parse("5.00", "EUR"), not {amount!r}.')
        asked = {
            "bookingId": booking_id,
            "amountMinor": amount.minor,
            "currency": amount.currency,
            "key": key,
            "reason": reason,
        }
        return self._remote(f"commissions.{name}", asked, CommissionEntry.model_validate)

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
