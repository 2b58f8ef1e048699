"""Appwrite's query language: parsing, and the server's checks in its order and wording."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from .dates import Clockwork, DateError, parse_date
from .errors import AppwriteError, ServerFailure, invalid_param
from .kernel import is_id
from .permissions import as_list
from .values import INT_MAX, number_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COMPARISONS = ("equal", "notEqual", "lessThan", "lessThanEqual", "greaterThan", "greaterThanEqual")
CONTAINS = ("contains", "containsAny", "containsAll", "notContains")
EDGES = ("startsWith", "notStartsWith", "endsWith", "notEndsWith")
_ONE_VALUE = (
    "notEqual",
    "lessThan",
    "lessThanEqual",
    "greaterThan",
    "greaterThanEqual",
    "search",
    "notSearch",
    *EDGES,
)
_FILTERS = frozenset(
    {
        *_COMPARISONS,
        *CONTAINS,
        *_ONE_VALUE,
        "between",
        "notBetween",
        "isNull",
        "isNotNull",
        "and",
        "or",
        "exists",
        "notExists",
        "elemMatch",
    }
)
_DIRECTED = ("orderAsc", "orderDesc")
_ORDERS = (*_DIRECTED, "orderRandom")
_CURSORS = ("cursorAfter", "cursorBefore")
_DISTANCES = ("distanceEqual", "distanceNotEqual", "distanceGreaterThan", "distanceLessThan")
_SPATIAL = frozenset(
    {
        *_DISTANCES, "crosses", "notCrosses", "intersects", "notIntersects", "overlaps", "notOverlaps", "touches",
        "notTouches",
    }
)  # fmt: skip
_VECTOR = frozenset({"vectorDot", "vectorCosine", "vectorEuclidean"})
_NESTING = ("and", "or", "elemMatch")
# `regex` is missing on purpose: this release of the server knows the word, but refuses to parse it.
_KNOWN = _FILTERS | {*_ORDERS, *_CURSORS, "limit", "offset", "select"} | _SPATIAL | _VECTOR
_STRINGS = ("string", "varchar", "text", "mediumtext", "longtext")
_INTERNAL = {
    "$id": {"key": "$id", "type": "string", "array": False},
    "$sequence": {"key": "$sequence", "type": "id", "array": False},
    "$createdAt": {"key": "$createdAt", "type": "datetime", "array": False},
    "$updatedAt": {"key": "$updatedAt", "type": "datetime", "array": False},
}
SELECTABLE = ("$id", "$sequence", "$createdAt", "$updatedAt", "$permissions", "$collection", "$tenant")
CURSOR_RULE = (
    "Invalid cursor: UID must contain at most 36 chars. Valid chars are a-z, A-Z, 0-9, and underscore. "
    "Can't start with a leading underscore"
)
_MOST_QUERIES = 100
_LONGEST = 4096
_MOST_VALUES = 5000


class Queried(Protocol):
    """What can be asked by queries: a table, or a list in memory."""

    @property
    def columns(self) -> Mapping[str, Mapping[str, Any]]:
        """Definitions by key, each with its `type` and whether it is an `array`."""
        ...

    @property
    def doc(self) -> Mapping[str, Any]:
        """The definition, of which the `indexes` count."""
        ...


def invalid(message: str) -> AppwriteError:
    """400 `general_query_invalid` with this wording."""
    return AppwriteError("general_query_invalid", message=message)


@dataclass(frozen=True, slots=True)
class Query:
    """One parsed query; the values of `and` and `or` are queries."""

    method: str
    attribute: str
    values: list[Any]


_PHP_TYPES = {str: "string", int: "integer", float: "double", bool: "boolean", type(None): "NULL"}


def parse(text: object) -> Query:
    """One query from its JSON text. Raises AppwriteError (400)."""
    if not isinstance(text, str):
        raise invalid("Invalid query. Must be a string")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid("Invalid query: Syntax error") from error
    if not isinstance(value, dict | list):
        raise invalid(f"Invalid query. Must be an array, got {_PHP_TYPES[type(value)]}")
    return _from_value(value if isinstance(value, dict) else {})


def _from_value(value: Any) -> Query:
    if not isinstance(value, dict):
        raise ServerFailure("a query that SQL cannot answer")
    method, attribute, values = value.get("method", ""), value.get("attribute", ""), value.get("values", [])
    method, attribute = ("" if method is None else method), ("" if attribute is None else attribute)
    if not isinstance(method, str):
        raise invalid(f"Invalid query method. Must be a string, got {_php_type(method)}")
    if method not in _KNOWN:
        raise invalid(f"Invalid query method: {method}")
    if not isinstance(attribute, str):
        raise invalid(f"Invalid query attribute. Must be a string, got {_php_type(attribute)}")
    if isinstance(values, dict):
        values = list(values.values())
    if values is None:
        values = []
    if not isinstance(values, list):
        raise invalid(f"Invalid query values. Must be an array, got {_php_type(values)}")
    if method in _NESTING:
        values = [_from_value(nested) for nested in values]
    if method in _DIRECTED and not attribute:
        attribute = "$sequence"
    return Query(method, attribute, values)


def _php_type(value: object) -> str:
    return _PHP_TYPES.get(type(value), "array")


def checked_texts(texts: object) -> list[str]:
    """The `queries` parameter as a list of texts. Raises AppwriteError (400)."""
    entries = as_list(texts) if texts is not None else []
    rule = f"Value must be a valid string and at least 1 chars and no longer than {_LONGEST} chars"
    if entries is None and isinstance(texts, dict):
        entries = list(texts.values())
    if entries is None or len(entries) > _MOST_QUERIES:
        raise invalid_param("queries", f"Value must a valid array no longer than {_MOST_QUERIES} items and {rule}")
    if any(not isinstance(entry, str) or not 1 <= len(entry) <= _LONGEST for entry in entries):
        raise invalid_param("queries", f"Value must a valid array no longer than {_MOST_QUERIES} items and {rule}")
    return entries


def parse_all(texts: object) -> list[Query]:
    """The queries of a request. Raises AppwriteError (400)."""
    return [parse(entry) for entry in checked_texts(texts)]


@dataclass(slots=True)
class Listing:
    """What a list asks for: filters, order, page and selection."""

    filters: list[Query] = field(default_factory=list)
    orders: list[tuple[str, str]] = field(default_factory=list)
    limit: int = 25
    offset: int = 0
    cursor: str | None = None
    backwards: bool = False
    selection: list[str] | None = None
    random: bool = False
    limited: bool = False


def listing(table: Queried, queries: Sequence[Query], clock: Clockwork) -> Listing:
    """The checked meaning of `queries` on `table`. Raises AppwriteError (400)."""
    for query in queries:
        _check(table, query, clock)
    for query in queries:
        _check_fulltext(table, query)
    found = Listing()
    for query in queries:
        _gather(found, query)
    return found


def _gather(found: Listing, query: Query) -> None:
    method, values = query.method, query.values
    if method in _FILTERS:
        found.filters.append(query)
    elif method == "orderRandom":
        found.random = True
    elif method in _ORDERS:
        found.orders.append((query.attribute or "$sequence", "DESC" if method == "orderDesc" else "ASC"))
    elif method in _CURSORS and found.cursor is None:
        found.cursor, found.backwards = values[0], method == "cursorBefore"
    elif method == "limit" and not found.limited:
        found.limit, found.limited = int(values[0]), True
    elif method == "offset" and found.offset == 0:
        found.offset = int(values[0])
    elif method == "select":
        found.selection = [*(found.selection or []), *values]


def _check(table: Queried, query: Query, clock: Clockwork) -> None:
    why = _fault(table, query, clock)
    if why:
        raise invalid(f"Invalid query: {why}")


def _fault(table: Queried, query: Query, clock: Clockwork) -> str | None:
    method, values = query.method, query.values
    if method in _NESTING:
        for nested in values:
            _check(table, nested, clock)
        return _nesting_fault(query)
    if method in ("limit", "offset"):
        return _page_fault(method, values[0] if values else None)
    if method in _CURSORS:
        return None if values and is_id(values[0]) else CURSOR_RULE
    if method == "select":
        return _select_fault(table, values)
    if method == "orderRandom":
        return None
    if method in _ORDERS:
        return _order_fault(table, query.attribute)
    return _filter_fault(table, query, clock)


def _nesting_fault(query: Query) -> str | None:
    method, values = query.method, query.values
    if method == "elemMatch":
        return "elemMatch is not supported by the database"
    if any(nested.method not in _FILTERS for nested in values):
        return f"{_ucfirst(method)} queries can only contain filter queries"
    return f"{_ucfirst(method)} queries require at least two queries" if len(values) < 2 else None


def _page_fault(method: str, value: Any) -> str | None:
    least = 1 if method == "limit" else 0
    number = _numeric(value)
    if number is None:
        return "Invalid limit: Value must be a valid number"
    if not isinstance(number, int) or not least <= number <= INT_MAX:
        return f"Invalid {method}: Value must be a valid range between {least} and {number_text(INT_MAX)}"
    return None


def _numeric(value: Any) -> int | float | None:
    """What PHP's is_numeric takes, as a number; None for the rest."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if not isinstance(value, str):
        return value
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value) if _NUMBER.match(value) else None
    except ValueError:
        return None


_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*\Z")


def _select_fault(table: Queried, values: list[Any]) -> str | None:
    if not values:
        return "No attributes selected"
    if any(isinstance(value, list | dict) for value in values):
        raise ServerFailure("a selection that is no text")
    names = [_php_text(value) for value in values]
    if len(set(names)) != len(names):
        return "Duplicate attributes selected"
    for name in names:
        top = name.partition(".")[0]
        if top not in SELECTABLE and top != "*" and top not in table.columns:
            return f"Attribute not found in schema: {top}"
    return None


def check_selection(selection: Sequence[str] | None) -> None:
    """Raise ServerFailure for `column.inner`: the check lets it pass, then SQL does not find the column."""
    if any("." in name and name.partition(".")[2] for name in selection or ()):
        raise ServerFailure("a nested selection that SQL cannot answer")


def _php_text(value: object) -> str:
    if value is None or value is False:
        return ""
    return "1" if value is True else str(value)


def _order_fault(table: Queried, attribute: str) -> str | None:
    top, dot, _ = attribute.partition(".")
    if dot and (top in _INTERNAL or top in table.columns):
        return f"Cannot order by nested attribute: {top}"
    if top in _INTERNAL or top in table.columns:
        return None
    return f"Attribute not found in schema: {top}"


def column_of(table: Queried, attribute: str) -> Mapping[str, Any]:
    """The definition of a column, or of one of the row's own fields."""
    return _INTERNAL.get(attribute) or table.columns[attribute]


def _ucfirst(text: str) -> str:
    return text[:1].upper() + text[1:]


def _filter_fault(table: Queried, query: Query, clock: Clockwork) -> str | None:
    method, attribute, values = query.method, query.attribute, query.values
    why = _count_fault(method, values)
    if why:
        return why
    top, dot, _ = attribute.partition(".")
    if top not in _INTERNAL and top not in table.columns:
        return f"Attribute not found in schema: {top}"
    column = column_of(table, top)
    if column.get("encrypt"):
        return f"Cannot query encrypted attribute: {top}"
    if method in ("exists", "notExists"):
        raise ServerFailure("a query that SQL cannot answer")
    if len(values) > _MOST_VALUES:
        return f"Query on attribute has greater than {_MOST_VALUES} values: {top}"
    if method in _SPATIAL:
        return f'Spatial query "{method}" cannot be applied on non-spatial attribute: {top}'
    if method in _VECTOR:
        return "Vector queries can only be used on vector attributes"
    if not all(_fits(column, value, clock) for value in values):
        return f'Query value is invalid for attribute "{top}"'
    why = _kind_fault(column, query)
    if dot and not why:
        raise ServerFailure("a query that SQL cannot answer")
    return why


def _count_fault(method: str, values: list[Any]) -> str | None:
    if method in ("equal", "exists", "notExists", *CONTAINS) and (not values or values[0] in ([], {})):
        return f"{_ucfirst(method)} queries require at least one value."
    if method in _SPATIAL - {*_DISTANCES} and (not values or values[0] in ([], {})):
        return f"{_ucfirst(method)} queries require at least one value."
    if method in _ONE_VALUE and len(values) != 1:
        return f"{_ucfirst(method)} queries require exactly one value."
    if method in ("between", "notBetween") and len(values) != 2:
        return f"{_ucfirst(method)} queries require exactly two values."
    if method in _DISTANCES and (len(values) != 1 or not isinstance(values[0], list) or len(values[0]) != 3):
        return "Distance query requires [[geometry, distance]] parameters"
    return None


def _kind_fault(column: Mapping[str, Any], query: Query) -> str | None:
    method, attribute = query.method, query.attribute
    if column["array"]:
        if method not in (*CONTAINS, "isNull", "isNotNull"):
            return f'Cannot query {method} on attribute "{attribute}" because it is an array.'
    elif method in CONTAINS and column["type"] not in _STRINGS:
        name = "notContains" if method == "notContains" else "contains"
        return f'Cannot query {name} on attribute "{attribute}" because it is not an array, string, or object.'
    return None


def _fits(column: Mapping[str, Any], value: Any, clock: Clockwork) -> bool:
    kind = column["type"]
    if kind in _STRINGS:
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("integer", "bigint"):
        if kind == "bigint" and isinstance(value, str):
            return bool(_WHOLE.match(value)) and -INT_MAX - 1 <= int(value) <= INT_MAX
        bits = 63 if kind == "bigint" or column.get("max", 0) > _INT32 else 31
        return isinstance(value, int) and not isinstance(value, bool) and -(2**bits) <= value < 2**bits
    if kind == "double":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "id":
        number = _numeric(value)
        return isinstance(number, int) and 1 <= number <= INT_MAX
    return _is_query_date(value, clock)


_INT32 = 2_147_483_647
_WHOLE = re.compile(r"-?\d{1,20}\Z")
_YEAR = re.compile(r"(?<!\d)(\d{4})(?!\d)")


def _is_query_date(value: Any, clock: Clockwork) -> bool:
    """Whether a query may compare with it: unlike in a row, the text has to name a year of four digits."""
    if not isinstance(value, str) or not _YEAR.search(value):
        return False
    try:
        parse_date(value, clock)
    except DateError:
        return False
    return True


def _check_fulltext(table: Queried, query: Query) -> None:
    if query.method in ("and", "or"):
        for nested in query.values:
            _check_fulltext(table, nested)
    if query.method in ("search", "notSearch"):
        covered = any(
            index["type"] == "fulltext" and index["columns"] == [query.attribute] for index in table.doc["indexes"]
        )
        if not covered:
            raise invalid(f'Searching by attribute "{query.attribute}" requires a fulltext index.')
