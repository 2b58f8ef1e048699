"""The generated files: ``appwrite.json`` for the Appwrite CLI, and one reviewable file a table."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from appwrite.permission import Permission
from appwrite.role import Role

from massage_link.domain.tables import BOOKINGS, DATABASE, TABLES, Reader, Table
from massage_link.schema.columns import Definition, columns_of
from massage_link.schema.compare import Difference, Kind, compare_functions, compare_tables
from massage_link.schema.functions import ADMIT_BOOKING, functions_of
from massage_link.schema.limits import MAX_INDEX_LENGTH, MAX_ROW_BYTES, check_limits, index_length, row_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from massage_link.domain.rows import Row
    from massage_link.domain.tables import Index

__all__ = ["differences_in_file", "generated_files", "is_direct_write", "same_content", "table_definition"]

_DATABASE_NAME = "Massage Link"
_GENERATE = "run `massage-link schema generate`"
# The project belongs to the checkout, not to the model: `appwrite client --project-id` writes it into the file.
_PROJECT_KEYS = frozenset({"projectId", "projectName", "endpoint"})
# Only these two readers are the same for every row of a table; customers and therapists are named on each row.
_TABLE_READERS = {Reader.ANY: Role.any, Reader.OPS: lambda: Role.label("ops")}


def generated_files(tables: Sequence[Table[Row]] = TABLES, *, direct_write: bool = False) -> dict[str, str]:
    """Texts of all generated files by their path in the project.

    Args:
        tables: what is to be there.
        direct_write: let signed-in clients write booking rows themselves, to be admitted or declined.

    Raises:
        SchemaError: a model has no counterpart in Appwrite or exceeds its limits.

    """
    definitions = {table.id: table_definition(table, direct_write=direct_write) for table in tables}
    files = {f"schema/{table.id}.json": _text(_review(table, definitions[table.id])) for table in tables}
    files["appwrite.json"] = _text(
        {
            "tablesDB": [{"$id": DATABASE, "name": _DATABASE_NAME, "enabled": True}],
            "tables": list(definitions.values()),
            "functions": [function.definition() for function in functions_of(direct_write=direct_write)],
        }
    )
    return files


def table_definition(table: Table[Row], database: str = DATABASE, *, direct_write: bool = False) -> Definition:
    """A table as the Appwrite CLI writes it, within Appwrite's limits.

    In direct-write mode signed-in clients may create bookings, and nothing else.

    Raises:
        SchemaError: it exceeds them, or its model has no counterpart in Appwrite.

    """
    definition = {
        "$id": table.id,
        "$permissions": _permissions(table, direct_write=direct_write),
        "databaseId": database,
        "name": table.name,
        "enabled": True,
        "rowSecurity": True,
        "columns": columns_of(table.model, optional=table.optional),
        "indexes": [_index(index) for index in table.indexes],
    }
    check_limits(definition)
    return definition


def _permissions(table: Table[Row], *, direct_write: bool) -> list[str]:
    permissions = [Permission.read(role()) for reader, role in _TABLE_READERS.items() if reader in table.readers]
    if direct_write and table.id == BOOKINGS.id:
        permissions.append(Permission.create(Role.users()))
    return permissions


def is_direct_write(appwrite_json: str) -> bool:
    """Whether a generated `appwrite.json` lets clients write booking rows; False for a text that is none."""
    try:
        tables = json.loads(appwrite_json)["tables"]
        return any(
            table["$id"] == BOOKINGS.id and Permission.create(Role.users()) in table["$permissions"] for table in tables
        )
    except (ValueError, KeyError, TypeError):
        return False


def same_content(path: str, generated: str, found: str) -> bool:
    """Whether a file on disk says what is generated.

    The Appwrite CLI writes `appwrite.json` anew, with its project, when it is told one, and a pull adds what the server
    says of its own; these are no differences.
    """
    if path != "appwrite.json":
        return generated == found
    try:
        return bool(_as_generated(json.loads(found)) == json.loads(generated))
    except (ValueError, KeyError, TypeError):
        return False


def differences_in_file(appwrite_json: str, *, direct_write: bool) -> list[Difference]:
    """How an `appwrite.json` differs from the models.

    Args:
        appwrite_json: its text.
        direct_write: whether signed-in clients may write booking rows themselves.

    """
    wanted = json.loads(generated_files(direct_write=direct_write)["appwrite.json"])
    try:
        found = json.loads(appwrite_json)
        tables = compare_tables(wanted["tables"], found["tables"])
        differences = tables + compare_functions(wanted["functions"], found["functions"], known=[ADMIT_BOOKING.id])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        return [Difference("the file", Kind.BROKEN, _GENERATE, "content", found=why)]
    return [replace(each, action=_GENERATE) for each in differences]


def _as_generated(content: Any) -> Any:
    if not isinstance(content, dict):
        return content
    kept = {key: value for key, value in content.items() if key not in _PROJECT_KEYS}
    for table in kept.get("tables", ()):
        for column in table["columns"]:
            if column.get("format") == "":
                del column["format"]
        for index in table["indexes"]:
            index.pop("status", None)
    return kept


def _index(index: Index) -> Definition:
    return {
        "key": index.key,
        "type": "unique" if index.unique else "key",
        "columns": [column.removeprefix("-") for column in index.columns],
        "orders": ["DESC" if column.startswith("-") else "ASC" for column in index.columns],
    }


def _review(table: Table[Row], definition: Definition) -> Definition:
    """What a reviewer wants to see of a table: also who reads a row, and how much of the limits is used."""
    columns = {column["key"]: column for column in definition["columns"]}
    return {
        "table": table.id,
        "name": table.name,
        "readers": sorted(table.readers),
        "permissions": definition["$permissions"],
        "rowSecurity": definition["rowSecurity"],
        "bytesUsed": row_bytes(definition["columns"]),
        "bytesMax": MAX_ROW_BYTES,
        "columns": definition["columns"],
        "indexes": [
            {**index, "length": index_length(columns, index["columns"]), "lengthMax": MAX_INDEX_LENGTH}
            for index in definition["indexes"]
        ],
    }


def _text(content: Definition) -> str:
    # Four spaces, as the Appwrite CLI writes it.
    return json.dumps(content, indent=4, ensure_ascii=False) + "\n"
