"""The rows of each table in an SQLite table of its own.

A row is kept twice: as the JSON text that goes out, and as one SQL value per column in the form in which Appwrite
compares it (text folded as the collation does, booleans as 0 and 1, arrays as JSON). Lists are then SQL over the
second and a join of the first.
"""

# ruff: noqa: S608 - every name in an SQL text here is a number of our own; values are always bound

from __future__ import annotations

import json
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from .kernel import fold
from .permissions import holders
from .sqlite import Document, dumps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from .catalogue import Catalogue

SETTLING_SECONDS = 0.02  # how long a new column or index says `processing`; the real server takes some 30 ms
_TOTAL_CAP = 5000


class DuplicateError(Exception):
    """An id or a unique index refuses a row; `index` is None when it is the id."""

    def __init__(self, index: str | None) -> None:
        super().__init__(index)
        self.index = index


def comparable(column: Mapping[str, Any], value: Any) -> Any:
    """A column's value in the form that SQL compares."""
    if value is None:
        return None
    if column["array"]:
        return json.dumps(value, separators=(",", ":")).replace("/", "\\/")  # as PHP writes it: its order shows
    if isinstance(value, str):
        return value if column["type"] == "datetime" else fold(value)
    return int(value) if isinstance(value, bool) else value


class Table:
    """One table: its definition (`doc`, as stored) and its rows."""

    def __init__(self, catalogue: Catalogue, doc: Document) -> None:
        self._catalogue = catalogue
        self._db = catalogue.database
        self.doc = doc
        self.number: int = doc["number"]
        self._settling: dict[str, float] = {}
        self.reload()
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (self.sql_name,)).fetchone()
        self._last_sequence: int = row[0] if row else 0

    # Definition

    def reload(self) -> None:
        """Work out again what follows from the definition, after it changed."""
        doc = self.doc
        self.id: str = doc["$id"]
        self.database_id: str = doc["databaseId"]
        self.permissions: list[str] = doc["$permissions"]
        self.row_security: bool = doc["rowSecurity"]
        self.enabled: bool = doc["enabled"]
        self.sql_name = f"rows_{self.number}"
        self.internal_name = f"database_{doc['databaseSequence']}_collection_{doc['$sequence']}"
        self.all_columns: dict[str, Document] = {column["key"]: column for column in doc["columns"]}
        self.columns = {key: column for key, column in self.all_columns.items() if key not in self._settling}
        self._write_order = list(self.all_columns.values())
        names = "".join(f", c{column['number']}" for column in self._write_order)
        marks = ", ?" * len(self._write_order)
        self._insert = (
            f"INSERT INTO {self.sql_name} (seq, id, created, updated, doc{names}) VALUES (?, ?, ?, ?, ?{marks})"
        )
        self._arrays = [column["key"] for column in self._write_order if column["array"]]
        self._columns_suffix = f',"$databaseId":"{self.database_id}","$tableId":"{self.id}"}}'
        self._documents_suffix = f',"$databaseId":"{self.database_id}","$collectionId":"{self.id}"}}'

    def settle(self, *, at_once: bool = False) -> None:
        """Make columns and indexes available whose time has come, or all of them."""
        if not self._settling:
            return
        now = time.monotonic()
        for name in [name for name, due in self._settling.items() if at_once or due <= now]:
            del self._settling[name]
        self.columns = {key: column for key, column in self.all_columns.items() if key not in self._settling}

    def begin_settling(self, name: str) -> None:
        """`name` (a column's key, or `index:` and an index's) says `processing` for a moment."""
        self._settling[name] = time.monotonic() + SETTLING_SECONDS
        self.columns.pop(name, None)

    def is_settling(self, name: str) -> bool:
        return name in self._settling

    def save(self) -> None:
        """Write the definition."""
        self.doc["$updatedAt"] = self._catalogue.clock.stamp()
        self._catalogue.documents.put(table_key(self.database_id, self.id), self.doc)
        self.reload()

    def create_storage(self) -> None:
        """The SQL tables for the rows and their readers."""
        name = self.sql_name
        self._db.execute(
            f"CREATE TABLE {name} (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, "
            "created TEXT NOT NULL, updated TEXT NOT NULL, doc TEXT NOT NULL)"
        )
        self._db.execute(
            f"CREATE TABLE readers_{self.number} (role TEXT, seq INTEGER, PRIMARY KEY (role, seq)) WITHOUT ROWID"
        )
        self._db.execute(f"CREATE INDEX readers_{self.number}_seq ON readers_{self.number} (seq)")

    def drop_storage(self) -> None:
        """Remove all rows for good."""
        self._db.execute(f"DROP TABLE {self.sql_name}")
        self._db.execute(f"DROP TABLE readers_{self.number}")

    def add_column(self, column: Document) -> None:
        """Append a column; rows that exist hold null there (arrays: the empty list)."""
        empty: list[Any] | None = [] if column["array"] else None
        with self._db.atomic():
            self._db.execute(f"ALTER TABLE {self.sql_name} ADD COLUMN c{column['number']}")
            self.doc["columns"].append(column)
            self._rewrite(lambda row: {column["key"]: empty, **row})
            self.save()

    def remove_column(self, key: str) -> None:
        """Drop a column, its values, and what indexes say of it."""
        column = self.all_columns[key]
        with self._db.atomic():
            for index in list(self.doc["indexes"]):
                if key in index["columns"]:
                    self._db.execute(f'DROP INDEX IF EXISTS "{self._index_name(index["key"])}"')
                    position = index["columns"].index(key)
                    for part in ("columns", "orders", "lengths"):
                        if position < len(index[part]):
                            del index[part][position]
                    if index["columns"]:
                        self._create_sql_index(index)
                    else:
                        self.doc["indexes"].remove(index)
            self._db.execute(f"ALTER TABLE {self.sql_name} DROP COLUMN c{column['number']}")
            self.doc["columns"].remove(column)
            self._rewrite(lambda row: {name: value for name, value in row.items() if name != key})
            self.save()

    def _rewrite(self, change: Any) -> None:
        rows = self._db.execute(f"SELECT seq, doc FROM {self.sql_name}").fetchall()
        texts = [(dumps(change(json.loads(text))), seq) for seq, text in rows]
        self._db.connection.executemany(f"UPDATE {self.sql_name} SET doc = ? WHERE seq = ?", texts)

    def rename_column(self, old: str, new: str) -> None:
        """Give a column another key."""
        with self._db.atomic():
            self.all_columns[old]["key"] = new
            for index in self.doc["indexes"]:
                index["columns"] = [new if name == old else name for name in index["columns"]]
            self._rewrite(lambda row: {(new if name == old else name): value for name, value in row.items()})
            self.save()

    def longest(self, key: str) -> int:
        """How many characters the longest text of a column has; 0 when there is none."""
        sql = f"SELECT max(length(c{self.all_columns[key]['number']})) FROM {self.sql_name}"
        return int(self._db.execute(sql).fetchone()[0] or 0)

    def _index_name(self, key: str) -> str:
        return f"index_{self.number}_{key}"

    def add_index(self, index: Document) -> None:
        """Build an index; raises DuplicateError when rows break a unique one."""
        with self._db.atomic():
            self._create_sql_index(index)
            self.doc["indexes"].append(index)
            self.save()

    def add_failed_index(self, index: Document) -> None:
        """Keep an index that could not be built; it says `failed`."""
        self.doc["indexes"].append({**index, "failed": True})
        self.save()

    def _create_sql_index(self, index: Document) -> None:
        if index["type"] == "fulltext":
            return  # full-text search reads the rows
        unique = "UNIQUE " if index["type"] == "unique" else ""
        names = ", ".join(self.sql_column(name) for name in index["columns"])
        try:
            self._db.execute(f'CREATE {unique}INDEX "{self._index_name(index["key"])}" ON {self.sql_name} ({names})')
        except sqlite3.IntegrityError as error:
            raise DuplicateError(index["key"]) from error

    def remove_index(self, key: str) -> None:
        """Drop an index."""
        with self._db.atomic():
            self._db.execute(f'DROP INDEX IF EXISTS "{self._index_name(key)}"')
            self.doc["indexes"] = [index for index in self.doc["indexes"] if index["key"] != key]
            self.save()

    def sql_column(self, attribute: str) -> str:
        """The SQL expression for an attribute that the table has."""
        internal = _INTERNAL.get(attribute)
        return internal or f"c{self.all_columns[attribute]['number']}"

    # Rows

    def wire(self, text: str, *, legacy: bool = False) -> str:
        """A stored row's JSON as it goes out."""
        return text[:-1] + (self._documents_suffix if legacy else self._columns_suffix)

    def next_sequence(self) -> int:
        """The next `$sequence`; it is used up even when the write then fails, as on the real server."""
        self._last_sequence += 1
        return self._last_sequence

    def _values(self, row: Mapping[str, Any]) -> list[Any]:
        return [comparable(column, row.get(column["key"])) for column in self._write_order]

    def insert(self, row: Document) -> str:
        """Store a complete new row and give its JSON; `$sequence` is set here. Raises DuplicateError."""
        sequence = self.next_sequence()
        row["$sequence"] = str(sequence)
        columns = self._values(row)
        text = dumps(self._shown(row))
        values = (sequence, fold(row["$id"]), row["$createdAt"], row["$updatedAt"], text, *columns)
        try:
            self._db.execute(self._insert, values)
        except sqlite3.IntegrityError as error:
            raise self._duplicate(error) from error
        self._store_readers(sequence, row["$permissions"])
        return text

    def _shown(self, row: Document) -> Document:
        """The row with the empty list for arrays that are null: so they are shown, while queries find them null."""
        for key in self._arrays:
            if row.get(key) is None:
                row[key] = []
        return row

    def update(self, row: Document, *, readers: bool = True, changed: Collection[str] | None = None) -> str:
        """Store a complete changed row and give its JSON. Raises DuplicateError.

        `changed`: the columns to write; None: all, which makes the empty list of an array that was null.
        """
        sequence = int(row["$sequence"])
        columns = [column for column in self._write_order if changed is None or column["key"] in changed]
        sets = "".join(f", c{column['number']} = ?" for column in columns)
        update = f"UPDATE {self.sql_name} SET id = ?, created = ?, updated = ?, doc = ?{sets} WHERE seq = ?"
        own = [comparable(column, row.get(column["key"])) for column in columns]
        text = dumps(self._shown(row))
        values = (fold(row["$id"]), row["$createdAt"], row["$updatedAt"], text, *own, sequence)
        try:
            self._db.execute(update, values)
        except sqlite3.IntegrityError as error:
            raise self._duplicate(error) from error
        if readers:
            self._db.execute(f"DELETE FROM readers_{self.number} WHERE seq = ?", (sequence,))
            self._store_readers(sequence, row["$permissions"])
        return text

    def _store_readers(self, sequence: int, permissions: Iterable[str]) -> None:
        for role in holders(permissions, "read"):
            self._db.execute(f"INSERT OR IGNORE INTO readers_{self.number} VALUES (?, ?)", (role, sequence))

    def _duplicate(self, error: sqlite3.IntegrityError) -> DuplicateError:
        text = str(error)
        if text.endswith(f"{self.sql_name}.id"):
            return DuplicateError(None)
        columns = [part.rpartition(".")[2] for part in text.partition(": ")[2].split(", ")]
        for index in self.doc["indexes"]:
            if index["type"] == "unique" and [self.sql_column(name) for name in index["columns"]] == columns:
                return DuplicateError(index["key"])
        return DuplicateError(text)

    def colliding(self, row: Mapping[str, Any]) -> Document | None:
        """The row whose id or unique index stands in the way of `row`."""
        conditions: list[tuple[str, list[Any]]] = [("id = ?", [fold(row["$id"])])]
        conditions += [self._same(index, row) for index in self.doc["indexes"] if index["type"] == "unique"]
        for where, values in conditions:
            if None not in values:
                found = self._db.execute(f"SELECT doc FROM {self.sql_name} WHERE {where}", values).fetchone()
                if found:
                    return dict(json.loads(found[0]))
        return None

    def _same(self, index: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[str, list[Any]]:
        names = index["columns"]
        where = " AND ".join(f"{self.sql_column(name)} = ?" for name in names)
        internal = {"$id": fold(row["$id"]), "$createdAt": row["$createdAt"], "$updatedAt": row["$updatedAt"]}
        values = [
            internal[name] if name in internal else comparable(self.all_columns[name], row.get(name)) for name in names
        ]
        return where, values

    def delete(self, sequence: str) -> None:
        """Remove one row."""
        self._db.execute(f"DELETE FROM {self.sql_name} WHERE seq = ?", (int(sequence),))
        self._db.execute(f"DELETE FROM readers_{self.number} WHERE seq = ?", (int(sequence),))

    def text(self, id: str) -> str | None:
        """The JSON of the row `id`, found as the collation compares ids."""
        found = self._db.execute(f"SELECT doc FROM {self.sql_name} WHERE id = ?", (fold(id),)).fetchone()
        return found[0] if found else None

    def row(self, id: str) -> Document | None:
        """The row `id`."""
        text = self.text(id)
        return json.loads(text) if text is not None else None

    def select(self, where: str, values: Sequence[Any], *, order: str, limit: int, offset: int = 0) -> Iterator[str]:
        """The JSON of the rows for which `where` holds."""
        sql = f"SELECT doc FROM {self.sql_name} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"
        return (text for (text,) in self._db.execute(sql, (*values, limit, offset)))

    def rows_where(self, where: str, values: Sequence[Any], *, order: str = "seq", limit: int = -1) -> list[Document]:
        """The rows for which `where` holds, as documents."""
        return [json.loads(text) for text in self.select(where, values, order=order, limit=limit)]

    def count(self, where: str, values: Sequence[Any]) -> int:
        """How many rows, at most 5,000: there the real server stops counting."""
        sql = f"SELECT count(*) FROM (SELECT 1 FROM {self.sql_name} WHERE {where} LIMIT {_TOTAL_CAP})"
        return int(self._db.execute(sql, tuple(values)).fetchone()[0])

    def readable(self, roles: Sequence[str]) -> tuple[str, list[str]]:
        """The condition that one of `roles` may read the row by its own permissions."""
        marks = ", ".join("?" * len(roles))
        return f"seq IN (SELECT seq FROM readers_{self.number} WHERE role IN ({marks}))", list(roles)


_INTERNAL = {"$id": "id", "$sequence": "seq", "$createdAt": "created", "$updatedAt": "updated"}


def table_key(database_id: str, table_id: str) -> str:
    """Under what the catalogue keeps a table."""
    return f"{fold(database_id)}/{fold(table_id)}"
