"""Where a consumer's progress is kept between its runs.

A change counts as dealt with when its handler has finished, so a crash delivers it again (with the same `Change.id`)
rather than losing it. What is kept per source: the consumer's start, the high water to read back from, and the marks of
what was delivered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from massage_link.errors import CheckpointInUse
from massage_link.realtime.ledger import drop

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from massage_link.realtime.ledger import Mark


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of one source.

    Attributes:
        start: when this consumer began, UTC.
        high_water: what the read-back begins from, less the window.
        marks: what was delivered, the oldest first.

    """

    start: datetime
    high_water: datetime
    marks: Iterable[Mark]


class Checkpoint(Protocol):
    """Keeps progress; its methods are quick and do not wait."""

    def open(self) -> None:
        """Take hold of it. Raises CheckpointInUse when another consumer has it."""

    def load(self, source: str) -> Progress | None:
        """What is known of a source; None for one that is new here."""

    def begin(self, source: str, progress: Progress) -> None:
        """A new source, with its baseline."""

    def acknowledge(self, source: str, mark: Mark) -> None:
        """A change has been dealt with."""

    def advance(self, source: str, high_water: datetime, forgettable: datetime) -> None:
        """Everything up to `high_water` has been dealt with; marks older than `forgettable` may be thinned out."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(slots=True)
class _Kept:
    start: datetime
    high_water: datetime
    marks: dict[str, Mark] = field(default_factory=dict)


class MemoryCheckpoint:
    """Progress that outlives a subscriber but not the process.

    Args:
        capacity: marks kept per source beyond those that may still be needed.

    """

    def __init__(self, *, capacity: int = 50_000) -> None:
        self._capacity = capacity
        self._sources: dict[str, _Kept] = {}
        self._open = False

    def open(self) -> None:
        """See `Checkpoint.open`."""
        if self._open:
            raise CheckpointInUse("this checkpoint already serves another subscriber of this process")
        self._open = True

    def load(self, source: str) -> Progress | None:
        """See `Checkpoint.load`."""
        kept = self._sources.get(source)
        return Progress(kept.start, kept.high_water, [*kept.marks.values()]) if kept else None

    def begin(self, source: str, progress: Progress) -> None:
        """See `Checkpoint.begin`."""
        marks = {mark.key: mark for mark in progress.marks}
        self._sources[source] = _Kept(progress.start, progress.high_water, marks)

    def acknowledge(self, source: str, mark: Mark) -> None:
        """See `Checkpoint.acknowledge`."""
        marks = self._sources[source].marks
        marks.pop(mark.key, None)
        marks[mark.key] = mark

    def advance(self, source: str, high_water: datetime, forgettable: datetime) -> None:
        """See `Checkpoint.advance`."""
        kept = self._sources[source]
        kept.high_water = high_water
        surplus = len(kept.marks) - self._capacity
        if surplus > 0:
            old = [key for key, mark in kept.marks.items() if mark.stamp < forgettable]
            drop(kept.marks, old[:surplus])

    def close(self) -> None:
        """See `Checkpoint.close`."""
        self._open = False
