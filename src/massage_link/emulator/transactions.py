"""Transactions: staging, reads inside, and a commit with the server's rules of conflict.

Operations are kept until the commit and then carried out in order in one SQL transaction. A staged update or bulk
write is in conflict with any later write of the row by somebody else; increments, decrements and deletes are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .errors import AppwriteError, invalid_param
from .kernel import stamp, unique_id
from .pages import matches
from .permissions import allows, as_list, parse, refuse_foreign_roles
from .query import listing, order_by, parse_all, where
from .sqlite import Document, Documents
from .tablestore import DuplicateError, Table
from .writes import (
    ConflictError,
    ForbiddenError,
    LimitError,
    MissingColumnError,
    StructureError,
    Writer,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .core import Emulator
    from .identity import Identity

ACTIONS = (
    "create", "update", "upsert", "delete", "increment", "decrement", "bulkCreate", "bulkUpdate", "bulkUpsert",
    "bulkDelete",
)  # fmt: skip
BULK = ACTIONS[6:]
_MOST = 100
_KEPT = 2000
_PENDING = "Invalid or non‑pending transaction"
_NEED_ROW = {"update": "update", "increment": "update", "decrement": "update", "delete": "delete", "upsert": "update"}


def wire(transaction: Mapping[str, Any]) -> Document:
    """A transaction as it goes out."""
    keys = ("$id", "$createdAt", "$updatedAt", "status", "operations", "expiresAt")
    return {key: transaction[key] for key in keys}


@dataclass(slots=True)
class Staged:
    """What a transaction would make of one row; `document` is partial unless the row is created."""

    action: str
    document: Document
    exists: bool = True


@dataclass(frozen=True, slots=True)
class Event:
    """A write of a commit that is to be announced: the row is read back afterwards, but for deletes."""

    table: Table
    action: str
    row_id: str
    row: Document | None = None


class Transactions:
    """All transactions of the project."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._all = Documents(emulator.database, "transaction")

    # Life

    def create(self, identity: Identity, ttl: int) -> Document:
        """Begin a transaction that lasts `ttl` seconds."""
        self._forget_finished()
        now = self._emulator.clock.now()
        transaction = {
            "$id": unique_id(),
            "$createdAt": stamp(now),
            "$updatedAt": stamp(now),
            "status": "pending",
            "operations": 0,
            "expiresAt": stamp(now + timedelta(seconds=ttl)),
            "owner": identity.user_id,
            "log": [],
        }
        return self._all.put(transaction["$id"], transaction)

    def _forget_finished(self) -> None:
        if len(self._all) < _KEPT:
            return
        now = self._emulator.clock.stamp()
        for id_, transaction in list(self._all.items()):
            if transaction["status"] != "pending" or transaction["expiresAt"] < now:
                self._all.remove(id_)

    def find(self, transaction_id: str, identity: Identity) -> Document:
        """The transaction, if it is this caller's or the caller is a key. Raises AppwriteError (404)."""
        found = self._all.get(transaction_id)
        if found is None or not (identity.privileged or (identity.user_id and identity.user_id == found["owner"])):
            raise AppwriteError("transaction_not_found", transaction_id)
        return found

    def all_for(self, identity: Identity) -> list[Document]:
        """The caller's transactions."""
        return [
            wire(found)
            for found in self._all.values()
            if identity.privileged or (identity.user_id and identity.user_id == found["owner"])
        ]

    def remove(self, transaction_id: str) -> None:
        """Forget a transaction."""
        self._all.remove(transaction_id)

    def _save(self, transaction: Document, **changes: Any) -> Document:
        transaction.update(changes, **{"$updatedAt": self._emulator.clock.stamp()})
        return self._all.put(transaction["$id"], transaction)

    def _refuse_expired(self, transaction: Mapping[str, Any]) -> None:
        if datetime.fromisoformat(transaction["expiresAt"]) < self._emulator.clock.now():
            raise AppwriteError("transaction_expired")

    # Staging

    def stage(
        self, identity: Identity, transaction_id: Any, table: Table, action: str, row_id: str | None, data: Any
    ) -> None:
        """Stage one operation through a row route, which checks no permission but `create`.

        Raises AppwriteError: 404, 400 `transaction_not_ready` and `transaction_limit_exceeded`, 410.
        """
        if not isinstance(transaction_id, str):
            raise invalid_param("transactionId", "UID must contain at most 36 chars")
        transaction = self.find(transaction_id, identity)
        if transaction["status"] != "pending":
            raise AppwriteError("transaction_not_ready")
        self._refuse_expired(transaction)
        self._refuse_too_many(transaction, 1)
        self._append(transaction, [self._entry(table, action, row_id, data)])

    def _refuse_too_many(self, transaction: Mapping[str, Any], more: int) -> None:
        existing = transaction["operations"]
        if existing + more > _MOST:
            raise AppwriteError(
                "transaction_limit_exceeded",
                message=f"Transaction already has {existing} operations, adding {more} would exceed the maximum of {_MOST}",
            )

    def _entry(self, table: Table, action: str, row_id: str | None, data: Any) -> Document:
        return {
            "databaseId": table.database_id,
            "tableId": table.id,
            "action": action,
            "rowId": row_id,
            "data": data,
            "at": self._emulator.clock.tick(),
        }

    def _append(self, transaction: Document, entries: list[Document]) -> Document:
        log = [*transaction["log"], *entries]
        return self._save(transaction, log=log, operations=transaction["operations"] + len(entries))

    def stage_operations(
        self, transaction_id: str, operations: Any, identity: Identity, *, legacy: bool
    ) -> Document:
        """Stage operations as `POST …/operations` gives them; all or none. Raises AppwriteError."""
        entries = checked_operations(operations, legacy=legacy)
        if not entries:
            raise AppwriteError("general_bad_request", message="Operations array cannot be empty")
        transaction = self.find(transaction_id, identity)
        if transaction["status"] != "pending":
            raise AppwriteError("general_bad_request", message=_PENDING)
        self._refuse_expired(transaction)
        self._refuse_too_many(transaction, len(entries))
        created: set[tuple[int, str]] = set()
        staged = [self._admitted(transaction, entry, identity, created) for entry in entries]
        return self._append(transaction, staged)

    def _admitted(
        self, transaction: Document, entry: Document, identity: Identity, created: set[tuple[int, str]]
    ) -> Document:
        action, row_id = entry["action"], entry["rowId"]
        if action in BULK and not identity.privileged:
            raise AppwriteError("user_unauthorized")
        table = self._emulator.catalogue.find_table(
            entry["databaseId"], entry["tableId"], privileged=identity.privileged, missing="collection_not_found"
        )
        row = None
        if action in _NEED_ROW:
            row = self.row_inside(transaction, table, row_id, identity)
            if row is None and (table.number, row_id) not in created and action != "upsert":
                raise AppwriteError("document_not_found", row_id)
        if action not in BULK and not identity.privileged:
            self._check_user(table, entry, row, identity)
        if action == "create":
            created.add((table.number, row_id))
        return self._entry(table, action, row_id, entry["data"])

    def _check_user(self, table: Table, entry: Document, row: Document | None, identity: Identity) -> None:
        needed = _NEED_ROW.get(entry["action"], "create")
        if entry["action"] == "upsert" and row is None:
            needed = "create"
        allowed = allows(table.permissions, needed, identity.roles)
        if not allowed and needed != "create" and table.row_security and row is not None:
            allowed = allows(row.get("$permissions") or [], needed, identity.roles)
        if not allowed:
            raise AppwriteError("user_unauthorized")
        permissions = entry["data"].get("$permissions") if isinstance(entry["data"], dict) else None
        if permissions:
            known = [text for text in as_list(permissions) or [] if _is_permission(text)]
            refuse_foreign_roles(known, identity.role_list)

    # Reading inside

    def row_inside(self, transaction: Document, table: Table, row_id: str, identity: Identity) -> Document | None:
        """The row as this caller sees it inside the transaction, None when there is none to see."""
        staged = self._state(transaction).get(table.number, {}).get(row_id)
        if staged is not None and not staged.exists:
            return None
        if staged is not None and staged.action == "create":
            return staged.document
        committed = table.row(row_id)
        if committed is not None and not self._readable(table, committed, identity):
            committed = None
        if staged is None:
            return committed
        if committed is not None:
            return {**committed, **{key: value for key, value in staged.document.items() if key != "$id"}}
        return staged.document if staged.action == "upsert" else None

    @staticmethod
    def _readable(table: Table, row: Mapping[str, Any], identity: Identity) -> bool:
        if identity.privileged or allows(table.permissions, "read", identity.roles):
            return True
        return table.row_security and allows(row["$permissions"], "read", identity.roles)

    def view(self, transaction_id: Any) -> Document | None:
        """The pending transaction that a read names; None when it is unknown or finished, which is then ignored."""
        found = self._all.get(transaction_id) if isinstance(transaction_id, str) else None
        return found if found and found["status"] == "pending" else None

    def rows_inside(
        self, transaction: Document, table: Table, rows: list[Document], filters: list[Any]
    ) -> tuple[list[Document], int]:
        """A page of committed `rows` with the staged changes, and by how much `total` differs.

        Created rows come after the committed ones, whatever the limit.
        """
        found = {row["$id"]: row for row in rows}
        committed = set(found)
        difference = 0
        for row_id, staged in self._state(transaction).get(table.number, {}).items():
            if not staged.exists:
                difference -= row_id in committed
                found.pop(row_id, None)
            elif staged.action == "create":
                difference += all(matches(query, staged.document) for query in filters)
                found[row_id] = {**staged.document, "$sequence": ""}
            elif row_id in found:
                changes = {key: value for key, value in staged.document.items() if key != "$id"}
                found[row_id] = {**found[row_id], **changes}
            elif staged.action == "upsert":
                difference += all(matches(query, staged.document) for query in filters)
                found[row_id] = {"$id": row_id, **staged.document, "$sequence": ""}
        return list(found.values()), difference

    def _state(self, transaction: Document) -> dict[int, dict[str, Staged]]:
        state: dict[int, dict[str, Staged]] = {}
        for entry in transaction["log"]:
            try:
                table = self._emulator.catalogue.find_table(entry["databaseId"], entry["tableId"])
            except AppwriteError:
                continue
            _stage_into(state.setdefault(table.number, {}), entry)
        return state

    # Finishing

    def rollback(self, transaction: Document) -> Document:
        """Give up everything staged."""
        return self._save(transaction, status="failed", log=[])

    def ready(self, transaction: Document) -> None:
        """Raise AppwriteError unless the transaction can be finished: 400 `transaction_not_ready`, 410."""
        if transaction["status"] != "pending":
            raise AppwriteError("transaction_not_ready")
        self._refuse_expired(transaction)

    def commit(self, transaction: Document, identity: Identity, *, moment: str | None = None) -> Document:
        """Carry out everything staged, or nothing.

        `moment` is the stamp to write. A failure that the server does not expect (no permission, a bad permission
        text) leaves the transaction in `committing` for good. Raises AppwriteError.
        """
        self._save(transaction, status="committing")
        run = _Commit(self._emulator, identity, moment)
        try:
            with self._emulator.database.atomic():
                for entry in transaction["log"]:
                    run.perform(entry)
        except _FAILURES as error:
            self._save(transaction, status="failed", log=[])
            raise _as_answer(error, run.row_id) from error
        except ForbiddenError as error:
            raise AppwriteError("user_unauthorized") from error
        except AppwriteError:
            self._save(transaction, status="failed", log=[])
            raise
        self._save(transaction, status="committed", log=[])
        self._announce(run, identity)
        return transaction

    def _announce(self, run: _Commit, identity: Identity) -> None:
        for event in run.events:
            row = event.row if event.action == "delete" else event.table.row(event.row_id)
            if row is None or (event.action != "delete" and not self._readable(event.table, row, identity)):
                continue  # the server reads the row back with the committer's rights
            self._emulator.announce_row(
                event.table, event.action, row, in_transaction=True, acting_user_id=identity.user_id
            )


class _RowMissingError(Exception):
    """An update or delete found no row."""


_FAILURES = (_RowMissingError, MissingColumnError, DuplicateError, ConflictError, StructureError, LimitError)


def _as_answer(error: Exception, row_id: str | None) -> AppwriteError:
    if isinstance(error, _RowMissingError | MissingColumnError):
        return AppwriteError("document_not_found", row_id or "unknown")
    if isinstance(error, StructureError):
        return AppwriteError("document_invalid_structure", message=str(error))
    if isinstance(error, LimitError):
        return AppwriteError("attribute_limit_exceeded", message=str(error))
    return AppwriteError("transaction_conflict")


class _Commit:
    """One commit as it runs: which rows it has written itself, and what it will announce."""

    def __init__(self, emulator: Emulator, identity: Identity, moment: str | None) -> None:
        self._emulator = emulator
        self._identity = identity
        self._moment = moment
        self._written: set[tuple[int, str]] = set()
        self.row_id: str | None = None
        self.events: list[Event] = []

    def perform(self, entry: Document) -> None:
        """Carry out one staged operation."""
        table = self._emulator.catalogue.find_table(entry["databaseId"], entry["tableId"])
        self.row_id = entry["rowId"]
        faults = self._emulator.faults
        if self.row_id and faults.remembers():
            faults.remember(table, self.row_id, table.text(self.row_id))
        getattr(self, "_" + entry["action"])(table, entry)

    def _writer(self, table: Table, entry: Document) -> Writer:
        mine = (table.number, entry["rowId"] or "") in self._written
        since = None if mine else datetime.fromisoformat(entry["at"])
        return Writer(self._emulator.clock, self._identity, since=since, moment=self._moment)

    def _wrote(self, table: Table, row: Mapping[str, Any]) -> None:
        self._written.add((table.number, row["$id"]))

    def _create(self, table: Table, entry: Document) -> None:
        data = dict(entry["data"])
        data.setdefault("$id", entry["rowId"])
        _check_permission_texts(data)
        row = self._writer(table, entry).create(table, data)
        self._wrote(table, row)
        self.events.append(Event(table, "create", entry["rowId"] or row["$id"]))

    def _update(self, table: Table, entry: Document) -> None:
        row = self._writer(table, entry).update(table, entry["rowId"], _without_dates(entry["data"]))
        if row is None:
            raise _RowMissingError
        self._wrote(table, row)
        self._written.add((table.number, entry["rowId"]))
        self.events.append(Event(table, "update", entry["rowId"]))

    def _upsert(self, table: Table, entry: Document) -> None:
        data = dict(entry["data"])
        mine = (table.number, entry["rowId"]) in self._written
        if mine:  # only then does the server look at the operation's row id
            data = {**(table.row(entry["rowId"]) or {}), **{k: v for k, v in data.items() if k != "$id"}}
        data.setdefault("$id", unique_id())
        row = self._writer(table, entry).upsert(table, _without_dates(data))
        self._wrote(table, row)
        self.events.append(Event(table, "update", entry["rowId"] or data["$id"]))

    def _delete(self, table: Table, entry: Document) -> None:
        writer = self._writer(table, entry)
        writer.since = None  # a row that was changed meanwhile is deleted all the same
        row = writer.delete(table, entry["rowId"])
        if row is None:
            raise _RowMissingError
        self._written.discard((table.number, row["$id"]))
        self.events.append(Event(table, "delete", entry["rowId"], row))

    def _increment(self, table: Table, entry: Document) -> None:
        self._shift(table, entry, 1, "max")

    def _decrement(self, table: Table, entry: Document) -> None:
        self._shift(table, entry, -1, "min")

    def _shift(self, table: Table, entry: Document, sign: int, bound: str) -> None:
        data = entry["data"]
        key = data.get("column") or data.get("attribute") or ""
        by = data.get("value", 1)
        by = float(by) if isinstance(by, str) else by
        row = self._writer(table, entry).shift(table, entry["rowId"], key, sign * by, data.get(bound))
        self._wrote(table, row)
        self.events.append(Event(table, "update", entry["rowId"]))

    def _bulkCreate(self, table: Table, entry: Document) -> None:
        for data in entry["data"]:
            _check_permission_texts(data)
            self._wrote(table, self._writer(table, entry).create(table, data))

    def _matching(self, table: Table, entry: Document) -> list[Document]:
        wanted = listing(table, parse_all(entry["data"].get("queries")), self._emulator.clock)
        condition, values = where(table, wanted.filters, self._emulator.clock)
        _, order = order_by(table, wanted)
        limit = wanted.limit if wanted.limited else -1
        rows = table.rows_where(condition, values, order=order, limit=limit)
        at = datetime.fromisoformat(entry["at"])
        for row in rows:
            mine = (table.number, row["$id"]) in self._written
            if not mine and datetime.fromisoformat(row["$updatedAt"]) > at:
                raise ConflictError
        return rows

    def _bulkUpdate(self, table: Table, entry: Document) -> None:
        writer = Writer(self._emulator.clock, self._identity, moment=self._moment)
        for row in self._matching(table, entry):
            updated = writer.update(table, row["$id"], _without_dates(entry["data"]["data"]))
            self._wrote(table, updated or row)

    def _bulkUpsert(self, table: Table, entry: Document) -> None:
        at = datetime.fromisoformat(entry["at"])
        writer = Writer(self._emulator.clock, self._identity, moment=self._moment)
        for data in entry["data"]:
            row = table.row(data["$id"]) if data.get("$id") else None
            mine = row is not None and (table.number, row["$id"]) in self._written
            if row is not None and not mine and datetime.fromisoformat(row["$updatedAt"]) > at:
                raise ConflictError
            merged = {**row, **data} if row is not None and mine else {"$id": unique_id(), **data}
            self._wrote(table, writer.upsert(table, _without_dates(merged)))

    def _bulkDelete(self, table: Table, entry: Document) -> None:
        for row in self._matching(table, entry):
            table.delete(row["$sequence"])
            self._written.discard((table.number, row["$id"]))


def _without_dates(data: Mapping[str, Any]) -> Document:
    return {key: value for key, value in data.items() if key not in ("$createdAt", "$updatedAt", "$sequence")}


def _is_permission(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(parse(text))
    except ValueError:
        return False


def _check_permission_texts(data: Mapping[str, Any]) -> None:
    """Texts that are no permissions end a commit with 500, which is how the server fails on them."""
    for text in as_list(data.get("$permissions") or []) or []:
        if not _is_permission(text):
            raise RuntimeError(f"not a permission: {text!r}")


def _stage_into(rows: dict[str, Staged], entry: Document) -> None:
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


# Checks of `operations`


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
    return [
        {
            "action": item["action"],
            "databaseId": item["databaseId"],
            "tableId": item[table],
            "rowId": item.get(row),
            "data": item.get("data") if item.get("data") is not None else {},
        }
        for item in items
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
    if action == "bulkUpdate" and not isinstance((data or {}).get("data"), dict):
        return f"Key 'data' is required in data for {action}"
    if action in ("bulkCreate", "bulkUpsert") and not all(isinstance(row, dict) for row in as_list(data) or [None]):
        return "Value must be an array"
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
