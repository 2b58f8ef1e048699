"""Checked queries as SQL over the comparable columns of a table."""

# ruff: noqa: S608 - every name in an SQL text here is a number of our own; values are always bound

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .dates import Clockwork, parse_date
from .errors import ServerFailure
from .kernel import fold, weigh
from .query import CONTAINS, EDGES, Listing, Query, column_of
from .sqlite import number_text

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


class NullOrderError(Exception):
    """The row that a cursor names has null in a column that the rows are ordered by."""


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
    column = column_of(table, query.attribute)
    name = table.sql_column(query.attribute)
    if method in ("isNull", "isNotNull"):
        return f"{name} IS {'NOT ' if method == 'isNotNull' else ''}NULL", []
    if column["array"]:
        return _array_condition(name, column, query, clock)
    if method in ("search", "notSearch"):
        return _search_condition(name, query)
    if method in (*CONTAINS, *EDGES):
        return _text_condition(_as_text(table, query.attribute, column), column, query, clock)
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
    values = [_operand(column, value, clock) for value in query.values]
    if method in ("between", "notBetween"):
        return f"{name} {'NOT ' if method == 'notBetween' else ''}BETWEEN ? AND ?", values
    if method == "equal" and len(values) > 1:
        return f"{name} IN ({', '.join('?' * len(values))})", values
    return f"{name} {_COMPARISONS[method]} ?", values


_TEXTS = ("string", "varchar", "text", "mediumtext", "longtext")


def _as_text(table: Table, attribute: str, column: Mapping[str, Any]) -> str:
    """SQL for what LIKE sees of a column: texts with trailing blanks, dates and numbers as MariaDB prints them."""
    name = table.sql_column(attribute)
    if column["type"] in _TEXTS:
        path = json.dumps(f'$."{attribute}"')[1:-1].replace("'", "''").replace('\\"', '"')
        return f"weigh(json_extract(doc, '{path}'))"
    if column["type"] == "datetime":
        return f"substr(replace({name}, 'T', ' '), 1, 23)"
    return f"number_text({name})"


def _pattern(column: Mapping[str, Any], value: Any, clock: Clockwork) -> str:
    if column["type"] == "datetime":
        return parse_date(value, clock).replace("T", " ")[:23]
    if isinstance(value, bool):
        return "1" if value else ""
    return weigh(value) if isinstance(value, str) else str(number_text(value))


def _text_condition(name: str, column: Mapping[str, Any], query: Query, clock: Clockwork) -> Sql:
    method = query.method
    values = [_pattern(column, value, clock) for value in query.values]
    if method == "containsAll":  # on text the server hands it to LIKE as it is, wildcards included
        parts = [f"is_like({name}, ?)" for _ in values]
    elif "tarts" in method:
        parts = [f"substr({name}, 1, {len(value)}) = ?" for value in values]
    elif "nds" in method:
        parts = [f"substr({name}, -{len(value)}) = ?" if value else f"instr({name}, ?) > 0" for value in values]
    else:
        parts = [f"instr({name}, ?) > 0" for _ in values]
    if method.startswith("not"):
        return "(" + " AND ".join(f"NOT ({part})" for part in parts) + ")", list(values)
    return "(" + " OR ".join(f"({part})" for part in parts) + ")", list(values)


def _member(column: Mapping[str, Any], value: Any, clock: Clockwork) -> Any:
    """A value as it stands in the JSON of an array column."""
    if column["type"] == "datetime":
        return parse_date(value, clock)
    return int(value) if isinstance(value, bool) else value


def _array_condition(name: str, column: Mapping[str, Any], query: Query, clock: Clockwork) -> Sql:
    marks = ", ".join("?" * len(query.values))
    found = f"EXISTS (SELECT 1 FROM json_each({name}) WHERE value IN ({marks}))"
    values = [_member(column, value, clock) for value in query.values]
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
        raise NullOrderError(attribute)
    if attribute == "$sequence":
        return int(value)
    if attribute in ("$createdAt", "$updatedAt") or column_of(table, attribute)["type"] == "datetime":
        return value
    if isinstance(value, list):
        raise ServerFailure("a cursor on an array column")
    return fold(value) if isinstance(value, str) else value
