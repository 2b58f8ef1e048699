"""Prove that bookings, commissions and ledger entries tell the same, or say where they do not; and put it right.

Every table is read page by page, so that memory does not grow with it. What does not fit is read again before it is
called a fault: a booking that moves while it is being looked at is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from appwrite.query import Query

from massage_link.domain.booking import Booking
from massage_link.domain.reconciliation import (
    REPAIRABLE,
    BookingBooks,
    CurrencyCheck,
    Fault,
    Finding,
    Verdict,
    by_code,
    examine,
)
from massage_link.domain.rows import to_wire_time
from massage_link.domain.tables import COMMISSION_ENTRIES, COMMISSIONS, Table
from massage_link.errors import MassageLinkError
from massage_link.usecases.bookkeeping import books_again, books_of
from massage_link.usecases.commissions import refresh_commission
from massage_link.usecases.lookups import BookingOrDraft, list_bookings
from massage_link.usecases.ports import Ports
from massage_link.usecases.scanning import each_page, looked_up, raw_rows
from massage_link.usecases.slot_check import Mend, check_slots, check_slots_of
from massage_link.usecases.stamp_check import check_stamps
from massage_link.wire.call import Flow
from massage_link.wire.rows import IDS_PER_QUERY, with_ids

__all__ = ["Report", "check_ledger", "reconcile"]

#: Findings that a report holds; `found` is told all of them.
MOST_FINDINGS = 1_000
_LOOKS = 4
_ORPHANS_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found.

    Attributes:
        bookings, commissions, entries: how many were compared; canaries are left out.
        canaries: bookings of health checks, which are not compared.
        waiting: bookings too young to be expected to have a commission.
        currencies: the sums, per currency.
        findings: what is wrong, at most the first thousand; `faults` counts all.
        repaired: how many of them have been put right.
        full: whether slots and stamps were looked at, too.

    """

    bookings: int = 0
    commissions: int = 0
    entries: int = 0
    canaries: int = 0
    waiting: int = 0
    currencies: tuple[CurrencyCheck, ...] = ()
    findings: tuple[Finding, ...] = ()
    faults: int = 0
    repaired: int = 0
    full: bool = False

    @property
    def difference(self) -> dict[str, int]:
        """By how much bookings, commissions and entries differ, in minor units by currency; all zero when they agree.

        What was repaired still counts as found.
        """
        return {check.currency: check.difference for check in self.currencies}

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong (any more)."""
        return self.faults == self.repaired

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "difference": self.difference, "ok": self.ok}


def _unheard(_: object) -> None:
    pass


def check_ledger(
    ports: Ports,
    *,
    since: datetime | None = None,
    full: bool = False,
    settle: timedelta = timedelta(0),
    found: Callable[[Finding], None] = _unheard,
    advance: Callable[[int], None] = _unheard,
) -> Flow[Report]:
    """Compare bookings, commissions and ledger entries; writes nothing.

    Args:
        ports: surroundings.
        since: only bookings that were written from this instant on, and neither orphans nor slots nor stamps; None
            looks at everything.
        full: also find slots that no live booking holds, live bookings without theirs, and forged stamps.
        settle: a booking younger than this may still wait for the function that computes its commission.
        found: told each finding as it is confirmed.
        advance: told how many rows were looked at since.

    """
    return (yield from _Check(ports, found, advance, settle, repair=False).run(since=since, full=full))


def reconcile(
    ports: Ports,
    *,
    full: bool = False,
    settle: timedelta = timedelta(0),
    found: Callable[[Finding], None] = _unheard,
    advance: Callable[[int], None] = _unheard,
) -> Flow[Report]:
    """As `check_ledger`, and what can be put right is: missing commissions are computed, projections rebuilt.

    With `full`, slots that nobody holds are removed, and live bookings get theirs back where the time is still free.
    Amounts are never changed: where booking and entries differ, a person has to decide.
    """
    return (yield from _Check(ports, found, advance, settle, repair=True).run(since=None, full=full))


@dataclass(slots=True)
class _Check:
    ports: Ports
    found: Callable[[Finding], None]
    advance: Callable[[int], None]
    settle: timedelta
    repair: bool
    report: Report = field(default_factory=Report)
    sums: dict[str, CurrencyCheck] = field(default_factory=dict)

    def run(self, *, since: datetime | None, full: bool) -> Flow[Report]:
        """All of it."""
        self.report = replace(self.report, full=full)
        recent = [] if since is None else [Query.greater_than_equal("$updatedAt", to_wire_time(since))]
        yield from each_page(
            lambda queries: list_bookings(self.ports, queries),
            recent,
            lambda rows: self._bookings(rows, with_slots=full),
            size=IDS_PER_QUERY,
            id_of=lambda row: str(row.id),
        )
        if since is None:
            yield from self._orphans(COMMISSIONS, "$id", Fault.ORPHAN_COMMISSION)
            yield from self._orphans(COMMISSION_ENTRIES, "bookingId", Fault.ORPHAN_ENTRIES)
        if full:
            yield from check_slots(self.ports, self._settle_finding, self.advance)
            yield from check_stamps(self.ports, self._settle_finding, self.advance)
        return replace(self.report, currencies=by_code(self.sums))

    # --- bookings
    def _bookings(self, rows: Sequence[BookingOrDraft], *, with_slots: bool) -> Flow[None]:
        bookings = [row for row in rows if isinstance(row, Booking)]
        looked_at = [booking for booking in bookings if not booking.canary]
        self.report = replace(self.report, canaries=self.report.canaries + len(bookings) - len(looked_at))
        if looked_at:
            for books in (yield from books_of(self.ports, looked_at)):
                yield from self._booking(books)
        if with_slots:
            yield from check_slots_of(self.ports, bookings, self._settle_finding)
        self.advance(len(rows))

    def _booking(self, books: BookingBooks) -> Flow[None]:
        verdict: Verdict | None = examine(books)
        assert verdict is not None
        if verdict.findings:
            books, verdict = yield from self._confirmed(books, verdict)
            if verdict is None:
                return
        if self._may_wait(books, verdict):
            self.report = replace(self.report, waiting=self.report.waiting + 1)
            return
        self.report = replace(
            self.report,
            bookings=self.report.bookings + 1,
            commissions=self.report.commissions + (books.commission is not None),
            entries=self.report.entries + len(books.entries),
        )
        currency = books.booking.currency
        self.sums[currency] = self.sums.get(currency, CurrencyCheck(currency)).with_booking(verdict)
        for finding in verdict.findings:
            yield from self._settle_finding(finding, self._refreshed)

    def _confirmed(self, books: BookingBooks, verdict: Verdict) -> Flow[tuple[BookingBooks, Verdict | None]]:
        """What is found once nothing has changed between two looks; no verdict when the booking is gone."""
        for _ in range(_LOOKS):
            again = yield from books_again(self.ports, books.booking.id)
            if again is None:
                return books, None
            unchanged = again.mark == books.mark
            books, verdict = again, examine(again)
            if unchanged or not verdict.findings:
                break
        return books, verdict

    def _may_wait(self, books: BookingBooks, verdict: Verdict) -> bool:
        created = books.booking.created_at
        # Without time to settle nothing is young, whatever the clocks here and there say.
        young = bool(self.settle) and created is not None and self.ports.now() - created < self.settle
        return young and [finding.fault for finding in verdict.findings] == [Fault.NO_COMMISSION]

    # --- orphans
    def _orphans(self, table: Table[Any], column: str, fault: Fault) -> Flow[None]:
        def deal(rows: list[dict[str, Any]]) -> Flow[None]:
            ids = sorted({str(row.get(column)) for row in rows if not row.get("canary")})
            known = yield from looked_up(self._with_ids, ids)
            for orphan in sorted(set(ids) - {row.id for row in known if isinstance(row, Booking)}):
                about = "a commission is" if fault is Fault.ORPHAN_COMMISSION else "ledger entries are"
                yield from self._settle_finding(Finding(fault, orphan, f"{about} on the books without a booking."))
            self.advance(len(rows))

        yield from each_page(
            lambda queries: raw_rows(self.ports, table, queries),
            [Query.select(sorted({column, "$id", "canary"}))],
            deal,
            size=_ORPHANS_PAGE,
            id_of=lambda row: str(row["$id"]),
        )

    def _with_ids(self, ids: list[str]) -> Flow[list[BookingOrDraft]]:
        return (yield from list_bookings(self.ports, [with_ids(ids), Query.limit(len(ids))]))

    # --- findings
    def _settle_finding(self, finding: Finding, mend: Mend | None = None) -> Flow[None]:
        if self.repair and mend is not None and finding.fault in REPAIRABLE:
            finding = replace(finding, repaired=(yield from self._mended(finding, mend)))
        self.report = replace(
            self.report,
            faults=self.report.faults + 1,
            repaired=self.report.repaired + finding.repaired,
            findings=(*self.report.findings, finding)[:MOST_FINDINGS],
        )
        self.found(finding)

    @staticmethod
    def _mended(finding: Finding, mend: Mend) -> Flow[bool]:
        try:
            return (yield from mend(finding.row_id))
        except MassageLinkError:
            return False  # it stays on the list

    def _refreshed(self, booking_id: str) -> Flow[bool]:
        yield from refresh_commission(self.ports, booking_id)
        books = yield from books_again(self.ports, booking_id)
        return books is not None and all(each.fault not in REPAIRABLE for each in examine(books).findings)
