"""Keys: what a terminal sends, and the names by which the desk knows them."""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

__all__ = ["KeyDecoder", "pressed"]

_SEQUENCE = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)
_NAMES = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\b": "backspace",
    "\x1b": "escape",
}


class KeyDecoder:
    """From what a terminal sends to names of keys; pure."""

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> list[str]:
        """The keys in one piece of input; other escape sequences are passed over."""
        keys: list[str] = []
        for found in _SEQUENCE.findall(self._utf8.decode(data)):
            if found in _NAMES:
                keys.append(_NAMES[found])
            elif len(found) == 1 and found.isprintable():
                keys.append(found)
        return keys


@contextmanager
def pressed(terminal: TextIO, on_key: Callable[[str], None], on_end: Callable[[], None]) -> Iterator[None]:
    """Within the block, keys are told one by one and without echo; without a POSIX terminal, nothing is told.

    Args:
        terminal: where keys come from.
        on_key: told each key's name, in the event loop.
        on_end: told that no more will come: the terminal is gone.

    """
    if sys.platform == "win32":
        yield
        return
    import termios  # noqa: PLC0415 - not on every system
    import tty  # noqa: PLC0415 - likewise

    loop, file, decoder = asyncio.get_running_loop(), terminal.fileno(), KeyDecoder()

    def read() -> None:
        try:
            data = os.read(file, 1024)
        except OSError:
            data = b""
        if not data:
            loop.remove_reader(file)
            on_end()
        for key in decoder.feed(data):
            on_key(key)

    before = termios.tcgetattr(file)
    tty.setcbreak(file)
    loop.add_signal_handler(signal.SIGCONT, tty.setcbreak, file)  # while we were stopped, the shell had it its way
    loop.add_reader(file, read)
    try:
        yield
    finally:
        loop.remove_reader(file)
        loop.remove_signal_handler(signal.SIGCONT)
        with suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(file, termios.TCSADRAIN, before)
