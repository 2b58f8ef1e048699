"""Databases, tables, columns and indexes, in both spellings of the API."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from massage_link.emulator.dialect import DOCUMENTS, ROWS, Dialect
from massage_link.emulator.errors import AppwriteError
from massage_link.emulator.kernel import fold
from massage_link.emulator.pages import page
from massage_link.emulator.params import boolean, new_id, text
from massage_link.emulator.permissions import TABLE_ACTIONS, checked, split
from massage_link.emulator.routing import Call, Reply, Route
from massage_link.emulator.schema import (
    KINDS,
    ROW_WIDTH,
    bounds,
    check_default,
    check_width,
    elements,
    new_column,
    new_index,
    row_width,
    valid_key,
    wire_column,
    wire_index,
)
from massage_link.emulator.tablestore import DuplicateError, Table

if TYPE_CHECKING:
    from massage_link.emulator.sqlite import Document

# Databases


def _wire_database(doc: Document) -> Document:
    return {key: value for key, value in doc.items() if key != "number"}


def create_database(call: Call, kind: str) -> Reply:
    """Create a database."""
    catalogue = call.emulator.catalogue
    database_id = new_id(call, "databaseId")
    name, enabled = text(call, "name"), boolean(call, "enabled", default=True)
    if fold(database_id) in catalogue.databases:
        raise AppwriteError("database_already_exists", database_id)
    now = call.emulator.clock.stamp()
    with call.emulator.database.atomic():
        doc = {
            "$id": database_id,
            "name": name,
            "$createdAt": now,
            "$updatedAt": now,
            "enabled": enabled,
            "type": kind,
            "number": catalogue.number(),
        }
        catalogue.databases.put(fold(database_id), doc)
    call.emulator.announce("databases.[databaseId].create", {"databaseId": database_id}, _wire_database(doc))
    return Reply(_wire_database(doc), 201)


def list_databases(call: Call) -> Reply:
    """All databases, a page of them."""
    docs = [_wire_database(doc) for doc in call.emulator.catalogue.databases.values()]
    shown, total = page(call, docs, known=("name",))
    return Reply({"total": total, "databases": shown})


def get_database(call: Call) -> Reply:
    """One database."""
    return Reply(_wire_database(call.emulator.catalogue.find_database(call.params["databaseId"])))


def update_database(call: Call) -> Reply:
    """Rename, enable or disable a database."""
    catalogue = call.emulator.catalogue
    doc = catalogue.find_database(call.params["databaseId"])
    changed = {
        **doc,
        "name": text(call, "name", default=doc["name"]),
        "enabled": boolean(call, "enabled", default=True),
        "$updatedAt": call.emulator.clock.stamp(),
    }
    catalogue.databases.put(fold(doc["$id"]), changed)
    call.emulator.announce("databases.[databaseId].update", {"databaseId": doc["$id"]}, _wire_database(changed))
    return Reply(_wire_database(changed))


def delete_database(call: Call) -> Reply:
    """Remove a database with all its tables."""
    doc = call.emulator.catalogue.find_database(call.params["databaseId"])
    call.emulator.catalogue.remove_database(doc["$id"])
    call.emulator.announce("databases.[databaseId].delete", {"databaseId": doc["$id"]}, _wire_database(doc))
    return Reply(None, 204)


# Tables


def wire_table(table: Table, dialect: Dialect) -> Document:
    """A table as it goes out."""
    doc = table.doc
    return {
        "$id": doc["$id"],
        "$createdAt": doc["$createdAt"],
        "$updatedAt": doc["$updatedAt"],
        "$permissions": doc["$permissions"],
        "databaseId": doc["databaseId"],
        "name": doc["name"],
        "enabled": doc["enabled"],
        ("documentSecurity" if dialect.legacy else "rowSecurity"): doc["rowSecurity"],
        dialect.columns: [wire_column(c, settling=table.is_settling(c["key"])) for c in doc["columns"]],
        "indexes": [_wire_index(table, index, dialect) for index in doc["indexes"]],
        "bytesMax": ROW_WIDTH,
        "bytesUsed": row_width(doc["columns"]),
    }


def _wire_index(table: Table, index: Document, dialect: Dialect) -> Document:
    prefix = f"{table.doc['databaseSequence']}_{table.doc['$sequence']}"
    return wire_index(index, prefix, settling=table.is_settling(f"index:{index['key']}"), dialect=dialect)


def _found(call: Call, dialect: Dialect) -> Table:
    return call.emulator.catalogue.find_table(
        call.params["databaseId"], call.params["tableId"], missing=dialect.missing_table
    )


def _announce(call: Call, table: Table, dialect: Dialect, what: str) -> None:
    ids = {"databaseId": table.database_id, "tableId": table.id, "collectionId": table.id}
    spelled = "collections.[collectionId]" if dialect.legacy else "tables.[tableId]"
    call.emulator.announce(f"databases.[databaseId].{spelled}.{what}", ids, wire_table(table, dialect))


def create_table(call: Call, dialect: Dialect) -> Reply:
    """Create a table."""
    catalogue = call.emulator.catalogue
    table_id = new_id(call, f"{dialect.table}Id")
    name = text(call, "name")
    permissions = _permissions(call) or []
    security = boolean(call, "documentSecurity" if dialect.legacy else "rowSecurity", default=False)
    database = catalogue.find_database(call.params["databaseId"])
    try:
        catalogue.find_table(database["$id"], table_id, missing=dialect.missing_table)
    except AppwriteError:
        pass
    else:
        raise AppwriteError(f"{dialect.table}_already_exists", table_id)
    now = call.emulator.clock.stamp()
    table = catalogue.add_table(
        {
            "$id": table_id,
            "$sequence": len(catalogue.tables_of(database["$id"])) + 1,
            "$createdAt": now,
            "$updatedAt": now,
            "$permissions": permissions,
            "databaseId": database["$id"],
            "databaseSequence": database["number"],
            "name": name,
            "enabled": boolean(call, "enabled", default=True),
            "rowSecurity": security,
            "columns": [],
            "indexes": [],
        }
    )
    _announce(call, table, dialect, "create")
    return Reply(wire_table(table, dialect), 201)


def _permissions(call: Call) -> list[str] | None:
    given = call.body.get("permissions")
    if given is None:
        return None
    return split(checked(given, (*TABLE_ACTIONS, "write")), TABLE_ACTIONS)


def list_tables(call: Call, dialect: Dialect) -> Reply:
    """The tables of a database, a page of them."""
    catalogue = call.emulator.catalogue
    catalogue.find_database(call.params["databaseId"])
    docs = [wire_table(table, dialect) for table in catalogue.tables_of(call.params["databaseId"])]
    security = "documentSecurity" if dialect.legacy else "rowSecurity"
    shown, total = page(call, docs, known=("name", "enabled", security))
    return Reply({"total": total, dialect.tables: shown})


def get_table(call: Call, dialect: Dialect) -> Reply:
    """One table."""
    return Reply(wire_table(_found(call, dialect), dialect))


def update_table(call: Call, dialect: Dialect) -> Reply:
    """Change name, permissions, row security or whether it is enabled."""
    table = _found(call, dialect)
    doc = table.doc
    permissions = _permissions(call)
    doc["name"] = text(call, "name", default=doc["name"])
    doc["$permissions"] = doc["$permissions"] if permissions is None else permissions
    security = "documentSecurity" if dialect.legacy else "rowSecurity"
    doc["rowSecurity"] = boolean(call, security, default=doc["rowSecurity"])
    doc["enabled"] = boolean(call, "enabled", default=True)
    table.save()
    _announce(call, table, dialect, "update")
    return Reply(wire_table(table, dialect))


def delete_table(call: Call, dialect: Dialect) -> Reply:
    """Remove a table with its rows."""
    table = _found(call, dialect)
    call.emulator.catalogue.remove_table(table)
    _announce(call, table, dialect, "delete")
    return Reply(None, 204)


# Columns


def create_column(call: Call, dialect: Dialect) -> Reply:
    """Add a column of the kind in the path; it says `processing` for a moment."""
    kind = call.params["kind"]
    if kind not in KINDS:
        raise AppwriteError("emulator_not_implemented", f"columns of type {kind}")
    column = new_column(kind, call.body, dialect, call.emulator.clock.stamp())
    table = _found(call, dialect)
    key = column["key"]
    if any(existing.lower() == key.lower() for existing in table.all_columns):
        raise dialect.column_error("already_exists", key)
    check_width([*table.doc["columns"], column], table.id, dialect)
    with call.emulator.database.atomic():
        column["number"] = call.emulator.catalogue.number()
        table.begin_settling(key)
        table.add_column(column)
    _announce(call, table, dialect, f"{dialect.columns}.create")
    return Reply(wire_column(column, settling=True), 202)


def list_columns(call: Call, dialect: Dialect) -> Reply:
    """The columns of a table."""
    table = _found(call, dialect)
    docs = [wire_column(column, settling=table.is_settling(column["key"])) for column in table.doc["columns"]]
    shown, total = page(call, docs, id_key="key", known=("key", "type", "size", "required", "array", "status", "error"))
    return Reply({"total": total, dialect.columns: shown})


def _column(call: Call, table: Table, dialect: Dialect) -> Document:
    column = table.all_columns.get(call.params["key"])
    if column is None:
        raise dialect.column_error("not_found", call.params["key"])
    return column


def get_column(call: Call, dialect: Dialect) -> Reply:
    """One column."""
    table = _found(call, dialect)
    column = _column(call, table, dialect)
    return Reply(wire_column(column, settling=table.is_settling(column["key"])))


def update_column(call: Call, dialect: Dialect) -> Reply:
    """Change what can be changed of a column: required, default, bounds, elements, size, key."""
    kind = call.params["kind"]
    table = _found(call, dialect)
    column = _column(call, table, dialect)
    if table.is_settling(column["key"]):
        raise dialect.column_error("not_available", column["key"])
    changed = {**column, **_column_changes(kind, call.body, column, dialect), "$updatedAt": call.emulator.clock.stamp()}
    check_default(changed, dialect)
    others = [other for other in table.doc["columns"] if other is not column]
    check_width([*others, changed], table.id, dialect)
    column.update(changed)
    new_key = call.body.get("newKey")
    if new_key:
        table.rename_column(column["key"], valid_key(new_key))
    else:
        table.save()
    return Reply(wire_column(column))


def _column_changes(kind: str, body: dict[str, Any], column: Document, dialect: Dialect) -> Document:
    changes: Document = {"required": bool(body.get("required", column["required"])), "default": body.get("default")}
    if kind in ("integer", "bigint", "float"):
        kept = {"min": column["min"], "max": column["max"]}
        changes.update(bounds(kind, {**kept, **{k: v for k, v in body.items() if v is not None}}, dialect))
    if kind == "enum" and body.get("elements") is not None:
        changes["elements"] = elements(body["elements"])
    if kind in ("string", "varchar") and body.get("size") is not None:
        changes["size"] = int(body["size"])
    return changes


def delete_column(call: Call, dialect: Dialect) -> Reply:
    """Remove a column with its values."""
    table = _found(call, dialect)
    table.remove_column(_column(call, table, dialect)["key"])
    _announce(call, table, dialect, f"{dialect.columns}.delete")
    return Reply(None, 204)


# Indexes


def create_index(call: Call, dialect: Dialect) -> Reply:
    """Add an index; it says `processing` for a moment, and `failed` when rows break it."""
    table = _found(call, dialect)
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
    _announce(call, table, dialect, "indexes.create")
    return Reply(_wire_index(table, index, dialect), 202)


def list_indexes(call: Call, dialect: Dialect) -> Reply:
    """The indexes of a table."""
    table = _found(call, dialect)
    docs = [_wire_index(table, index, dialect) for index in table.doc["indexes"]]
    shown, total = page(call, docs, id_key="key", known=("key", "type", "status", "attributes", "error"))
    return Reply({"total": total, "indexes": shown})


def _index(call: Call, table: Table, dialect: Dialect) -> Document:
    for index in table.doc["indexes"]:
        if index["key"] == call.params["key"]:
            return dict(index)
    raise AppwriteError(f"{'' if dialect.legacy else 'column_'}index_not_found", call.params["key"])


def get_index(call: Call, dialect: Dialect) -> Reply:
    """One index."""
    table = _found(call, dialect)
    return Reply(_wire_index(table, _index(call, table, dialect), dialect))


def delete_index(call: Call, dialect: Dialect) -> Reply:
    """Remove an index."""
    table = _found(call, dialect)
    table.remove_index(_index(call, table, dialect)["key"])
    _announce(call, table, dialect, "indexes.delete")
    return Reply(None, 204)


def _database_routes(base: str, kind: str) -> list[Route]:
    return [
        Route("POST", base, partial(create_database, kind=kind), ("databases.write",)),
        Route("GET", base, list_databases, ("databases.read",)),
        Route("GET", base + "/{databaseId}", get_database, ("databases.read",)),
        Route("PUT", base + "/{databaseId}", update_database, ("databases.write",)),
        Route("DELETE", base + "/{databaseId}", delete_database, ("databases.write",)),
    ]


def _table_routes(dialect: Dialect, base: str) -> list[Route]:
    reads: tuple[str, ...] = ("tables.read", "collections.read")
    writes: tuple[str, ...] = ("tables.write", "collections.write")
    column_reads: tuple[str, ...] = (*reads, "columns.read", "attributes.read")
    column_writes: tuple[str, ...] = (*writes, "columns.write", "attributes.write")
    index_reads: tuple[str, ...] = (*reads, "indexes.read")
    index_writes: tuple[str, ...] = (*writes, "indexes.write")
    if dialect.legacy:
        reads = column_reads = index_reads = ("collections.read",)
        writes = column_writes = index_writes = ("collections.write",)
    one = base + "/{tableId}"
    columns, indexes = f"{one}/{dialect.columns}", f"{one}/indexes"

    def route(method: str, path: str, handler: Any, scopes: tuple[str, ...]) -> Route:
        return Route(method, path, partial(handler, dialect=dialect), scopes)

    return [
        route("POST", base, create_table, writes),
        route("GET", base, list_tables, reads),
        route("GET", one, get_table, reads),
        route("PUT", one, update_table, writes),
        route("DELETE", one, delete_table, writes),
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
    *_database_routes("tablesdb", "tablesdb"),
    *_database_routes("databases", "legacy"),
    *_table_routes(ROWS, "tablesdb/{databaseId}/tables"),
    *_table_routes(DOCUMENTS, "databases/{databaseId}/collections"),
]
