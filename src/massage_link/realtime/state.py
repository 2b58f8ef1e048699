"""What state a subscriber is in, for logs, status lines and tests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

StateName: TypeAlias = Literal["connecting", "catching up", "live", "reconnecting", "closed"]


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """A subscriber's state.

    Attributes:
        name: ``connecting`` (for the first time), ``catching up`` (subscribed, reading back what was missed), ``live``,
            ``reconnecting`` (after a loss; what is missed will be read back) or ``closed`` (for good).
        since: UTC.
        reason: why, in words; empty when it needs no explanation.
        failures: connections that failed in a row.

    """

    name: StateName
    since: datetime
    reason: str = ""
    failures: int = 0


class StateBoard:
    """Holds the current state and tells whoever waits for the next one."""

    def __init__(self) -> None:
        self.current = ConnectionState("connecting", datetime.now(UTC))
        self._version = 0
        self._waiters: set[asyncio.Future[None]] = set()

    def set(self, name: StateName, reason: str = "", failures: int = 0) -> None:
        """Enter a state."""
        self.current = ConnectionState(name, datetime.now(UTC), reason, failures)
        self._version += 1
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def stream(self) -> AsyncIterator[ConnectionState]:
        """The current state, then each later one, until ``closed``; a slow reader sees only the newest."""
        seen = -1
        while True:
            while seen == self._version:
                await self._next()
            seen, state = self._version, self.current
            yield state
            if state.name == "closed":
                return

    async def _next(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
