"""The HTTP side of a subscriber: pages that are read for as long as it may succeed, and where a new consumer begins."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from massage_link.errors import MassageLinkError, UnexpectedAnswer
from massage_link.realtime.checkpoint import Progress
from massage_link.realtime.cursor import Cursor
from massage_link.realtime.policy import Backoff, is_transient, wait_for_limit
from massage_link.realtime.source import Position

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Iterable

    from massage_link.realtime.ledger import Mark
    from massage_link.realtime.policy import Policy
    from massage_link.realtime.source import Page, RawRow, Source

T = TypeVar("T")
_log = logging.getLogger("massage_link.realtime")


class Reader:
    """Reads over HTTP and does not give up on what may pass.

    Args:
        policy: waits and pages.
        rng: for the jitter of waits.
        worked_before: whether this server has answered as it should before; see `is_transient`.

    """

    def __init__(self, policy: Policy, rng: random.Random, worked_before: Callable[[], bool]) -> None:
        self._policy = policy
        self._rng = rng
        self._worked_before = worked_before

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` answers, tried again for as long as its errors may pass."""
        backoff = Backoff(self._policy, self._rng)
        while True:
            try:
                return await call()
            except MassageLinkError as error:
                if not is_transient(error, worked_before=self._worked_before()):
                    raise
                _log.warning("a call for realtime failed and is tried again: %s", error)
                await asyncio.sleep(max(backoff.next(), wait_for_limit(error, unix_time=time.time())))

    async def page(self, source: Source[Any], position: Position, *, limit: int) -> tuple[datetime, Page]:
        """A page, and the server's time at which it was read at the earliest."""

        async def timed() -> tuple[datetime, Page]:
            begun = time.monotonic()
            page = await source.read_back(position, limit)
            return page.server_time - timedelta(seconds=time.monotonic() - begun), page

        return await self.patiently(timed)

    async def first_progress(
        self, source: Source[Any], since: datetime | None, park: Callable[[Source[Any], RawRow, Exception], None]
    ) -> Progress:
        """Where a new consumer begins: at `since`, or now, knowing the rows that a read-back is going to list."""
        window = self._policy.window
        if since is not None:
            return Progress(since, since + window, ())
        probe = Position(datetime.now(UTC) - window)  # only the answer's time counts: this machine's clock may be off
        start, _ = await self.page(source, probe, limit=1)
        # Twice the window, and not up to the start: stamps may come from a slower clock than the answer's time.
        cursor = Cursor(source.identity, start=start, high_water=start - window, window=window)
        marks: list[Mark] = []
        position: Position | None = cursor.begin()
        while position is not None:
            read_at, page = await self.page(source, position, limit=self._policy.page_size)
            marks += _marks_of(source, cursor, page.rows, park)
            position = cursor.turn(page, self._policy.page_size, exchange=page.server_time - read_at)
        return Progress(start, start - window, marks)


def _marks_of(
    source: Source[Any],
    cursor: Cursor,
    rows: Iterable[RawRow],
    park: Callable[[Source[Any], RawRow, Exception], None],
) -> Iterable[Mark]:
    for row in filter(source.relevant, rows):
        try:
            yield cursor.mark_of(row)
        except UnexpectedAnswer as error:
            park(source, row, error)
