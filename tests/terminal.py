"""A program in a real pseudo-terminal, and what is on its screen."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import struct
import termios
import unicodedata
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

PATIENCE = 60.0
_TOKEN = re.compile(r"\x1b\[(?P<arguments>[0-9;?]*)(?P<action>[A-Za-z])|\x1b[()][A-Z0-9]|\x1b.|(?P<sign>.)", re.DOTALL)


class Screen:
    """As much of a terminal as `rich` needs: it writes lines, homes the cursor, clears, switches screens, rings."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns = columns
        self.lines = lines
        self.bells = 0
        self.is_alternate = False
        self.shows_cursor = True
        self._clear()

    def _clear(self) -> None:
        self._cells = [[" "] * self.columns for _ in range(self.lines)]
        self._line = self._column = 0

    @property
    def text(self) -> str:
        """What one sees, without blanks at the ends of lines."""
        return "\n".join("".join(cells).rstrip() for cells in self._cells).rstrip()

    def feed(self, text: str) -> None:
        """Show what a program writes."""
        for token in _TOKEN.finditer(text):
            if token["sign"]:
                self._show(token["sign"])
            elif token["action"]:
                self._act(token["action"], token["arguments"])

    def _act(self, action: str, arguments: str) -> None:
        if action == "H":
            self._line = self._column = 0
        elif action == "J":
            self._clear()
        elif arguments == "?1049" and action in "hl":
            self.is_alternate = action == "h"
            self._clear()
        elif arguments == "?25" and action in "hl":
            self.shows_cursor = action == "h"

    def _show(self, sign: str) -> None:
        if sign == "\a":
            self.bells += 1
        elif sign == "\r":
            self._column = 0
        elif sign == "\n":
            self._line = min(self._line + 1, self.lines - 1)
        elif sign.isprintable() and self._column < self.columns:
            self._cells[self._line][self._column] = sign
            self._column += 1
            if unicodedata.east_asian_width(sign) in "WF" and self._column < self.columns:
                self._cells[self._line][self._column] = ""
                self._column += 1


class Program:
    """A program that runs in a terminal."""

    def __init__(self, process: Process, terminal: int, screen: Screen) -> None:
        self.process = process
        self.screen = screen
        self._terminal = terminal
        self._changed = asyncio.Event()
        self._pending = b""
        asyncio.get_running_loop().add_reader(terminal, self._read)

    @property
    def has_terminal(self) -> bool:
        """Whether it has not been taken away."""
        return self._terminal >= 0

    def _read(self) -> None:
        try:
            data = os.read(self._terminal, 65_536)
        except OSError:  # how Linux says that the program has closed its side
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._terminal)
        self._pending += data
        text = self._pending.decode(errors="ignore")
        if not text.endswith("\x1b"):
            self.screen.feed(text)
            self._pending = b""
        self._changed.set()

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._terminal, keys.encode())

    async def until(self, seen: str | Callable[[Screen], bool]) -> str:
        """Wait until the screen shows a text, or fulfils a condition; gives the screen."""
        holds = seen if callable(seen) else lambda screen: seen in screen.text
        try:
            async with asyncio.timeout(PATIENCE):
                while not holds(self.screen):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{seen!r} was never to be seen; the screen:\n{self.screen.text}") from None
        return self.screen.text

    def hang_up(self) -> None:
        """Take the terminal away."""
        asyncio.get_running_loop().remove_reader(self._terminal)
        os.close(self._terminal)
        self._terminal = -1

    async def ended(self) -> int:
        """Wait until it has ended; gives its exit status."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def in_terminal(
    command: Sequence[str], environment: Mapping[str, str], *, columns: int = 100, lines: int = 24
) -> AsyncIterator[Program]:
    """Run a program in a terminal of this size; it is killed at the end of the block."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {**environment, "TERM": "xterm-256color"}
    process = await asyncio.create_subprocess_exec(
        *command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    program = Program(process, ours, Screen(columns, lines))
    try:
        yield program
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if program.has_terminal:
            program.hang_up()
