"""Lanes: jobs of one key run one after another, those of different keys side by side."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

__all__ = ["Job", "Lanes"]

Job: TypeAlias = Callable[[], Awaitable[None]]


class Lanes:
    """Runs jobs; a job that raises is a fault of the program and is told to `on_fault`.

    Args:
        most_waiting: how many jobs may be in hand; `put` waits while there are as many.
        on_fault: told what a job raised.

    """

    def __init__(self, *, most_waiting: int, on_fault: Callable[[BaseException], None]) -> None:
        self._most = most_waiting
        self._on_fault = on_fault
        self._lanes: dict[str, deque[Job]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._closing = False
        self.in_hand = 0

    async def put(self, key: str, job: Job) -> None:
        """Queue a job behind those of its key; waits for room."""
        while self.in_hand >= self._most:
            self._room.clear()
            await self._room.wait()
        self.in_hand += 1
        lane = self._lanes.get(key)
        if lane is not None:
            lane.append(job)
            return
        lane = self._lanes[key] = deque([job])
        task = asyncio.create_task(self._run(key, lane), name=f"massage-link lane {key}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def drain(self) -> int:
        """Let the running jobs finish and begin no other; returns how many were not begun."""
        self._closing = True
        try:
            if self._tasks:
                await asyncio.wait(self._tasks)
        except asyncio.CancelledError:
            await self.cancel()
            raise
        return self.in_hand

    async def cancel(self) -> None:
        """Cancel the running jobs and begin no other."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, key: str, lane: deque[Job]) -> None:
        try:
            while lane and not self._closing:
                await lane.popleft()()
                self.in_hand -= 1
                self._room.set()
        finally:
            del self._lanes[key]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._on_fault(fault)
