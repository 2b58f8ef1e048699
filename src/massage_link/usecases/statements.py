"""Read what a therapist's statement is drawn up from: a page of the ledger at a time."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from appwrite.query import Query

from massage_link.domain.commission import CommissionEntry, EntryKind
from massage_link.domain.ids import checked_text, entry_id
from massage_link.domain.period import Period
from massage_link.domain.rows import to_wire_time
from massage_link.domain.statement import LISTED, Statement, statement_of
from massage_link.domain.tables import COMMISSION_ENTRIES, THERAPISTS
from massage_link.usecases.ports import Ports, find
from massage_link.usecases.scanning import each_page, looked_up, raw_rows, rows_of
from massage_link.wire.call import Flow
from massage_link.wire.rows import with_ids

__all__ = ["draw_up_statement"]

_PAGE = 1_000


def draw_up_statement(
    ports: Ports, therapist_id: str, period: str | Period, *, timezone: str | None = None
) -> Flow[Statement]:
    """A therapist's statement, from the ledger entries that the credential may read; canaries are left out.

    The entries before the period are summed up page by page; those of the period are held.

    Args:
        ports: surroundings.
        therapist_id: whose.
        period: of when; a text is parsed as `Period.parse` does.
        timezone: IANA name of the zone of the period's midnights; None takes the therapist's, or UTC.

    Raises:
        InvalidInput: the period or the zone is none.

    """
    therapist = yield from find(ports, THERAPISTS, checked_text("therapist_id", therapist_id))
    if not isinstance(period, Period):
        zone = timezone or ("UTC" if therapist is None else therapist.timezone)
        period = Period.parse(period, zone)
    theirs = [Query.equal("therapistId", [therapist_id]), Query.equal("canary", [False])]
    entries = yield from _entries(ports, theirs, period)
    agreed = yield from _agreed(ports, entries)
    return statement_of(
        therapist_id,
        "" if therapist is None else therapist.name,
        period,
        opening=(yield from _opening(ports, theirs, period)),
        entries=entries,
        agreed={entry.id: entry for entry in agreed},
    )


def _opening(ports: Ports, theirs: list[str], period: Period) -> Flow[dict[str, int]]:
    """What was owed when the period began."""
    sums: defaultdict[str, int] = defaultdict(int)

    def deal(rows: list[dict[str, Any]]) -> Flow[None]:
        yield from ()
        for row in rows:
            sums[row["currency"]] += row["balanceMinor"]

    before = Query.less_than("at", to_wire_time(period.start))
    yield from each_page(
        lambda queries: raw_rows(ports, COMMISSION_ENTRIES, queries),
        [*theirs, before, Query.select(["$id", "currency", "balanceMinor"])],
        deal,
        size=_PAGE,
        id_of=lambda row: str(row["$id"]),
    )
    return dict(sums)


def _entries(ports: Ports, theirs: list[str], period: Period) -> Flow[list[CommissionEntry]]:
    found: list[CommissionEntry] = []

    def deal(rows: list[CommissionEntry]) -> Flow[None]:
        yield from ()
        found.extend(rows)

    within = [
        Query.greater_than_equal("at", to_wire_time(period.start)),
        Query.less_than("at", to_wire_time(period.end)),
        Query.equal("kind", [kind.value for kind in LISTED]),
    ]
    yield from each_page(
        lambda queries: rows_of(ports, COMMISSION_ENTRIES, queries),
        [*theirs, *within],
        deal,
        size=_PAGE,
        id_of=lambda row: str(row.id),
    )
    return found


def _agreed(ports: Ports, entries: list[CommissionEntry]) -> Flow[list[CommissionEntry]]:
    """The accruals of the bookings that fell due."""
    ids = sorted({entry_id(each.booking_id, 1) for each in entries if each.kind in {EntryKind.DUE, EntryKind.FEE}})
    return (
        yield from looked_up(
            lambda some: rows_of(ports, COMMISSION_ENTRIES, [with_ids(some), Query.limit(len(some))]), ids
        )
    )
