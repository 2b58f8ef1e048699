"""Tables, which the older API calls collections."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from massage_link.emulator.dialect import DOCUMENTS, ROWS, Dialect
from massage_link.emulator.errors import AppwriteError
from massage_link.emulator.pages import page
from massage_link.emulator.params import boolean, new_id, text
from massage_link.emulator.permissions import TABLE_ACTIONS, checked, split
from massage_link.emulator.routing import Call, Reply, Route
from massage_link.emulator.schema import (
    ROW_WIDTH,
    row_width,
    wire_column,
    wire_index,
)

if TYPE_CHECKING:
    from massage_link.emulator.sqlite import Document
    from massage_link.emulator.tablestore import Table


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
        "indexes": [wire_index_of(table, index, dialect) for index in doc["indexes"]],
        "bytesMax": ROW_WIDTH,
        "bytesUsed": row_width(doc["columns"]),
    }


def wire_index_of(table: Table, index: Document, dialect: Dialect) -> Document:
    """An index as it goes out."""
    prefix = f"{table.doc['databaseSequence']}_{table.doc['$sequence']}"
    return wire_index(index, prefix, settling=table.is_settling(f"index:{index['key']}"), dialect=dialect)


def found_table(call: Call, dialect: Dialect) -> Table:
    """The table in the path. Raises AppwriteError (404)."""
    return call.emulator.catalogue.find_table(
        call.params["databaseId"], call.params["tableId"], missing=dialect.missing_table
    )


def announce_table(call: Call, table: Table, dialect: Dialect, what: str) -> None:
    """Publish what happened to a table, or within its definition (`columns.create`)."""
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
    announce_table(call, table, dialect, "create")
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
    shown, total = page(call, docs, {"name": "string", "enabled": "boolean", security: "boolean"})
    return Reply({"total": total, dialect.tables: shown})


def get_table(call: Call, dialect: Dialect) -> Reply:
    """One table."""
    return Reply(wire_table(found_table(call, dialect), dialect))


def update_table(call: Call, dialect: Dialect) -> Reply:
    """Change name, permissions, row security or whether it is enabled."""
    table = found_table(call, dialect)
    doc = table.doc
    permissions = _permissions(call)
    doc["name"] = doc["name"] if call.body.get("name") is None else text(call, "name")
    doc["$permissions"] = doc["$permissions"] if permissions is None else permissions
    security = "documentSecurity" if dialect.legacy else "rowSecurity"
    doc["rowSecurity"] = boolean(call, security, default=doc["rowSecurity"])
    doc["enabled"] = boolean(call, "enabled", default=True)
    table.save()
    announce_table(call, table, dialect, "update")
    return Reply(wire_table(table, dialect))


def delete_table(call: Call, dialect: Dialect) -> Reply:
    """Remove a table with its rows."""
    table = found_table(call, dialect)
    call.emulator.catalogue.remove_table(table)
    announce_table(call, table, dialect, "delete")
    return Reply(None, 204)


def _routes(dialect: Dialect, base: str) -> list[Route]:
    reads: tuple[str, ...] = ("tables.read", "collections.read")
    writes: tuple[str, ...] = ("tables.write", "collections.write")
    if dialect.legacy:
        reads, writes = ("collections.read",), ("collections.write",)
    one = base + "/{tableId}"
    return [
        Route("POST", base, partial(create_table, dialect=dialect), writes),
        Route("GET", base, partial(list_tables, dialect=dialect), reads),
        Route("GET", one, partial(get_table, dialect=dialect), reads),
        Route("PUT", one, partial(update_table, dialect=dialect), writes),
        Route("DELETE", one, partial(delete_table, dialect=dialect), writes),
    ]


routes = [
    *_routes(ROWS, "tablesdb/{databaseId}/tables"),
    *_routes(DOCUMENTS, "databases/{databaseId}/collections"),
]
