"""Ten thousand sockets come and go, closed properly, cut and abandoned, and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from pathlib import Path

import pytest

from emulator_live import Live, live_server, subscribed, until

BATCH = 200


async def visit(live: Live, number: int) -> None:
    """Open a socket, subscribe, and leave in one of three ways."""
    socket = await live.socket(compression=None)
    await subscribed(socket, "rows", "documents")
    if number % 3 == 0:
        await socket.close()
    elif number % 3 == 1:
        socket.transport.abort()
    else:
        socket.transport.close()
    await socket.wait_closed()


def open_files() -> int:
    """How many files and sockets this process holds."""
    return len(list(Path("/dev/fd").iterdir()))


async def visits(live: Live, count: int) -> tuple[int, Counter[str]]:
    """The open files and the living objects by type after ``count`` visits."""
    for _ in range(count // BATCH):
        await asyncio.gather(*(visit(live, number) for number in range(BATCH)))
    await until(lambda: not live.emulator.hub.connections)
    gc.collect()
    return open_files(), Counter(type(thing).__name__ for thing in gc.get_objects())


@pytest.mark.long
async def test_ten_thousand_sockets_leave_neither_files_nor_objects_behind() -> None:
    async with live_server() as live:
        files, objects = await visits(live, 1000)
        files_later, objects_later = await visits(live, 10_000)
        assert files_later <= files
        assert live.emulator.hub._listeners == {}
        grown = {
            name: number - objects[name] for name, number in objects_later.items() if number > objects[name] + BATCH
        }
        assert grown == {}
