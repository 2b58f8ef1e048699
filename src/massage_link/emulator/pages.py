"""Lists of things that live in memory (users, teams, tables, functions): filtered, ordered and cut by queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import AppwriteError, invalid_param
from .kernel import fold
from .query import Listing, Query, invalid, listing, parse_all
from .sqlite import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .routing import Call
    from .sqlite import Document


@dataclass(frozen=True, slots=True)
class _Shape:
    """What queries may ask of a list, in the form in which a table says it of its rows."""

    columns: Mapping[str, Mapping[str, Any]]
    doc: Mapping[str, Any] = field(default_factory=lambda: {"indexes": []})


def page(
    call: Call,
    documents: Sequence[Document],
    known: Mapping[str, str],
    *,
    id_key: str = "$id",
    selectable: bool = False,
) -> tuple[list[Document], int]:
    """The part of `documents` (oldest first) that the call's `queries` and `search` ask for, and how many match in all.

    `known` names the attributes that may be asked for beside the server's own, each with its type (`[]` for a list).
    Raises AppwriteError: 400 for bad queries, 501 for methods that make no sense in memory.
    """
    found = list(enumerate(documents))
    search = call.query.get("search")
    if isinstance(search, str) and search:
        found = [(place, doc) for place, doc in found if _mentions(doc, fold(search))]
    wanted = _wanted(call, known, selectable=selectable)
    found = [(place, doc) for place, doc in found if all(matches(query, doc) for query in wanted.filters)]
    for attribute, way in reversed(wanted.orders):
        found.sort(key=partial(_rank, attribute), reverse=way == "DESC")
    total = len(found) if is_counted(call) else 0
    shown = [doc for _, doc in found]
    if wanted.cursor is not None:
        return _beside(shown, wanted, id_key), total
    return shown[wanted.offset : wanted.offset + wanted.limit], total


def is_counted(call: Call) -> bool:
    """Whether a list is to say how many match: `total` is a text that PHP makes a boolean of, so "false" is true.

    Raises AppwriteError (400).
    """
    total = call.query.get("total", "true")
    if total not in ("true", "false", "1", "0"):
        raise invalid_param("total", "Value must be a valid boolean")
    return bool(total != "0")


def _wanted(call: Call, known: Mapping[str, str], *, selectable: bool) -> Listing:
    """What the queries ask for; what is wrong with them is said about the parameter, other than for rows."""
    shape = _Shape(
        {key: {"key": key, "type": kind.removesuffix("[]"), "array": "[]" in kind} for key, kind in known.items()}
    )
    try:
        queries = parse_all(call.query.get("queries"))
        if not selectable and any(query.method == "select" for query in queries):
            raise invalid("Invalid query method: select")
        return listing(shape, queries, call.emulator.clock)
    except AppwriteError as error:
        if error.type == "general_query_invalid":
            raise invalid_param("queries", error.message) from error
        raise


def _mentions(doc: Mapping[str, Any], text: str) -> bool:
    return any(text in fold(doc[key]) for key in ("$id", "name", "email", "phone") if isinstance(doc.get(key), str))


def _rank(key: str, entry: tuple[int, Document]) -> tuple[int, Any]:
    place, doc = entry
    value = place if key == "$sequence" else doc.get(key)
    if value is None:
        return (0, 0)
    return (1, fold(value) if isinstance(value, str) else dumps(value) if isinstance(value, list | dict) else value)


def _beside(found: list[Document], wanted: Listing, id_key: str) -> list[Document]:
    for position, doc in enumerate(found):
        if doc.get(id_key) == wanted.cursor:
            if not wanted.backwards:
                return found[position + 1 : position + 1 + wanted.limit]
            return found[max(0, position - wanted.limit) : position]
    raise AppwriteError("general_cursor_not_found", f"Item '{wanted.cursor}'")


def matches(query: Query, doc: Mapping[str, Any]) -> bool:
    """Whether a filter holds for a document in memory. Raises AppwriteError (501) for filters not known here."""
    method = query.method
    if method == "and":
        return all(matches(nested, doc) for nested in query.values)
    if method == "or":
        return any(matches(nested, doc) for nested in query.values)
    value = doc.get(query.attribute)
    if method in ("isNull", "isNotNull"):
        return (value is None) == (method == "isNull")
    folded = fold(value) if isinstance(value, str) else value
    wanted = [fold(item) if isinstance(item, str) else item for item in query.values]
    return _compare(method, folded, wanted)


def _compare(method: str, value: Any, wanted: list[Any]) -> bool:
    if method == "equal":
        return value in wanted
    if method == "notEqual":
        return value is not None and value not in wanted
    if value is None:
        return False
    if method.startswith("not"):
        return not _compare(method[3].lower() + method[4:], value, wanted)
    if method in ("contains", "containsAny", "containsAll"):
        items = [fold(item) if isinstance(item, str) else item for item in value] if isinstance(value, list) else value
        every = all if method == "containsAll" else any
        return every(item in items for item in wanted)
    if method in ("startsWith", "endsWith"):
        return any(getattr(str(value), method.lower())(str(item)) for item in wanted)
    if method == "search":
        return all(word in str(value) for word in str(wanted[0]).split())
    first, last = wanted[0], wanted[-1]
    checks = {
        "lessThan": lambda: value < first,
        "lessThanEqual": lambda: value <= first,
        "greaterThan": lambda: value > first,
        "greaterThanEqual": lambda: value >= first,
        "between": lambda: first <= value <= last,
    }
    if method not in checks:
        raise AppwriteError("emulator_not_implemented", f"the query {method} on this list")
    return bool(checks[method]())
