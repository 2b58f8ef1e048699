"""A checkpoint in a file: one SQLite database per consumer, held by one process at a time."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from massage_link.errors import CheckpointFailed, CheckpointInUse, UsageError
from massage_link.realtime.checkpoint import Progress
from massage_link.realtime.ledger import Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sources (name TEXT PRIMARY KEY, start TEXT NOT NULL, high_water TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS marks (
    source TEXT NOT NULL, key TEXT NOT NULL, version INTEGER, digest TEXT NOT NULL, stamp TEXT NOT NULL,
    PRIMARY KEY (source, key)
) WITHOUT ROWID;
"""
#: Of the tables above; a file of a later version is refused.
_VERSION = 1
_REMEMBER = "INSERT OR REPLACE INTO marks (source, key, version, digest, stamp) VALUES (?, ?, ?, ?, ?)"


class FileCheckpoint:
    """Progress that outlives the process: `kill -9` costs at most a repetition of what was not acknowledged.

    The file is locked for as long as the subscriber runs; the operating system lets go of the lock when the process
    dies, however it dies. A power failure may take back the last acknowledgements, never more.

    Args:
        path: the file; it is made when it does not exist, its folder must exist.
        capacity: marks kept per source beyond those that may still be needed.

    Once it is open, its methods raise CheckpointFailed when the file cannot be read or written.

    """

    def __init__(self, path: str | PathLike[str], *, capacity: int = 50_000) -> None:
        self.path = Path(path)
        self._capacity = capacity
        self._database: sqlite3.Connection | None = None

    def open(self) -> None:
        """Lock the file.

        Raises:
            CheckpointInUse: another process, or another subscriber of this one, has it.
            UsageError: the file cannot be opened, or is no checkpoint.

        """
        if self._database is not None:
            raise CheckpointInUse(f"the checkpoint {self.path} already serves another subscriber of this process")
        try:
            database = sqlite3.connect(self.path, isolation_level=None, timeout=0)
        except sqlite3.Error as error:
            raise UsageError(f"the checkpoint {self.path} cannot be opened: {error}") from error
        try:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version <= _VERSION:
                database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        except sqlite3.OperationalError as error:
            database.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise CheckpointInUse(f"the checkpoint {self.path} is in use by another process") from error
            raise UsageError(f"the checkpoint {self.path} cannot be written: {error}") from error
        except sqlite3.DatabaseError as error:
            database.close()
            raise UsageError(f"{self.path} is not a checkpoint: {error}") from error
        if version > _VERSION:
            database.close()
            raise UsageError(f"the checkpoint {self.path} was made by a newer version of massage-link ({version}).")
        self._database = database

    def load(self, source: str) -> Progress | None:
        """See `Checkpoint.load`."""
        with self._using() as database:
            with closing(database.execute("SELECT start, high_water FROM sources WHERE name = ?", (source,))) as rows:
                found = rows.fetchone()
            if found is None:
                return None
            query = "SELECT key, version, digest, stamp FROM marks WHERE source = ? ORDER BY stamp"
            with closing(database.execute(query, (source,))) as rows:
                marks = [Mark(key, version, digest, _instant(stamp)) for key, version, digest, stamp in rows]
            return Progress(_instant(found[0]), _instant(found[1]), marks)

    def begin(self, source: str, progress: Progress) -> None:
        """See `Checkpoint.begin`."""
        row = (source, _text(progress.start), _text(progress.high_water))
        with self._using() as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT OR REPLACE INTO sources (name, start, high_water) VALUES (?, ?, ?)", row)
            database.executemany(_REMEMBER, _rows(source, progress.marks))
            database.execute("COMMIT")

    def acknowledge(self, source: str, mark: Mark) -> None:
        """See `Checkpoint.acknowledge`."""
        with self._using() as database:
            database.execute(_REMEMBER, next(_rows(source, [mark])))

    def advance(self, source: str, high_water: datetime, forgettable: datetime) -> None:
        """See `Checkpoint.advance`."""
        with self._using() as database:
            database.execute("UPDATE sources SET high_water = ? WHERE name = ?", (_text(high_water), source))
            with closing(database.execute("SELECT count(*) FROM marks WHERE source = ?", (source,))) as rows:
                surplus = rows.fetchone()[0] - self._capacity
            if surplus > 0:
                database.execute(
                    "DELETE FROM marks WHERE source = ? AND key IN"
                    " (SELECT key FROM marks WHERE source = ? AND stamp < ? ORDER BY stamp LIMIT ?)",
                    (source, source, _text(forgettable), surplus),
                )

    def close(self) -> None:
        """See `Checkpoint.close`."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        database = self._database
        if database is None:
            raise UsageError(f"the checkpoint {self.path} is not open")
        try:
            yield database
        except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
            if database.in_transaction:
                with suppress(sqlite3.Error):
                    database.rollback()
            raise CheckpointFailed(f"the checkpoint {self.path} cannot be read or written: {error}") from error


def _rows(source: str, marks: Iterable[Mark]) -> Iterator[tuple[str, str, int | None, str, str]]:
    return ((source, mark.key, mark.version, mark.digest, _text(mark.stamp)) for mark in marks)


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds")  # of one length: sorts as time does


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
