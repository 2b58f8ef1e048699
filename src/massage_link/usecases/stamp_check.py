"""Rows whose stamps cannot be the server's: a key may send ``$createdAt`` and ``$updatedAt``, and they are stored.

A client that writes a whole row back keeps its old stamp; whoever reads what changed since then would miss it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from appwrite.query import Query

from massage_link.domain.reconciliation import Fault, Finding
from massage_link.domain.rows import to_wire_time
from massage_link.domain.tables import BOOKING_EVENTS, BOOKINGS, COMMISSION_ENTRIES, COMMISSIONS, TABLES, Table
from massage_link.usecases.ports import Ports
from massage_link.usecases.scanning import each_page, raw_rows
from massage_link.usecases.slot_check import Tell
from massage_link.wire.call import Flow
from massage_link.wire.rows import list_raw_rows, with_ids

__all__ = ["check_stamps"]

#: By how much the clocks of servers and callers may differ.
_SKEW = timedelta(minutes=5)
#: So long a row that a client wrote may wait until it is admitted; the sweeper looks back seven days.
_DRAFT = timedelta(days=8)
_PAGE = 45
_LINES_PAGE = 1_000


def check_stamps(ports: Ports, tell: Tell, advance: Callable[[int], None]) -> Flow[None]:
    """Find rows that were written in the future, changed before they were made, or stamped before they can be."""
    now = (yield from list_raw_rows(ports.address(BOOKINGS), [Query.limit(1)])).server_time
    for table in TABLES:
        yield from _future(ports, table, now + _SKEW, tell)
    for table in (BOOKING_EVENTS, COMMISSION_ENTRIES):
        yield from _lines(ports, table, tell, advance)
    yield from _heads(ports, BOOKINGS, BOOKING_EVENTS, "version", _DRAFT, tell, advance)
    yield from _heads(ports, COMMISSIONS, COMMISSION_ENTRIES, "entries", _SKEW, tell, advance)


def _future(ports: Ports, table: Table[Any], latest: datetime, tell: Tell) -> Flow[None]:
    for stamp in ("$createdAt", "$updatedAt"):

        def deal(rows: list[dict[str, Any]], stamp: str = stamp) -> Flow[None]:
            for row in rows:
                yield from _told(tell, table, row, f"its {stamp} is {row[stamp]}, which is yet to come.")

        yield from _scan(ports, table, [Query.greater_than(stamp, to_wire_time(latest))], deal, _LINES_PAGE)


def _lines(ports: Ports, table: Table[Any], tell: Tell, advance: Callable[[int], None]) -> Flow[None]:
    """Rows of an append-only table, which say themselves when they were made."""

    def deal(rows: list[dict[str, Any]]) -> Flow[None]:
        for row in rows:
            if _at(row["$createdAt"]) < _at(row["at"]) - _SKEW:
                text = f"it was made at {row['at']}, and its $createdAt is {row['$createdAt']}."
                yield from _told(tell, table, row, text)
        advance(len(rows))

    yield from _scan(ports, table, [Query.select(["$id", "at"])], deal, _LINES_PAGE)


def _heads(
    ports: Ports,
    table: Table[Any],
    lines: Table[Any],
    number: str,
    earlier: timedelta,
    tell: Tell,
    advance: Callable[[int], None],
) -> Flow[None]:
    """Rows that change, whose lines say when; `number` is the column with the number of the last line."""

    def deal(rows: list[dict[str, Any]]) -> Flow[None]:
        wanted = sorted({f"{row['$id']}_{n}" for row in rows for n in (1, row[number])})
        found = yield from raw_rows(ports, lines, [with_ids(wanted), Query.limit(len(wanted))])
        made = {row["$id"]: _at(row["at"]) for row in found}
        for row in rows:
            first, last = made.get(f"{row['$id']}_1"), made.get(f"{row['$id']}_{row[number]}")
            for text in _faults(row, first, last, earlier):
                yield from _told(tell, table, row, text)
        advance(len(rows))

    yield from _scan(ports, table, [Query.select(["$id", number])], deal, _PAGE)


def _faults(row: Mapping[str, Any], first: datetime | None, last: datetime | None, earlier: timedelta) -> Iterator[str]:
    created, updated = _at(row["$createdAt"]), _at(row["$updatedAt"])
    if created > updated:
        yield f"its $createdAt {row['$createdAt']} is after its $updatedAt {row['$updatedAt']}."
    if first is not None and created < first - earlier:
        yield f"its first line is of {to_wire_time(first)}, and its $createdAt {row['$createdAt']}."
    if last is not None and updated < last - _SKEW:
        yield f"its last line is of {to_wire_time(last)}, and its $updatedAt {row['$updatedAt']}."


def _told(tell: Tell, table: Table[Any], row: Mapping[str, Any], text: str) -> Flow[None]:
    yield from tell(Finding(Fault.FORGED_STAMP, f"{table.id}/{row['$id']}", text), None)


def _scan(
    ports: Ports, table: Table[Any], queries: list[str], deal: Callable[[list[dict[str, Any]]], Flow[None]], size: int
) -> Flow[None]:
    yield from each_page(
        lambda wanted: raw_rows(ports, table, wanted), queries, deal, size=size, id_of=lambda row: str(row["$id"])
    )


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
