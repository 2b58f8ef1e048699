"""The two spellings of one API: TablesDB's rows and columns, the older documents and attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .errors import AppwriteError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Dialect:
    """Words in which one of the two APIs speaks about a row, and with which its error types begin."""

    row: str
    rows: str
    column: str
    columns: str
    table: str
    tables: str
    api: Literal["tablesdb", "databases"]

    @property
    def legacy(self) -> bool:
        return self.api == "databases"

    def error(self, kind: str, *about: object, message: str | None = None) -> AppwriteError:
        """The error `row_…` or `document_…`."""
        return AppwriteError(f"{self.row}_{kind}", *about, message=message)

    def column_error(self, kind: str, *about: object, message: str | None = None) -> AppwriteError:
        """The error `column_…` or `attribute_…`."""
        return AppwriteError(f"{self.column}_{kind}", *about, message=message)

    def settable(self, data: Mapping[str, Any], *, privileged: bool) -> dict[str, Any]:
        """A row as a caller sends it, without what she cannot set: its place and, unless with a key, its dates."""
        fixed = {"$sequence", "$databaseId", f"${self.table}Id"} | (
            set() if privileged else {"$createdAt", "$updatedAt"}
        )
        return {key: value for key, value in data.items() if key not in fixed}

    @property
    def missing_table(self) -> str:
        return f"{self.table}_not_found"


ROWS = Dialect("row", "rows", "column", "columns", "table", "tables", "tablesdb")
DOCUMENTS = Dialect("document", "documents", "attribute", "attributes", "collection", "collections", "databases")
