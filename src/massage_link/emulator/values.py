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
INTERNAL = frozenset({"$id", "$sequence", "$createdAt", "$updatedAt", "$permissions", "$collection", "$tenant"})
_QUOTED = r'"(?:[\x01-\x08\x0b\x0c\x0e-\x1f!#-\[\]-\x7f]|\\[\x00-\x7f])*"'
_ATOM = rf"(?:[!#-'*+\-/-9=?^-~]+|{_QUOTED})"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*\Z")
_LABEL = re.compile(r"[a-z0-9]+(?:-+[a-z0-9]+)*\Z", re.IGNORECASE)


_WHOLE = re.compile(r"-?\d{1,19}\Z")


class StructureError(Exception):
    """The row does not fit its table; the message is the server's."""


def is_email(value: object) -> bool:
    """Whether PHP's FILTER_VALIDATE_EMAIL takes it: a dotted domain, or an address in brackets."""
    if not isinstance(value, str) or value.count("@") != 1 or len(value) > 254:
        return False
    local, _, domain = value.strip(" \t\n\r\0\x0b").lower().partition("@")
    if len(local) > 64 or not _LOCAL.match(local):
        return False
    if domain.startswith("[") and domain.endswith("]"):
        return is_ip(domain[1:-1].removeprefix("IPv6:"))
    labels = domain.split(".")
    fit = all(len(label) <= 63 and _LABEL.match(label) for label in labels)
    return len(labels) > 1 and fit and not labels[-1][0].isdigit()


def loosely_equal(one: Any, other: Any) -> bool:
    """PHP's `==` for values of JSON: empty values equal null and each other's kind, number-like texts their number."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        if (isinstance(one, str) and other is None) or (isinstance(other, str) and one is None):
            return (one or "") == (other or "")
        return truthy(one) == truthy(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(loosely_equal(a, b) for a, b in zip(one, other, strict=True))
    if (isinstance(one, str) and isinstance(other, int | float)) or (
        isinstance(other, str) and isinstance(one, int | float)
    ):
        return str(one) == str(other)
    return bool(one == other)


def truthy(value: Any) -> bool:
    """What PHP makes of a value where a boolean is wanted."""
    return bool(value) and value != "0"


_URL_CHARACTERS = re.compile(r"[A-Za-z0-9$\-_.+!*'(),{}|\\^~\[\]`<>#%\";/?:@&=]+\Z")
_HOST_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")
_HOSTLESS = ("mailto", "news", "file")


def is_url(value: object) -> bool:
    """Whether PHP's FILTER_VALIDATE_URL takes it (the usual cases): a scheme, and a host where it needs one."""
    if not isinstance(value, str) or not _URL_CHARACTERS.match(value):
        return False
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises for what is no port
    except ValueError:
        return False
    if parts.scheme in ("http", "https"):
        host = parts.hostname or ""
        return is_ip(host) if "[" in parts.netloc else _is_host(host)
    scheme = parts.scheme or value.partition("://")[0]
    return bool(_SCHEME.match(scheme)) and (scheme in _HOSTLESS or ("://" in value and bool(value.partition("://")[2])))


_SCHEME = re.compile(r"[A-Za-z0-9+.\-]+\Z")


def _is_host(host: str) -> bool:
    bare = host.removesuffix(".")
    return 0 < len(bare) <= 253 and all(_HOST_LABEL.match(label) for label in bare.split("."))


def is_ip(value: object) -> bool:
    """Whether it is an IPv4 or IPv6 address; a zone is no part of it."""
    try:
        return isinstance(value, str) and "%" not in value and bool(ipaddress.ip_address(value))
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
    if column["type"] == "bigint" and isinstance(value, str) and _WHOLE.match(value) and abs(int(value)) <= INT_MAX:
        value = int(value)
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
        _NULL_ITEMS.get(column["type"]) if item is None else _checked_scalar(column, item, f"{key}['{n}']", now)
        for n, item in enumerate(items)
    ]


# What the server makes of null inside an array when it reads the row.
_NULL_ITEMS = {"integer": 0, "double": 0, "boolean": False}


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
    for key in columns:
        row.setdefault(key, None)
    return row
