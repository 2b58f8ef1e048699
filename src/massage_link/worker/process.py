"""The process behind ``massage-link listen``: a listener with its handlers, a view, and signals."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from typing import Any

from rich.console import Console

from massage_link.client.link import AsyncMassageLink
from massage_link.realtime import Change, FileCheckpoint
from massage_link.worker.answering import AutoAccept
from massage_link.worker.describing import as_json, described
from massage_link.worker.kinds import Dispatcher, Therapist
from massage_link.worker.listener import Listener
from massage_link.worker.observing import Observer
from massage_link.worker.output import Lines, reader_leaves
from massage_link.worker.rules import Rules
from massage_link.worker.running import Command
from massage_link.worker.signals import two_stages
from massage_link.worker.terminal import Terminal

__all__ = ["Wish", "listen"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What the command was asked for.

    Attributes:
        user_id: who listens; None takes the one whose session the link has.
        everybody: watch all therapists, as ops.
        as_json: lines of JSON instead of a screen.
        rules: requests that fulfil them are accepted; None accepts none.
        command: run for each new request; None runs nothing.
        command_limit: seconds after which it is killed.
        checkpoint: path of the file in which progress is kept; None keeps none.

    """

    user_id: str | None = None
    everybody: bool = False
    as_json: bool = False
    rules: Rules | None = None
    command: str | None = None
    command_limit: float = 60.0
    checkpoint: str | None = None


async def listen(link: AsyncMassageLink, wish: Wish) -> int:
    """Listen until a signal, the key ``q``, or the end of whoever reads; returns how many changes were given up.

    Raises what `Listener.run` raises.
    """
    process = _Process(link, wish)
    await process.run()
    return process.listener.parked


class _Process:
    def __init__(self, link: AsyncMassageLink, wish: Wish) -> None:
        kind = Dispatcher if wish.everybody else Therapist
        checkpoint = FileCheckpoint(wish.checkpoint) if wish.checkpoint is not None else None
        self.wish = wish
        self.listener: Listener = kind(link, wish.user_id, checkpoint=checkpoint)
        self.terminal: Terminal | None = None
        self.command: Command | None = None
        self._watch()
        self._register(link)

    def _watch(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="replace")  # names hold characters that not every terminal has
        console = Console()
        if not self.wish.as_json and sys.stdin.isatty() and console.is_terminal and not console.is_dumb_terminal:
            title = "everybody" if self.wish.everybody else self.wish.user_id or ""
            self.terminal = Terminal(title, keyboard=sys.stdin, console=console)
            self.listener.observer = self.terminal
            return
        line_of = as_json if self.wish.as_json else _line
        lines = Lines(line_of, sys.stdout, sys.stderr, on_end=self.listener.stop)
        self.listener.observer = lines
        self.listener.handle(lines, wants=_everything, time_limit=math.inf)  # a reader may take its time

    def _register(self, link: AsyncMassageLink) -> None:
        note = self.listener.observer.note
        if self.wish.rules is not None:
            self.listener.on_request(AutoAccept(link, self.wish.rules, note=note))
        if self.wish.command is not None:
            self.command = Command(self.wish.command, time_limit=self.wish.command_limit, note=note)
            self.listener.on_request(self.command)

    async def run(self) -> None:
        async with AsyncExitStack() as stack:
            stack.enter_context(_logging_to(self.listener.observer))
            stack.enter_context(two_stages(self.listener.stop, self._end_at_once))
            if self.terminal is not None:
                showing = self.terminal.showing(self.listener, shows_therapists=self.wish.everybody)
                await stack.enter_async_context(showing)
            else:
                stack.enter_context(reader_leaves(sys.stdout, self.listener.stop))
            await self.listener.run()

    def _end_at_once(self) -> None:
        if self.command is not None:
            self.command.kill()
        if self.terminal is not None:
            self.terminal.abandon()


def _everything(change: Change[Any]) -> bool:  # noqa: ARG001 # the signature of `wants`
    return True


def _line(change: Change[Any]) -> str:
    return f"{change.received_at:%Y-%m-%dT%H:%M:%SZ} {described(change)}"


class _ToObserver(logging.Handler):
    def __init__(self, observer: Observer) -> None:
        super().__init__(logging.WARNING)
        self._observer = observer

    def emit(self, record: logging.LogRecord) -> None:
        # Of single calls that were repeated nobody needs to know: what comes of them is reported.
        if not record.name.startswith("massage_link.client"):
            self._observer.note(record.getMessage())


@contextmanager
def _logging_to(observer: Observer) -> Iterator[None]:
    """Warnings go where they do not spoil the screen."""
    logger, handler = logging.getLogger("massage_link"), _ToObserver(observer)
    before = logger.propagate
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before
