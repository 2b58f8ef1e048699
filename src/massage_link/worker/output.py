"""Lines on standard output, for scripts and logs; and noticing that nobody reads them any more."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from massage_link.realtime import Change, ConnectionState
from massage_link.worker.describing import plain
from massage_link.worker.handling import Parked

__all__ = ["Lines", "reader_leaves"]


class Lines:
    """A handler that writes a line for each change to standard output, and an observer that writes to standard error.

    As the line is written by a handler, a change is acknowledged after whoever reads has been given it.

    Args:
        line_of: makes the line.
        out: standard output.
        notes: standard error.
        on_end: told that nobody reads any more.

    """

    def __init__(
        self, line_of: Callable[[Change[Any]], str], out: TextIO, notes: TextIO, *, on_end: Callable[[], None]
    ) -> None:
        self._line_of = line_of
        self._out = out
        self._notes = notes
        self._on_end = on_end
        self._writing = asyncio.Lock()

    async def __call__(self, change: Change[Any]) -> None:
        """Write the line; in a thread, as a reader who does not read must not stop the connection's heartbeat."""
        async with self._writing:
            try:
                await asyncio.to_thread(self._write, self._line_of(change))
            except BrokenPipeError:
                # What is left in the buffer would raise once more at exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
                self._on_end()
                raise

    def _write(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()

    # --- observing ----------------------------------------------------------------------------------------------------
    def arrived(self, change: Change[Any]) -> None:
        """The handler writes it."""

    def connection(self, state: ConnectionState, replayed: int) -> None:
        """See `Observer.connection`."""
        reason = f": {state.reason}" if state.reason else ""
        self.note(f"caught up: {replayed} missed changes replayed" if replayed else f"{state.name}{reason}")

    def parked(self, parked: Parked) -> None:
        """See `Observer.parked`."""
        self.note(str(parked))

    def note(self, text: str) -> None:
        """See `Observer.note`."""
        with suppress(OSError, ValueError):  # who does not listen is not told
            self._notes.write(f"massage-link: {plain(text)}\n")
            self._notes.flush()


@contextmanager
def reader_leaves(out: TextIO, on_end: Callable[[], None]) -> Iterator[None]:
    """Within the block, `on_end` is called when whoever reads our output through a pipe has left.

    Otherwise we would notice with the next line only, and ``listen --json | head -1`` would wait for a second booking.
    """
    loop = asyncio.get_running_loop()
    try:
        file = out.fileno()
        kind = os.fstat(file).st_mode
    except (OSError, ValueError):
        kind = 0
    if sys.platform == "win32" or not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        yield
        return

    def look() -> None:
        if stat.S_ISSOCK(kind) and not _has_ended(file):
            return
        loop.remove_reader(file)
        on_end()

    loop.add_reader(file, look)  # the writing end of a pipe becomes readable when its reader closes, and only then
    try:
        yield
    finally:
        loop.remove_reader(file)


def _has_ended(file: int) -> bool:
    poll = select.poll()
    poll.register(file, select.POLLIN)
    if any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0)):
        return True
    with socket.socket(fileno=os.dup(file)) as peer:
        try:
            return not peer.recv(1 << 16, socket.MSG_DONTWAIT)  # nobody has a reason to write to us: let it go
        except BlockingIOError:
            return False
        except OSError:
            return True
