"""Read marks, coalesced: while somebody scrolls, one write a room every two seconds, and the last one at the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from massage_link.errors import MassageLinkError, OutcomeUnknown, StatusError, TransportError

__all__ = ["EVERY", "AsyncReading", "Marks", "Reading"]

#: Seconds between two writes of one room's mark.
EVERY = 2.0
#: What may pass: the mark is tried again with the next one, and at the end.
_PASSING = (TransportError, StatusError, OutcomeUnknown)


class Marks:
    """What is to be written when: pure, with the clock as an argument.

    Args:
        every: seconds between two writes of one room's mark.

    """

    def __init__(self, every: float = EVERY) -> None:
        self._every = every
        self._wanted: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._next: dict[str, float] = {}
        self._errors: dict[str, MassageLinkError] = {}

    def seen(self, room_id: str, n: int) -> None:
        """A message was read; a mark never goes back."""
        if n > self._seen.get(room_id, 0):
            self._seen[room_id] = self._wanted[room_id] = n

    def due(self, now: float) -> list[tuple[str, int]]:
        """What is to be written at this moment; it counts as written until `failed` says otherwise."""
        found = [(room_id, n) for room_id, n in self._wanted.items() if self._next.get(room_id, now) <= now]
        for room_id, _ in found:
            del self._wanted[room_id]
            self._next[room_id] = now + self._every
        return found

    def failed(self, room_id: str, n: int) -> None:
        """It could not be written: it is due again later, unless a later message was read meanwhile."""
        self._wanted.setdefault(room_id, n)

    def written(self, room_id: str) -> None:
        """It was written: an earlier failure does not matter any more."""
        self._errors.pop(room_id, None)

    def refused(self, room_id: str, n: int, error: MassageLinkError) -> None:
        """Why it could not be written: what may pass is tried again."""
        self._errors[room_id] = error
        if isinstance(error, _PASSING):
            self.failed(room_id, n)

    def check(self) -> None:
        """Raise the first error of a room whose last mark was not written."""
        for error in self._errors.values():
            raise error

    def wait(self, now: float) -> float | None:
        """Seconds until something is due; None when nothing is to be written."""
        times = [self._next.get(room_id, now) for room_id in self._wanted]
        return max(0.0, min(times) - now) if times else None

    def rest(self) -> list[tuple[str, int]]:
        """All that is still to be written."""
        found, self._wanted = list(self._wanted.items()), {}
        return found


class AsyncReading:
    """Notes what was read; a task of its own writes it. Leaving the block writes the rest::

        async with link.chat.reading() as reading:
            async for change in changes:
                show(change.row)
                reading.seen(change.row.room_id, change.row.n)

    Leaving raises the first error of a mark that could not be written at all.
    """

    def __init__(self, write: Callable[[str, int], Awaitable[object]], every: float = EVERY) -> None:
        self._write = write
        self._marks = Marks(every)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def seen(self, booking_id: str, n: int) -> None:
        """Message `n` of a room was read. Returns at once."""
        self._marks.seen(booking_id, n)
        self._news.set()

    async def flush(self) -> None:
        """Write now what is still to be written."""
        for room_id, n in self._marks.rest():
            await self._written(room_id, n)

    async def _run(self) -> None:
        while True:
            due = deque(self._marks.due(time.monotonic()))
            try:
                while due:
                    await self._written(*due[0])
                    due.popleft()
            finally:
                for each in due:  # whoever leaves meanwhile writes them at the end
                    self._marks.failed(*each)
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._marks.wait(time.monotonic()))

    async def _written(self, room_id: str, n: int) -> None:
        try:
            await self._write(room_id, n)
            self._marks.written(room_id)
        except MassageLinkError as error:
            self._marks.refused(room_id, n, error)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.flush()
        if kind is None:
            self._marks.check()


class Reading:
    """The same without an event loop; a thread of its own writes. See `AsyncReading`."""

    def __init__(self, write: Callable[[str, int], object], every: float = EVERY) -> None:
        self._write = write
        self._marks = Marks(every)
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="massage-link read marks", daemon=True)

    def seen(self, booking_id: str, n: int) -> None:
        """Message `n` of a room was read. Returns at once."""
        with self._changed:
            self._marks.seen(booking_id, n)
            self._changed.notify()

    def flush(self) -> None:
        """Write now what is still to be written."""
        with self._changed:
            rest = self._marks.rest()
        for room_id, n in rest:
            self._written(room_id, n)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (due := self._marks.due(time.monotonic())) and not self._closing:
                    self._changed.wait(self._marks.wait(time.monotonic()))
            for room_id, n in due:
                self._written(room_id, n)
            if self._closing:
                return

    def _written(self, room_id: str, n: int) -> None:
        try:
            self._write(room_id, n)
            with self._changed:
                self._marks.written(room_id)
        except MassageLinkError as error:
            with self._changed:
                self._marks.refused(room_id, n, error)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self.flush()
        if kind is None:
            self._marks.check()
