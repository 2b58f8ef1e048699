"""A person at a device: one realtime connection, and whoever waits for what comes through it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

from massage_link.client.link import AsyncMassageLink
from massage_link.demo.record import Record, Sight, sight_of
from massage_link.errors import MassageLinkError

__all__ = ["Person", "Unseen", "alongside", "listening"]


class Unseen(MassageLinkError):
    """Something did not come within the time that the demo has patience for."""


class Person:
    """A customer or a therapist, signed in as themselves.

    Args:
        link: with a key; the person acts through short JWTs that it mints.
        user_id: who.
        record: where everything that they see is written.
        patience: seconds to wait for one thing.

    """

    def __init__(self, link: AsyncMassageLink, user_id: str, record: Record, *, patience: float) -> None:
        self.user_id = user_id
        self._is_live = asyncio.Event()
        self._link = link.as_user(user_id)
        self._record = record
        self._patience = patience
        self._arrivals: dict[Sight, asyncio.Future[float]] = {}

    async def listen(self) -> None:
        """Handle what comes, until cancelled."""
        async with self._link.watch() as changes:
            await changes.wait_until_live()
            self._is_live.set()
            async for change in changes:
                at = time.perf_counter()
                sight = sight_of(change.row)
                self._record.saw(self.user_id, sight, at)
                self.arrived(sight, at)

    async def comes_live(self) -> None:
        """Wait until the connection is there.

        Raises:
            Unseen: it was not in time.

        """
        try:
            async with asyncio.timeout(self._patience):
                await self._is_live.wait()
        except TimeoutError:
            raise Unseen(f"{self.user_id} waited {self._patience:g} s for the realtime connection") from None

    def arrived(self, sight: Sight, at: float) -> None:
        """Wake whoever waits for it; the first time counts."""
        arrival = self._arrival(sight)
        if not arrival.done():
            arrival.set_result(at)

    async def sees(self, sight: Sight) -> float:
        """Wait for it; gives the clock's time at which the handler was entered.

        Raises:
            Unseen: it did not come in time.

        """
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.shield(self._arrival(sight))
        except TimeoutError:
            raise Unseen(f"{self.user_id} waited {self._patience:g} s for {' '.join(sight)}") from None

    def _arrival(self, sight: Sight) -> asyncio.Future[float]:
        if sight not in self._arrivals:
            self._arrivals[sight] = asyncio.get_running_loop().create_future()
        return self._arrivals[sight]


@asynccontextmanager
async def listening(people: Iterable[Person]) -> AsyncGenerator[None, None]:
    """All of them listen within the block, from its beginning.

    Raises:
        Unseen: somebody could not be connected in time.

    """
    everybody = list(people)
    async with alongside(*(person.listen() for person in everybody)):
        await asyncio.gather(*(person.comes_live() for person in everybody))
        yield


@asynccontextmanager
async def alongside(*work: Coroutine[Any, Any, None]) -> AsyncGenerator[None, None]:
    """Runs beside the block and ends with it; when any of it fails, the block is cancelled and that error raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
            yield
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as failures:
        raise _first_of(failures) from None


def _first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group: it ended the others."""
    first = failures.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
