"""Rows of TablesDB, and documents of the older API, which are the same rows: create, read, list, change, remove."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from massage_link.emulator.dates import DateError, parse_date
from massage_link.emulator.dialect import DOCUMENTS, ROWS, Dialect
from massage_link.emulator.errors import AppwriteError, invalid_param
from massage_link.emulator.kernel import is_id, unique_id
from massage_link.emulator.permissions import allows, as_list, checked, refuse_foreign_roles, split
from massage_link.emulator.query import Listing, beyond_cursor, invalid, listing, order_by, parse_all, where
from massage_link.emulator.routing import Call, Reply, Route
from massage_link.emulator.tablestore import DuplicateError, Table
from massage_link.emulator.writes import ConflictError, ForbiddenError, StructureError, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from massage_link.emulator.sqlite import Document

_ID_RULE = (
    "Parameter must contain at most 36 chars. Valid chars are a-z, A-Z, 0-9, period, hyphen, and underscore. Can't "
    "start with a special char"
)
_CREATE_REFUSED = (
    'Missing "create" permission for role "{wanted}". Only "{held}" scopes are allowed and "{list}" was given.'
)
_BULK_MOST = 1000


def table_of(call: Call, dialect: Dialect) -> Table:
    """The table in the path, as far as this caller may know it."""
    return call.emulator.catalogue.find_table(
        call.params["databaseId"],
        call.params["tableId"],
        privileged=call.identity.privileged,
        missing=dialect.missing_table,
    )


def data_of(value: object) -> dict[str, Any]:
    """The `data` parameter: an object, or a text with JSON in it. A JSON null is a 500 on the server."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise invalid_param("data", "Value must be a valid JSON object or array") from error
    if isinstance(value, dict):
        return value
    if value is None:
        raise AppwriteError("general_unknown")
    if value == []:
        return {}
    raise invalid_param("data", "Value must be a valid JSON object or array")


def permissions_of(call: Call) -> list[str] | None:
    """The `permissions` parameter, `write` split; None when it was not given."""
    given = call.body.get("permissions")
    if given is None:
        return None
    found = split(checked(given))
    if not call.identity.privileged:
        refuse_foreign_roles(found, call.identity.role_list)
    return found


def default_permissions(call: Call) -> list[str]:
    """What a user's own new row carries when she names no permissions."""
    user = call.identity.user_id
    return [f'{action}("user:{user}")' for action in ("read", "update", "delete")] if user else []


def writer_for(call: Call, *, since: datetime | None = None) -> Writer:
    """A writer with the caller's rights; only keys may set dates."""
    return Writer(call.emulator.clock, call.identity, keep_dates=call.identity.privileged, since=since)


def request_moment(call: Call) -> datetime | None:
    """The moment in `X-Appwrite-Timestamp`."""
    text = call.headers.get("x-appwrite-timestamp")
    if not text:
        return None
    try:
        return datetime.fromisoformat(parse_date(text, call.emulator.clock))
    except DateError as error:
        raise AppwriteError("general_argument_invalid", message="Invalid X-Appwrite-Timestamp header value") from error


def publish(call: Call, table: Table, action: str, row: Document, dialect: Dialect, *, bulk: bool = False) -> None:
    """Announce a committed write."""
    emulator = call.emulator
    emulator.announce_row(table, action, row, legacy=dialect.legacy, bulk=bulk, acting_user_id=call.identity.user_id)


def guarded(dialect: Dialect, id: str, work: Callable[[], Any]) -> Any:
    """`work` with the failures of a write as the API words them."""
    try:
        return work()
    except StructureError as error:
        raise dialect.error("invalid_structure", message=str(error)) from error
    except DuplicateError as error:
        raise dialect.error("already_exists", id) from error
    except ConflictError as error:
        raise dialect.error("update_conflict") from error
    except ForbiddenError as error:
        raise AppwriteError("user_unauthorized") from error


def answer(table: Table, row: Document, dialect: Dialect, status: int = 200) -> Reply:
    """One row as an answer."""
    place = "$collectionId" if dialect.legacy else "$tableId"
    return Reply({**row, "$databaseId": table.database_id, place: table.id}, status)


# Reading


def get_row(call: Call, dialect: Dialect) -> Reply:
    """One row, when the caller may read it; otherwise it does not exist."""
    table, id = table_of(call, dialect), call.params["rowId"]
    queries = parse_all(call.query.get("queries"))
    if any(query.method != "select" for query in queries):
        raise AppwriteError("general_query_invalid", message="Invalid query: Only select queries are allowed")
    wanted = listing(table, queries, call.emulator.clock)
    staged = call.emulator.transactions.staged_row(table, id, call.query.get("transactionId"))
    if staged is not None:
        return answer(table, staged, dialect)
    text = call.emulator.faults.stale_text(table, id) or table.text(id)
    if text is None or not may_read(call, table, text):
        raise dialect.error("not_found", id)
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
    table = table_of(call, dialect)
    queries = parse_all(call.query.get("queries"))
    wanted = page = listing(table, queries, call.emulator.clock)
    texts, total = find(call, table, page, dialect)
    transaction = call.query.get("transactionId")
    if transaction:
        staged, extra = call.emulator.transactions.staged_list(table, transaction, texts, wanted)
        texts, total = staged, total + extra
    body = ",".join(_rendered(table, texts, wanted, dialect))
    return Reply(f'{{"total":{total},"{dialect.rows}":[{body}]}}')


def find(call: Call, table: Table, wanted: Listing, dialect: Dialect) -> tuple[list[str], int]:
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
    if wanted.cursor is not None:
        cursor = table.row(wanted.cursor)
        if cursor is None:
            what = f"{dialect.row.capitalize()} '{wanted.cursor}'"
            raise AppwriteError("general_cursor_not_found", what)
        beyond, cursor_values = beyond_cursor(table, orders, cursor)
        condition, values = f"{condition} AND {beyond}", [*values, *cursor_values]
    texts = list(table.select(condition, values, order=sql_order, limit=wanted.limit, offset=wanted.offset))
    return (texts[::-1] if wanted.backwards else texts), total


# Writing


def create_row(call: Call, dialect: Dialect) -> Reply:
    """Create one row, or several at once (`rows`, for keys)."""
    body = call.body
    id = body.get(f"{dialect.row}Id", "")
    if id is None:
        raise AppwriteError("general_unknown")
    if f"{dialect.row}Id" in body and id != "unique()" and not is_id(id):
        raise invalid_param(f"{dialect.row}Id", _ID_RULE)
    data = data_of(body.get("data", {}))
    many = as_list(body.get(dialect.rows, []))
    if many:
        return create_rows(call, dialect, many)
    if not data:
        raise dialect.error("missing_data")
    if not id:
        what = dialect.row.capitalize()
        raise dialect.error("missing_data", message=f"{what} ID is required when creating a single {dialect.row}.")
    table = table_of(call, dialect)
    permissions = permissions_of(call)
    row = {key: value for key, value in data.items() if key not in ("$id", "$permissions", "$sequence")}
    row["$id"] = unique_id() if id == "unique()" else id
    row["$permissions"] = default_permissions(call) if permissions is None else permissions
    writer = writer_for(call)
    if not writer.may(table, "create"):
        raise _create_refused(call, table)
    if body.get("transactionId") is not None:
        return call.emulator.transactions.stage_create(call, table, row, dialect)
    with call.emulator.database.atomic():
        created = guarded(dialect, row["$id"], lambda: writer.create(table, row))
    publish(call, table, "create", created, dialect)
    return answer(table, created, dialect, 201)


def _create_refused(call: Call, table: Table) -> AppwriteError:
    holders = [text[8:-2] for text in table.permissions if text.startswith('create("')]
    message = (
        f'Missing "create" permission for role "{holders[-1] if holders else ""}". Only '
        f'"{json.dumps(list(call.identity.role_list), separators=(",", ":"))}" scopes are allowed and '
        f'"{json.dumps(holders, separators=(",", ":"))}" was given.'
    )
    if not holders:
        message = "No permissions provided for action 'create'"
    return AppwriteError("user_unauthorized", message=message)


def create_rows(call: Call, dialect: Dialect, many: list[Any]) -> Reply:
    """Bulk create, for keys."""
    raise AppwriteError("emulator_not_implemented", "bulk create")


def update_row(call: Call, dialect: Dialect) -> Reply:
    """Change columns or permissions of one row."""
    body, id = call.body, call.params["rowId"]
    data = data_of(body.get("data", {}))
    if not data and body.get("permissions") is None:
        raise dialect.error("missing_payload")
    since = request_moment(call)
    table = table_of(call, dialect)
    if table.text(id) is None:
        raise dialect.error("not_found", id)
    permissions = permissions_of(call)
    changes = {key: value for key, value in data.items() if key not in ("$id", "$permissions", "$sequence")}
    if permissions is not None:
        changes["$permissions"] = permissions
    with call.emulator.database.atomic():
        row = guarded(dialect, id, lambda: writer_for(call, since=since).update(table, id, changes))
    publish(call, table, "update", row, dialect)
    return answer(table, row, dialect)


def delete_row(call: Call, dialect: Dialect) -> Reply:
    """Remove one row."""
    table, id = table_of(call, dialect), call.params["rowId"]
    since = request_moment(call)
    with call.emulator.database.atomic():
        row = guarded(dialect, id, lambda: writer_for(call, since=since).delete(table, id))
    if row is None:
        raise dialect.error("not_found", id)
    publish(call, table, "delete", row, dialect)
    return Reply(None, 204)


_READ = ("rows.read", "documents.read")
_WRITE = ("rows.write", "documents.write")


def _routes(dialect: Dialect, base: str) -> list[Route]:
    one = base + "/{rowId}"
    return [
        Route("POST", base, partial(create_row, dialect=dialect), _WRITE, 120),
        Route("GET", base, partial(list_rows, dialect=dialect), _READ),
        Route("GET", one, partial(get_row, dialect=dialect), _READ),
        Route("PATCH", one, partial(update_row, dialect=dialect), _WRITE, 120),
        Route("DELETE", one, partial(delete_row, dialect=dialect), _WRITE, 60),
    ]


routes = [
    *_routes(ROWS, "tablesdb/{databaseId}/tables/{tableId}/rows"),
    *_routes(DOCUMENTS, "databases/{databaseId}/collections/{tableId}/documents"),
]
