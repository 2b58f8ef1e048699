"""Calls on rows.

There is no builder for reading one row by its path, on purpose: the real server answers that from a cache which a
committed transaction leaves stale for up to a day. Rows are read by list.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from appwrite.permission import Permission
from appwrite.query import Query
from appwrite.role import Role
from pydantic import BaseModel

from massage_link.errors import InvalidInput
from massage_link.wire.call import Call, Reply, nothing, parsed, path, raw_json
from massage_link.wire.instructions import without_instructions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

__all__ = [
    "IDS_PER_QUERY",
    "RawPage",
    "TableAddress",
    "create_own_row",
    "create_row",
    "delete_rows",
    "list_raw_rows",
    "list_rows",
    "patch_row",
    "read_by",
    "set_permissions",
    "update_row",
    "with_ids",
]

M = TypeVar("M", bound=BaseModel)
#: Ids in one `equal`: Appwrite takes 4,096 characters a query, and an id needs up to 39 of them.
IDS_PER_QUERY = 90


class TableAddress(NamedTuple):
    """Where a table is: ids of its database and of itself."""

    database: str
    table: str


class _Page(BaseModel, Generic[M]):
    rows: list[M]


@lru_cache(maxsize=64)
def _page_of(model: type[M]) -> type[_Page[M]]:
    # Built once a model: a page is then parsed from bytes to rows in one pass.
    return _Page[model]  # type: ignore[valid-type]


def list_rows(table: TableAddress, model: type[M], queries: Iterable[str]) -> Call[list[M]]:
    """One page of the rows that the credential may read.

    Args:
        table: where to look.
        model: what a row is parsed to.
        queries: texts made by `appwrite.query.Query`; without a limit the server answers 25 rows.

    """
    page = _page_of(model)
    return Call(
        "GET",
        _rows_path(table, queries=tuple(queries)),
        lambda reply: page.model_validate_json(reply.content).rows,
        repeatable=True,
    )


@dataclass(frozen=True, slots=True)
class RawPage:
    """Rows as the server wrote them, and its time when it did."""

    rows: list[dict[str, Any]]
    server_time: datetime


def list_raw_rows(table: TableAddress, queries: Iterable[str]) -> Call[RawPage]:
    """One page of rows, undecoded, with the `Date` of the answer."""
    return Call("GET", _rows_path(table, queries=tuple(queries)), _raw_page, repeatable=True)


def _raw_page(reply: Reply) -> RawPage:
    return RawPage(list(raw_json(reply)["rows"]), parsedate_to_datetime(reply.headers["date"]))


def create_row(
    table: TableAddress, model: type[M], row_id: str, columns: Mapping[str, Any], permissions: list[str]
) -> Call[M]:
    """Create a row with an id of ours. 409 means that the id (or a unique value) is taken."""
    return Call(
        "POST",
        _rows_path(table),
        parsed(model),
        {"rowId": row_id, "data": dict(columns), "permissions": permissions},
    )


def create_own_row(table: TableAddress, row_id: str, columns: Mapping[str, Any]) -> Call[None]:
    """Create a row as an app's own client does: without permissions, so that it is given to the user who writes it."""
    return Call("POST", _rows_path(table), nothing, {"rowId": row_id, "data": dict(columns)})


def patch_row(
    table: TableAddress,
    model: type[M],
    row_id: str,
    columns: Mapping[str, Any],
    permissions: list[str] | None = None,
    *,
    unless_changed: str,
) -> Call[M]:
    """Change columns of a row, unless it was written after `unless_changed` (409 ``row_update_conflict``).

    Permissions, where they are given, replace those that it has, which needs a key.
    """
    body: dict[str, Any] = {"data": dict(without_instructions(columns))}
    return Call(
        "PATCH",
        _rows_path(table, row_id),
        parsed(model),
        body if permissions is None else {**body, "permissions": permissions},
        {"X-Appwrite-Timestamp": unless_changed},
    )


def update_row(table: TableAddress, model: type[M], row_id: str, columns: Mapping[str, Any]) -> Call[M]:
    """Change columns of a row, whatever was written to it before."""
    return Call(
        "PATCH",
        _rows_path(table, row_id),
        parsed(model),
        {"data": dict(without_instructions(columns))},
        repeatable=True,
    )


def set_permissions(
    table: TableAddress,
    row_id: str,
    permissions: list[str],
    columns: Mapping[str, Any] | None = None,
    *,
    unless_changed: str,
) -> Call[None]:
    """Replace who may read and change a row, unless it was written after `unless_changed` (409). Needs a key.

    Columns, where there are any, are put right with the same write.
    """
    body: dict[str, Any] = {"permissions": permissions}
    return Call(
        "PATCH",
        _rows_path(table, row_id),
        nothing,
        {**body, "data": dict(without_instructions(columns))} if columns else body,
        {"X-Appwrite-Timestamp": unless_changed},
        repeatable=True,  # a repeat of one that took effect is a 409, after which the caller reads the row
    )


def delete_rows(table: TableAddress, queries: list[str]) -> Call[int]:
    """Delete the rows that the queries find; the result is how many those were. Needs a key.

    Raises:
        InvalidInput: there is no query, which would be every row of the table.

    """
    if not queries:
        raise InvalidInput("name the rows to delete: without a query all of them would be.")
    return Call("DELETE", _rows_path(table), _total, {"queries": queries}, repeatable=True)


def _total(reply: Reply) -> int:
    return int(raw_json(reply)["total"])


def with_ids(row_ids: Iterable[str]) -> str:
    """The query for rows with these ids (at most `IDS_PER_QUERY`)."""
    query: str = Query.equal("$id", list(row_ids))
    return query


def read_by(user_ids: Iterable[str]) -> list[str]:
    """Permissions by which these users may read a row, and nobody else by the row itself."""
    return [Permission.read(Role.user(user_id)) for user_id in user_ids]


def _rows_path(table: TableAddress, *row_id: str, queries: tuple[str, ...] = ()) -> str:
    return path("tablesdb", table.database, "tables", table.table, "rows", *row_id, queries=queries)
