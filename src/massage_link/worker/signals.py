"""Ending on request: the first signal lets running work finish, the second ends at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["two_stages"]

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # each where the system has it


@contextmanager
def two_stages(on_first: Callable[[], None], on_second: Callable[[], None]) -> Iterator[None]:
    """Within the block, in the main thread: the first signal calls `on_first` in the event loop.

    The second one calls `on_second`, wherever the program is just then, and ends the process with status 128 plus the
    signal's number. A signal that is ignored (``nohup``) stays so, but for SIGINT, which shells ignore on behalf of
    whatever runs in the background.
    """
    loop = asyncio.get_running_loop()
    count = 0

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 # the signature that is asked for
        nonlocal count
        count += 1
        if count == 1:
            loop.call_soon_threadsafe(on_first)
            return
        on_second()
        os._exit(128 + number)

    before = {}
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is None or (name != "SIGINT" and signal.getsignal(number) is signal.SIG_IGN):
            continue
        before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
