"""Which event patterns a function may subscribe to, by the server's own rules. Pure.

The rules are looser and stricter than one expects: ``databases.*.tables.*.rows.*`` is valid, and so is any pattern
below a row with an action that tables know, but ``….rows.*.upsert`` is not, because tables know no ``upsert``.
"""

from __future__ import annotations

from typing import Any

_CRUD: dict[str, Any] = {"create": {}, "update": {}, "delete": {}}
_ROWS: dict[str, Any] = {"$resource": True, **_CRUD, "upsert": {}}
_PARTS: dict[str, Any] = {"$resource": True, **_CRUD}
_TABLES: dict[str, Any] = {"$resource": True, "rows": _ROWS, "indexes": _PARTS, "columns": _PARTS, **_CRUD}
_COLLECTIONS: dict[str, Any] = {
    "$resource": True, "documents": _ROWS, "indexes": _PARTS, "attributes": _PARTS, **_CRUD,
}  # fmt: skip
_USER_FIELDS = (
    "email", "name", "password", "status", "prefs", "phone", "mfa", "labels", "verification", "impersonator",
)  # fmt: skip
_EVENTS: dict[str, Any] = {
    "users": {
        "$resource": True,
        "sessions": {"$resource": True, "create": {}, "delete": {}},
        "recovery": {"$resource": True, "create": {}, "update": {}},
        "verification": {"$resource": True, "create": {}, "update": {}},
        "targets": {"$resource": True, **_CRUD},
        "tokens": {"$resource": True, "create": {}},
        "create": {},
        "delete": {},
        "update": {field: {} for field in _USER_FIELDS},
    },
    "databases": {"$resource": True, "tables": _TABLES, "collections": _COLLECTIONS, **_CRUD},
    "tablesdb": {"$resource": True, "tables": _TABLES, **_CRUD},
    "buckets": {"$resource": True, "files": _PARTS, **_CRUD},
    "teams": {
        "$resource": True,
        "memberships": {"$resource": True, "create": {}, "delete": {}, "update": {"status": {}}},
        "create": {},
        "delete": {},
        "update": {"prefs": {}},
    },
    "presences": {"$resource": True, **_CRUD, "upsert": {}},
}


def why_invalid(pattern: object) -> str | None:
    """Why a function cannot subscribe to ``pattern``, in the server's words; None when it can."""
    if not isinstance(pattern, str):
        return "Event is not valid."
    if pattern.startswith("functions."):
        return "Triggering a function on a function event is not allowed."
    return None if _is_valid(pattern.split(".")) else "Event is not valid."


def _is_valid(parts: list[str]) -> bool:
    if not 2 <= len(parts) <= 7 or not parts[0] or not parts[1] or parts[0] not in _EVENTS:
        return False
    events = _EVENTS[parts[0]]
    known = events.get(parts[2]) if len(parts) > 3 else None
    if isinstance(known, dict) and known.get("$resource"):
        return _is_valid_below(parts, known)
    action = parts[2] if len(parts) > 2 else None
    if action and action not in events:
        return False
    return len(parts) != 4 or not action or parts[3] in events[action]


def _is_valid_below(parts: list[str], known: dict[str, Any]) -> bool:
    deeper = known.get(parts[4]) if len(parts) > 5 else None
    if isinstance(deeper, dict) and deeper.get("$resource"):
        action, attribute = (parts[6] if len(parts) == 7 else None), None
    else:
        action = parts[4] if len(parts) > 4 else None
        attribute = parts[5] if len(parts) == 6 else None
    if not parts[3] or (action and action not in known):
        return False
    return not attribute or (action is not None and attribute in known.get(action, ()))
