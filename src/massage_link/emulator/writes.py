"""What a write does to a row, beneath both APIs and transactions: permissions, stamps, checks, storage.

Follows the order of the server's database layer, because the order decides which error a caller sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .dates import DateError, parse_date
from .kernel import Clock, unique_id
from .permissions import allows
from .tablestore import DuplicateError, Table
from .values import INTERNAL, StructureError, checked, complete, loosely_equal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .identity import Identity
    from .sqlite import Document

__all__ = [
    "ConflictError",
    "DuplicateError",
    "ForbiddenError",
    "LimitError",
    "MissingColumnError",
    "NotANumberError",
    "StructureError",
    "Writer",
]

_OWN = ("$id", "$sequence", "$createdAt", "$updatedAt", "$permissions")
_NOT_SET_BY_DATA = ("$sequence", "$createdAt", "$updatedAt")
_NUMBERS = ("integer", "bigint", "double")


class ForbiddenError(Exception):
    """The caller may not do this to the row."""


class ConflictError(Exception):
    """The row was written after the moment from which the caller speaks."""


class LimitError(Exception):
    """An increment or decrement would pass the bound given with it."""


class NotANumberError(Exception):
    """Increment or decrement of a column that is no number."""


class MissingColumnError(Exception):
    """Increment or decrement of a column, or of a row, that does not exist."""


@dataclass(slots=True)
class Writer:
    """Writes rows for `identity`.

    `keep_dates`: `$createdAt` and `$updatedAt` in the data count. `since`: rows written later are in conflict.
    `moment`: the stamp to write instead of the present one.
    """

    clock: Clock
    identity: Identity
    keep_dates: bool = False
    since: datetime | None = None
    moment: str | None = None

    def may(self, table: Table, action: str, row: Mapping[str, Any] | None = None) -> bool:
        """Whether the caller may do `action` to the table or, with row security, to this row."""
        if self.identity.privileged or allows(table.permissions, action, self.identity.roles):
            return True
        return bool(row and table.row_security and allows(row["$permissions"], action, self.identity.roles))

    def _dates(self, data: Mapping[str, Any], created: str | None = None) -> tuple[str, str]:
        now = self.moment or self.clock.stamp()
        if not self.keep_dates:
            return created or now, now
        return self._given(data, "$createdAt") or created or now, self._given(data, "$updatedAt") or now

    def _given(self, data: Mapping[str, Any], name: str) -> str | None:
        if data.get(name) is None:
            return None
        try:
            if data[name] == "":
                raise StructureError(f'Invalid document structure: Missing required attribute "{name}"')
            return parse_date(data[name], self.clock)
        except DateError as error:
            message = (
                f'Invalid document structure: Attribute "{name}" has invalid type. Value must be valid date between '
                "0000-01-01 00:00:00 and 9999-12-31 23:59:59."
            )
            raise StructureError(message) from error

    def create(self, table: Table, data: Mapping[str, Any]) -> Document:
        """Store a new row. `data` holds `$id`, `$permissions` and columns."""
        return self.create_all(table, [data])[0]

    def create_all(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> list[Document]:
        """Store new rows; all are checked before the first is stored."""
        made = [self._new(table, data) for data in rows]
        for row in made:
            table.insert(row)
        return made

    def _new(self, table: Table, data: Mapping[str, Any]) -> Document:
        if not self.may(table, "create"):
            raise ForbiddenError
        created, updated = self._dates(data)
        row = complete(table.columns, data, self.clock)
        row["$id"] = data.get("$id") or unique_id()
        row["$permissions"] = list(data.get("$permissions") or [])
        row["$createdAt"], row["$updatedAt"] = created, updated
        return row

    def update(self, table: Table, row_id: str, data: Mapping[str, Any], *, alone: bool = False) -> Document | None:
        """Change the given columns, permissions or even the id; None when there is no such row.

        `alone`: write no other column, as bulk updates do.
        """
        old = table.row(row_id)
        if old is None:
            return None
        row = {**old, **{key: value for key, value in data.items() if key not in _NOT_SET_BY_DATA}}
        row.update({} if alone or "$id" in data else {"$id": row_id})  # the spelling of the call becomes the row's
        default_nulls(table, row, data)
        created, updated = self._dates(data, old["$createdAt"])
        row["$createdAt"] = created
        changed = row != old
        if not self.may(table, "update" if changed else "read", old):
            raise ForbiddenError
        row["$updatedAt"] = updated if changed else old["$updatedAt"]
        self._refuse_stale(old)
        values = checked(table.columns, row, self.clock)
        row = {**values, **{key: row[key] for key in _OWN}}
        readers = row["$permissions"] != old["$permissions"]
        if not alone:
            table.update(row, readers=readers)
            return row
        # In bulk the answer shows the default of a column that was set to null, but null is stored.
        nulls = {key: None for key in row.keys() & data.keys() if data[key] is None}
        table.update({**row, **nulls}, readers=readers, changed=data)
        return row

    def _refuse_stale(self, old: Mapping[str, Any]) -> None:
        if self.since is not None and datetime.fromisoformat(old["$updatedAt"]) > self.since:
            raise ConflictError

    def upsert(self, table: Table, data: Mapping[str, Any]) -> Document | None:
        """Create the row `$id` or replace it; columns that are not given keep their value.

        None when nothing would change: then nothing is written and no permission is asked for. Values are compared as
        loosely as PHP does, so that a new row of nothing but empty values is none.

        When a unique index or an id that differs only in its case stands in the way, that row is overwritten,
        permissions included, and the answer claims the new id with an empty `$sequence`: so does the real server.
        """
        old = table.row(data["$id"])
        if old is not None and old["$id"] != data["$id"]:
            old = None
        if not _changes(old, data):
            return None
        if not self.may(table, "update" if old else "create", old):
            raise ForbiddenError
        created, updated = self._dates(data, old["$createdAt"] if old else None)
        given = {key: value for key, value in data.items() if key not in _OWN}
        for key, column in table.columns.items():
            if not column["required"] and key not in given and old:
                given[key] = old.get(key)
        row = complete(table.columns, given, self.clock)
        permissions = data.get("$permissions")
        row["$id"] = data["$id"]
        row["$permissions"] = list((old["$permissions"] if old else []) if permissions is None else permissions)
        row["$createdAt"], row["$updatedAt"] = created, updated
        if old is not None:
            self._refuse_stale(old)
            row["$sequence"] = old["$sequence"]
            table.update(row)
            return row
        victim = table.colliding(row)
        if victim is None:
            table.insert(row)
            return row
        kept = {key: victim[key] for key in ("$id", "$sequence", "$createdAt")}
        table.next_sequence()
        stored = {**row, **kept}
        table.update(stored)
        return {**stored, "$id": row["$id"], "$createdAt": row["$createdAt"], "$sequence": ""}

    def upsert_all(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> list[Document]:
        """Create or replace several rows; those that would not change are left out. Raises DuplicateError."""
        named = [{**row, "$id": row.get("$id") or unique_id()} for row in rows]
        changing = [row for row in named if _changes(table.row(row["$id"]), row)]
        if len({row["$id"] for row in changing}) != len(changing):
            raise DuplicateError(None)
        return [written for row in changing if (written := self.upsert(table, row)) is not None]

    def delete(self, table: Table, row_id: str) -> Document | None:
        """Remove the row and give it as it was; None when there is none."""
        old = table.row(row_id)
        if old is None:
            return None
        if not self.may(table, "delete", old):
            raise ForbiddenError
        self._refuse_stale(old)
        table.delete(old["$sequence"])
        return old

    def shift(self, table: Table, row_id: str, key: str, by: float, bound: float | None) -> Document:
        """Add `by` (negative: subtract) to a number, up to `bound`; the column's own bounds do not count.

        The answer carries the old `$updatedAt`, and what PHP's arithmetic makes of it, while an integer column
        stores a whole number and null stays null: so does the real server.
        """
        column = table.columns.get(key)
        if column is None:
            raise MissingColumnError
        if column["type"] not in _NUMBERS or column["array"]:
            raise NotANumberError
        old = table.row(row_id)
        if old is None:
            raise MissingColumnError
        if not self.may(table, "update", old):
            raise ForbiddenError
        value = (old[key] or 0) + by
        if bound is not None and (value > bound if by > 0 else value < bound):
            raise LimitError(f"Attribute value exceeds {'maximum' if by > 0 else 'minimum'} limit: {bound:g}")
        if old[key] is None:
            stored = None
        elif column["type"] == "double":
            stored = value
        else:
            stored = round(value)  # half to even, as MariaDB rounds here
        now = self.moment or self.clock.stamp()
        table.update({**old, key: stored, "$updatedAt": now}, readers=False, changed=(key,))
        return {**old, key: int(value) if value == int(value) else value}


def default_nulls(table: Table, row: Document, data: Mapping[str, Any]) -> None:
    """Null for a column with a default stores the default."""
    for key in data:
        column = table.columns.get(key)
        if column and data[key] is None and column["default"] is not None:
            row[key] = column["default"]


def _changes(old: Mapping[str, Any] | None, data: Mapping[str, Any]) -> bool:
    """Whether an upsert of `data` would change anything, by the server's own comparison."""
    permissions = data.get("$permissions")
    if permissions is not None and sorted(map(str, permissions)) != sorted(old["$permissions"] if old else []):
        return True
    given = {key: value for key, value in data.items() if key not in INTERNAL}
    kept = {key: value for key, value in (old or {}).items() if key not in INTERNAL}
    return (
        any(not loosely_equal(kept.get(key), value) for key, value in given.items()) or not kept.keys() <= given.keys()
    )
