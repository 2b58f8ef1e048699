"""Listeners: handlers for what happens to a therapist, or to everybody, run until they have succeeded."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, TypeVar

from massage_link.client import watching
from massage_link.client.link import AsyncMassageLink
from massage_link.domain.booking import Booking, Status
from massage_link.domain.chat import ChatMessage, MessageKind
from massage_link.domain.states import Command
from massage_link.errors import UsageError
from massage_link.realtime import Change, Checkpoint, MemoryCheckpoint, Numbered, Policy, Source, Subscriber
from massage_link.wire.users import Account
from massage_link.worker.acknowledging import LateCheckpoint, Ticket
from massage_link.worker.answering import answer
from massage_link.worker.handling import Ending, Handler, Handling, Parked, Registered, Retries
from massage_link.worker.lanes import Lanes
from massage_link.worker.observing import LogObserver, Observer
from massage_link.worker.opening import begin_with_open_requests, is_open, open_account

__all__ = ["Listener"]

H = TypeVar("H", bound=Handler)
_MOST_WAITING = 500  # changes in hand; further ones wait in the subscriber, whose memory is bounded as well


class Listener(ABC):
    """Runs handlers on changes: several bookings side by side, each booking's changes in order.

    A change is acknowledged once its handlers have finished, so with a durable checkpoint a crash delivers it again
    (with the same `Change.id`). A handler that raises is run again, with growing waits; in the end the change is
    *parked*: reported, counted, not acknowledged, and so tried again with the next start from the same checkpoint.

    A new consumer begins with the requests that are open, and then hears of everything that happens.

    Args:
        link: acts with an API key, or as the user who listens.
        user_id: the user who listens; None takes the one whose session or JWT the link has.
        checkpoint: where progress is kept over restarts, such as `massage_link.realtime.FileCheckpoint`; None begins
            anew with each process.
        observer: told of everything at once; None writes to the log.
        retries: of handlers.
        time_limit: seconds that one attempt of a handler may take; None for no limit.
        concurrency: how many attempts run at the same time.
        policy: timings of the connection.

    """

    def __init__(
        self,
        link: AsyncMassageLink,
        user_id: str | None = None,
        *,
        checkpoint: Checkpoint | None = None,
        observer: Observer | None = None,
        retries: Retries | None = None,
        time_limit: float | None = 300.0,
        concurrency: int = 8,
        policy: Policy | None = None,
    ) -> None:
        if concurrency < 1 or (time_limit is not None and time_limit <= 0):
            raise UsageError("a listener needs a concurrency of at least one and a positive time limit.")
        self.link = link
        self.observer: Observer = observer or LogObserver()
        self.account: Account | None = None
        self.parked = 0
        self._user_id = user_id
        self._user = link
        self._checkpoint = checkpoint or MemoryCheckpoint()
        self._is_durable = checkpoint is not None
        self._time_limit = time_limit
        self._policy = policy or Policy()
        self._handlers: list[Registered] = []
        self._stopping = asyncio.Event()
        self._fault: BaseException | None = None
        self._is_cancelled = False
        self._left = 0
        self._handling = Handling(
            retries or Retries(), concurrency=concurrency, note=self._note, park=self._count_parked
        )

    # --- registering --------------------------------------------------------------------------------------------------
    def on_request(self, handler: H) -> H:
        """Decorates a handler of requests that wait for an answer; `change.row` is a `Booking`.

        It is run for each new request, and again when the customer moves it to another time.
        """
        return self.handle(handler, wants=self._is_open_request)

    def on_change(self, handler: H) -> H:
        """Decorates a handler of every change of a booking, requests included; `change.row` is a `Booking`."""
        return self.handle(handler, wants=_is_booking)

    def on_message(self, handler: H) -> H:
        """Decorates a handler of what others have said in chats; `change.row` is a `ChatMessage`.

        The platform's own lines, edits and deletions are none of these; `on_anything` gets them.
        """
        return self.handle(handler, wants=self._is_message_of_others)

    def on_anything(self, handler: H) -> H:
        """Decorates a handler of every change of whatever is watched."""
        return self.handle(handler, wants=lambda _: True)

    def handle(self, handler: H, *, wants: Callable[[Change[Any]], bool], time_limit: float | None = None) -> H:
        """Register a handler.

        Args:
            handler: called with a `Change`; a plain function runs in a thread. Of one change, handlers run one after
                another, in the order in which they were registered.
            wants: which changes it is for; asked when a change's turn has come.
            time_limit: seconds that an attempt may take; None takes the listener's.

        """
        self._handlers.append(Registered(handler, wants, time_limit or self._time_limit))
        return handler

    # --- answering ----------------------------------------------------------------------------------------------------
    async def accept(self, booking: Booking, *, reason: str = "") -> Booking:
        """Accept a request as it was seen; StaleBooking when it has changed since."""
        return await answer(self.link, booking, Command.ACCEPT, by=self._answers_as(), reason=reason)

    async def decline(self, booking: Booking, *, reason: str = "") -> Booking:
        """Decline a request as it was seen; StaleBooking when it has changed since."""
        return await answer(self.link, booking, Command.DECLINE, by=self._answers_as(), reason=reason)

    async def open_requests(self) -> list[Booking]:
        """The requests that wait for an answer now, by start."""
        pending = self._user.bookings.list(therapist_id=self._therapist_id(), status=Status.PENDING, newest_first=False)
        now = self.link.ports.now()
        return [booking async for booking in pending if is_open(booking, now)]

    # --- running ------------------------------------------------------------------------------------------------------
    def stop(self) -> None:
        """End `run`: handlers that run finish first. To be called in the event loop."""
        self._stopping.set()
        self._handling.end()

    async def run(self) -> None:
        """Listen until `stop` is called; cancelling it cancels the async handlers that run. It is called once.

        A server that cannot be reached is tried again for ever, and the observer is told so.

        Raises:
            NotFound: there is no such user.
            UsageError: wrong credential, or a checkpoint in use.
            Unauthorized, RealtimeRefused: the server refuses us for good.

        """
        async with AsyncExitStack() as closing:
            await self._unless_stopped(self._listen(closing))
        if self._fault is not None:
            raise self._fault

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._is_cancelled = True
            raise
        finally:
            stopping.cancel()
            if not working.done():
                working.cancel()
                await asyncio.wait({working})
        if not working.cancelled():
            working.result()

    async def _listen(self, closing: AsyncExitStack) -> None:
        self._user, self.account = await open_account(self.link, self._user_id, note=self._note)
        self._check(self.account)
        sources = self._sources(self._user)
        checkpoint = self._late_checkpoint(sources, self.account)
        checkpoint.open()
        closing.callback(checkpoint.close)
        resumed = not await begin_with_open_requests(
            checkpoint, sources[0], now=self.account.server_time, window=self._policy.window, note=self._note
        )
        changes = watching.subscriber(self._user, sources, checkpoint=checkpoint, policy=self._policy)
        await closing.enter_async_context(changes)
        lanes = Lanes(most_waiting=_MOST_WAITING, on_fault=self._break_off)
        closing.push_async_callback(self._drain, lanes)
        reporting = asyncio.create_task(self._report(changes, resumed=resumed))
        closing.callback(reporting.cancel)
        async for change in changes:
            changes.acknowledge()
            ticket = checkpoint.take()
            self.observer.arrived(change)
            await lanes.put(_booking_of(change), partial(self._deal_with, change, checkpoint, ticket))

    def _late_checkpoint(self, sources: Sequence[Source[Any]], account: Account) -> LateCheckpoint:
        whose = "/".join((self.link.project_id, self.link.ports.database, self._therapist_id() or "*", account.id, ""))
        numbered = [source.name for source in sources if isinstance(source.identity, Numbered)]
        return LateCheckpoint(self._checkpoint, prefix=whose, numbered=numbered)

    async def _deal_with(self, change: Change[Any], checkpoint: LateCheckpoint, ticket: Ticket) -> None:
        endings = {Ending.DONE}
        for registered in self._handlers:
            if registered.wants(change):
                endings.add(await self._handling.run(registered, change))
        if endings == {Ending.DONE}:
            checkpoint.done(ticket)
        self._left += Ending.LEFT in endings

    async def _drain(self, lanes: Lanes) -> None:
        self._handling.end()
        if self._is_cancelled:
            await lanes.cancel()
            return
        left = self._left + await lanes.drain()
        if left:
            then = "the next start gets them" if self._is_durable else "there is no checkpoint to get them again"
            self._note(f"changes left unhandled: {left}; {then}.")

    async def _report(self, changes: Subscriber[Any], *, resumed: bool) -> None:
        before = 0 if resumed else None
        async for state in changes.states():
            replayed = 0
            if state.name == "live":
                replayed = changes.statistics.replayed - (changes.statistics.replayed if before is None else before)
                before = changes.statistics.replayed
            self.observer.connection(state, replayed)

    def _break_off(self, fault: BaseException) -> None:
        self._fault = fault
        self.stop()

    def _note(self, text: str) -> None:
        self.observer.note(text)

    def _count_parked(self, parked: Parked) -> None:
        self.parked += 1
        self.observer.parked(parked)

    def _is_open_request(self, change: Change[Any]) -> bool:
        return isinstance(change.row, Booking) and is_open(change.row, self.link.ports.now())

    def _is_message_of_others(self, change: Change[Any]) -> bool:
        me = self.account.id if self.account is not None else None
        row = change.row
        return isinstance(row, ChatMessage) and row.kind is MessageKind.USER and row.sender_id != me

    # --- what a kind of listener decides ------------------------------------------------------------------------------
    @abstractmethod
    def _sources(self, user: AsyncMassageLink) -> list[Source[Any]]:
        """What to watch as this user; bookings first."""

    @abstractmethod
    def _check(self, account: Account) -> None:
        """Refuse an account that cannot do this."""

    @abstractmethod
    def _therapist_id(self) -> str | None:
        """Whose requests these are; None for everybody's."""

    @abstractmethod
    def _answers_as(self) -> str | None:
        """Who accepts and declines; None for ops."""


def _is_booking(change: Change[Any]) -> bool:
    return isinstance(change.row, Booking)


def _booking_of(change: Change[Any]) -> str:
    return change.row.room_id if isinstance(change.row, ChatMessage) else change.row_id
