"""Lists of things that live in memory (users, teams, tables, functions): filtered, ordered and cut by queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import AppwriteError, invalid_param
from .kernel import fold
from .query import Query, invalid, parse_all

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .routing import Call
    from .sqlite import Document
from .values import INT_MAX, number_text

_DEFAULT_LIMIT = 25
_OWN = ("$id", "$createdAt", "$updatedAt", "$sequence")


def page(
    call: Call, documents: Sequence[Document], *, id_key: str = "$id", known: Collection[str] | None = None
) -> tuple[list[Document], int]:
    """The part of `documents` that the call's `queries` and `search` ask for, and how many match in all.

    `known` names the attributes that may be asked for beside the server's own; None: any.
    Raises AppwriteError: 400 for bad queries, 501 for methods that make no sense in memory.
    """
    found = list(documents)
    search = call.query.get("search")
    if isinstance(search, str) and search:
        found = [doc for doc in found if _mentions(doc, fold(search))]
    queries = _checked_queries(call, known)
    limit, offset, cursor = _DEFAULT_LIMIT, 0, None
    for query in queries:
        if query.method == "limit":
            limit = _whole(query, 1)
        elif query.method == "offset":
            offset = _whole(query, 0)
        elif query.method in ("cursorAfter", "cursorBefore"):
            cursor = query
        elif query.method in ("orderAsc", "orderDesc"):
            key = query.attribute or "$createdAt"
            found.sort(key=lambda doc, key=key: _rank(doc.get(key)), reverse=query.method == "orderDesc")  # type: ignore[misc]
        elif query.method != "select":
            found = [doc for doc in found if matches(query, doc)]
    total = len(found)
    if cursor is not None:
        return _beside(found, cursor, limit, id_key), total
    return found[offset : offset + limit], total


def _checked_queries(call: Call, known: Collection[str] | None) -> list[Query]:
    """The queries; what is wrong with them is said about the parameter, other than for rows."""
    try:
        queries = parse_all(call.query.get("queries"))
        for query in queries if known is not None else ():
            _check_attribute(query, known or ())
    except AppwriteError as error:
        if error.type == "general_query_invalid":
            raise invalid_param("queries", error.message) from error
        raise
    return queries


def _check_attribute(query: Query, known: Collection[str]) -> None:
    if query.method in ("and", "or"):
        for nested in query.values:
            _check_attribute(nested, known)
    elif query.attribute and query.attribute not in known and query.attribute not in _OWN:
        raise invalid(f"Invalid query: Attribute not found in schema: {query.attribute}")


def _mentions(doc: Mapping[str, Any], text: str) -> bool:
    return any(text in fold(doc[key]) for key in ("$id", "name", "email", "phone") if isinstance(doc.get(key), str))


def _whole(query: Query, least: int) -> int:
    value = query.values[0] if query.values else None
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if number < least:
        span = f"between {least} and {number_text(INT_MAX)}"
        why = f"Invalid query: Invalid {query.method}: Value must be a valid range {span}"
        raise invalid_param("queries", why)
    return number


def _rank(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, 0)
    return (1, fold(value)) if isinstance(value, str) else (1, str(value))


def _beside(found: list[Document], cursor: Query, limit: int, id_key: str) -> list[Document]:
    wanted = cursor.values[0] if cursor.values else None
    for position, doc in enumerate(found):
        if doc.get(id_key) == wanted:
            if cursor.method == "cursorAfter":
                return found[position + 1 : position + 1 + limit]
            return found[max(0, position - limit) : position]
    raise AppwriteError("general_cursor_not_found", f"Item '{wanted}'")


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
    if method in ("contains", "containsAny"):
        items = [fold(item) if isinstance(item, str) else item for item in value] if isinstance(value, list) else value
        return any(item in items for item in wanted)
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
