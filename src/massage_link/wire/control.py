"""Calls of the control plane: databases, tables, columns, indexes, functions. They need a key with those scopes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appwrite.query import Query

from massage_link.wire.call import Call, nothing, path, raw_json
from massage_link.wire.rows import TableAddress

__all__ = [
    "create_column",
    "create_database",
    "create_function",
    "create_index",
    "create_table",
    "delete_column",
    "delete_database",
    "delete_function",
    "delete_index",
    "get_function",
    "get_table",
    "list_databases",
    "list_functions",
    "list_tables",
    "list_users",
    "server_version",
    "update_column",
    "update_function",
    "update_table",
]

#: More than any project of ours has; a server gives 25 when it is not told.
_ALL = (Query.limit(5_000),)

#: Column routes by the column's format or type, as Appwrite names them.
_COLUMN_FIELDS = ("key", "required", "array", "size", "min", "max", "default", "elements", "encrypt")
_COLUMN_CHANGES = ("required", "size", "min", "max", "default", "elements")
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


def server_version() -> Call[str]:
    """The server's version. It tells guests only; a key is refused."""
    address = path("health", "version")
    return Call("GET", address, lambda reply: str(raw_json(reply)["version"]), repeatable=True, credential="none")


def list_users(most: int) -> Call[list[dict[str, Any]]]:
    """Some users of the project."""
    address = path("users", queries=(Query.limit(most),))
    return Call("GET", address, lambda reply: list(raw_json(reply)["users"]), repeatable=True)


def list_databases() -> Call[list[dict[str, Any]]]:
    """All databases of the project."""
    return Call(
        "GET", path("tablesdb", queries=_ALL), lambda reply: list(raw_json(reply)["databases"]), repeatable=True
    )


def create_database(database: str, name: str) -> Call[None]:
    """Create a database."""
    return Call("POST", path("tablesdb"), nothing, {"databaseId": database, "name": name})


def delete_database(database: str) -> Call[None]:
    """Delete a database with everything in it."""
    return Call("DELETE", path("tablesdb", database), nothing)


def list_tables(database: str) -> Call[list[dict[str, Any]]]:
    """All tables of a database, with their columns and indexes."""
    address = path("tablesdb", database, "tables", queries=_ALL)
    return Call("GET", address, lambda reply: list(raw_json(reply)["tables"]), repeatable=True)


def get_table(table: TableAddress) -> Call[dict[str, Any]]:
    """A table with its columns and indexes and their status."""
    return Call("GET", _path(table), raw_json, repeatable=True)


def create_table(table: TableAddress, name: str, permissions: list[str]) -> Call[None]:
    """Create a table whose rows have permissions of their own."""
    body = {"tableId": table.table, "name": name, "permissions": permissions, "rowSecurity": True}
    return Call("POST", path("tablesdb", table.database, "tables"), nothing, body)


def update_table(table: TableAddress, definition: Mapping[str, Any]) -> Call[None]:
    """Bring a table's own settings to what `appwrite.json` says; its rows stay."""
    body = {key: definition[key] for key in ("name", "rowSecurity", "enabled")}
    body["permissions"] = definition["$permissions"]
    return Call("PUT", _path(table), nothing, body, repeatable=True)


def create_column(table: TableAddress, definition: Mapping[str, Any]) -> Call[None]:
    """Start making a column (as `appwrite.json` describes it); it is `available` some time later."""
    kind = definition.get("format") or definition["type"]
    body = {key: definition[key] for key in _COLUMN_FIELDS if key in definition}
    return Call("POST", _path(table, "columns", kind), nothing, body)


def update_column(table: TableAddress, definition: Mapping[str, Any]) -> Call[None]:
    """Change a column in place; the server refuses what its rows do not fit."""
    kind = definition.get("format") or definition["type"]
    body = {key: definition[key] for key in _COLUMN_CHANGES if key in definition}
    return Call("PATCH", _path(table, "columns", kind, definition["key"]), nothing, body, repeatable=True)


def delete_column(table: TableAddress, key: str) -> Call[None]:
    """Start deleting a column with its data."""
    return Call("DELETE", _path(table, "columns", key), nothing)


def create_index(table: TableAddress, definition: Mapping[str, Any]) -> Call[None]:
    """Start making an index; its columns must be available."""
    body = {key: definition[key] for key in ("key", "type", "columns", "orders")}
    return Call("POST", _path(table, "indexes"), nothing, body)


def delete_index(table: TableAddress, key: str) -> Call[None]:
    """Start deleting an index."""
    return Call("DELETE", _path(table, "indexes", key), nothing)


def list_functions() -> Call[list[dict[str, Any]]]:
    """All functions of the project."""
    address = path("functions", queries=_ALL)
    return Call("GET", address, lambda reply: list(raw_json(reply)["functions"]), repeatable=True)


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


def delete_function(function_id: str) -> Call[None]:
    """Delete a function with its deployments and executions."""
    return Call("DELETE", path("functions", function_id), nothing)


def _function_body(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {key: definition[key] for key in _FUNCTION_FIELDS if key in definition}


def _path(table: TableAddress, *parts: str) -> str:
    return path("tablesdb", table.database, "tables", table.table, *parts)
