"""Pages of rows by row-id cursor: for listings that a person walks through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from appwrite.query import Query

from massage_link.client.operation import Pages
from massage_link.domain.booking import Booking
from massage_link.domain.rows import Row
from massage_link.domain.tables import Table
from massage_link.errors import InvalidInput
from massage_link.usecases.lookups import list_bookings
from massage_link.usecases.ports import Ports
from massage_link.wire.call import Flow
from massage_link.wire.rows import list_rows

__all__ = ["DEFAULT_PAGE", "pages_of", "pages_of_bookings"]

R = TypeVar("R", bound=Row)
DEFAULT_PAGE = 100
_LARGEST_PAGE = 5_000


def pages_of(
    ports: Ports, table: Table[R], queries: Sequence[str], *, page_size: int = DEFAULT_PAGE, limit: int | None = None
) -> Pages[R]:
    """The rows that the queries find, in their order, at most `limit` of them.

    Raises:
        InvalidInput: a page size that the server does not take, or a negative limit.

    """

    def read(wanted: list[str]) -> Flow[list[R]]:
        return (yield from list_rows(ports.address(table), table.model, wanted))

    return _pages(read, queries, page_size, limit)


def pages_of_bookings(
    ports: Ports, queries: Sequence[str], *, page_size: int = DEFAULT_PAGE, limit: int | None = None
) -> Pages[Booking]:
    """The bookings that the queries find; drafts, which clients wrote and nobody has admitted, are passed over."""
    pages: Pages[Booking] = _pages(lambda wanted: list_bookings(ports, wanted), queries, page_size, limit)
    return replace(pages, keep=lambda row: isinstance(row, Booking))


def _pages(
    read: Callable[[list[str]], Flow[list[Any]]], queries: Sequence[str], page_size: int, limit: int | None
) -> Pages[Any]:
    if not 1 <= page_size <= _LARGEST_PAGE:
        raise InvalidInput(f"page_size is 1 to {_LARGEST_PAGE:,}, not {page_size}.")
    if limit is not None and limit < 0:
        raise InvalidInput(f"limit is zero or more, not {limit}.")
    size = page_size if limit is None else max(1, min(page_size, limit))

    def page(after: Any) -> Flow[list[Any]]:
        wanted = [*queries, Query.limit(size)]
        if after is not None:
            wanted.append(Query.cursor_after(after.id))
        return (yield from read(wanted))

    return Pages(page, size, limit)
