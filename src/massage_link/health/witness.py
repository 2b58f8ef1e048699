"""A canary's person at a device: one realtime connection, and when what came through it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from massage_link.client.link import AsyncMassageLink
from massage_link.client.watching import bookings, commissions, drafts, messages, subscriber
from massage_link.domain.booking import Booking
from massage_link.domain.chat import ChatMessage
from massage_link.domain.commission import Commission
from massage_link.domain.draft import Draft
from massage_link.errors import MassageLinkError

__all__ = ["Unseen", "Witness"]

#: Seconds to wait for one thing; and for one that waits for functions that have to be started first.
_PATIENCE = 4.0
_PATIENCE_WHEN_COLD = 8.0


class Unseen(MassageLinkError):
    """Something did not come; the message says what, `action` what to do about it."""

    def __init__(self, message: str, action: str) -> None:
        super().__init__(message)
        self.action = action


class Witness:
    """One of the canary's people, who acts and listens as the user that they are.

    Args:
        link: with the key; the person acts through short JWTs that it mints.
        user_id: who.

    """

    def __init__(self, link: AsyncMassageLink, user_id: str) -> None:
        self.user_id = user_id
        #: What it waits for just now: what to say, and what to do, when that does not come.
        self.waits_for: tuple[str, str] | None = None
        self.link = link.as_user(user_id)
        self._is_live = asyncio.Event()
        self._arrivals: dict[tuple[str, str], asyncio.Future[float]] = {}

    async def watch(self) -> None:
        """Note what comes, until cancelled."""
        sources: list[Any] = [make(self.link) for make in (bookings, drafts, messages, commissions)]
        async with subscriber(self.link, sources) as changes:
            await changes.wait_until_live()
            self._is_live.set()
            async for change in changes:
                at = time.perf_counter()
                arrival = self._arrival(*_sight(change.row))
                if not arrival.done():
                    arrival.set_result(at)

    async def wait_until_live(self) -> None:
        """Wait for the connection."""
        await self._is_live.wait()

    async def sees(self, row_id: str, what: str, *, missing: str, action: str, cold: bool = False) -> float:
        """Wait for a row in a state, or a message by its client id in a room; gives the clock's time at which it came.

        Args:
            row_id: the booking's, which is the room's and the commission's.
            what: the status, the client id, or "commission" and the status.
            missing: what to say when it does not come.
            action: what to do then.
            cold: functions may have to be started first.

        Raises:
            Unseen: it did not come in time.

        """
        patience = _PATIENCE_WHEN_COLD if cold else _PATIENCE
        self.waits_for = (missing, action)
        try:
            async with asyncio.timeout(patience):
                at = await asyncio.shield(self._arrival(row_id, what))
                self.waits_for = None
                return at
        except TimeoutError:
            raise Unseen(f"{missing} within {patience:g} s.", action) from None

    def _arrival(self, row_id: str, what: str) -> asyncio.Future[float]:
        key = (row_id, what)
        if key not in self._arrivals:
            self._arrivals[key] = asyncio.get_running_loop().create_future()
        return self._arrivals[key]


def _sight(row: Booking | Draft | ChatMessage | Commission) -> tuple[str, str]:
    match row:
        case ChatMessage():
            return row.room_id, row.client_id
        case Commission():
            return row.id, f"commission {row.status}"
        case Draft():
            return row.id, f"draft {row.status}"
    return row.id, row.status.value
