"""TablesDB transactions: begin, stage, commit; and the operations that are staged.

Bulk operations inside a transaction count as one, need a key, and emit no event. Upsert is left out: in a transaction
the real server ignores its row id and creates a row with a random one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from massage_link.wire.call import Call, Reply, nothing, parsed, path, raw_json
from massage_link.wire.instructions import without_instructions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from massage_link.wire.rows import TableAddress

__all__ = ["Operation", "Transaction", "begin", "bulk_create", "bulk_delete", "commit", "create", "stage", "update"]

#: Seconds until the server forgets a transaction: the least that it takes, since ours live for milliseconds.
_TTL = 60
Operation = Mapping[str, Any]


class Transaction(BaseModel):
    """A transaction. Its id is a secret while it is open: whoever knows it can read what is staged."""

    id: str = Field(alias="$id", repr=False)


def begin() -> Call[Transaction]:
    """Open a transaction. Repeating is harmless: one that nobody uses expires."""
    return Call("POST", path("tablesdb", "transactions"), parsed(Transaction), {"ttl": _TTL}, repeatable=True)


def stage(transaction: Transaction, operations: Sequence[Operation]) -> Call[None]:
    """Stage operations. Not repeatable: they would be staged twice."""
    return Call("POST", _path(transaction, "operations"), nothing, {"operations": list(operations)})


def commit(transaction: Transaction) -> Call[None]:
    """Commit. After any answer but 200 the outcome has to be read; see `massage_link.usecases.commit`."""
    return Call("PATCH", _path(transaction), _committed, {"commit": True})


def _committed(reply: Reply) -> None:
    # A 200 that does not say so is not Appwrite's: a proxy's page must not pass for a booking.
    if raw_json(reply)["status"] != "committed":
        raise ValueError("the transaction is not committed")


def create(table: TableAddress, row_id: str, columns: Mapping[str, Any], permissions: list[str]) -> Operation:
    """Create a row. A transaction gives no permissions by default, so they are always said."""
    return _operation("create", table, {**without_instructions(columns), "$permissions": permissions}, row_id)


def update(
    table: TableAddress, row_id: str, columns: Mapping[str, Any], permissions: list[str] | None = None
) -> Operation:
    """Change columns and, when `permissions` are given, replace who may read the row."""
    data = {**without_instructions(columns), **({} if permissions is None else {"$permissions": permissions})}
    return _operation("update", table, data, row_id)


def bulk_create(table: TableAddress, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Operation:
    """Create rows that nobody may read by themselves, as one operation (at most 100)."""
    return _operation(
        "bulkCreate", table, [{"$id": row_id, **without_instructions(columns)} for row_id, columns in rows]
    )


def bulk_delete(table: TableAddress, queries: list[str]) -> Operation:
    """Delete the rows that the queries find, as one operation."""
    return _operation("bulkDelete", table, {"queries": queries})


def _operation(action: str, table: TableAddress, data: object, row_id: str | None = None) -> Operation:
    operation: dict[str, Any] = {"action": action, "databaseId": table.database, "tableId": table.table, "data": data}
    if row_id is not None:
        operation["rowId"] = row_id
    return operation


def _path(transaction: Transaction, *parts: str) -> str:
    return path("tablesdb", "transactions", transaction.id, *parts)
