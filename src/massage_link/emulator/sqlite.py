"""The SQLite connection, and documents that are kept in memory and written through to it."""

from __future__ import annotations

import fcntl
import json
import re
import sqlite3
from contextlib import contextmanager
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any

from .kernel import weigh

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Document = dict[str, Any]


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def dumps(value: object) -> str:
    """Compact JSON, non-ASCII as it is."""
    return _encode(value)


def number_text(value: float | None) -> str | None:
    """A number as MariaDB prints it where a text is wanted."""
    if value is None:
        return None
    return str(value) if isinstance(value, int) else _EXPONENT.sub(r"e\1", format(value, ".15g"))


_EXPONENT = re.compile(r"e\+?(-?)0*(?=\d)")


@lru_cache(maxsize=512)
def _like(pattern: str) -> re.Pattern[str]:
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return re.compile(
        "".join(wild.get(part) or re.escape(part[-1] if len(part) == 2 else part) for part in parts), re.DOTALL
    )


def _is_like(text: str | None, pattern: str) -> bool | None:
    """SQL's LIKE: `%` and `_` are wild, a backslash makes them plain."""
    return None if text is None else bool(_like(pattern).fullmatch(text))


def _weigh(text: str | None) -> str | None:
    return None if text is None else weigh(text)


class DirectoryBusyError(Exception):
    """Another server already uses this data directory."""


class Database:
    """One SQLite connection: in memory, or in `directory`, which it locks for as long as it lives.

    Raises DirectoryBusyError when another server holds the directory.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._lock: IO[str] | None = None
        self._depth = 0
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(directory / "lock")
        target = ":memory:" if directory is None else str(directory / "data.sqlite3")
        # Requests are answered one after another on the event loop, so a single connection is enough.
        self.connection = sqlite3.connect(target, isolation_level=None, check_same_thread=False, cached_statements=512)
        self.execute = self.connection.execute
        for name, parameters, function in (
            ("weigh", 1, _weigh),
            ("number_text", 1, number_text),
            ("is_like", 2, _is_like),
        ):
            self.connection.create_function(name, parameters, function, deterministic=True)
        try:
            self._prepare(durable=directory is not None)
        except sqlite3.Error:
            self.close()
            raise

    def _prepare(self, *, durable: bool) -> None:
        if durable:
            self.execute("PRAGMA journal_mode=WAL")
            self.execute("PRAGMA synchronous=NORMAL")
        self.execute("CREATE TABLE IF NOT EXISTS documents (kind TEXT, id TEXT, doc TEXT, PRIMARY KEY (kind, id))")
        # SQLite keeps its own table of sequences only once some table has AUTOINCREMENT.
        self.execute("CREATE TABLE IF NOT EXISTS sequences (n INTEGER PRIMARY KEY AUTOINCREMENT)")

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Everything in the block, or nothing of it; blocks may nest, the outermost decides."""
        if self._depth:
            yield
            return
        self.execute("BEGIN")
        self._depth = 1
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        else:
            self.execute("COMMIT")
        finally:
            self._depth = 0

    def clear(self) -> None:
        """Drop every table of rows and every document."""
        names = [
            name
            for (name,) in self.execute(
                "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"
            )
            if name not in ("documents", "sequences")
        ]
        with self.atomic():
            for name in names:
                self.execute(f'DROP TABLE "{name}"')
            self.execute("DELETE FROM documents")

    def close(self) -> None:
        """Close the connection and give up the directory."""
        self.connection.close()
        if self._lock is not None:
            self._lock.close()


def _lock(path: Path) -> IO[str]:
    handle = path.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise DirectoryBusyError(f"{path.parent} is in use by another emulator") from error
    return handle


class Documents(dict[str, Document]):
    """All documents of one kind by id: reads come from memory, `put` and `remove` also write to disk."""

    def __init__(self, database: Database, kind: str) -> None:
        super().__init__()
        self._database = database
        self.kind = kind
        for key, doc in database.execute("SELECT id, doc FROM documents WHERE kind = ? ORDER BY rowid", (kind,)):
            self[key] = json.loads(doc)

    def put(self, id: str, document: Document) -> Document:
        """Store `document` under `id`, new or not."""
        self._database.execute(
            "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET doc = excluded.doc",
            (self.kind, id, dumps(document)),
        )
        self[id] = document
        return document

    def remove(self, id: str) -> None:
        """Forget the document `id`; nothing happens when there is none."""
        self._database.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (self.kind, id))
        self.pop(id, None)
