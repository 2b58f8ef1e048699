"""`massage-link listen` as a process, on a server of its own with people on it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from massage_link.testing import Emulator
from terminal import Program, in_terminal

PATIENCE = 60.0
COMMAND = (sys.executable, "-c", "from massage_link.cli import main; main()", "listen")


def environment(server: Emulator, **settings: str) -> Mapping[str, str]:
    """The environment of a process that acts with the server's key, unless the settings say otherwise."""
    usual = {
        "APPWRITE_ENDPOINT": server.endpoint,
        "APPWRITE_PROJECT_ID": server.project_id,
        "APPWRITE_API_KEY": server.api_key,
    }
    return {"PATH": os.environ["PATH"], **usual, **settings}


class Listening:
    """A running process whose output is read line by line."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.notes: list[str] = []

    async def line(self) -> str:
        """The next line of standard output; empty at its end."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            return (await self.process.stdout.readline()).decode()

    async def change(self) -> dict[str, Any]:
        """The next line of standard output, which is a JSON object."""
        change: dict[str, Any] = json.loads(await self.line())
        return change

    async def request(self, booking_id: str) -> dict[str, Any]:
        """The first change of this booking; others are passed over."""
        while True:
            change = await self.change()
            if change["row_id"] == booking_id:
                return change

    async def until_noted(self, text: str) -> str:
        """Read standard error until a line holds this text; gives the line."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            async for line in self.process.stderr:
                self.notes.append(line.decode())
                if text in self.notes[-1]:
                    return self.notes[-1]
        raise AssertionError(f"{text!r} was never said, but {''.join(self.notes)}")

    async def until_live(self) -> None:
        """Wait until it hears everything."""
        await self.until_noted(": live")

    async def ended(self) -> tuple[int, str, str]:
        """Wait for its end: status, and what was left to read of standard output and standard error."""
        async with asyncio.timeout(PATIENCE):
            out, notes = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), notes.decode()


@asynccontextmanager
async def listening(
    server: Emulator, *options: str, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Listening]:
    """A process with pipes; it is killed at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *options, stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=PIPE, cwd="/",
        env=environment(server, **(settings or {})),
    )  # fmt: skip
    try:
        yield Listening(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@asynccontextmanager
async def at_the_desk(
    server: Emulator, *options: str, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """A process in a terminal; it is killed at the end of the block."""
    async with in_terminal([*COMMAND, *options], environment(server, **(settings or {}))) as program:
        yield program
