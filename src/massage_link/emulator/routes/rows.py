"""Writing rows of TablesDB, and documents of the older API, which are the same rows, one at a time."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from massage_link.emulator.dialect import DOCUMENTS, ROWS, Dialect
from massage_link.emulator.errors import AppwriteError, ServerFailure, invalid_param
from massage_link.emulator.kernel import is_id, unique_id
from massage_link.emulator.operators import refuse_operators
from massage_link.emulator.params import ID_RULE, UID_RULE
from massage_link.emulator.permissions import as_list
from massage_link.emulator.routing import Call, Reply, Route
from massage_link.emulator.rowcalls import (
    WRITE,
    answer,
    current_row,
    data_of,
    default_permissions,
    given_permissions,
    guarded,
    publish,
    refuse_foreign,
    request_moment,
    stage,
    table_of,
    writer_for,
)
from massage_link.emulator.writes import LimitError, MissingColumnError, NotANumberError

from .bulk import create_rows
from .reading import may_read

if TYPE_CHECKING:
    from massage_link.emulator.tablestore import Table


def create_row(call: Call, dialect: Dialect) -> Reply:
    """Create one row, or several at once (`rows`, for keys)."""
    body = call.body
    row_id = body.get(f"{dialect.row}Id", "")
    if row_id is None:
        raise AppwriteError("general_unknown")
    if f"{dialect.row}Id" in body and row_id != "unique()" and not is_id(row_id):
        raise invalid_param(f"{dialect.row}Id", ID_RULE)
    data = data_of(body.get("data", {}))
    permissions = given_permissions(call)
    many = as_list(body.get(dialect.rows, []))
    if many:
        return create_rows(call, dialect, many)
    if not data:
        raise dialect.error("missing_data")
    if not isinstance(data.get("$permissions") or [], list | dict):
        raise ServerFailure("permissions that are no list")
    if not row_id:
        what = dialect.row.capitalize()
        raise dialect.error("missing_data", message=f"{what} ID is required when creating a single {dialect.row}.")
    table = table_of(call, dialect)
    refuse_foreign(call, permissions)
    row = {key: value for key, value in _settable(call, dialect, data).items() if key not in ("$id", "$permissions")}
    row["$id"] = unique_id() if row_id == "unique()" else row_id
    row["$permissions"] = default_permissions(call) if permissions is None else permissions
    writer = writer_for(call)
    if not writer.may(table, "create"):
        raise _create_refused(call, table)
    if stage(call, table, "create", row_id, {**row, "$id": row["$id"]}):
        return answer(table, {"$sequence": "", **row}, dialect, 201)
    with call.emulator.database.atomic():
        created = guarded(dialect, row["$id"], lambda: writer.create(table, row))
    publish(call, table, "create", created, dialect)
    return answer(table, created, dialect, 201)


def _settable(call: Call, dialect: Dialect, data: dict[str, Any]) -> dict[str, Any]:
    return dialect.settable(data, privileged=call.identity.privileged)


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


def update_row(call: Call, dialect: Dialect) -> Reply:
    """Change columns or permissions of one row."""
    body, row_id = call.body, call.params["rowId"]
    data = data_of(body.get("data", {}))
    permissions = given_permissions(call)
    since = request_moment(call)
    if not data and permissions is None:
        raise dialect.error("missing_payload")
    table = table_of(call, dialect)
    old = current_row(call, table, row_id)
    if old is None:
        raise dialect.error("not_found", row_id)
    refuse_foreign(call, permissions)
    changes = {
        key: value for key, value in _settable(call, dialect, data).items() if key not in ("$id", "$permissions")
    }
    if permissions is not None:
        changes["$permissions"] = permissions
    if stage(call, table, "update", row_id, changes):
        return answer(table, {**old, **changes}, dialect)
    refuse_operators(changes)
    with call.emulator.database.atomic():
        row = guarded(dialect, row_id, lambda: writer_for(call, since=since).update(table, row_id, changes))
    publish(call, table, "update", row, dialect)
    return answer(table, row, dialect)


def upsert_row(call: Call, dialect: Dialect) -> Reply:
    """Create the row or replace it."""
    body, row_id = call.body, call.params["rowId"]
    if not is_id(row_id) and not (dialect.legacy and row_id == "unique()"):
        raise invalid_param(f"{dialect.row}Id", ID_RULE if dialect.legacy else UID_RULE)
    data = data_of(body.get("data", {}))
    permissions = given_permissions(call)
    request_moment(call)  # it is read, though it does not count here
    if (not data and permissions is None) or (len(data) > 1 and list(data) == [str(n) for n in range(len(data))]):
        raise dialect.error("missing_payload")
    table = table_of(call, dialect)
    if permissions is None:
        old = current_row(call, table, row_id)
        permissions = default_permissions(call) if old is None else list(old.get("$permissions") or [])
    refuse_foreign(call, permissions)
    changes = _settable(call, dialect, data)
    changes.update({"$id": row_id, "$permissions": permissions})
    if stage(call, table, "upsert", row_id, changes):
        return answer(table, {"$sequence": "", **changes}, dialect, 201)
    refuse_operators(changes)
    with call.emulator.database.atomic():
        row = guarded(dialect, row_id, lambda: writer_for(call).upsert(table, changes))
    if row is None:
        return _unchanged(call, table, row_id, dialect)
    publish(call, table, "upsert", row, dialect)
    return answer(table, row, dialect)


def _unchanged(call: Call, table: Table, row_id: str, dialect: Dialect) -> Reply:
    """The answer to an upsert that changed nothing: the row if there is one and the caller may read it."""
    text = table.text(row_id)
    if text is None or not may_read(call, table, text):
        return answer(table, {"$sequence": ""}, dialect)
    row = json.loads(text)
    publish(call, table, "upsert", row, dialect)
    return answer(table, row, dialect)


def delete_row(call: Call, dialect: Dialect) -> Reply:
    """Remove one row."""
    since, row_id = request_moment(call), call.params["rowId"]
    table = table_of(call, dialect)
    if current_row(call, table, row_id) is None:
        raise dialect.error("not_found", row_id)
    if stage(call, table, "delete", row_id, {}):
        return Reply(None, 204)
    with call.emulator.database.atomic():
        row = guarded(dialect, row_id, lambda: writer_for(call, since=since).delete(table, row_id))
    publish(call, table, "delete", row, dialect)
    return Reply(None, 204)


def shift_column(call: Call, dialect: Dialect, sign: int) -> Reply:
    """Increment (`sign` 1) or decrement (-1) a number. Works on disabled tables, as on the real server."""
    word, bound_name = ("maximum", "max") if sign > 0 else ("minimum", "min")
    if not is_id(call.params["key"]):
        raise invalid_param(dialect.column, ID_RULE)
    by, bound = _number(call, "value", 1), _number(call, bound_name, None)
    if by is None:
        raise AppwriteError("general_unknown")
    row_id, key = call.params["rowId"], call.params["key"]
    table = call.emulator.catalogue.find_table(
        call.params["databaseId"], call.params["tableId"], missing=dialect.missing_table
    )
    staged = {dialect.column: key, "value": by, bound_name: bound}
    if stage(call, table, "increment" if sign > 0 else "decrement", row_id, staged):
        return answer(table, {"$id": row_id, key: by}, dialect)
    if by is None or by <= 0:
        raise AppwriteError("general_argument_invalid", message="Value must be numeric and greater than 0")
    name = "databases" if dialect.legacy else "tablesDB"
    try:
        with call.emulator.database.atomic():
            row = guarded(dialect, row_id, lambda: writer_for(call).shift(table, row_id, key, sign * by, bound))
    except MissingColumnError as error:
        raise dialect.column_error("not_found", key) from error
    except LimitError as error:
        message = f'{name} "{key}" has reached the {word} value of {bound:g}'
        raise dialect.column_error("limit_exceeded", message=message) from error
    except NotANumberError as error:
        raise AppwriteError("attribute_type_invalid", message=f'{name} "{key}" is not a number') from error
    publish(call, table, "update", row, dialect)
    return answer(table, row, dialect)


def _number(call: Call, name: str, default: float | None) -> float | None:
    value = call.body.get(name, default)
    if isinstance(value, str):
        try:
            value = float(value) if "." in value else int(value)
        except ValueError as error:
            raise invalid_param(name, "Value must be a valid number") from error
    if isinstance(value, bool) or not (value is None or isinstance(value, int | float)):
        raise invalid_param(name, "Value must be a valid number")
    return value


def _routes(dialect: Dialect, base: str) -> list[Route]:
    one = base + "/{rowId}"
    return [
        Route("POST", base, partial(create_row, dialect=dialect), WRITE, 120),
        Route("PATCH", one, partial(update_row, dialect=dialect), WRITE, 120),
        Route("PUT", one, partial(upsert_row, dialect=dialect), WRITE, 120),
        Route("DELETE", one, partial(delete_row, dialect=dialect), WRITE, 60),
        Route("PATCH", f"{one}/{{key}}/increment", partial(shift_column, dialect=dialect, sign=1), WRITE, 120),
        Route("PATCH", f"{one}/{{key}}/decrement", partial(shift_column, dialect=dialect, sign=-1), WRITE, 120),
    ]


routes = [
    *_routes(ROWS, "tablesdb/{databaseId}/tables/{tableId}/rows"),
    *_routes(DOCUMENTS, "databases/{databaseId}/collections/{tableId}/documents"),
]
