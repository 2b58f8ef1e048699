"""Reading rows: one by its id, or a page of those that match."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from massage_link.emulator.dialect import DOCUMENTS, ROWS, Dialect
from massage_link.emulator.errors import AppwriteError, invalid_param
from massage_link.emulator.kernel import is_id
from massage_link.emulator.pages import is_counted
from massage_link.emulator.permissions import allows
from massage_link.emulator.query import (
    CURSOR_RULE,
    Listing,
    Query,
    check_selection,
    checked_texts,
    invalid,
    listing,
    parse_all,
)
from massage_link.emulator.routing import Call, Reply, Route
from massage_link.emulator.rowcalls import READ, answer, table_of
from massage_link.emulator.sql import NullOrderError, beyond_cursor, order_by, where
from massage_link.emulator.sqlite import dumps

if TYPE_CHECKING:
    from massage_link.emulator.sqlite import Document
    from massage_link.emulator.tablestore import Table


def get_row(call: Call, dialect: Dialect) -> Reply:
    """One row, when the caller may read it; otherwise it does not exist."""
    table, row_id = table_of(call, dialect), call.params["rowId"]
    queries = parse_all(call.query.get("queries"))
    if any(query.method != "select" for query in queries):
        raise AppwriteError("general_query_invalid", message="Invalid query: Only select queries are allowed")
    wanted = listing(table, queries, call.emulator.clock)
    inside = call.emulator.transactions.view(call.query.get("transactionId"))
    if inside is not None:
        row = call.emulator.transactions.row_inside(inside, table, row_id, call.identity)
        if row is None:
            raise dialect.error("not_found", row_id)
        return answer(table, {"$sequence": "", "$id": row_id, **row}, dialect)
    text = call.emulator.faults.stale_text(table, row_id) or table.text(row_id)
    if text is None or not may_read(call, table, text):
        raise dialect.error("not_found", row_id)
    return Reply(_rendered(table, [text], wanted, dialect)[0])


def may_read(call: Call, table: Table, text: str) -> bool:
    """Whether the caller may read the row with this JSON."""
    identity = call.identity
    if identity.privileged or allows(table.permissions, "read", identity.roles):
        return True
    return table.row_security and allows(json.loads(text)["$permissions"], "read", identity.roles)


def _rendered(table: Table, texts: list[str], wanted: Listing, dialect: Dialect) -> list[str]:
    if wanted.selection is None or "*" in wanted.selection:
        return [table.wire(text, legacy=dialect.legacy) for text in texts]
    kept = {*wanted.selection, "$id", "$sequence", "$createdAt", "$updatedAt", "$permissions"}
    chosen = ({key: value for key, value in json.loads(text).items() if key in kept} for text in texts)
    return [table.wire(json.dumps(row, ensure_ascii=False), legacy=dialect.legacy) for row in chosen]


def list_rows(call: Call, dialect: Dialect) -> Reply:
    """The rows that match and that the caller may read, one page of them."""
    given, counted = checked_texts(call.query.get("queries")), is_counted(call)
    _check_ttl(call)
    table = table_of(call, dialect)
    queries = parse_all(given)
    cursor = _cursor(table, queries, dialect)
    wanted = listing(table, queries, call.emulator.clock)
    check_selection(wanted.selection)
    try:
        texts, total = find(call, table, wanted, cursor)
    except NullOrderError as error:
        raise AppwriteError("database_query_order_null", dialect.column, error, dialect.rows) from error
    inside = call.emulator.transactions.view(call.query.get("transactionId"))
    if inside is not None:
        rows, difference = call.emulator.transactions.rows_inside(
            inside, table, [json.loads(text) for text in texts], wanted.filters
        )
        texts, total = [dumps(row) for row in rows], max(0, total + difference)
    total = total if counted else 0
    body = ",".join(_rendered(table, texts, wanted, dialect))
    return Reply(f'{{"total":{total},"{dialect.rows}":[{body}]}}')


def _check_ttl(call: Call) -> None:
    """Refuse a bad `ttl` (400). A good one is not used: nothing is cached here."""
    ttl = call.query.get("ttl", "0")
    if not (isinstance(ttl, str) and ttl.strip().isdigit() and int(ttl) <= _LONGEST_TTL):
        raise invalid_param("ttl", f"Value must be a valid range between 0 and {_LONGEST_TTL:,}")


_LONGEST_TTL = 86_400


def _cursor(table: Table, queries: list[Query], dialect: Dialect) -> Document | None:
    """The row that the first cursor names; it is looked for before anything else is checked."""
    for query in queries:
        if query.method in ("cursorAfter", "cursorBefore"):
            if not (query.values and is_id(query.values[0])):
                raise invalid(CURSOR_RULE)
            row = table.row(query.values[0])
            if row is None:
                raise AppwriteError("general_cursor_not_found", f"{dialect.row.capitalize()} '{query.values[0]}'")
            return row
    return None


def find(call: Call, table: Table, wanted: Listing, cursor: Document | None) -> tuple[list[str], int]:
    """The JSON of one page of rows, and how many match in all."""
    identity = call.identity
    condition, values = where(table, wanted.filters, call.emulator.clock)
    if not (identity.privileged or allows(table.permissions, "read", identity.roles)):
        if not table.row_security:
            raise AppwriteError("user_unauthorized")
        readable, roles = table.readable(identity.role_list)
        condition, values = f"{condition} AND {readable}", [*values, *roles]
    total = table.count(condition, values)
    orders, sql_order = order_by(table, wanted)
    if cursor is not None:
        beyond, cursor_values = beyond_cursor(table, orders, cursor)
        condition, values = f"{condition} AND {beyond}", [*values, *cursor_values]
    texts = list(table.select(condition, values, order=sql_order, limit=wanted.limit, offset=wanted.offset))
    return (texts[::-1] if wanted.backwards else texts), total


def _routes(dialect: Dialect, base: str) -> list[Route]:
    return [
        Route("GET", base, partial(list_rows, dialect=dialect), READ),
        Route("GET", base + "/{rowId}", partial(get_row, dialect=dialect), READ),
    ]


routes = [
    *_routes(ROWS, "tablesdb/{databaseId}/tables/{tableId}/rows"),
    *_routes(DOCUMENTS, "databases/{databaseId}/collections/{tableId}/documents"),
]
