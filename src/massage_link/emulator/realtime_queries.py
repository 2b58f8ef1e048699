"""The filters of a realtime subscription: parsed once, then asked of every payload. Pure.

The server compares as PHP does, and so does this: ``equal`` needs the same type as well as the same value, while
the orderings convert (``null`` is less than 1, ``"10"`` is greater than 9). A filter on an attribute that the
payload lacks never matches.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALLOWED = frozenset(
    {
        "equal", "notEqual", "lessThan", "lessThanEqual", "greaterThan", "greaterThanEqual", "isNull", "isNotNull",
        "and", "or", "select",
    }
)  # fmt: skip
_LOGICAL = ("and", "or")
_DEEPEST = 100  # PHP gives up at some depth, too


class RealtimeQueryError(Exception):
    """A query that realtime refuses. ``code`` is what its error message carries."""

    def __init__(self, message: str, code: int = 1003) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Query:
    """One condition; for ``and`` and ``or`` the ``values`` are conditions themselves."""

    method: str
    attribute: str
    values: tuple[Any, ...]

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"method": self.method}
        if self.attribute:
            shown["attribute"] = self.attribute
        return {**shown, "values": [v.as_json() if isinstance(v, Query) else v for v in self.values]}

    def __str__(self) -> str:
        return json.dumps(self.as_json(), separators=(",", ":"))


SELECT_ALL = Query("select", "", ("*",))


def parse_queries(texts: Sequence[object]) -> tuple[Query, ...]:
    """The queries of one subscription.

    Raises RealtimeQueryError for anything that realtime does not take.
    """
    return tuple(_parse(text) for text in texts)


def matches(queries: tuple[Query, ...], payload: Mapping[str, Any]) -> bool:
    """Whether all ``queries`` hold for ``payload``; ``select("*")`` among them, or none at all, admits everything."""
    if not queries or any(query.method == "select" for query in queries):
        return True
    return all(_holds(query, payload) for query in queries)


def _parse(text: object) -> Query:
    if not isinstance(text, str):
        raise RealtimeQueryError("A query must be a string", 0)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RealtimeQueryError(f"Invalid query: {error}") from error
    if not isinstance(value, dict | list):
        raise RealtimeQueryError("Invalid query. Must be an array")
    return _query(value)


def _query(value: Any, depth: int = 0) -> Query:
    if depth > _DEEPEST:
        raise RealtimeQueryError("The query is nested too deeply")
    if not isinstance(value, dict | list):
        raise RealtimeQueryError("A nested query must be an array", 0)
    fields = value if isinstance(value, dict) else {}
    method, attribute, values = fields.get("method", ""), fields.get("attribute", ""), fields.get("values", [])
    if not isinstance(attribute, str) or not isinstance(values, list | dict):
        raise RealtimeQueryError("Invalid query attribute or values")
    if not isinstance(method, str) or method not in ALLOWED:
        raise RealtimeQueryError(f"Query method '{method}' is not supported in Realtime queries")
    listed = list(values.values()) if isinstance(values, dict) else values
    if method in _LOGICAL:
        return Query(method, attribute, tuple(_query(nested, depth + 1) for nested in listed))
    if method == "select" and listed != ["*"]:
        raise RealtimeQueryError('Only select("*") is allowed in Realtime queries', 0)
    return Query(method, attribute, tuple(listed))


def _holds(query: Query, payload: Mapping[str, Any]) -> bool:
    if query.method == "and":
        return all(_holds(nested, payload) for nested in query.values)
    if query.method == "or":
        return any(_holds(nested, payload) for nested in query.values)
    if query.attribute not in payload:
        return False
    return _compare(query.method, _wired(payload[query.attribute]), query.values)


def _compare(method: str, value: Any, targets: tuple[Any, ...]) -> bool:
    match method:
        case "equal":
            return any(_same(value, target) for target in targets)
        case "notEqual":
            return not any(_same(value, target) for target in targets)
        case "lessThan":
            return any(_less(value, target) for target in targets)
        case "lessThanEqual":
            return any(not _less(target, value) for target in targets)
        case "greaterThan":
            return any(_less(target, value) for target in targets)
        case "greaterThanEqual":
            return any(not _less(value, target) for target in targets)
        case "isNull":
            return value is None
        case _:
            return value is not None


def _wired(value: Any) -> Any:
    """A float without a fraction arrives at the server's realtime process as an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _same(value: Any, target: Any) -> bool:
    return type(value) is type(target) and bool(value == target)


def _less(left: Any, right: Any) -> bool:
    """PHP's ``<`` between two values that came out of JSON."""
    if isinstance(left, str) and right is None:
        right = ""
    if isinstance(right, str) and left is None:
        left = ""
    if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
        return bool(left) < bool(right)
    if isinstance(left, list | dict) or isinstance(right, list | dict):
        return not isinstance(left, list | dict)
    a, b = _number(left), _number(right)
    if a is not None and b is not None:
        return a < b
    return str(left).encode() < str(right).encode()


def _number(value: Any) -> float | None:
    if not isinstance(value, str):
        return float(value)
    try:
        number = float(value)
    except ValueError:
        return None
    return number if value.strip()[:1] in "+-.0123456789" else None  # "nan" and "inf" are words to PHP
