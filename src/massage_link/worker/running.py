"""``--exec``: run a command for each request, with the booking on its standard input."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from massage_link.errors import MassageLinkError
from massage_link.realtime import Change
from massage_link.worker.describing import row_as_json

__all__ = ["Command", "CommandFailed"]

#: `read` takes one line and not a byte more; it fails when there is nobody any more to write it.
_ONCE_TOLD = ("/bin/sh", "-c", 'read -r _ || exit; exec /bin/sh -c "$0"')
_BEGIN = b"" if sys.platform == "win32" else b"\n"
_QUOTED = 300  # characters of its output that a message shows


class CommandFailed(MassageLinkError):
    """The command did not end with status 0."""


class Command:
    """A handler that runs a shell command with the row's JSON on standard input; status 0 means that it succeeded.

    Args:
        text: the command, as one types it.
        time_limit: seconds after which it is killed.
        note: told what it printed.

    """

    def __init__(self, text: str, *, time_limit: float, note: Callable[[str], None]) -> None:
        self._text = text
        self._time_limit = time_limit
        self._note = note
        self._running: set[Process] = set()
        self._is_over = False

    async def __call__(self, change: Change[Any]) -> None:
        """Run it.

        Raises:
            CommandFailed: it failed, was killed, or took too long.

        """
        process = await _waiting(self._text)
        self._running.add(process)
        if self._is_over:
            _kill(process)  # the order came while it was being started
        try:
            async with asyncio.timeout(self._time_limit):
                printed, complained = await process.communicate(_BEGIN + f"{row_as_json(change.row)}\n".encode())
        except TimeoutError:
            raise CommandFailed(f"{self._text!r} took longer than {self._time_limit:g} s and was killed.") from None
        finally:
            await self._see_off(process)
        if process.returncode != 0:
            raise CommandFailed(f"{self._text!r} ended with {_ending(process.returncode)}.{_quoted(complained)}")
        if quoted := _quoted(printed):
            self._note(f"{self._text!r}:{quoted}")

    def kill(self) -> None:
        """Kill whatever of it is running, now and from now on."""
        self._is_over = True
        for process in self._running:
            _kill(process)

    async def _see_off(self, process: Process) -> None:
        if process.returncode is None:
            _kill(process)
            await process.wait()
        self._running.discard(process)


async def _waiting(text: str) -> Process:
    """A shell that runs the command once it is told to, and does not when we die before we could.

    Else what has begun to run just when a second signal ends us would go on for ever: nobody knew of it yet.
    """
    if sys.platform == "win32":
        return await asyncio.create_subprocess_shell(text, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    # A session of its own: a Ctrl-C meant for us does not reach it, and all of it can be killed.
    return await asyncio.create_subprocess_exec(
        *_ONCE_TOLD, text, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
    )


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _ending(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"status {code}"


def _quoted(output: bytes) -> str:
    text = " ".join(output.decode(errors="replace").split())
    return f" {text[:_QUOTED]}{'…' if len(text) > _QUOTED else ''}" if text else ""
