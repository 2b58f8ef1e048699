"""Columns and indexes of a table; the older API calls columns attributes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from massage_link.emulator.dialect import DOCUMENTS, ROWS, Dialect
from massage_link.emulator.errors import AppwriteError
from massage_link.emulator.pages import page
from massage_link.emulator.routing import Call, Reply, Route
from massage_link.emulator.schema import (
    KINDS,
    changed_column,
    check_changes,
    check_width,
    new_column,
    new_index,
    valid_key,
    wire_column,
)
from massage_link.emulator.tablestore import DuplicateError, Table

if TYPE_CHECKING:
    from massage_link.emulator.sqlite import Document

from .tables import announce_table, found_table, wire_index_of

_ASKED = {
    "key": "string", "type": "string", "size": "integer", "required": "boolean", "array": "boolean", "status": "string",
    "error": "string",
}  # fmt: skip
_ASKED_OF_INDEXES = {
    "key": "string", "type": "string", "status": "string", "attributes": "string[]", "error": "string",
}  # fmt: skip

# Columns


def create_column(call: Call, dialect: Dialect) -> Reply:
    """Add a column of the kind in the path; it says `processing` for a moment."""
    kind = call.params["kind"]
    if kind not in KINDS:
        raise AppwriteError("emulator_not_implemented", f"columns of type {kind}")
    column = new_column(kind, call.body, dialect, call.emulator.clock.stamp())
    table = found_table(call, dialect)
    key = column["key"]
    if any(existing.lower() == key.lower() for existing in table.all_columns):
        raise dialect.column_error("already_exists", key)
    check_width([*table.doc["columns"], column], table.id, dialect)
    with call.emulator.database.atomic():
        column["number"] = call.emulator.catalogue.number()
        table.begin_settling(key)
        table.add_column(column)
    announce_table(call, table, dialect, f"{dialect.columns}.create")
    return Reply(wire_column(column, settling=True), 202)


def list_columns(call: Call, dialect: Dialect) -> Reply:
    """The columns of a table."""
    table = found_table(call, dialect)
    docs = [_listed(wire_column(column, settling=table.is_settling(column["key"]))) for column in table.doc["columns"]]
    shown, total = page(call, docs, _ASKED, id_key="key")
    return Reply({"total": total, dialect.columns: shown})


def _listed(shown: Document) -> Document:
    """A column in a list, where the server says only of one kind of texts whether they are encrypted."""
    return {**shown, "encrypt": None} if "encrypt" in shown and shown["type"] != "string" else shown


def _column(call: Call, table: Table, dialect: Dialect) -> Document:
    column = table.all_columns.get(call.params["key"])
    if column is None:
        raise dialect.column_error("not_found", call.params["key"])
    return column


def get_column(call: Call, dialect: Dialect) -> Reply:
    """One column."""
    table = found_table(call, dialect)
    column = _column(call, table, dialect)
    return Reply(wire_column(column, settling=table.is_settling(column["key"])))


def update_column(call: Call, dialect: Dialect) -> Reply:
    """Change what can be changed of a column: required, default, bounds, elements, size, key."""
    new_key = call.body.get("newKey")
    key, new_key = valid_key(call.params["key"]), None if new_key is None else valid_key(new_key)
    check_changes(call.params["kind"], call.body, dialect)
    table = found_table(call, dialect)
    column = _column(call, table, dialect)
    if table.is_settling(key):
        raise dialect.column_error("not_available", key)
    changed = changed_column(call.params["kind"], call.body, column, dialect)
    changed["$updatedAt"] = call.emulator.clock.stamp()
    others = [other for other in table.doc["columns"] if other is not column]
    check_width([*others, changed], table.id, dialect)
    if "size" in column and table.longest(key) > changed["size"]:
        raise dialect.column_error("invalid_resize")
    if new_key not in (None, key) and any(other["key"].lower() == str(new_key).lower() for other in others):
        raise dialect.column_error("already_exists", key)
    column.update(changed)
    if new_key in (None, key):
        table.save()
    else:
        table.rename_column(key, str(new_key))
    shown = wire_column(column)
    return Reply({**shown, "encrypt": None} if "encrypt" in shown else shown)


def delete_column(call: Call, dialect: Dialect) -> Reply:
    """Remove a column with its values."""
    table = found_table(call, dialect)
    table.remove_column(_column(call, table, dialect)["key"])
    announce_table(call, table, dialect, f"{dialect.columns}.delete")
    return Reply(None, 204)


# Indexes


def create_index(call: Call, dialect: Dialect) -> Reply:
    """Add an index; it says `processing` for a moment, and `failed` when rows break it."""
    table = found_table(call, dialect)
    settling = [key for key in table.all_columns if table.is_settling(key)]
    index = new_index(call.body, table.all_columns, settling, table.doc["indexes"], dialect)
    if any(existing["key"].lower() == index["key"].lower() for existing in table.doc["indexes"]):
        raise AppwriteError(f"{'' if dialect.legacy else 'column_'}index_already_exists", index["key"])
    index["$createdAt"] = index["$updatedAt"] = call.emulator.clock.stamp()
    try:
        table.add_index(index)
    except DuplicateError:
        index["error"] = "Cannot create unique index: there are rows with duplicate values"
        table.add_failed_index(index)
    table.begin_settling(f"index:{index['key']}")
    announce_table(call, table, dialect, "indexes.create")
    return Reply(wire_index_of(table, index, dialect), 202)


def list_indexes(call: Call, dialect: Dialect) -> Reply:
    """The indexes of a table."""
    table = found_table(call, dialect)
    docs = [wire_index_of(table, index, dialect) for index in table.doc["indexes"]]
    shown, total = page(call, docs, _ASKED_OF_INDEXES, id_key="key")
    return Reply({"total": total, "indexes": shown})


def _index(call: Call, table: Table, dialect: Dialect) -> Document:
    for index in table.doc["indexes"]:
        if index["key"] == call.params["key"]:
            return dict(index)
    raise AppwriteError(f"{'' if dialect.legacy else 'column_'}index_not_found", call.params["key"])


def get_index(call: Call, dialect: Dialect) -> Reply:
    """One index."""
    table = found_table(call, dialect)
    return Reply(wire_index_of(table, _index(call, table, dialect), dialect))


def delete_index(call: Call, dialect: Dialect) -> Reply:
    """Remove an index."""
    table = found_table(call, dialect)
    table.remove_index(_index(call, table, dialect)["key"])
    announce_table(call, table, dialect, "indexes.delete")
    return Reply(None, 204)


def _routes(dialect: Dialect, base: str) -> list[Route]:
    tables, writes = ("tables.read", "collections.read"), ("tables.write", "collections.write")
    column_reads: tuple[str, ...] = (*tables, "columns.read", "attributes.read")
    column_writes: tuple[str, ...] = (*writes, "columns.write", "attributes.write")
    index_reads: tuple[str, ...] = (*tables, "indexes.read")
    index_writes: tuple[str, ...] = (*writes, "indexes.write")
    if dialect.legacy:
        column_reads = index_reads = ("collections.read",)
        column_writes = index_writes = ("collections.write",)
    one = base + "/{tableId}"
    columns, indexes = f"{one}/{dialect.columns}", f"{one}/indexes"

    def route(method: str, path: str, handler: Any, scopes: tuple[str, ...]) -> Route:
        return Route(method, path, partial(handler, dialect=dialect), scopes)

    return [
        route("POST", columns + "/{kind}", create_column, column_writes),
        route("GET", columns, list_columns, column_reads),
        route("GET", columns + "/{key}", get_column, column_reads),
        route("PATCH", columns + "/{kind}/{key}", update_column, column_writes),
        route("DELETE", columns + "/{key}", delete_column, column_writes),
        route("POST", indexes, create_index, index_writes),
        route("GET", indexes, list_indexes, index_reads),
        route("GET", indexes + "/{key}", get_index, index_reads),
        route("DELETE", indexes + "/{key}", delete_index, index_writes),
    ]


routes = [
    *_routes(ROWS, "tablesdb/{databaseId}/tables"),
    *_routes(DOCUMENTS, "databases/{databaseId}/collections"),
]
