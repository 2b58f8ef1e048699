"""Values of a row against its columns, in the order and wording of the real server's structure check. Pure."""

from __future__ import annotations

import ipaddress
import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .dates import Clockwork, DateError, parse_date
from .permissions import as_list

if TYPE_CHECKING:
    from collections.abc import Mapping

INT_MAX = 9_223_372_036_854_775_807
INTERNAL = frozenset(
    {
        "$id", "$sequence", "$createdAt", "$updatedAt", "$permissions", "$databaseId", "$tableId", "$collectionId",
        "$collection", "$tenant",
    }
)  # fmt: skip
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+\Z")


class StructureError(Exception):
    """The row does not fit its table; the message is the server's."""


def is_email(value: object) -> bool:
    """Whether PHP's e-mail filter would take it (the usual cases)."""
    if not isinstance(value, str) or len(value) > 320 or ".." in value:
        return False
    local = value.partition("@")[0]
    return bool(_EMAIL.match(value)) and not local.startswith(".") and not local.endswith(".") and len(local) <= 64


def is_url(value: object) -> bool:
    """Whether it is an absolute URL of ASCII characters."""
    if not isinstance(value, str) or not value.isascii() or any(char.isspace() for char in value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc)


def is_ip(value: object) -> bool:
    """Whether it is an IPv4 or IPv6 address."""
    try:
        return isinstance(value, str) and bool(ipaddress.ip_address(value))
    except ValueError:
        return False


def number_text(value: float) -> str:
    """A number as PHP's number_format prints it, without decimals."""
    return f"{value:,.0f}" if isinstance(value, float) else f"{value:,}"


def _range_text(column: Mapping[str, Any]) -> str:
    low, high = column["min"], column["max"]
    return f"Value must be a valid range between {number_text(low)} and {number_text(high)}"


def _type_fault(column: Mapping[str, Any], value: Any) -> str | None:
    kind = column["type"]
    if kind in ("string", "varchar", "text", "mediumtext", "longtext"):
        size = string_size(column)
        if not isinstance(value, str) or len(value) > size:
            return f"Value must be a valid string and no longer than {size} chars"
    elif kind in ("integer", "bigint"):
        if isinstance(value, bool) or not isinstance(value, int):
            bits = (64, -INT_MAX - 1, INT_MAX) if _is_wide(column) else (32, -2_147_483_648, 2_147_483_647)
            low, high = number_text(bits[1]), number_text(bits[2])
            return f"Value must be a valid signed {bits[0]}-bit integer between {low} and {high}"

    elif kind == "boolean" and not isinstance(value, bool):
        return "Value must be a valid boolean"
    return None


def _is_wide(column: Mapping[str, Any]) -> bool:
    return bool(column["max"] > 2_147_483_647)


_SIZES = {"text": 16_383, "mediumtext": 4_194_303, "longtext": 1_073_741_823}
_FORMAT_SIZES = {"email": 254, "enum": 255, "url": 2000, "ip": 39}


def string_size(column: Mapping[str, Any]) -> int:
    """How many characters a text column holds."""
    if column.get("format"):
        return _FORMAT_SIZES[column["format"]]
    size = column.get("size") or _SIZES.get(column["type"], 0)
    return int(size)


def _format_fault(column: Mapping[str, Any], value: Any) -> str | None:
    kind, form = column["type"], column.get("format")
    if kind in ("integer", "bigint") and not column["min"] <= value <= column["max"]:
        return _range_text(column)
    if kind == "double":
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return "Value must be a valid float"
        if not column["min"] <= value <= column["max"]:
            return _range_text(column)
    if form == "enum" and value not in column["elements"]:
        return f"Value must be one of ({', '.join(column['elements'])})"
    if form == "email" and not is_email(value):
        return "Value must be a valid email address"
    if form == "url" and not is_url(value):
        return "Value must be a valid URL"
    if form == "ip" and not is_ip(value):
        return "Value must be a valid IP address"
    return None


def _checked_scalar(column: Mapping[str, Any], value: Any, label: str, now: Clockwork) -> Any:
    if column["type"] == "datetime":
        try:
            return parse_date(value, now)
        except DateError as error:
            raise StructureError(
                f'Invalid document structure: Attribute "{label}" has invalid type. Value must be valid date between '
                "0000-01-01 00:00:00 and 9999-12-31 23:59:59."
            ) from error
    why = _type_fault(column, value)
    if why:
        raise StructureError(f'Invalid document structure: Attribute "{label}" has invalid type. {why}')
    why = _format_fault(column, value)
    if why:
        raise StructureError(f'Invalid document structure: Attribute "{label}" has invalid format. {why}')
    if column["type"] == "double":
        return float(value) if value != int(value) or abs(value) > INT_MAX else int(value)
    return value


def checked_value(column: Mapping[str, Any], value: Any, now: Clockwork) -> Any:
    """`value` as it is stored in `column`. Raises StructureError."""
    key = column["key"]
    if not column["array"]:
        return _checked_scalar(column, value, key, now)
    items = as_list(value)
    if items is None:
        raise StructureError(f'Invalid document structure: Attribute "{key}" must be an array')
    return [
        None if item is None else _checked_scalar(column, item, f"{key}['{n}']", now) for n, item in enumerate(items)
    ]


def complete(columns: Mapping[str, Mapping[str, Any]], data: Mapping[str, Any], now: Clockwork) -> dict[str, Any]:
    """The columns of a new row from `data`: defaults filled in, each value checked. Raises StructureError."""
    filled = {
        key: column["default"]
        for key, column in columns.items()
        if data.get(key) is None and column["default"] is not None
    }
    return checked(columns, {**data, **filled}, now)


def checked(columns: Mapping[str, Mapping[str, Any]], data: Mapping[str, Any], now: Clockwork) -> dict[str, Any]:
    """All columns of a row that `data` gives in full. Raises StructureError."""
    for key, column in columns.items():
        if column["required"] and data.get(key) is None:
            raise StructureError(f'Invalid document structure: Missing required attribute "{key}"')
    for key in data:
        if key not in columns and key not in INTERNAL:
            raise StructureError(f'Invalid document structure: Unknown attribute: "{key}"')
    row: dict[str, Any] = {}
    for key, value in data.items():
        if key in columns:
            row[key] = None if value is None else checked_value(columns[key], value, now)
    for key, column in columns.items():
        if row.get(key) is None:
            row[key] = [] if column["array"] else None
    return row
