"""Transactions: staging, reads inside, commit with the server's rules of conflict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import AppwriteError

if TYPE_CHECKING:
    from .core import Emulator
    from .dialect import Dialect
    from .query import Listing
    from .routing import Call, Reply
    from .sqlite import Document
    from .tablestore import Table


class Transactions:
    """All transactions of the project."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def staged_row(self, table: Table, id: str, transaction_id: str | None) -> Document | None:
        """The row as the transaction would leave it, when the transaction touches it."""
        del table, id, transaction_id
        return None

    def staged_list(
        self, table: Table, transaction_id: str, texts: list[str], wanted: Listing
    ) -> tuple[list[str], int]:
        """The page with the transaction's changes, and by how much `total` differs."""
        del table, transaction_id, wanted
        return texts, 0

    def stage_create(self, call: Call, table: Table, row: Document, dialect: Dialect) -> Reply:
        """Stage a create."""
        del call, table, row, dialect
        raise AppwriteError("emulator_not_implemented", "transactions")
