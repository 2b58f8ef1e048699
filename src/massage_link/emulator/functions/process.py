"""A function's own process, seen from the server: started when first needed, kept warm, started again when it died."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_RUNTIME = Path(__file__).with_name("runtime.py")
_LENGTHS = struct.Struct(">II")
_GRACE_SECONDS = 1.0  # the runtime notices a timeout itself, unless the function blocks its event loop
_COLD_GRACE_SECONDS = 10.0  # starting Python and importing the function comes before its timeout begins
_DROPPED = 0
_EMPTY_REPLY = "Internal curl error has occurred within the executor! Error Number: 52"  # as the real executor says it


class ExecutionTimedOutError(Exception):
    """The function did not answer within its timeout; its process has been killed."""


class ProcessDiedError(Exception):
    """The function's process ended before it answered."""


class NoAnswerError(ProcessDiedError):
    """The runtime closed the connection without an answer: what the function returned cannot be sent as HTTP."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: ``entrypoint`` within ``folder``, with ``interpreter`` and exactly these environment variables."""

    interpreter: Path
    folder: Path
    entrypoint: str
    environment: Mapping[str, str]
    working_directory: Path


@dataclass(frozen=True, slots=True)
class Invocation:
    """One request to a function. ``target`` is path and query, ``timeout`` is in seconds."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    timeout: int
    logging: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a function answered, what it logged, and how many seconds it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    logs: str
    errors: str
    seconds: float


class FunctionProcess:
    """At most one living process for ``program``; invocations may overlap, as in the real runtime."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._ids = itertools.count()
        self._life: _Life | None = None
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The process id, or None when no process is alive."""
        return self._life.process.pid if self._life and not self._life.ended else None

    async def invoke(self, invocation: Invocation) -> Outcome:
        """Run the function once.

        Raises ExecutionTimedOutError, or ProcessDiedError when there is no answer.
        """
        life = await self._alive()
        answer = life.send(next(self._ids), invocation)
        grace = _GRACE_SECONDS if life.has_answered else _COLD_GRACE_SECONDS
        try:
            return await asyncio.wait_for(answer, invocation.timeout + grace)
        except TimeoutError:
            await life.end()
            raise ExecutionTimedOutError from None

    async def retire(self) -> None:
        """Stop the process once it has answered what it was asked."""
        if self._life is not None:
            await self._life.drained()
        await self.stop()

    async def stop(self) -> None:
        """Kill the process, if there is one, and wait until it is gone."""
        if self._life is not None:
            await self._life.end()

    async def _alive(self) -> _Life:
        async with self._starting:
            if self._life is None or self._life.ended:
                self._life = await _Life.start(self.program)
            return self._life


class _Life:
    """One run of the process, from its start to its end."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self.ended = False
        self.has_answered = False
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self._reading = asyncio.create_task(self._read(reader))

    @classmethod
    async def start(cls, program: Program) -> _Life:
        """Start the process and wait until it listens."""
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                str(program.interpreter), "-P", "-B", str(_RUNTIME), str(theirs.fileno()), str(program.folder),
                program.entrypoint, env=dict(program.environment), cwd=program.working_directory,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL, pass_fds=(theirs.fileno(),),
            )  # fmt: skip
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(process, reader, writer)

    def send(self, id: int, invocation: Invocation) -> asyncio.Future[Outcome]:
        """Hand over one request; the future has the answer."""
        head = {
            "id": id,
            "method": invocation.method,
            "target": invocation.target,
            "headers": dict(invocation.headers),
            "timeout": invocation.timeout,
            "logging": invocation.logging,
        }
        raw = json.dumps(head).encode()
        self._waiting[id] = asyncio.get_running_loop().create_future()
        self._writer.write(_LENGTHS.pack(len(raw), len(invocation.body)) + raw + invocation.body)
        return self._waiting[id]

    async def drained(self) -> None:
        """Wait until nothing is under way."""
        await asyncio.gather(*self._waiting.values(), return_exceptions=True)

    async def end(self) -> None:
        """Kill the process and wait for it."""
        self.ended = True
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head_size, body_size = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
                head = json.loads(await reader.readexactly(head_size))
                self._settle(head, await reader.readexactly(body_size))
        self.ended = True
        self._writer.close()
        status = await self.process.wait()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ProcessDiedError(f"The function's process ended with status {status}."))

    def _settle(self, head: dict[str, Any], body: bytes) -> None:
        self.has_answered = True
        waiting = self._waiting.pop(head["id"])
        if waiting.done():  # it has been given up
            return
        if head["status"] == _DROPPED:
            waiting.set_exception(NoAnswerError(_EMPTY_REPLY))
        else:
            waiting.set_result(
                Outcome(head["status"], head["headers"], body, head["logs"], head["errors"], head["seconds"])
            )
