"""Appwrite's limits on a table, computed as its database layer does (`Adapter/SQL.php`, `Validator/Index.php`).

A server refuses a column that makes a row too wide only when it is created, one after another, in the middle of a
push; here the whole table is refused before anything is pushed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from massage_link.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from massage_link.schema.columns import Definition

__all__ = ["MAX_INDEX_LENGTH", "MAX_KEY_LENGTH", "MAX_ROW_BYTES", "check_limits", "index_length", "row_bytes"]

#: A row's columns must need fewer bytes than this.
MAX_ROW_BYTES = 65_535
#: The columns of an index have at most so many characters together (768 × 4 bytes of utf8mb4).
MAX_INDEX_LENGTH = 768
#: Longest id of a table, key of a column and key of an index.
MAX_KEY_LENGTH = 36
_MAX_ELEMENTS = 100
_ENUM_CHARACTERS = 255
_METADATA_BYTES = 1_067  # id, stamps, tenant, permissions
_LONGEST_VARCHAR = 16_381  # beyond it, a text is stored outside of the row
_POINTER_BYTES = 20
_METADATA_LENGTHS = {"$id": _ENUM_CHARACTERS, "$createdAt": 1, "$updatedAt": 1}
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def row_bytes(columns: Iterable[Definition]) -> int:
    """Bytes that a row with these columns may need."""
    return _METADATA_BYTES + sum(_column_bytes(column) for column in columns)


def index_length(columns: Mapping[str, Definition], keys: Iterable[str]) -> int:
    """Characters that an index over these columns needs.

    Args:
        columns: the table's columns by key.
        keys: the index's columns, each one of the table's or of ``$id``, ``$createdAt``, ``$updatedAt``.

    """
    return sum(_METADATA_LENGTHS[key] if key in _METADATA_LENGTHS else _characters(columns[key]) for key in keys)


def check_limits(table: Definition) -> None:
    """Refuse a table that a server would refuse.

    Raises:
        SchemaError: naming the table, the number and the limit.

    """
    columns = {column["key"]: column for column in table["columns"]}
    for key in (table["$id"], *columns, *(index["key"] for index in table["indexes"])):
        _check_key(table["$id"], key)
    for column in table["columns"]:
        _check_column(table["$id"], column)
    width = row_bytes(table["columns"])
    if width >= MAX_ROW_BYTES:
        raise SchemaError(f"a row of table {table['$id']} needs {width:,} bytes; Appwrite takes {MAX_ROW_BYTES - 1:,}.")
    for index in table["indexes"]:
        _check_index(table["$id"], index, columns)


def _check_key(table: str, key: str) -> None:
    if not _KEY.fullmatch(key):
        raise SchemaError(
            f"table {table}: {key!r} is no key: a-z, A-Z, 0-9, '_', '.' and '-', beginning with a letter or digit."
        )
    if len(key) > MAX_KEY_LENGTH:
        raise SchemaError(f"table {table}: key {key!r} has {len(key)} characters; Appwrite takes {MAX_KEY_LENGTH}.")


def _check_column(table: str, column: Definition) -> None:
    name = f"column {table}.{column['key']}"
    elements = column.get("elements", ())
    if len(elements) > _MAX_ELEMENTS:
        raise SchemaError(f"{name} has {len(elements)} elements; Appwrite takes {_MAX_ELEMENTS}.")
    longest = max((len(element) for element in elements), default=0)
    if longest > _ENUM_CHARACTERS:
        raise SchemaError(f"{name} has an element of {longest} characters; Appwrite takes {_ENUM_CHARACTERS}.")
    if column["required"] and column["default"] is not None:
        raise SchemaError(f"{name} is required and has a default; Appwrite takes one of the two.")
    if isinstance(column["default"], str) and len(column["default"]) > _characters(column):
        raise SchemaError(f"{name} has a default that is longer than its size of {column['size']}.")


def _check_index(table: str, index: Definition, columns: Mapping[str, Definition]) -> None:
    name = f"index {index['key']} of table {table}"
    for key in index["columns"]:
        if key not in columns and key not in _METADATA_LENGTHS:
            raise SchemaError(f"{name} names the column {key}, which the table has not.")
    if len(set(index["columns"])) < len(index["columns"]):
        raise SchemaError(f"{name} names a column twice.")
    length = index_length(columns, index["columns"])
    if length > MAX_INDEX_LENGTH:
        raise SchemaError(f"{name} has {length:,} characters; Appwrite takes {MAX_INDEX_LENGTH}.")


def _column_bytes(column: Definition) -> int:
    match column["type"]:
        case "datetime":
            return 7
        case "boolean":
            return 1
        case "integer":
            return 8 if column["max"] > 2**31 - 1 else 4
    size = _characters(column)
    if size > _LONGEST_VARCHAR:
        return _POINTER_BYTES
    return size * 4 + (2 if size > 255 else 1)


def _characters(column: Definition) -> int:
    if column["type"] != "string":
        return 1
    return _ENUM_CHARACTERS if column.get("format") == "enum" else int(column["size"])
