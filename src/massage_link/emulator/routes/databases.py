"""Databases, in both spellings of the API: they are the same ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from massage_link.emulator.errors import AppwriteError
from massage_link.emulator.kernel import fold
from massage_link.emulator.pages import page
from massage_link.emulator.params import boolean, new_id, text
from massage_link.emulator.routing import Call, Reply, Route

if TYPE_CHECKING:
    from massage_link.emulator.sqlite import Document


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
    shown, total = page(call, docs, {"name": "string"})
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


def _database_routes(base: str, kind: str) -> list[Route]:
    return [
        Route("POST", base, partial(create_database, kind=kind), ("databases.write",)),
        Route("GET", base, list_databases, ("databases.read",)),
        Route("GET", base + "/{databaseId}", get_database, ("databases.read",)),
        Route("PUT", base + "/{databaseId}", update_database, ("databases.write",)),
        Route("DELETE", base + "/{databaseId}", delete_database, ("databases.write",)),
    ]


routes = [*_database_routes("tablesdb", "tablesdb"), *_database_routes("databases", "legacy")]
