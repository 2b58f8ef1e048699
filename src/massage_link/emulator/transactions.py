"""Transactions: their life, staging with the server's checks, and reads inside. `commits` carries them out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .commits import FAILURES, Commit, as_answer, is_permission
from .errors import AppwriteError, ServerFailure, invalid_param
from .kernel import stamp, unique_id
from .operations import BULK, checked_operations
from .pages import matches
from .permissions import allows, as_list, refuse_foreign_roles
from .sqlite import Document, Documents
from .staging import Staged, stage_into
from .writes import ForbiddenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .core import Emulator
    from .identity import Identity
    from .tablestore import Table

_MOST = 100
_KEPT = 2000
_PENDING = "Invalid or non‑pending transaction"
# Through these routes an unknown or finished transaction is 400 `general_bad_request`, through the others 404 or 400.
_BLUNT = ("increment", "decrement", "bulkUpdate", "bulkUpsert", "bulkDelete")
_NEED_ROW = {"update": "update", "increment": "update", "decrement": "update", "delete": "delete", "upsert": "update"}


def wire(transaction: Mapping[str, Any]) -> Document:
    """A transaction as it goes out."""
    keys = ("$id", "$createdAt", "$updatedAt", "status", "operations", "expiresAt")
    return {key: transaction[key] for key in keys}


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
        transaction: Document = {
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

        Raises AppwriteError: 404, 400 (`transaction_not_ready`, `transaction_limit_exceeded`), 500 when it has expired.
        """
        if not isinstance(transaction_id, str):
            raise invalid_param("transactionId", "UID must contain at most 36 chars")
        if action in _BLUNT and self._pending(transaction_id, identity) is None:
            raise AppwriteError("general_bad_request", message=_PENDING)
        transaction = self.find(transaction_id, identity)
        self.ready(transaction)
        self._refuse_too_many(transaction, 1)
        self._append(transaction, [self._entry(table, action, row_id, data)])

    def _pending(self, transaction_id: str, identity: Identity) -> Document | None:
        try:
            found = self.find(transaction_id, identity)
        except AppwriteError:
            return None
        return found if found["status"] == "pending" else None

    def _refuse_too_many(self, transaction: Mapping[str, Any], more: int) -> None:
        existing = transaction["operations"]
        if existing + more > _MOST:
            raise AppwriteError(
                "transaction_limit_exceeded",
                message=f"Transaction already has {existing} operations, adding {more} would exceed the maximum of "
                f"{_MOST}",
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

    def stage_operations(self, transaction_id: str, operations: Any, identity: Identity, *, legacy: bool) -> Document:
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
            given = as_list(permissions) or []
            if not all(is_permission(text) for text in given):
                raise ServerFailure("a permission that cannot be read")
            refuse_foreign_roles(given, identity.role_list)

    # Reading inside

    def row_inside(
        self, transaction: Document | None, table: Table, row_id: str, identity: Identity
    ) -> Document | None:
        """The row as this caller sees it inside the transaction (None: outside), None when there is none to see."""
        state = self._state(transaction) if transaction else {}
        staged = state.get(table.number, {}).get(row_id)
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
            stage_into(state.setdefault(table.number, {}), entry)
        return state

    # Finishing

    def rollback(self, transaction: Document) -> Document:
        """Give up everything staged."""
        return self._save(transaction, status="failed", log=[])

    def ready(self, transaction: Document) -> None:
        """Raise AppwriteError unless it can be finished: 400 `transaction_not_ready`, 500 `transaction_expired`."""
        if transaction["status"] != "pending":
            raise AppwriteError("transaction_not_ready")
        self._refuse_expired(transaction)

    def commit(self, transaction: Document, identity: Identity, *, moment: str | None = None) -> Document:
        """Carry out everything staged, or nothing.

        `moment` is the stamp to write. A failure that the server does not expect (no permission, a bad permission
        text) leaves the transaction in `committing` for good. Raises AppwriteError.
        """
        self._save(transaction, status="committing")
        run = Commit(self._emulator, identity, moment)
        try:
            with self._emulator.database.atomic():
                for entry in transaction["log"]:
                    run.perform(entry)
        except FAILURES as error:
            self._save(transaction, status="failed", log=[])
            raise as_answer(error, run.row_id) from error
        except ForbiddenError as error:
            raise AppwriteError("user_unauthorized") from error
        except AppwriteError:
            self._save(transaction, status="failed", log=[])
            raise
        self._save(transaction, status="committed", log=[])
        self._announce(run, identity)
        return transaction

    def _announce(self, run: Commit, identity: Identity) -> None:
        for event in run.events:
            row = event.row if event.action == "delete" else event.table.row(event.row_id)
            if row is None or (event.action != "delete" and not self._readable(event.table, row, identity)):
                continue  # the server reads the row back with the committer's rights
            self._emulator.announce_row(
                event.table, event.action, row, in_transaction=True, acting_user_id=identity.user_id
            )
