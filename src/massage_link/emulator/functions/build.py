"""Building a deployment: unpack it, give it a virtual environment, run its commands in it, and keep the log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

_BUILD_SECONDS = 900
_GREY, _RED, _WHITE, _GREEN, _END = "\x1b[90m", "\x1b[31m", "\x1b[97m", "\x1b[32m", "\x1b[0m"


class BuildError(Exception):
    """The build failed; the log says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to build: the archive, where to, and the commands with their environment variables."""

    archive: Path
    folder: Path
    commands: str
    environment: Mapping[str, str]


class Build:
    """One build. ``on_log`` is called with each piece of its log; ``now`` gives the time that the log shows."""

    def __init__(self, plan: Plan, on_log: Callable[[str], None], now: Callable[[], datetime]) -> None:
        self._plan = plan
        self._on_log = on_log
        self._now = now
        self._process: asyncio.subprocess.Process | None = None
        self._stopped = False

    async def run(self) -> int:
        """Build, and return the size of the result in bytes.

        Raises BuildError when the archive cannot be read or a command fails or takes longer than 15 minutes.
        """
        self.say("Environment preparation started.")
        await asyncio.to_thread(self._unpack)
        # A function that installs nothing needs no pip, and without it an environment is made in a moment.
        pip = [] if self._plan.commands.strip() else ["--without-pip"]
        await self._shell(shlex.join([sys.executable, "-m", "venv", *pip, "runtime-env"]))
        self.say("Environment preparation finished.")
        self.say("Build command execution started.")
        if self._plan.commands.strip():
            await self._shell(self._script())
        self.say("Build command execution finished.")
        self.say("Build packaging started.")
        size = await asyncio.to_thread(self._size)
        self.say("Build packaging finished.")
        self.say("Build finished.", colour=_GREEN)
        return size

    def say(self, text: str, *, colour: str = _WHITE) -> None:
        """Add a line to the log in the manner of the real builder."""
        clock = f"{_GREY}[{self._now():%H:%M:%S}] "
        self._on_log(f"{clock}{_RED}[{_END}open-runtimes{_RED}]{colour} {text} {_END}\r\n")

    def stop(self) -> None:
        """End the build, and kill whatever it is running."""
        self._stopped = True
        self._kill()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _unpack(self) -> None:
        self._plan.folder.mkdir(parents=True, exist_ok=True)
        try:
            with tarfile.open(self._plan.archive) as archive:
                archive.extractall(self._plan.folder, filter="data")
        except (tarfile.TarError, OSError, EOFError) as error:
            self._fail(f"Error: The source code could not be unpacked: {error}", error)
        if not any(self._plan.folder.iterdir()):
            self._fail("Error: No source code found. Ensure your source isn't empty.")

    def _script(self) -> str:
        exports = [
            f"export {name}={shlex.quote(value)}" for name, value in self._plan.environment.items() if name != "PATH"
        ]
        return "\n".join(["set -e", *exports, ". runtime-env/bin/activate", self._plan.commands])

    async def _shell(self, script: str) -> None:
        if self._stopped:
            self._fail("Build was canceled.")
        self._process = await asyncio.create_subprocess_exec(
            "sh", "-c", script, cwd=self._plan.folder, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_BUILD_SECONDS):
                await self._relay(self._process)
                status = await self._process.wait()
        except TimeoutError as error:
            self._fail(f"Error: Build timed out after {_BUILD_SECONDS} seconds.", error)
        finally:
            self._kill()
        if status != 0:
            self._fail(f"Error: Build command failed with exit status {status}.")

    async def _relay(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is not None:
            while piece := await process.stdout.read(65536):
                self._on_log(piece.decode("utf-8", "replace"))

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self._plan.folder.rglob("*") if path.is_file())

    def _fail(self, text: str, cause: Exception | None = None) -> None:
        self.say(text, colour=_RED)
        raise BuildError(text) from cause
