"""What a write does to a row, beneath both APIs and transactions: permissions, stamps, checks, storage.

Follows the order of the server's database layer, because the order decides which error a caller sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .kernel import Clock, unique_id
from .permissions import allows
from .tablestore import DuplicateError, Table
from .values import StructureError, checked, complete

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .identity import Identity
    from .sqlite import Document

__all__ = ["ConflictError", "DuplicateError", "ForbiddenError", "LimitError", "StructureError", "Writer"]

_OWN = ("$id", "$sequence", "$createdAt", "$updatedAt", "$permissions")


class ForbiddenError(Exception):
    """The caller may not do this to the row."""


class ConflictError(Exception):
    """The row was written after the moment from which the caller speaks."""


class LimitError(Exception):
    """An increment or decrement would pass the bound given with it."""


class NotANumberError(Exception):
    """Increment or decrement of a column that is no number."""


class MissingColumnError(Exception):
    """Increment or decrement of a column, or a row, that does not exist."""


@dataclass(slots=True)
class Writer:
    """Writes rows for `identity`.

    `keep_dates`: `$createdAt` and `$updatedAt` in the data count. `since`: rows written later are in conflict.
    """

    clock: Clock
    identity: Identity
    keep_dates: bool = False
    since: datetime | None = None

    def may(self, table: Table, action: str, row: Mapping[str, Any] | None = None) -> bool:
        """Whether the caller may do `action` to the table or, with row security, to this row."""
        if self.identity.privileged or allows(table.permissions, action, self.identity.roles):
            return True
        return bool(row and table.row_security and allows(row["$permissions"], action, self.identity.roles))

    def _dates(self, data: Mapping[str, Any], created: str | None = None) -> tuple[str, str]:
        now = self.clock.stamp()
        if not self.keep_dates:
            return created or now, now
        return self._given(data.get("$createdAt")) or created or now, self._given(data.get("$updatedAt")) or now

    def _given(self, value: Any) -> str | None:
        from .dates import DateError, parse_date

        if value is None:
            return None
        try:
            return parse_date(value, self.clock)
        except DateError as error:
            raise StructureError(
                'Invalid document structure: Attribute "$updatedAt" has invalid type. Value must be valid date between '
                "0000-01-01 00:00:00 and 9999-12-31 23:59:59."
            ) from error

    def create(self, table: Table, data: Mapping[str, Any]) -> Document:
        """Store a new row. `data` holds `$id`, `$permissions` and columns."""
        if not self.may(table, "create"):
            raise ForbiddenError
        created, updated = self._dates(data)
        row = complete(table.columns, data, self.clock)
        row["$id"] = data.get("$id") or unique_id()
        row["$permissions"] = list(data.get("$permissions") or [])
        row["$createdAt"], row["$updatedAt"] = created, updated
        table.insert(row)
        return row

    def update(self, table: Table, id: str, data: Mapping[str, Any]) -> Document | None:
        """Change the given columns, permissions or even the id; None when there is no such row."""
        old = table.row(id)
        if old is None:
            return None
        row = {
            **old,
            **{key: value for key, value in data.items() if key not in ("$sequence", "$createdAt", "$updatedAt")},
        }
        self._default_nulls(table, row, data)
        created, updated = self._dates(data, old["$createdAt"])
        row["$createdAt"] = created
        changed = row != old
        if not self.may(table, "update" if changed else "read", old):
            raise ForbiddenError
        row["$updatedAt"] = updated if changed else old["$updatedAt"]
        self._refuse_stale(old)
        values = checked(table.columns, row, self.clock)
        row = {**values, **{key: row[key] for key in _OWN}}
        table.update(row, readers=row["$permissions"] != old["$permissions"])
        return row

    def _default_nulls(self, table: Table, row: Document, data: Mapping[str, Any]) -> None:
        for key in data:
            column = table.columns.get(key)
            if column and data[key] is None and column["default"] is not None:
                row[key] = column["default"]

    def _refuse_stale(self, old: Mapping[str, Any]) -> None:
        if self.since is not None and datetime.fromisoformat(old["$updatedAt"]) > self.since:
            raise ConflictError

    def delete(self, table: Table, id: str) -> Document | None:
        """Remove the row and give it as it was; None when there is none."""
        old = table.row(id)
        if old is None:
            return None
        if not self.may(table, "delete", old):
            raise ForbiddenError
        self._refuse_stale(old)
        table.delete(old["$sequence"])
        return old
