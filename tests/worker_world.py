"""Bookings, changes and watchers for tests of the therapist process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from massage_link.domain.booking import Booking, Status
from massage_link.domain.chat import ChatMessage, message
from massage_link.domain.rows import Row
from massage_link.realtime import Change, ConnectionState
from massage_link.worker import Parked

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PATIENCE = 60.0


def booking(booking_id: str = "b1", **facts: Any) -> Booking:
    """A request for an hour on Wednesday noon, open for another day."""
    starts_at = facts.pop("starts_at", NOON)
    defaults = {
        "customer_id": "mia",
        "customer_name": "Mia Keller",
        "therapist_id": "ana",
        "service": "Deep tissue",
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(hours=1),
        "timezone": "UTC",
        "duration_minutes": 60,
        "price_minor": 9_505,
        "currency": "EUR",
        "status": Status.PENDING,
        "expires_at": NOW + timedelta(hours=24),
    }
    return Booking(id=booking_id, **{**defaults, **facts})


def said(n: int, room_id: str = "b1", body: str = "Hello") -> ChatMessage:
    """The n-th message of a room, by the customer."""
    return message(room_id, n, sender_id="mia", client_id=f"c{n}", body=body, sent_at=NOW)


def change(row: Row, *, watch: str = "bookings", live: bool = True) -> Change[Any]:
    """A change as the subscriber hands it out."""
    version = row.n if isinstance(row, ChatMessage) else getattr(row, "version", None)
    return Change(
        id=f"{watch}/{row.id}/{version}",
        kind="created" if version == 1 else "updated",
        row=row,
        table=watch,
        row_id=row.id,
        version=version,
        live=live,
        received_at=NOW,
        server_timestamp=NOW,
        watch=watch,
    )


class Watcher:
    """An observer that remembers, and that can be waited for."""

    def __init__(self) -> None:
        self.changes: list[Change[Any]] = []
        self.states: list[ConnectionState] = []
        self.replayed: list[int] = []
        self.given_up: list[Parked] = []
        self.notes: list[str] = []
        self._news = asyncio.Event()

    def arrived(self, change: Change[Any]) -> None:
        """See `Observer`."""
        self.changes.append(change)
        self._news.set()

    def connection(self, state: ConnectionState, replayed: int) -> None:
        """See `Observer`."""
        self.states.append(state)
        self.replayed.append(replayed)
        self._news.set()

    def parked(self, parked: Parked) -> None:
        """See `Observer`."""
        self.given_up.append(parked)
        self._news.set()

    def note(self, text: str) -> None:
        """See `Observer`."""
        self.notes.append(text)
        self._news.set()

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something has happened, as seen by what was remembered."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def until_live(self) -> None:
        """Wait until the connection is live."""
        await self.until(lambda: self.states and self.states[-1].name == "live")
