"""A command for each request."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import Process
from pathlib import Path

import pytest

from massage_link.domain.booking import Booking
from massage_link.worker.running import Command, CommandFailed
from worker_world import PATIENCE, booking, change


def command(text: str, *, limit: float = PATIENCE) -> tuple[Command, list[str]]:
    notes: list[str] = []
    return Command(text, time_limit=limit, note=notes.append), notes


async def test_it_gets_the_booking_as_json_on_its_standard_input(tmp_path: Path) -> None:
    run, notes = command(f"cat > {tmp_path / 'got'}")
    await run(change(booking(note="Grüße\n$(rm -rf /)")))
    row = json.loads((tmp_path / "got").read_text("utf-8"))
    assert Booking.model_validate(row) == booking(note="Grüße\n$(rm -rf /)")
    assert row["customerId"] == "mia"
    assert notes == []


async def test_what_it_prints_is_told() -> None:
    run, notes = command("echo well; echo done")
    await run(change(booking()))
    assert notes == ["'echo well; echo done': well done"]


async def test_a_command_that_does_not_read_its_input_is_fine() -> None:
    run, _ = command("exit 0")
    await run(change(booking(note="x" * 2_000)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo no paper >&2; exit 3", r"ended with status 3\. no paper"),
        ("no-such-command-anywhere", "ended with status 127"),
        ("kill -9 $$", r"ended with signal 9\."),
    ],
)
async def test_a_command_that_fails_is_a_failure_that_says_why(text: str, said: str) -> None:
    run, _ = command(text)
    with pytest.raises(CommandFailed, match=said):
        await run(change(booking()))


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


async def test_a_command_that_takes_too_long_is_killed_with_all_that_it_began(fifo: Path) -> None:
    run, _ = command(f"(echo begun; sleep 600) > {fifo} & wait", limit=0.5)
    until_nobody_writes = asyncio.create_task(asyncio.to_thread(fifo.read_text))
    with pytest.raises(CommandFailed, match=r"took longer than 0\.5 s and was killed"):
        await run(change(booking()))
    async with asyncio.timeout(PATIENCE):
        assert await until_nobody_writes == "begun\n"


class _Dying(set[Process]):
    """Where we die as soon as a command was started, before anybody knows of it."""

    def add(self, process: Process) -> None:
        self.lost = process
        raise KeyboardInterrupt


async def test_a_command_that_nobody_knows_of_never_runs(tmp_path: Path) -> None:
    run, _ = command(f"echo ran > {tmp_path / 'ran'}")
    run._running = dying = _Dying()
    with pytest.raises(KeyboardInterrupt):
        await run(change(booking()))
    assert dying.lost.stdin is not None
    dying.lost.stdin.close()  # as the system does for a process that is gone
    assert await dying.lost.wait() == 1
    assert not (tmp_path / "ran").exists()


async def test_killing_ends_what_is_running(fifo: Path) -> None:
    run, _ = command(f"echo begun > {fifo}; sleep 600")
    running = asyncio.create_task(run(change(booking())))
    assert await asyncio.to_thread(fifo.read_text) == "begun\n"
    run.kill()
    with pytest.raises(CommandFailed, match="ended with signal 9"):
        await running
