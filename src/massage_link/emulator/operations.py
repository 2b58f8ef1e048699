"""Operations of transactions as requests give them, checked in the server's order and wording. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import invalid_param
from .permissions import as_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .sqlite import Document

ACTIONS = (
    "create", "update", "upsert", "delete", "increment", "decrement", "bulkCreate", "bulkUpdate", "bulkUpsert",
    "bulkDelete",
)  # fmt: skip
BULK = ACTIONS[6:]


def checked_operations(operations: Any, *, legacy: bool) -> list[Document]:
    """Operations in one form, whichever API they came through. Raises AppwriteError (400)."""
    items = as_list(operations)
    why = "Value must be an array"
    if items is not None:
        whys = (_operation_fault(item, legacy=legacy) for item in items)
        why = next((found for found in whys if found), "")
    if why or items is None:
        raise invalid_param("operations", f"Value must a valid array and {why}")
    table, row = ("collectionId", "documentId") if legacy else ("tableId", "rowId")
    checked: list[Document] = items
    return [
        {
            "action": item["action"],
            "databaseId": item["databaseId"],
            "tableId": item[table],
            "rowId": item.get(row),
            "data": item.get("data") if item.get("data") is not None else {},
        }
        for item in checked
    ]


def _operation_fault(item: Any, *, legacy: bool) -> str | None:
    table, row = ("collectionId", "documentId") if legacy else ("tableId", "rowId")
    if not isinstance(item, dict):
        return "Value must be an array"
    for key in ("databaseId", "action", table):
        if key not in item:
            return f"Missing required key: {key}"
    for key in ("databaseId", "action", table):
        if not isinstance(item[key], str) or not item[key].strip():
            return f"Key '{key}' must be a non‑empty string"
    action = item["action"]
    if action not in ACTIONS:
        return f"Key 'action' must be one of: {', '.join(ACTIONS)}"
    if action not in BULK and row not in item:
        return f"Key '{row}' is required for action '{action}'"
    if row in item and (not isinstance(item[row], str) or not item[row].strip()):
        return f"Key '{row}' must be a non-empty string"
    return _data_fault(item, action, legacy=legacy)


def _data_fault(item: Mapping[str, Any], action: str, *, legacy: bool) -> str | None:
    data = item.get("data")
    if action != "delete" and "data" not in item:
        return "Missing required key: data"
    if "data" in item and not isinstance(data, dict | list):
        return "Key 'data' must be an array"
    if action in ("bulkUpdate", "bulkDelete"):
        if not isinstance(data, dict) or "queries" not in data:
            return f"Key 'queries' is required in data for {action}"
        if not isinstance(data["queries"], list | dict):
            return f"Key 'queries' must be an array for {action}"
    if action == "bulkUpdate" and "data" not in (data or {}):
        return f"Key 'data' is required in data for {action}"
    if action == "bulkUpdate" and not isinstance((data or {})["data"], dict | list):
        return f"Key 'data.data' must be an array for {action}"
    if action in ("increment", "decrement"):
        key = "attribute" if legacy else "column"
        if not isinstance(data, dict) or key not in data:
            return f"Key '{key}' is required in data for {action}"
        if not _numeric(data.get("value", 1)):
            return f"Key 'value' must be a numeric value for {action}"
    return None


def _numeric(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return False
        return True
    return isinstance(value, int | float)
