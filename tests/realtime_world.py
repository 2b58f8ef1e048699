"""A model of a server and of everything that can go wrong on the way, in whole seconds; no sockets, no waiting."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from massage_link.realtime.cursor import Cursor
from massage_link.realtime.ledger import Arrival
from massage_link.realtime.source import Mutable, Numbered, Page, Position

if TYPE_CHECKING:
    from massage_link.realtime.ledger import Accepted, Mark
    from massage_link.realtime.sequence import Wanted

WINDOW = 10
PAGE = 2
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
ARRIVAL = Arrival(live=False, at=_EPOCH)


def instant(second: int) -> datetime:
    """A second of the model's time as a datetime."""
    return _EPOCH + timedelta(seconds=second)


@dataclass(frozen=True)
class Write:
    """One committed state of one row: stamped at `stamp`, readable from `visible` on."""

    row_id: str
    version: int
    scope: str
    stamp: int
    visible: int
    sequence: int
    created: int

    def row(self) -> dict[str, Any]:
        """As the server sends it."""
        return {
            "$id": self.row_id,
            "$sequence": str(self.sequence),
            "$createdAt": instant(self.created).isoformat(),
            "$updatedAt": instant(self.stamp).isoformat(),
            "version": self.version,
            "scope": self.scope,
        }


@dataclass
class ModelServer:
    """Rows, each with its history; what a reader sees depends on the time."""

    now: int = 1000
    writes: list[Write] = field(default_factory=list)

    def history(self, row_id: str) -> list[Write]:
        """All states of a row, the oldest first."""
        return [write for write in self.writes if write.row_id == row_id]

    def write(self, row_id: str, version: int, *, scope: str = "", skew: int = 0, late: int = 0) -> Write:
        """Commit a state: the stamp lies `skew` before now, and readers see it `late` from now."""
        history = self.history(row_id)
        sequence = history[0].sequence if history else len(self.writes) + 1
        created = history[0].created if history else self.now - skew
        write = Write(row_id, version, scope, self.now - skew, self.now + late, sequence, created)
        self.writes.append(write)
        return write

    def visible(self) -> dict[str, Write]:
        """What a list answers now, by row id."""
        rows: dict[str, Write] = {}
        for write in self.writes:
            if write.visible <= self.now:
                rows[write.row_id] = write
        return rows

    def read_back(self, after: Position) -> Page:
        """The next page by keyset."""
        rows = sorted(self.visible().values(), key=lambda write: (write.stamp, write.sequence))
        page = [write.row() for write in rows if _is_after(write, after)][:PAGE]
        return Page(page, instant(self.now))

    def fetch(self, asked: list[Wanted]) -> list[dict[str, Any]]:
        """Rows by id."""
        rows = self.visible()
        return [rows[one.row_id].row() for one in asked if one.row_id in rows]


def _is_after(write: Write, after: Position) -> bool:
    stamp = instant(write.stamp)
    if after.sequence is None:
        return stamp >= after.updated_at
    return (stamp, write.sequence) > (after.updated_at, int(after.sequence))


class ModelConsumer:
    """A consumer with a durable checkpoint: crashes lose the queue and the memory, never what was acknowledged.

    Attributes:
        acknowledged: row states the handler has finished with, in order.

    """

    def __init__(self, server: ModelServer, identity: Mutable | Numbered, *, capacity: int = 0) -> None:
        self.server = server
        self.identity = identity
        self.capacity = capacity
        self.acknowledged: list[Accepted] = []
        self.queue: list[Accepted | datetime] = []
        self.position: Position | None = None
        self.start = instant(server.now)
        self.high_water = self.start - timedelta(seconds=WINDOW)
        self.marks: dict[str, Mark] = {}
        self.cursor = self._resume()
        self._baseline()

    def _resume(self) -> Cursor:
        return Cursor(
            self.identity,
            start=self.start,
            high_water=self.high_water,
            window=timedelta(seconds=WINDOW),
            marks=self.marks.values(),
            capacity=self.capacity,
        )

    def _baseline(self) -> None:
        position: Position | None = self.cursor.begin()
        while position is not None:
            page = self.server.read_back(position)
            for row in page.rows:
                mark = self.cursor.mark_of(row)
                known = self.marks.get(mark.key)
                self.marks[mark.key] = mark if known is None else max(mark, known, key=lambda one: one.version or 0)
            position = self.cursor.turn(page, PAGE)
        self.cursor = self._resume()

    def crash(self) -> None:
        """Start anew from the checkpoint."""
        self.queue.clear()
        self.position = None
        self.cursor = self._resume()

    def receive(self, row: dict[str, Any]) -> None:
        """An event arrives."""
        self.queue += self.cursor.offer(row, ARRIVAL)

    def begin_read_back(self) -> None:
        """Begin a read-back, giving up one that is under way."""
        self.position = self.cursor.begin()

    def turn_page(self) -> None:
        """Read the next page of the read-back under way, if any."""
        if self.position is None:
            return
        page = self.server.read_back(self.position)
        for row in page.rows:
            self.queue += self.cursor.offer(row, ARRIVAL)
        self.position = self.cursor.turn(page, PAGE)
        self.queue.append(self.cursor.safe_high_water())

    def read_back(self) -> None:
        """A whole read-back."""
        self.begin_read_back()
        while self.position is not None:
            self.turn_page()

    def fill(self) -> None:
        """Fetch missing numbers until none is missing or none can be read."""
        while asked := self.cursor.wanted():
            rows = self.server.fetch(asked)
            self.queue += self.cursor.fetched(asked, rows, ARRIVAL, now=float(self.server.now))
            if not rows:
                return

    def consume(self, count: int | None = None) -> None:
        """The handler deals with the next `count` entries of the queue (all of them by default)."""
        for _ in range(len(self.queue) if count is None else min(count, len(self.queue))):
            entry = self.queue.pop(0)
            if isinstance(entry, datetime):
                self.high_water = entry
                self._thin_out(self.cursor.forgettable(self.high_water))
            else:
                self.acknowledged.append(entry)
                self.marks[entry.mark.key] = entry.mark

    def _thin_out(self, horizon: datetime) -> None:
        for key in [key for key, mark in self.marks.items() if mark.stamp < horizon][self.capacity :]:
            del self.marks[key]

    def numbers(self, scope: str) -> list[int]:
        """The numbers acknowledged within a scope, in order."""
        return [entry.row["version"] for entry in self.acknowledged if entry.row["scope"] == scope]

    def versions(self, row_id: str) -> list[int]:
        """The versions of a row that were acknowledged, in order."""
        return [entry.row["version"] for entry in self.acknowledged if entry.row["$id"] == row_id]
