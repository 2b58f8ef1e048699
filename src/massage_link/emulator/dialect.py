"""The two spellings of one API: TablesDB's rows and columns, the older documents and attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .errors import AppwriteError


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

    @property
    def missing_table(self) -> str:
        return f"{self.table}_not_found"


ROWS = Dialect("row", "rows", "column", "columns", "table", "tables", "tablesdb")
DOCUMENTS = Dialect("document", "documents", "attribute", "attributes", "collection", "collections", "databases")
