"""Definitions of columns and indexes: from a request to what is stored, with the server's limits. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .errors import AppwriteError, ServerFailure, invalid_param, missing_param
from .kernel import KEY_PATTERN
from .permissions import as_list
from .values import INT_MAX, StructureError, checked_value, number_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .dialect import Dialect
    from .sqlite import Document

FLOAT_MAX = 1.7976931348623157e308
INT_MIN = -INT_MAX - 1
ROW_WIDTH = 65_535
INDEX_LENGTH = 768
_LONGEST_VARCHAR = 16_381
_MOST_COLUMNS = 1_017 - 6
_MOST_INDEXES = 58
_BASE_WIDTH = 1_067
_TEXTS = ("text", "mediumtext", "longtext")
KINDS = (
    "string",
    "integer",
    "float",
    "boolean",
    "datetime",
    "enum",
    "email",
    "url",
    "ip",
    "varchar",
    "bigint",
    *_TEXTS,
)
_FORMATS = {"enum": "enum", "email": "email", "url": "url", "ip": "ip"}
_KEY_RULE = (
    "Parameter must contain at most 36 chars. Valid chars are a-z, A-Z, 0-9, period, hyphen, and underscore. Can't "
    "start with a special char"
)


def valid_key(value: object) -> str:
    """A column's or index's key. Raises AppwriteError (400)."""
    if value is None:
        raise missing_param("key")
    if not isinstance(value, str) or not KEY_PATTERN.match(value):
        raise invalid_param("key", _KEY_RULE)
    return value


def _boolean(body: Mapping[str, Any], name: str, default: bool | None) -> bool:
    if name not in body and default is None:
        raise missing_param(name)
    value = body.get(name, default)
    if value is None and default is not None:
        raise ServerFailure(f"null for {name}")
    if not isinstance(value, bool):
        raise invalid_param(name, "Value must be a valid boolean")
    return value


def new_column(kind: str, body: Mapping[str, Any], dialect: Dialect, now: str) -> Document:
    """The column that a `POST …/columns/{kind}` asks for. Raises AppwriteError (400)."""
    column: Document = {
        "key": valid_key(body.get("key")),
        "type": {"float": "double", "enum": "string", "email": "string", "url": "string", "ip": "string"}.get(
            kind, kind
        ),
        "status": "available",
        "error": "",
        "required": _boolean(body, "required", None),
        "array": _boolean(body, "array", False),
        "$createdAt": now,
        "$updatedAt": now,
    }
    column.update(_particulars(kind, body, dialect))
    column["default"] = body.get("default")
    check_default(column, dialect)
    return column


def _particulars(kind: str, body: Mapping[str, Any], dialect: Dialect) -> Document:
    if kind in ("string", "varchar"):
        return {"size": _size(body.get("size"), _most_characters(kind)), "encrypt": _boolean(body, "encrypt", False)}
    if kind in _TEXTS:
        return {"encrypt": _boolean(body, "encrypt", False)}
    if kind in ("integer", "bigint", "float"):
        return bounds(kind, body, dialect)
    if kind == "enum":
        return {"elements": elements(body.get("elements")), "format": "enum"}
    if kind == "datetime":
        return {"format": ""}
    return {"format": _FORMATS[kind]} if kind in _FORMATS else {}


def _size(value: Any, most: int) -> int:
    if value is None:
        raise missing_param("size")
    number = int(value) if isinstance(value, str) and value.isdigit() else value
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= most:
        raise invalid_param("size", f"Value must be a valid range between 1 and {number_text(most)}")
    return number


def bounds(kind: str, body: Mapping[str, Any], dialect: Dialect, *, ordered: bool = True) -> Document:
    """`min` and `max` of a number column. Raises AppwriteError (400), if `ordered` also when they exclude all."""
    whole = kind in ("integer", "bigint")
    low, high = body.get("min"), body.get("max")
    for name, value in (("min", low), ("max", high)):
        allowed = int if whole else (int, float)
        if value is not None and (isinstance(value, bool) or not isinstance(value, allowed)):
            raise invalid_param(name, f"Value must be a valid {'integer' if whole else 'float'} or null")
    low = (INT_MIN if whole else -FLOAT_MAX) if low is None else low
    high = (INT_MAX if whole else FLOAT_MAX) if high is None else high
    if ordered and low > high:
        raise dialect.column_error("value_invalid", message="Minimum value must be lesser than maximum value")
    return {"min": low, "max": high}


def elements(value: Any, *, least: int = 1) -> list[str]:
    """The elements of an enum column, at least so many. Raises AppwriteError (400)."""
    items = as_list(value)
    if (
        items is None
        or not least <= len(items) <= 100
        or not all(isinstance(item, str) and 1 <= len(item) <= 255 for item in items)
    ):
        raise invalid_param(
            "elements",
            "Value must a valid array no longer than 100 items and Value must be a valid string and at least 1 chars "
            "and no longer than 255 chars",
        )
    return [str(item) for item in items]


def check_changes(kind: str, body: Mapping[str, Any], dialect: Dialect) -> None:
    """Refuse what a `PATCH …/columns/{kind}/…` says before it is known of which column. Raises AppwriteError (400)."""
    _boolean(body, "required", None)
    if "default" not in body:
        raise missing_param("default")
    if kind in ("string", "varchar") and body.get("size") is not None:
        _size(body["size"], _most_characters(kind))
    if kind == "enum":
        elements(body.get("elements"), least=0)
    if kind in ("integer", "bigint", "float"):
        bounds(kind, {name: body.get(name) for name in ("min", "max")}, dialect, ordered=False)


def changed_column(kind: str, body: Mapping[str, Any], column: Mapping[str, Any], dialect: Dialect) -> Document:
    """`column` as a `PATCH …/columns/{kind}/…` makes it; what is not given of its bounds and size stays.

    Raises AppwriteError (400).
    """
    changed: Document = {**column, "required": _boolean(body, "required", None), "default": body["default"]}
    size = _size(body["size"], _most_characters(kind)) if body.get("size") is not None else None
    if kind in ("string", "varchar") and size and "size" in column:
        changed["size"] = size
    if "min" in column:
        kept = {name: column[name] for name in ("min", "max") if body.get(name) is None}
        changed.update(bounds("float" if column["type"] == "double" else column["type"], {**body, **kept}, dialect))
    if column.get("format") == "enum":
        if not as_list(body.get("elements")):
            raise dialect.column_error("value_invalid", message="Enum elements must not be empty")
        changed["elements"] = elements(body["elements"])
    check_default(changed, dialect)
    return changed


def _most_characters(kind: str) -> int:
    return 1_073_741_824 if kind == "string" else _LONGEST_VARCHAR


class _NoClock:
    """A default is a fixed moment, so relative dates are read at creation only."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def check_default(column: Document, dialect: Dialect) -> None:
    """Normalize `default`. Raises AppwriteError (400) when the column cannot have it."""
    if column["default"] is None:
        return
    if column["required"] or column["array"]:
        what = dialect.column if column["required"] else f"array {dialect.column}s"
        raise dialect.column_error(
            "default_unsupported",
            message=f"Cannot set default value for {'required ' if column['required'] else ''}{what}",
        )
    try:
        column["default"] = checked_value(column, column["default"], _NoClock())
    except StructureError as error:
        why = str(error).partition(". ")[2] or str(error)
        if column["type"] in ("integer", "bigint", "double") and isinstance(column["default"], int | float):
            raise dialect.column_error("value_invalid", message=why) from error
        if column.get("format") == "enum" and isinstance(column["default"], str):
            raise dialect.column_error("value_invalid", message="Default value not found in elements") from error
        raise invalid_param("default", f"{why} or null") from error


def wire_column(column: Mapping[str, Any], *, settling: bool = False) -> Document:
    """A column as it goes out."""
    shown = {key: value for key, value in column.items() if key != "number"}
    if settling:
        shown["status"] = "processing"
    return shown


def column_width(column: Mapping[str, Any]) -> int:
    """How many bytes of a row the column takes."""
    kind = column["type"]
    if column["array"] or kind in _TEXTS:
        return 20
    if kind in ("string", "varchar"):
        size = {"email": 254, "enum": 255, "url": 2000, "ip": 39}.get(column.get("format", "")) or column["size"]
        if size > _LONGEST_VARCHAR:
            return 20
        return int(size) * 4 + (2 if size > 255 else 1)
    if kind == "integer":
        return 8 if column["max"] > 2_147_483_647 else 4
    return {"bigint": 8, "double": 8, "boolean": 1, "datetime": 7}[kind]


def row_width(columns: Sequence[Mapping[str, Any]]) -> int:
    """How many bytes a row of these columns takes, the server's own fields included."""
    return _BASE_WIDTH + sum(column_width(column) for column in columns)


def check_width(columns: Sequence[Mapping[str, Any]], table_id: str, dialect: Dialect) -> None:
    """Raise AppwriteError (400) when a row would be wider, or have more columns, than the server allows."""
    if row_width(columns) > ROW_WIDTH or len(columns) > _MOST_COLUMNS:
        raise dialect.column_error("limit_exceeded", table_id)


_INTERNAL_COLUMNS: dict[str, Document] = {
    "$id": {"type": "string", "array": False, "size": 255},
    "$createdAt": {"type": "datetime", "array": False},
    "$updatedAt": {"type": "datetime", "array": False},
}


def new_index(
    body: Mapping[str, Any],
    columns: Mapping[str, Document],
    settling: Sequence[str],
    indexes: Sequence[Mapping[str, Any]],
    dialect: Dialect,
) -> Document:
    """The index that a request asks for. Raises AppwriteError (400)."""
    key = valid_key(body.get("key"))
    kind = body.get("type")
    if kind not in ("key", "fulltext", "unique", "spatial"):
        raise invalid_param("type", "Value must be one of (key, fulltext, unique, spatial)")
    names = as_list(body.get(dialect.columns))
    if names is None or not all(isinstance(name, str) for name in names):
        raise invalid_param(dialect.columns, "Value must a valid array no longer than 100 items")
    if kind == "spatial":
        raise AppwriteError("emulator_not_implemented", "spatial indexes")
    if len(indexes) >= _MOST_INDEXES:
        raise AppwriteError("general_bad_request", message="The maximum number of indexes has been reached.")
    for name in ("orders", "lengths"):
        if name in body and body[name] is None:
            raise ServerFailure(f"null for {name}")
    orders = [order for order in (as_list(body.get("orders")) or []) if order]
    lengths: list[Any] = list(as_list(body.get("lengths")) or [])
    known = {**_INTERNAL_COLUMNS, **columns}
    for name in names:
        if name not in known:
            raise dialect.column_error("unknown", name)
        if name in settling:
            raise dialect.column_error("not_available", name)
        if known[name]["array"]:
            raise AppwriteError(
                "index_invalid", message="Creating indexes on array attributes is not currently supported."
            )
    why = _index_fault(kind, names, lengths, known, indexes, orders)
    if why:
        raise AppwriteError(f"{'' if dialect.legacy else 'column_'}index_invalid", message=why)
    padded = [(lengths[n] if n < len(lengths) and lengths[n] else 0) for n in range(len(names))]
    return {"key": key, "type": kind, "error": "", "columns": list(names), "lengths": padded, "orders": orders}


def _index_fault(
    kind: str,
    names: Sequence[str],
    lengths: Sequence[Any],
    known: Mapping[str, Document],
    indexes: Sequence[Mapping[str, Any]],
    orders: Sequence[str],
) -> str | None:
    if not names:
        return "No attributes provided for index"
    if len({name.lower() for name in names}) != len(names):
        return "Duplicate attributes provided"
    if kind == "fulltext":
        for name in names:
            if known[name]["type"] not in ("string", "varchar", *_TEXTS):
                return f'Attribute "{name}" cannot be part of a fulltext index, must be of type string'
    elif _index_length(names, lengths, known) > INDEX_LENGTH:
        return f"Index length is longer than the maximum: {INDEX_LENGTH}"
    for index in indexes:
        if index["columns"] == list(names) and index["orders"] == list(orders) and index["type"] == kind:
            return "There is already an index with the same attributes and orders"
    return None


def _index_length(names: Sequence[str], lengths: Sequence[Any], known: Mapping[str, Document]) -> int:
    total = 0
    for position, name in enumerate(names):
        column = known[name]
        size = {"email": 254, "enum": 255, "url": 2000, "ip": 39}.get(column.get("format", "")) or column.get("size", 0)
        if column["type"] in _TEXTS:
            size = INDEX_LENGTH + 1
        given = lengths[position] if position < len(lengths) else None
        if column["type"] in ("string", "varchar", *_TEXTS):
            total += given or size
        else:
            total += 2 if column["type"] == "double" else 1
    return total


def wire_index(index: Mapping[str, Any], prefix: str, *, settling: bool, dialect: Dialect) -> Document:
    """An index as it goes out; `prefix` is the numbers of database and table."""
    shown = {
        "$id": f"{prefix}_{index['key']}",
        "$createdAt": index["$createdAt"],
        "$updatedAt": index["$updatedAt"],
        "key": index["key"],
        "type": index["type"],
        "status": "processing" if settling else "failed" if index.get("failed") else "available",
        "error": index.get("error", ""),
        "lengths": index["lengths"],
        "orders": index["orders"],
    }
    shown[dialect.columns] = index["columns"]
    return shown
