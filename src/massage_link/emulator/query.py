"""Appwrite's query language: parsing, the server's checks and their wording, and translation to SQL."""

# ruff: noqa: S608 - every name in an SQL text here is a number of our own; values are always bound

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .dates import Clockwork, DateError, parse_date
from .errors import AppwriteError, ServerFailure, invalid_param
from .kernel import fold, is_id, weigh
from .permissions import as_list
from .sqlite import dumps
from .values import INT_MAX, number_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .tablestore import Table

_COMPARISONS = {
    "equal": "=",
    "notEqual": "!=",
    "lessThan": "<",
    "lessThanEqual": "<=",
    "greaterThan": ">",
    "greaterThanEqual": ">=",
}
_CONTAINS = ("contains", "containsAny", "containsAll", "notContains")
_EDGES = ("startsWith", "notStartsWith", "endsWith", "notEndsWith")
_ONE_VALUE = (
    "notEqual",
    "lessThan",
    "lessThanEqual",
    "greaterThan",
    "greaterThanEqual",
    "search",
    "notSearch",
    "regex",
    *_EDGES,
)
_FILTERS = frozenset(
    {
        *_COMPARISONS,
        *_CONTAINS,
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
_ORDERS = ("orderAsc", "orderDesc", "orderRandom")
_CURSORS = ("cursorAfter", "cursorBefore")
_FOREIGN = frozenset(
    {
        "crosses", "notCrosses", "distanceEqual", "distanceNotEqual", "distanceGreaterThan", "distanceLessThan",
        "intersects", "notIntersects", "overlaps", "notOverlaps", "touches", "notTouches", "vectorDot",
        "vectorCosine", "vectorEuclidean",
    }
)  # fmt: skip
_KNOWN = _FILTERS | {*_ORDERS, *_CURSORS, "limit", "offset", "select"} | _FOREIGN
_STRINGS = ("string", "varchar", "text", "mediumtext", "longtext")
_INTERNAL = {
    "$id": {"key": "$id", "type": "string", "array": False},
    "$sequence": {"key": "$sequence", "type": "id", "array": False},
    "$createdAt": {"key": "$createdAt", "type": "datetime", "array": False},
    "$updatedAt": {"key": "$updatedAt", "type": "datetime", "array": False},
}
SELECTABLE = ("$id", "$sequence", "$createdAt", "$updatedAt", "$permissions", "$collection", "$tenant")
_MOST_QUERIES = 100
_LONGEST = 4096
_MOST_VALUES = 5000


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
    values = [] if values is None and "values" not in value else values
    if not isinstance(method, str):
        raise invalid(f"Invalid query method. Must be a string, got {_php_type(method)}")
    if method not in _KNOWN:
        raise invalid(f"Invalid query method: {method}")
    if method in _FOREIGN:
        raise AppwriteError("emulator_not_implemented", f"the query {method} (spatial or vector)")
    if not isinstance(attribute, str):
        raise invalid(f"Invalid query attribute. Must be a string, got {_php_type(attribute)}")
    if isinstance(values, dict):
        values = list(values.values())
    if values is None:
        values = []
    if not isinstance(values, list):
        raise invalid(f"Invalid query values. Must be an array, got {_php_type(values)}")
    if method in ("and", "or", "elemMatch"):
        values = [_from_value(nested) for nested in values]
    return Query(method, attribute, values)


def _php_type(value: object) -> str:
    return _PHP_TYPES.get(type(value), "array")


def checked_texts(texts: object) -> list[str]:
    """The `queries` parameter as a list of texts. Raises AppwriteError (400)."""
    entries = as_list(texts) if texts is not None else []
    rule = f"Value must be a valid string and at least 1 chars and no longer than {_LONGEST} chars"
    if entries is None or len(entries) > _MOST_QUERIES:
        raise invalid_param("queries", f"Value must a valid array no longer than {_MOST_QUERIES} items and {rule}")
    if any(not isinstance(entry, str) or len(entry) > _LONGEST for entry in entries):
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


def listing(table: Table, queries: Sequence[Query], clock: Clockwork) -> Listing:
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


def _check(table: Table, query: Query, clock: Clockwork) -> None:
    why = _fault(table, query, clock)
    if why:
        raise invalid(f"Invalid query: {why}")


def _fault(table: Table, query: Query, clock: Clockwork) -> str | None:
    method, values = query.method, query.values
    if method in ("and", "or"):
        for nested in values:
            _check(table, nested, clock)
        if any(nested.method not in _FILTERS for nested in values):
            return f"{method.capitalize()} queries can only contain filter queries"
        return f"{method.capitalize()} queries require at least two queries" if len(values) < 2 else None
    if method in ("limit", "offset"):
        return _page_fault(method, values[0] if values else None)
    if method in _CURSORS:
        return (
            None
            if values and is_id(values[0])
            else (
                "Invalid cursor: UID must contain at most 36 chars. Valid chars are a-z, A-Z, 0-9, and underscore. "
                "Can't start with a leading underscore"
            )
        )
    if method == "select":
        return _select_fault(table, values)
    if method == "orderRandom":
        return None
    if method in _ORDERS:
        return _attribute_fault(table, query.attribute)
    return _filter_fault(table, query, clock)


def _page_fault(method: str, value: Any) -> str | None:
    least = 1 if method == "limit" else 0
    number = _numeric(value)
    if number is None:
        return "Invalid limit: Value must be a valid number"
    if not isinstance(number, int) or not least <= number <= INT_MAX:
        return f"Invalid {method}: Value must be a valid range between {least} and {number_text(INT_MAX)}"
    return None


def _numeric(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return int(value) if not isinstance(value, float) else value
    except ValueError:
        return None


def _select_fault(table: Table, values: list[Any]) -> str | None:
    if not values:
        return "No attributes selected"
    for value in values:
        if not isinstance(value, str):
            return f"Attribute selection must be a string, got {_php_type(value)}"
    if len(set(values)) != len(values):
        return "Duplicate attributes selected"
    for value in values:
        if value not in SELECTABLE and value != "*" and value not in table.columns:
            return f"Attribute not found in schema: {value}"
    return None


def _attribute_fault(table: Table, attribute: str) -> str | None:
    if attribute in _INTERNAL or attribute in table.columns:
        return None
    if "." in attribute and attribute.partition(".")[0] in table.columns:
        raise ServerFailure("a query that SQL cannot answer")
    return f"Attribute not found in schema: {attribute}"


def _column(table: Table, attribute: str) -> Mapping[str, Any]:
    return _INTERNAL.get(attribute) or table.columns[attribute]


def _ucfirst(text: str) -> str:
    return text[:1].upper() + text[1:]


def _filter_fault(table: Table, query: Query, clock: Clockwork) -> str | None:
    method, attribute, values = query.method, query.attribute, query.values
    if method in ("exists", "notExists"):
        if not values:
            return f"{_ucfirst(method)} queries require at least one value."
        raise ServerFailure("a query that SQL cannot answer")
    if method == "elemMatch":
        raise ServerFailure("a query that SQL cannot answer")
    if method in ("equal", *_CONTAINS) and (not values or values == [[]]):
        return f"{_ucfirst(method)} queries require at least one value."
    if method in _ONE_VALUE and len(values) != 1:
        return f"{_ucfirst(method)} queries require exactly one value."
    if method in ("between", "notBetween") and len(values) != 2:
        return f"{_ucfirst(method)} queries require exactly two values."
    why = _attribute_fault(table, attribute)
    if why:
        return why
    column = _column(table, attribute)
    if column.get("encrypt"):
        return f"Cannot query encrypted attribute: {attribute}"
    if len(values) > _MOST_VALUES:
        return f"Query on attribute has greater than {_MOST_VALUES} values: {attribute}"
    if not all(_fits(column, value, clock) for value in values):
        return f'Query value is invalid for attribute "{attribute}"'
    return _kind_fault(column, query)


def _kind_fault(column: Mapping[str, Any], query: Query) -> str | None:
    method, attribute = query.method, query.attribute
    if column["array"]:
        if method not in (*_CONTAINS, "isNull", "isNotNull"):
            return f'Cannot query {method} on attribute "{attribute}" because it is an array.'
    elif method in _CONTAINS and column["type"] not in _STRINGS:
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
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "double":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "id":
        return (isinstance(value, str) and value.isdigit()) or (isinstance(value, int) and not isinstance(value, bool))
    try:
        parse_date(value, clock)
    except DateError:
        return False
    return True


def _check_fulltext(table: Table, query: Query) -> None:
    if query.method in ("and", "or"):
        for nested in query.values:
            _check_fulltext(table, nested)
    if query.method in ("search", "notSearch"):
        covered = any(
            index["type"] == "fulltext" and index["columns"] == [query.attribute] for index in table.doc["indexes"]
        )
        if not covered:
            raise invalid(f'Searching by attribute "{query.attribute}" requires a fulltext index.')


# Translation to SQL

Sql = tuple[str, list[Any]]


def where(table: Table, filters: Sequence[Query], clock: Clockwork) -> Sql:
    """The SQL condition for all of `filters`."""
    return _joined(table, filters, "AND", clock) if filters else ("1", [])


def _joined(table: Table, filters: Sequence[Query], word: str, clock: Clockwork) -> Sql:
    parts = [_condition(table, query, clock) for query in filters]
    return "(" + f" {word} ".join(sql for sql, _ in parts) + ")", [value for _, values in parts for value in values]


def _condition(table: Table, query: Query, clock: Clockwork) -> Sql:
    method = query.method
    if method in ("and", "or"):
        return _joined(table, query.values, method.upper(), clock)
    column = _column(table, query.attribute)
    name = table.sql_column(query.attribute)
    if method in ("isNull", "isNotNull"):
        return f"{name} IS {'NOT ' if method == 'isNotNull' else ''}NULL", []
    if column["array"]:
        return _array_condition(name, query)
    if method in ("search", "notSearch"):
        return _search_condition(name, query)
    if method == "regex":
        raise AppwriteError("emulator_not_implemented", "the query regex")
    return _scalar_condition(name, column, query, clock)


def _operand(column: Mapping[str, Any], value: Any, clock: Clockwork) -> Any:
    if column["type"] == "datetime":
        return parse_date(value, clock)
    if column["type"] == "id":
        return int(value)
    if isinstance(value, str):
        return fold(value)
    return int(value) if isinstance(value, bool) else value


def _scalar_condition(name: str, column: Mapping[str, Any], query: Query, clock: Clockwork) -> Sql:
    method = query.method
    if method in (*_CONTAINS, *_EDGES):
        return _text_condition(name, query)
    values = [_operand(column, value, clock) for value in query.values]
    if method in ("between", "notBetween"):
        return f"{name} {'NOT ' if method == 'notBetween' else ''}BETWEEN ? AND ?", values
    if method == "equal" and len(values) > 1:
        return f"{name} IN ({', '.join('?' * len(values))})", values
    return f"{name} {_COMPARISONS[method]} ?", values


def _text_condition(name: str, query: Query) -> Sql:
    method = query.method
    values = [weigh(value) for value in query.values]
    if method == "containsAll":  # on text the server compares it with LIKE without wildcards: equality
        parts = [f"{name} = ?" for _ in values]
    elif "tarts" in method:
        parts = [f"substr({name}, 1, {len(value)}) = ?" for value in values]
    elif "nds" in method:
        parts = [f"substr({name}, -{len(value)}) = ?" if value else "1 OR ?" for value in values]
    else:
        parts = [f"instr({name}, ?) > 0" for _ in values]
    if method.startswith("not"):
        return "(" + " AND ".join(f"NOT ({part})" for part in parts) + ")", list(values)
    return "(" + " OR ".join(f"({part})" for part in parts) + ")", list(values)


def _array_condition(name: str, query: Query) -> Sql:
    marks = ", ".join("?" * len(query.values))
    found = f"EXISTS (SELECT 1 FROM json_each({name}) WHERE value IN ({marks}))"
    values = [int(value) if isinstance(value, bool) else value for value in query.values]
    if query.method == "containsAll":
        each = f"EXISTS (SELECT 1 FROM json_each({name}) WHERE value = ?)"
        return "(" + " AND ".join(each for _ in values) + ")", values
    if query.method == "notContains":
        return f"({name} IS NOT NULL AND NOT {found})", values
    return found, values


def _search_condition(name: str, query: Query) -> Sql:
    """Full-text search: each word of the query somewhere as the beginning of a word."""
    words = [weigh(word) for word in str(query.values[0]).split()]
    parts = [f"instr(' ' || {name}, ' ' || ?) > 0" for _ in words] or ["0"]
    joined = "(" + " OR ".join(parts) + ")"
    return (f"NOT {joined}" if query.method == "notSearch" else joined), list(words)


def order_by(table: Table, wanted: Listing) -> tuple[list[tuple[str, str]], str]:
    """The attributes to order by, the tie-breaking `$sequence` included, and the SQL for it."""
    orders = list(wanted.orders)
    if not any(attribute in ("$id", "$sequence") for attribute, _ in orders):
        same_way = orders and orders[0][0] in ("$createdAt", "$updatedAt")
        orders.append(("$sequence", orders[0][1] if same_way else "ASC"))
    if wanted.random:
        return orders, "random()"
    if wanted.backwards:
        orders = [(attribute, "ASC" if way == "DESC" else "DESC") for attribute, way in orders]
    return orders, ", ".join(f"{table.sql_column(attribute)} {way}" for attribute, way in orders)


def beyond_cursor(table: Table, orders: Sequence[tuple[str, str]], row: Mapping[str, Any]) -> Sql:
    """The condition that a row comes after `row` in `orders` (already reversed for a backward page)."""
    alternatives: list[str] = []
    values: list[Any] = []
    for position, (attribute, way) in enumerate(orders):
        earlier = orders[:position]
        parts = [f"{table.sql_column(name)} = ?" for name, _ in earlier]
        parts.append(f"{table.sql_column(attribute)} {'>' if way == 'ASC' else '<'} ?")
        alternatives.append("(" + " AND ".join(parts) + ")")
        values += [_cursor_value(table, name, row) for name, _ in [*earlier, (attribute, way)]]
    return "(" + " OR ".join(alternatives) + ")", values


def _cursor_value(table: Table, attribute: str, row: Mapping[str, Any]) -> Any:
    value = row.get(attribute)
    if value is None:
        raise AppwriteError("database_query_order_null", attribute)
    if attribute == "$sequence":
        return int(value)
    if attribute in ("$createdAt", "$updatedAt") or _column(table, attribute)["type"] == "datetime":
        return value
    if isinstance(value, list):
        return dumps(value)
    return fold(value) if isinstance(value, str) else value
