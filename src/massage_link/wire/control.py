"""Calls of the control plane: databases, tables, columns, indexes, functions. They need a key with those scopes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from massage_link.wire.call import Call, nothing, path, raw_json
from massage_link.wire.rows import TableAddress

__all__ = [
    "create_column",
    "create_database",
    "create_function",
    "create_index",
    "create_table",
    "delete_database",
    "get_function",
    "get_table",
    "update_function",
]

#: Column routes by the column's format or type, as Appwrite names them.
_COLUMN_FIELDS = ("key", "required", "array", "size", "min", "max", "default", "elements", "encrypt")
_FUNCTION_FIELDS = (
    "name",
    "runtime",
    "execute",
    "events",
    "schedule",
    "timeout",
    "enabled",
    "logging",
    "entrypoint",
    "commands",
    "scopes",
    "specification",
)


def create_database(database: str, name: str) -> Call[None]:
    """Create a database."""
    return Call("POST", path("tablesdb"), nothing, {"databaseId": database, "name": name})


def delete_database(database: str) -> Call[None]:
    """Delete a database with everything in it."""
    return Call("DELETE", path("tablesdb", database), nothing)


def get_table(table: TableAddress) -> Call[dict[str, Any]]:
    """A table with its columns and indexes and their status."""
    return Call("GET", _path(table), raw_json, repeatable=True)


def create_table(table: TableAddress, name: str, permissions: list[str]) -> Call[None]:
    """Create a table whose rows have permissions of their own."""
    body = {"tableId": table.table, "name": name, "permissions": permissions, "rowSecurity": True}
    return Call("POST", path("tablesdb", table.database, "tables"), nothing, body)


def create_column(table: TableAddress, definition: Mapping[str, Any]) -> Call[None]:
    """Start making a column (as `appwrite.json` describes it); it is `available` some time later."""
    kind = definition.get("format") or definition["type"]
    body = {key: definition[key] for key in _COLUMN_FIELDS if key in definition}
    return Call("POST", _path(table, "columns", kind), nothing, body)


def create_index(table: TableAddress, definition: Mapping[str, Any]) -> Call[None]:
    """Start making an index; its columns must be available."""
    body = {key: definition[key] for key in ("key", "type", "columns", "orders")}
    return Call("POST", _path(table, "indexes"), nothing, body)


def get_function(function_id: str) -> Call[dict[str, Any]]:
    """A function and the state of its deployment."""
    return Call("GET", path("functions", function_id), raw_json, repeatable=True)


def create_function(definition: Mapping[str, Any]) -> Call[None]:
    """Create a function (as `appwrite.json` describes it), still without code."""
    body = {"functionId": definition["$id"], **_function_body(definition)}
    return Call("POST", path("functions"), nothing, body)


def update_function(definition: Mapping[str, Any]) -> Call[None]:
    """Bring a function's settings to what `appwrite.json` says."""
    return Call("PUT", path("functions", definition["$id"]), nothing, _function_body(definition), repeatable=True)


def _function_body(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {key: definition[key] for key in _FUNCTION_FIELDS if key in definition}


def _path(table: TableAddress, *parts: str) -> str:
    return path("tablesdb", table.database, "tables", table.table, *parts)
