"""The desk on a terminal: draws it, rings, notifies, reads keys, gives answers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live

from massage_link.domain.booking import Booking
from massage_link.domain.states import Command
from massage_link.errors import MassageLinkError, StaleBooking
from massage_link.realtime import Change, ConnectionState
from massage_link.worker.desk import Answer, Desk, Quit
from massage_link.worker.handling import Parked, said
from massage_link.worker.keys import pressed
from massage_link.worker.listener import Listener
from massage_link.worker.notifying import notify
from massage_link.worker.screen import Header, draw

__all__ = ["Terminal"]

_FRAME = 1.0  # seconds: the countdown moves
_MOST_NOTIFICATIONS = 3  # at once
_PAUSE = 0.03  # seconds between two frames, at least
_RESTORE = "\x1b[?1049l\x1b[?25h"  # the usual screen, with its cursor


class Terminal:
    """An observer that shows a desk.

    Args:
        title: who listens, until their name is known.
        keyboard: where keys come from.
        console: where to draw.

    """

    def __init__(self, title: str, *, keyboard: TextIO, console: Console) -> None:
        self.desk = Desk()
        self._header = Header(title)
        self._keyboard = keyboard
        self._console = console
        self._changed = asyncio.Event()
        self._new: list[Booking] = []
        self._listener: Listener | None = None
        self._has_begun = False
        self._tasks: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def showing(self, listener: Listener, *, shows_therapists: bool) -> AsyncIterator[None]:
        """Within the block the terminal is ours; answers that are under way are waited for at its end."""
        self._listener = listener
        self._header.shows_therapists = shows_therapists
        live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        live.start()
        drawing = asyncio.create_task(self._keep_drawing(live, on_end=listener.stop))
        try:
            with pressed(self._keyboard, self._press, listener.stop):
                yield
                if self._tasks:
                    await asyncio.wait(self._tasks)
        finally:
            drawing.cancel()
            await asyncio.wait({drawing})
            with suppress(OSError):  # the terminal may be gone
                live.stop()
        if not drawing.cancelled():
            drawing.result()

    def abandon(self) -> None:
        """Give the terminal back in haste."""
        with suppress(OSError, ValueError):
            sys.stdout.write(_RESTORE)
            sys.stdout.flush()

    # --- observing ----------------------------------------------------------------------------------------------------
    def arrived(self, change: Change[Any]) -> None:
        """See `Observer.arrived`; a new request rings."""
        if self.desk.arrived(change, _now()):
            self._new.append(change.row)
        self._changed.set()

    def connection(self, state: ConnectionState, replayed: int) -> None:
        """See `Observer.connection`."""
        self._header.state = state
        if self._listener is not None and self._listener.account is not None:
            self._header.title = self._listener.account.name or self._listener.account.id
        if replayed:
            self.note(f"caught up: {replayed} missed changes replayed")
        if state.name == "live" and not self._has_begun:
            self._has_begun = True
            self._spawn(self._begin())
        self._changed.set()

    def parked(self, parked: Parked) -> None:
        """See `Observer.parked`."""
        self.note(str(parked))

    def note(self, text: str) -> None:
        """See `Observer.note`."""
        self.desk.say(text, _now())
        self._changed.set()

    # --- drawing ------------------------------------------------------------------------------------------------------
    async def _keep_drawing(self, live: Live, *, on_end: Callable[[], None]) -> None:
        while True:
            self._changed.clear()
            self.desk.tick(_now())
            try:
                self._ring()
                live.update(draw(self.desk, self._header, _now(), height=self._console.height), refresh=True)
            except OSError:
                on_end()  # the terminal is gone
                return
            except Exception:
                on_end()  # nobody must take a picture that stands still for the present
                raise
            await asyncio.sleep(_PAUSE)
            with suppress(TimeoutError):
                async with asyncio.timeout(_FRAME):
                    await self._changed.wait()

    def _ring(self) -> None:
        new, self._new = self._new, []
        if new:
            self._console.bell()
        for booking in new[:_MOST_NOTIFICATIONS]:
            self._spawn(notify(booking))

    # --- answering ----------------------------------------------------------------------------------------------------
    def _press(self, key: str) -> None:
        order = self.desk.press(key, _now())
        if isinstance(order, Answer):
            self._spawn(self._answer(order))
        elif isinstance(order, Quit) and self._listener is not None:
            self._listener.stop()
        self._changed.set()

    async def _answer(self, order: Answer) -> None:
        assert self._listener is not None
        give = self._listener.accept if order.command is Command.ACCEPT else self._listener.decline
        current: Booking | None = None
        try:
            current = await give(order.booking, reason=order.reason)
        except StaleBooking as overtaken:
            current = overtaken.current
            self.note(f"not answered: {overtaken}")
        except Exception as error:  # noqa: BLE001 # whatever it was, the user has to know that it did not work
            self.note(f"not answered: {said(error)}")
        self.desk.answered(order.booking, current, _now())
        self._changed.set()

    async def _begin(self) -> None:
        assert self._listener is not None
        try:
            self.desk.begin(await self._listener.open_requests(), _now())
        except MassageLinkError as error:
            self.note(f"the requests that are open could not be read: {error}")
        self._changed.set()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _now() -> datetime:
    return datetime.now().astimezone()
