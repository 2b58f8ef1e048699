"""Two stages of ending, in a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process

import pytest

from worker_world import PATIENCE

_PROGRAM = """
import asyncio, sys
from massage_link.worker.signals import two_stages
async def main():
    stopping = asyncio.Event()
    with two_stages(stopping.set, lambda: print("at once", flush=True)):
        print("ready", flush=True)
        await stopping.wait()
        print("stopping", flush=True)
        if "slowly" in sys.argv:
            await asyncio.Event().wait()
asyncio.run(main())
"""


async def _started(*arguments: str, prefix: tuple[str, ...] = ()) -> Process:
    command = [*prefix, sys.executable, "-c", _PROGRAM, *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    assert await _line(process) == b"ready\n"
    return process


async def _line(process: Process) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        return await process.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_the_first_signal_lets_work_finish(number: signal.Signals) -> None:
    process = await _started()
    process.send_signal(number)
    assert await _line(process) == b"stopping\n"
    assert await process.wait() == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_the_second_signal_ends_at_once(number: signal.Signals, status: int) -> None:
    process = await _started("slowly")
    process.send_signal(signal.SIGTERM)
    assert await _line(process) == b"stopping\n"
    process.send_signal(number)
    assert await _line(process) == b"at once\n"
    assert await process.wait() == status


async def test_a_hang_up_that_is_ignored_stays_ignored() -> None:
    process = await _started(prefix=("nohup",))
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    assert await _line(process) == b"stopping\n"
    assert await process.wait() == 0
