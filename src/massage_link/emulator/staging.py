"""What staged operations would make of rows, as reads inside a transaction show it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .pages import matches
from .query import parse_all

if TYPE_CHECKING:
    from .sqlite import Document


@dataclass(slots=True)
class Staged:
    """What a transaction would make of one row; `document` is partial unless the row is created."""

    action: str
    document: Document
    exists: bool = True


def stage_into(rows: dict[str, Staged], entry: Document) -> None:
    """Apply one staged operation to what is known of a table's rows by id."""
    action, row_id, data = entry["action"], entry["rowId"], entry["data"]
    if action in ("create", "upsert"):
        rows[row_id] = Staged(action, {"$id": row_id, **data})
    elif action == "update":
        if row_id in rows and rows[row_id].exists:
            rows[row_id].document.update({key: value for key, value in data.items() if key != "$id"})
        else:
            rows[row_id] = Staged("update", dict(data))
    elif action == "delete":
        rows[row_id] = Staged("delete", {}, exists=False)
    elif action in ("increment", "decrement"):
        _shift_into(rows, entry)
    elif action in ("bulkCreate", "bulkUpsert"):
        for row in data:
            if row.get("$id") in rows and action == "bulkUpsert":
                rows[row["$id"]].document.update(row)
            elif row.get("$id"):
                rows[row["$id"]] = Staged("create" if action == "bulkCreate" else "upsert", dict(row))
    else:
        _bulk_into(rows, entry)


def _shift_into(rows: dict[str, Staged], entry: Document) -> None:
    """The server looks for `attribute` only, so what TablesDB stages (`column`) is not seen before the commit."""
    key = entry["data"].get("attribute")
    if not key:
        return
    by = entry["data"].get("value", 1) * (1 if entry["action"] == "increment" else -1)
    staged = rows.setdefault(entry["rowId"], Staged("update", {}))
    staged.document[key] = (staged.document.get(key) or 0) + by


def _bulk_into(rows: dict[str, Staged], entry: Document) -> None:
    filters = [query for query in parse_all(entry["data"].get("queries")) if query.method not in ("limit", "offset")]
    for row_id, staged in list(rows.items()):
        if staged.exists and all(matches(query, staged.document) for query in filters):
            if entry["action"] == "bulkDelete":
                rows[row_id] = Staged("delete", {}, exists=False)
            else:
                staged.document.update(entry["data"]["data"])
