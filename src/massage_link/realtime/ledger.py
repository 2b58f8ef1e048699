"""What has been delivered: the memory by which a row's states are told apart.

A ledger is pure: rows in, accepted rows out. `VersionLedger` serves rows that change, `massage_link.realtime.sequence`
has the one for numbered rows. Both keep one `Mark` per key, so that a checkpoint can store either.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from massage_link.errors import UnexpectedAnswer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from massage_link.realtime.source import Mutable, RawRow


@dataclass(frozen=True, slots=True)
class Mark:
    """The last state of one row, or the last number of one scope, that was delivered.

    Attributes:
        key: the row's id, or the scope.
        version: the row's version, or the number; None for a row without a version.
        digest: of the row's content; empty where there is a version.
        stamp: the row's ``$updatedAt``.

    """

    key: str
    version: int | None
    digest: str
    stamp: datetime


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a row reached this process.

    Attributes:
        live: True for the socket, False for a read-back or a fetch.
        at: when, UTC.
        server_timestamp: the event's own time, ISO 8601; empty where there was no event.

    """

    live: bool
    at: datetime
    server_timestamp: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A row state that has to be delivered now.

    Attributes:
        row: as the server sent it.
        mark: what is to be remembered once the consumer has dealt with it.
        token: names this state among all states of the row, the same at every delivery.
        first_sight: True when the ledger knew nothing of this row.
        arrival: how the row came, which may be a while ago.

    """

    row: RawRow
    mark: Mark
    token: str
    first_sight: bool
    arrival: Arrival


class Ledger(Protocol):
    """What a cursor asks of either ledger."""

    def offer(self, row: RawRow, arrival: Arrival) -> list[Accepted]:
        """The rows that may be delivered now that `row` has arrived: none, this one, or several that waited for it.

        Raises UnexpectedAnswer when the row lacks what it is told apart by.
        """

    def know(self, mark: Mark) -> None:
        """Take a state for delivered: the baseline of a new consumer, or what a checkpoint remembers."""

    def forget(self, horizon: datetime) -> None:
        """Let go of what exceeds the capacity, as far as it is older than `horizon` and so is never listed again."""

    def mark_of(self, row: RawRow) -> Mark:
        """What this row would be remembered as."""

    @property
    def floor(self) -> datetime | None:
        """The earliest stamp among rows that arrived and wait for others; None when none waits."""


def stamp_of(row: RawRow, column: str = "$updatedAt") -> datetime:
    """A row's ``$updatedAt`` or ``$createdAt``. Raises UnexpectedAnswer when it has none."""
    value = row.get(column)
    try:
        return datetime.fromisoformat(value)  # type: ignore[arg-type] # anything else than a text raises, too
    except (TypeError, ValueError):
        raise UnexpectedAnswer(f"row {row.get('$id')!r} has no valid {column}") from None


def integer_of(row: RawRow, column: str) -> int | None:
    """The value of an integer column, or None when it is null, absent or something else."""
    value = row.get(column)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def digest_of(row: RawRow) -> str:
    """A hash of the row's columns.

    What begins with ``$`` is left out, as events and lists name it differently; so is null, which one may omit; a whole
    number is the same with and without a fraction of zero.
    """
    columns = {name: _plain(value) for name, value in row.items() if not name.startswith("$") and value is not None}
    return hashlib.blake2b(json.dumps(columns, sort_keys=True).encode(), digest_size=12).hexdigest()


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


class VersionLedger:
    """Rows that change: accepts strictly increasing versions, and by content where a row has no version.

    Without a version the newest state is the one with the greatest ``$updatedAt``; among equal stamps any other content
    counts as new, so that the last one read back is the one that stands.

    Args:
        identity: where the version is found.
        capacity: how many rows are remembered beyond those that a read-back may list again.

    """

    def __init__(self, identity: Mutable, *, capacity: int = 50_000) -> None:
        self._column = identity.version
        self._capacity = capacity
        self._marks: dict[str, Mark] = {}  # in the order of the last touch, the oldest first

    def __len__(self) -> int:
        return len(self._marks)

    @property
    def floor(self) -> datetime | None:
        """Rows that change never wait for others."""
        return None

    def mark_of(self, row: RawRow) -> Mark:
        """See `Ledger.mark_of`."""
        version = integer_of(row, self._column) if self._column is not None else None
        return Mark(_id_of(row), version, digest_of(row) if version is None else "", stamp_of(row))

    def offer(self, row: RawRow, arrival: Arrival) -> list[Accepted]:
        """See `Ledger.offer`."""
        mark = self.mark_of(row)
        known = self._marks.get(mark.key)
        if known is not None and not _is_newer(mark, known):
            if mark.stamp > known.stamp:  # rewritten without a new version: the read-back will list it for longer
                self.know(Mark(known.key, known.version, known.digest, mark.stamp))
            return []
        self.know(mark)
        token = str(mark.version) if mark.version is not None else f"{mark.stamp.isoformat()}~{mark.digest}"
        return [Accepted(row, mark, token, first_sight=known is None, arrival=arrival)]

    def know(self, mark: Mark) -> None:
        """See `Ledger.know`."""
        self._marks.pop(mark.key, None)
        self._marks[mark.key] = mark

    def forget(self, horizon: datetime) -> None:
        """See `Ledger.forget`."""
        forgettable: list[str] = []
        surplus = len(self._marks) - self._capacity
        for key, mark in self._marks.items() if surplus > 0 else ():
            if len(forgettable) == surplus:
                break
            if mark.stamp < horizon:
                forgettable.append(key)
        drop(self._marks, forgettable)


def drop(marks: dict[str, Any], keys: Iterable[str]) -> None:
    """Remove `keys`, all of which are there."""
    for key in keys:
        del marks[key]


def _is_newer(mark: Mark, known: Mark) -> bool:
    if mark.version is not None:
        return known.version is None or mark.version > known.version
    return mark.stamp >= known.stamp and mark.digest != known.digest


def _id_of(row: RawRow) -> str:
    row_id = row.get("$id")
    if not isinstance(row_id, str) or not row_id:
        raise UnexpectedAnswer("a row without $id")
    return row_id
