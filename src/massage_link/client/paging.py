"""Pages of rows by row-id cursor: for listings that a person walks through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar

from appwrite.query import Query
from pydantic.alias_generators import to_camel

from massage_link.client.operation import Pages
from massage_link.domain.booking import Booking
from massage_link.domain.ids import checked_text
from massage_link.domain.rows import Row
from massage_link.domain.tables import Table
from massage_link.errors import InvalidInput
from massage_link.usecases.lookups import list_bookings
from massage_link.usecases.ports import Ports
from massage_link.wire.call import Flow
from massage_link.wire.rows import list_rows

__all__ = ["DEFAULT_PAGE", "in_state", "only", "pages_of", "pages_of_bookings"]

R = TypeVar("R", bound=Row)
E = TypeVar("E", bound=StrEnum)
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


def only(**texts: str | None) -> list[str]:
    """Queries for the rows whose columns hold these texts: ``only(customer_id="zoe")``; None asks for any.

    Raises:
        InvalidInput: one of them is not a text.

    """
    given = {name: checked_text(name, value) for name, value in texts.items() if value is not None}
    return [Query.equal(to_camel(name), [value]) for name, value in given.items()]


def in_state(states: type[E], wanted: E | Iterable[E] | None) -> list[str]:
    """Queries for the rows in this state or one of these; None asks for any. The states' own texts do, too.

    Raises:
        InvalidInput: there is no such state, or none is named.

    """
    if wanted is None:
        return []
    try:
        named = [states(each) for each in ([wanted] if isinstance(wanted, str) else wanted)]
    except (TypeError, ValueError):
        raise InvalidInput(f"status is one of {', '.join(states)}, or several of them, not {wanted!r}.") from None
    if not named:
        raise InvalidInput("status names no state; leave it out for any.")
    return [Query.equal("status", [state.value for state in named])]


def _pages(
    read: Callable[[list[str]], Flow[list[Any]]], queries: Sequence[str], page_size: int, limit: int | None
) -> Pages[Any]:
    if type(page_size) is not int or not 1 <= page_size <= _LARGEST_PAGE:
        raise InvalidInput(f"page_size is 1 to {_LARGEST_PAGE:,}, not {page_size!r}.")
    if limit is not None and (type(limit) is not int or limit < 0):
        raise InvalidInput(f"limit is a number of zero or more, not {limit!r}.")
    size = page_size if limit is None else max(1, min(page_size, limit))

    def page(after: Any) -> Flow[list[Any]]:
        wanted = [*queries, Query.limit(size)]
        if after is not None:
            wanted.append(Query.cursor_after(after.id))
        return (yield from read(wanted))

    return Pages(page, size, limit)
