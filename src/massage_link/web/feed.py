"""What one signed-in user may see, kept up to date over one realtime connection that all their open pages share."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from massage_link.client.link import AsyncMassageLink
from massage_link.client.reading import AsyncReading
from massage_link.domain.booking import Booking, Status
from massage_link.domain.chat import ChatMessage, ChatRead, MessageKind
from massage_link.domain.commission import Commission
from massage_link.errors import MassageLinkError, RateLimited, ServerError, TransportError, Unauthorized
from massage_link.realtime import Change, ConnectionState, Subscriber

__all__ = ["Feed", "Listener", "News", "is_open"]

#: Pages of a user that were closed may come back: only after so many seconds without any is the connection ended.
_LINGER = 60.0
#: So far back bookings are read at the start; older ones are asked for where they are shown.
_PAST = timedelta(days=7)
_MOST_BOOKINGS = 2_000
_REMEMBERED = 500
_log = logging.getLogger("massage_link.web")


@dataclass(frozen=True, slots=True)
class News:
    """Something happened.

    Attributes:
        row: the row as it is now; None when the connection's state has changed, or everything has been read.
        is_request: a booking that waits for the therapist's answer and was not known before.
        at: when it was heard of, UTC.

    """

    row: Booking | ChatMessage | ChatRead | Commission | None
    is_request: bool
    at: datetime


Listener = Callable[[News], None]


class Feed:
    """Bookings, the latest messages and commissions of one user, and who wants to hear of changes.

    Args:
        link: acts as the user.
        user_id: who that is.

    Attributes:
        bookings: by id; of the last week and to come, and whatever changed since.
        unread: messages of others that the user has not read, by booking id.
        read: up to which message each of the two has read, by booking id and user id; as far as it was heard of.
        commissions: by booking id, as far as the user may see them.
        state: of the realtime connection.
        loaded: whether the first reading is done.
        signed_out: whether the server does not know the session any more.
        missed: changes that the last reconnection brought to light.

    """

    def __init__(self, link: AsyncMassageLink, user_id: str) -> None:
        self.link = link
        self.user_id = user_id
        self.bookings: dict[str, Booking] = {}
        self.unread: dict[str, int] = {}
        self.read: dict[str, dict[str, int]] = {}
        self.commissions: dict[str, Commission] = {}
        self.state: ConnectionState = ConnectionState("connecting", datetime.now(UTC))
        self.loaded = asyncio.Event()
        self.signed_out = False
        self.missed = 0
        self._listeners: list[Listener] = []
        self._log: deque[News] = deque(maxlen=_REMEMBERED)
        self._reading: AsyncReading | None = None
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.TimerHandle | None = None

    # --- who listens --------------------------------------------------------------------------------------------------
    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` at every change; the connection is made with the first. Gives what ends it."""
        self._listeners.append(listener)
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"feed of {self.user_id}")

        def leave() -> None:
            with suppress(ValueError):
                self._listeners.remove(listener)
            if not self._listeners:
                self._ending = asyncio.get_running_loop().call_later(_LINGER, self._stop)

        return leave

    async def aclose(self) -> None:
        """End the connection."""
        task = self._task
        self._stop()
        if task is not None:
            await asyncio.wait([task])

    def since(self, moment: datetime) -> list[News]:
        """What was heard after an instant, as far as it is remembered."""
        return [news for news in self._log if news.at >= moment]

    def put(self, booking: Booking) -> None:
        """A newer state of a booking is known, from the answer to a call."""
        if self._keep(booking):
            self._tell(News(booking, is_request=False, at=datetime.now(UTC)))

    # --- what happens -------------------------------------------------------------------------------------------------
    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.loaded.clear()

    async def _run(self) -> None:
        try:
            async with (
                self.link.watch(reads=True) as changes,
                self.link.chat.reading() as self._reading,
                asyncio.TaskGroup() as group,
            ):
                group.create_task(self._follow(changes))
                group.create_task(self._read(changes))
                async for change in changes:
                    self._arrived(change)
        except* MassageLinkError as failed:
            _log.warning("the feed of %s has ended: %s", self.user_id, failed.exceptions[0])
            self.state = ConnectionState("closed", datetime.now(UTC), str(failed.exceptions[0]))
            self.signed_out = await self._is_signed_out()
            self._tell(_nothing_new())

    async def _is_signed_out(self) -> bool:
        try:
            await self.link.account.get()
        except Unauthorized:
            return True
        except MassageLinkError:
            return False
        return False

    async def _follow(self, changes: Subscriber[Any]) -> None:
        before = 0
        async for state in changes.states():
            replayed = changes.statistics.replayed
            if state.name == "live":
                self.missed, before = replayed - before, replayed
            self.state = state
            self._tell(_nothing_new())

    async def _read(self, changes: Subscriber[Any]) -> None:
        """What there is; changes that come meanwhile are newer, and stay."""
        await changes.wait_until_live()
        passing = retry_if_exception_type((TransportError, ServerError, RateLimited))
        wait = wait_random_exponential(multiplier=0.5, max=15)
        await AsyncRetrying(retry=passing, wait=wait, reraise=True)(self._read_once)
        self.loaded.set()
        self._tell(_nothing_new())

    async def _read_once(self) -> None:
        since = datetime.now(UTC) - _PAST
        async for booking in self.link.bookings.list(starts_from=since, newest_first=False, limit=_MOST_BOOKINGS):
            self._keep(booking)
        async for commission in self.link.commissions.list(page_size=1_000):
            known = self.commissions.get(commission.id)
            if known is None or known.version < commission.version:
                self.commissions[commission.id] = commission
        self.unread = {**(await self.link.chat.unread_total(user_id=self.user_id)).rooms}

    def _arrived(self, change: Change[Any]) -> None:
        row, is_request = change.row, False
        if isinstance(row, Booking):
            known = self.bookings.get(row.id)
            is_new = known is None or known.status is not Status.PENDING
            is_request = is_new and is_open(row) and row.therapist_id == self.user_id
            if not self._keep(row):
                return
        elif isinstance(row, ChatMessage):
            self._said(row)
        elif isinstance(row, ChatRead):
            self._was_read(row)
        elif isinstance(row, Commission):
            self.commissions[row.id] = row  # versions strictly increase
        news = News(row, is_request, datetime.now(UTC))
        is_line = isinstance(row, ChatMessage) and row.kind is not MessageKind.USER
        if not is_line and not isinstance(row, ChatRead):
            self._log.append(news)
        self._tell(news)

    def _said(self, message: ChatMessage) -> None:
        if message.sender_id == self.user_id:
            return
        if message.kind is MessageKind.USER:
            self.unread[message.room_id] = self.unread.get(message.room_id, 0) + 1
        elif message.kind is MessageKind.DELETE:
            self.unread[message.room_id] = max(0, self.unread.get(message.room_id, 0) - 1)

    def _was_read(self, mark: ChatRead) -> None:
        self.read.setdefault(mark.room_id, {})[mark.user_id] = mark.n

    def seen(self, booking_id: str, n: int) -> None:
        """Everything up to message `n` of a room, the newest, is on the user's screen; it is noted before long."""
        self.unread.pop(booking_id, None)
        if self._reading is not None:
            self._reading.seen(booking_id, n)
        self._tell(_nothing_new())

    def _keep(self, booking: Booking) -> bool:
        known = self.bookings.get(booking.id)
        if known is not None and known.version >= booking.version:
            return False
        self.bookings[booking.id] = booking
        return True

    def _tell(self, news: News) -> None:
        for listener in [*self._listeners]:
            try:
                listener(news)
            except Exception:  # noqa: BLE001 # a page that is going away must not keep the news from the others
                _log.exception("a page could not take the news")


def _nothing_new() -> News:
    return News(None, is_request=False, at=datetime.now(UTC))


def is_open(booking: Booking) -> bool:
    """Whether it is a request that can be answered now."""
    return booking.status is Status.PENDING and (booking.expires_at is None or booking.expires_at > datetime.now(UTC))
