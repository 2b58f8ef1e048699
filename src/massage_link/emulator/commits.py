"""The commit of a transaction: its operations carried out in order, with the server's rules of conflict.

A staged update or bulk write is in conflict with any later write of the row by somebody else; increments, decrements
and deletes are not, and neither is what the transaction itself wrote before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .errors import AppwriteError, ServerFailure
from .kernel import unique_id
from .operators import refuse_operators
from .permissions import as_list, parse
from .query import listing, parse_all
from .sql import order_by, where
from .tablestore import DuplicateError, Table
from .writes import ConflictError, LimitError, MissingColumnError, NotANumberError, StructureError, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .core import Emulator
    from .identity import Identity
    from .sqlite import Document


@dataclass(frozen=True, slots=True)
class Event:
    """A write of a commit that is to be announced: the row is read back afterwards, but for deletes."""

    table: Table
    action: str
    row_id: str
    row: Document | None = None


class RowMissingError(Exception):
    """An update or delete found no row."""


FAILURES = (RowMissingError, MissingColumnError, DuplicateError, ConflictError, StructureError, LimitError)


def as_answer(error: Exception, row_id: str | None) -> AppwriteError:
    """The answer to a commit that failed so."""
    if isinstance(error, RowMissingError | MissingColumnError):
        return AppwriteError("document_not_found", row_id or "unknown")
    if isinstance(error, StructureError):
        return AppwriteError("document_invalid_structure", message=str(error))
    if isinstance(error, LimitError):
        return AppwriteError("attribute_limit_exceeded", message=str(error))
    return AppwriteError("transaction_conflict")


class Commit:
    """One commit as it runs: which rows it has written itself, and what it will announce."""

    def __init__(self, emulator: Emulator, identity: Identity, moment: str | None) -> None:
        self._emulator = emulator
        self._identity = identity
        self._moment = moment
        self._written: set[tuple[int, str]] = set()
        self.row_id: str | None = None
        self.events: list[Event] = []
        self._steps: Mapping[str, Callable[[Table, Document], None]] = {
            "create": self._create,
            "update": self._update,
            "upsert": self._upsert,
            "delete": self._delete,
            "increment": self._increment,
            "decrement": self._decrement,
            "bulkCreate": self._bulk_create,
            "bulkUpdate": self._bulk_update,
            "bulkUpsert": self._bulk_upsert,
            "bulkDelete": self._bulk_delete,
        }

    def perform(self, entry: Document) -> None:
        """Carry out one staged operation."""
        table = self._emulator.catalogue.find_table(entry["databaseId"], entry["tableId"])
        self.row_id = entry["rowId"]
        faults = self._emulator.faults
        if self.row_id and faults.remembers():
            faults.remember(table, self.row_id, table.text(self.row_id))
        for row in _rows_in(entry):
            if not isinstance(row.get("$permissions") or [], list | dict):
                raise StructureError("$permissions must be of type array")
            if entry["action"] not in ("increment", "decrement"):
                refuse_operators(row)
        self._steps[entry["action"]](table, entry)

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
            raise RowMissingError
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
        if row is not None:
            self._wrote(table, row)
        self.events.append(Event(table, "update", entry["rowId"] or data["$id"]))

    def _delete(self, table: Table, entry: Document) -> None:
        writer = self._writer(table, entry)
        writer.since = None  # a row that was changed meanwhile is deleted all the same
        row = writer.delete(table, entry["rowId"])
        if row is None:
            raise RowMissingError
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
        try:
            row = self._writer(table, entry).shift(table, entry["rowId"], key, sign * by, data.get(bound))
        except NotANumberError as error:
            raise ServerFailure(f"increment of {key}") from error
        self._wrote(table, row)
        self.events.append(Event(table, "update", entry["rowId"]))

    def _bulk_create(self, table: Table, entry: Document) -> None:
        for data in entry["data"]:
            _check_permission_texts(data)
        for row in self._writer(table, entry).create_all(table, entry["data"]):
            self._wrote(table, row)

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

    def _bulk_update(self, table: Table, entry: Document) -> None:
        writer = Writer(self._emulator.clock, self._identity, moment=self._moment)
        for row in self._matching(table, entry):
            updated = writer.update(table, row["$id"], _without_dates(entry["data"]["data"]), alone=True)
            self._wrote(table, updated or row)

    def _bulk_upsert(self, table: Table, entry: Document) -> None:
        at = datetime.fromisoformat(entry["at"])
        writer = Writer(self._emulator.clock, self._identity, moment=self._moment)
        for data in entry["data"]:
            if not data.get("$id"):
                continue  # a row that names no id is lost without a word
            row = table.row(data["$id"])
            mine = row is not None and (table.number, row["$id"]) in self._written
            if row is not None and not mine and datetime.fromisoformat(row["$updatedAt"]) > at:
                raise ConflictError
            merged = {**row, **data} if row is not None and mine else data
            written = writer.upsert(table, _without_dates(merged))
            if written is not None:
                self._wrote(table, written)

    def _bulk_delete(self, table: Table, entry: Document) -> None:
        for row in self._matching(table, entry):
            table.delete(row["$sequence"])
            self._written.discard((table.number, row["$id"]))


def _rows_in(entry: Document) -> list[Document]:
    """What an operation gives of rows."""
    data = entry["data"]
    given = data if isinstance(data, list) else [data, data.get("data")]
    return [row for row in given if isinstance(row, dict)]


def _without_dates(data: Mapping[str, Any]) -> Document:
    return {key: value for key, value in data.items() if key not in ("$createdAt", "$updatedAt", "$sequence")}


def is_permission(text: object) -> bool:
    """Whether `text` reads as a permission."""
    try:
        return isinstance(text, str) and bool(parse(text))
    except ValueError:
        return False


def _check_permission_texts(data: Mapping[str, Any]) -> None:
    """Texts that are no permissions end a commit with 500, which is how the server fails on them."""
    for text in as_list(data.get("$permissions") or []) or []:
        if not is_permission(text):
            raise ServerFailure(f"not a permission: {text!r}")
