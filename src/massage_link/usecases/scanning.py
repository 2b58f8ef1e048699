"""Whole tables, read page by page in the order of their row ids: no page is longer because the table is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from appwrite.query import Query

from massage_link.domain.rows import Row
from massage_link.domain.tables import Table
from massage_link.usecases.ports import Ports
from massage_link.wire.call import Flow
from massage_link.wire.rows import IDS_PER_QUERY, list_raw_rows, list_rows

__all__ = ["each_page", "looked_up", "raw_rows", "rows_of"]

R = TypeVar("R", bound=Row)
T = TypeVar("T")


def each_page(
    read: Callable[[list[str]], Flow[list[Any]]],
    queries: Sequence[str],
    deal: Callable[[list[Any]], Flow[None]],
    *,
    size: int,
    id_of: Callable[[Any], str],
) -> Flow[None]:
    """Have every page of a table dealt with.

    Args:
        read: reads the rows that queries find.
        queries: which rows.
        deal: what is done with a page.
        size: rows of a page.
        id_of: the row id of what was read.

    """
    last: str | None = None
    while True:
        # By the id itself, not by a cursor: the row may be gone by the time that the next page is read.
        after = [] if last is None else [Query.greater_than("$id", last)]
        rows = yield from read([*queries, *after, Query.order_asc("$id"), Query.limit(size)])
        if rows:
            yield from deal(rows)
            last = id_of(rows[-1])
        if len(rows) < size:
            return


def raw_rows(ports: Ports, table: Table[Any], queries: Sequence[str]) -> Flow[list[dict[str, Any]]]:
    """Rows as the server wrote them."""
    return (yield from list_raw_rows(ports.address(table), queries)).rows


def rows_of(ports: Ports, table: Table[R], queries: Sequence[str]) -> Flow[list[R]]:
    """Rows of a table."""
    return (yield from list_rows(ports.address(table), table.model, queries))


def looked_up(
    read: Callable[[list[str]], Flow[list[T]]], ids: Sequence[str], size: int = IDS_PER_QUERY
) -> Flow[list[T]]:
    """All that is found for the ids, as many at a time as one query takes."""
    found: list[T] = []
    for first in range(0, len(ids), size):
        found += yield from read(list(ids[first : first + size]))
    return found
