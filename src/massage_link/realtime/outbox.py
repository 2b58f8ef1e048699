"""What waits for the consumer: a bounded queue, and the checkpoint that is told what has been dealt with.

Asking for the next change acknowledges the one before. Between taking a change and handing it out nothing is awaited,
so a cancelled consumer has either received a change or left it where it was.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from massage_link.realtime.checkpoint import Checkpoint
    from massage_link.realtime.ledger import Mark
    from massage_link.realtime.source import Change

R = TypeVar("R")
_BREATH = 64  # changes after which other tasks get their turn in any case


@dataclass(frozen=True, slots=True)
class _Delivery(Generic[R]):
    change: Change[R]
    mark: Mark


@dataclass(frozen=True, slots=True)
class _Advance:
    """Once everything before it in the queue is dealt with, the source may restart from `high_water`."""

    source: str
    high_water: datetime
    forgettable: datetime


class Outbox(Generic[R]):
    """Changes that were accepted and not handed out yet.

    Args:
        capacity: how many entries may wait before it is `full`; what is put in all the same is kept.
        checkpoint: told of what has been dealt with; None for none.
        on_relief: called when there is room again after something was refused.

    """

    def __init__(self, capacity: int, checkpoint: Checkpoint | None, on_relief: Callable[[], None]) -> None:
        self._capacity = capacity
        self._checkpoint = checkpoint
        self._on_relief = on_relief
        self._queue: deque[_Delivery[R] | _Advance] = deque()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._overflowed = False
        self._unacknowledged: _Delivery[R] | None = None
        self._taken = 0
        self.end: BaseException | None = None

    def __len__(self) -> int:
        return len(self._queue)

    # --- filling it ---------------------------------------------------------------------------------------------------
    @property
    def full(self) -> bool:
        """Whether as much waits as should."""
        return len(self._queue) >= self._capacity

    def refused(self) -> None:
        """Told that something was let go because it is full."""
        self._overflowed = True

    async def room(self) -> None:
        """Wait until it is not full."""
        while self.full:
            self._room.clear()
            await self._room.wait()

    def put(self, change: Change[R], mark: Mark) -> None:
        """A change, and what is to be remembered once it has been dealt with."""
        self._append(_Delivery(change, mark))

    def put_advance(self, source: str, high_water: datetime, forgettable: datetime) -> None:
        """How far the source is read once everything before this has been dealt with."""
        self._append(_Advance(source, high_water, forgettable))

    def _append(self, entry: _Delivery[R] | _Advance) -> None:
        self._queue.append(entry)
        self._arrived.set()

    # --- emptying it --------------------------------------------------------------------------------------------------
    async def take(self) -> Change[R]:
        """The next change; acknowledges the one before. Raises `end` when it is empty and has ended."""
        self.acknowledge()
        self._taken += 1
        if self._taken % _BREATH == 0:
            await asyncio.sleep(0)  # a handler that never waits must not silence the heartbeat
        while True:  # from here on nothing is awaited between taking a change and handing it out
            while self._queue:
                entry = self._queue.popleft()
                self._make_room()
                if isinstance(entry, _Delivery):
                    self._unacknowledged = entry
                    return entry.change
                if self._checkpoint is not None:
                    self._checkpoint.advance(entry.source, entry.high_water, entry.forgettable)
            if self.end is not None:
                raise self.end
            self._arrived.clear()
            await self._arrived.wait()

    def acknowledge(self) -> None:
        """The change that was handed out last has been dealt with."""
        entry, self._unacknowledged = self._unacknowledged, None
        if entry is not None and self._checkpoint is not None:
            self._checkpoint.acknowledge(entry.change.watch, entry.mark)

    def _make_room(self) -> None:
        if len(self._queue) <= self._capacity // 2:
            self._room.set()
            if self._overflowed:
                self._overflowed = False
                self._on_relief()

    # --- ending it ----------------------------------------------------------------------------------------------------
    def finish(self, end: BaseException) -> None:
        """Nothing more comes: whoever has taken the rest is raised `end`."""
        self.end = end
        self._arrived.set()

    def clear(self) -> None:
        """Let go of what waits, and of what was handed out without being acknowledged: it comes again."""
        self._queue.clear()
        self._unacknowledged = None
