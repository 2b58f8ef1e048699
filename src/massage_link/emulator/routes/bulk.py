"""Writing many rows at once, for keys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from massage_link.emulator.dialect import DOCUMENTS, ROWS, Dialect
from massage_link.emulator.errors import AppwriteError, ServerFailure, invalid_param
from massage_link.emulator.kernel import is_id, unique_id
from massage_link.emulator.operators import refuse_operators
from massage_link.emulator.params import ID_RULE
from massage_link.emulator.permissions import TABLE_ACTIONS, as_list, checked, split
from massage_link.emulator.query import listing, parse_all
from massage_link.emulator.routing import Call, Reply, Route
from massage_link.emulator.rowcalls import WRITE, data_of, guarded, publish, stage, table_of, writer_for
from massage_link.emulator.sql import order_by, where
from massage_link.emulator.sqlite import dumps
from massage_link.emulator.tablestore import DuplicateError

if TYPE_CHECKING:
    from massage_link.emulator.sqlite import Document
    from massage_link.emulator.tablestore import Table

_MOST = 100  # rows in one call, and rows that one answer shows


def _rows_of(values: list[Any], dialect: Dialect) -> list[Document]:
    if len(values) > _MOST:
        raise invalid_param(
            dialect.rows,
            f"Value must a valid array no longer than {_MOST} items and Value must be a valid JSON object or array",
        )
    rows = [dialect.settable(data_of(value), privileged=True) for value in values]
    if not all(isinstance(row.get("$permissions") or [], list | dict) for row in rows):
        raise ServerFailure("permissions that are no list")
    return rows


def _with_permissions(row: Document) -> Document:
    """The row with its permissions checked and `write` split; here they stand inside the row."""
    kept = dict(row)
    if kept.get("$permissions"):
        try:
            kept["$permissions"] = split(checked(kept["$permissions"], (*TABLE_ACTIONS, "write"), name="$permissions"))
        except AppwriteError as error:
            raise AppwriteError("general_bad_request", message=error.message.partition(": ")[2]) from error
    return kept


def _answer(table: Table, rows: list[Document], dialect: Dialect, status: int = 200) -> Reply:
    shown = ",".join(table.wire(dumps(row), legacy=dialect.legacy) for row in rows[:_MOST])
    return Reply(f'{{"total":{len(rows)},"{dialect.rows}":[{shown}]}}', status)


def _announce_all(call: Call, table: Table, action: str, rows: list[Document], dialect: Dialect) -> None:
    for row in rows[:_MOST]:
        publish(call, table, action, row, dialect, bulk=True)


def create_rows(call: Call, dialect: Dialect, values: list[Any]) -> Reply:
    """Create several rows, all or none."""
    if call.body.get("permissions"):
        message = f'Param "permissions" is disallowed when creating multiple {dialect.rows}, set "$permissions" on each'
        message += " instead"
        raise AppwriteError("general_bad_request", message=message)
    name = f"{dialect.row}Id"
    if call.body.get("data"):
        message = f"You can only send one of the following parameters: data, {dialect.rows}"
        raise AppwriteError("general_bad_request", message=message)
    if call.body.get(name):
        message = f'Param "{name}" is not allowed when creating multiple {dialect.rows}, set "$id" on each instead.'
        raise AppwriteError("general_bad_request", message=message)
    if not call.identity.privileged:
        raise AppwriteError("general_unauthorized_scope")
    rows = _rows_of(values, dialect)
    table = table_of(call, dialect)
    rows = [_with_permissions(row) for row in rows]
    for row in rows:
        row_id = row.setdefault("$id", unique_id())
        if row_id != "unique()" and not is_id(row_id):
            raise AppwriteError("general_bad_request", message=ID_RULE)
        row["$id"] = unique_id() if row_id == "unique()" else row_id
    if stage(call, table, "bulkCreate", None, rows):
        return Reply({"total": len(rows), dialect.rows: []})
    writer = writer_for(call)
    with call.emulator.database.atomic():
        created = guarded(dialect, "", partial(writer.create_all, table, rows))
    _announce_all(call, table, "create", created, dialect)
    return _answer(table, created, dialect, 201)


def _key_only(call: Call) -> None:
    """A user who tries gets 404 for the database: the server looks for it with her rights."""
    if not call.identity.privileged:
        raise AppwriteError("database_not_found", call.params["databaseId"])


def _matching(call: Call, table: Table) -> list[Document]:
    wanted = listing(table, parse_all(call.body.get("queries")), call.emulator.clock)
    condition, values = where(table, wanted.filters, call.emulator.clock)
    _, order = order_by(table, wanted)
    limit = wanted.limit if wanted.limited else -1
    return table.rows_where(condition, values, order=order, limit=limit)


def update_rows(call: Call, dialect: Dialect) -> Reply:
    """Change all rows that match `queries`."""
    data = data_of(call.body.get("data", {}))
    if not data:
        raise dialect.error("missing_payload")
    _key_only(call)
    table = table_of(call, dialect)
    changes = {
        key: value for key, value in _with_permissions(dialect.settable(data, privileged=True)).items() if key != "$id"
    }
    if stage(call, table, "bulkUpdate", None, {"data": changes, "queries": call.body.get("queries") or []}):
        return Reply({"total": 0, dialect.rows: []})
    refuse_operators(changes)
    writer = writer_for(call)
    try:
        with call.emulator.database.atomic():
            rows = [_changed(writer.update, table, row, changes, dialect) for row in _matching(call, table)]
    except DuplicateError as error:
        raise AppwriteError("general_unknown") from error
    _announce_all(call, table, "update", rows, dialect)
    return _answer(table, rows, dialect)


def _changed(update: Any, table: Table, row: Document, changes: Document, dialect: Dialect) -> Document:
    """The row changed; a unique index that refuses is left to the caller, because it is a 500 here."""
    duplicate: list[DuplicateError] = []

    def work() -> Document | None:
        try:
            return update(table, row["$id"], changes, alone=True)  # type: ignore[no-any-return]
        except DuplicateError as error:
            duplicate.append(error)
            return None

    changed: Document = guarded(dialect, row["$id"], work)
    if duplicate:
        raise duplicate[0]
    return changed


def upsert_rows(call: Call, dialect: Dialect) -> Reply:
    """Create or replace several rows, all or none."""
    _key_only(call)
    table = table_of(call, dialect)
    rows = _rows_of(as_list(call.body.get(dialect.rows)) or [], dialect)
    if stage(call, table, "bulkUpsert", None, rows):
        return Reply({"total": len(rows), dialect.rows: []})
    for row in rows:
        refuse_operators(row)
    writer = writer_for(call)
    with call.emulator.database.atomic():
        written = guarded(dialect, "multiple", partial(writer.upsert_all, table, rows))
    _announce_all(call, table, "upsert", written, dialect)
    return _answer(table, written, dialect)


def delete_rows(call: Call, dialect: Dialect) -> Reply:
    """Remove all rows that match `queries`."""
    _key_only(call)
    table = table_of(call, dialect)
    if stage(call, table, "bulkDelete", None, {"queries": call.body.get("queries") or []}):
        return Reply({"total": 0, dialect.rows: []})
    with call.emulator.database.atomic():
        rows = _matching(call, table)
        for row in rows:
            table.delete(row["$sequence"])
    _announce_all(call, table, "delete", rows, dialect)
    return _answer(table, rows, dialect)


def _routes(dialect: Dialect, base: str) -> list[Route]:
    return [
        Route("PATCH", base, partial(update_rows, dialect=dialect), WRITE, 120),
        Route("PUT", base, partial(upsert_rows, dialect=dialect), WRITE, 120),
        Route("DELETE", base, partial(delete_rows, dialect=dialect), WRITE, 60),
    ]


routes = [
    *_routes(ROWS, "tablesdb/{databaseId}/tables/{tableId}/rows"),
    *_routes(DOCUMENTS, "databases/{databaseId}/collections/{tableId}/documents"),
]
