"""What waits for the consumer: in order, bounded, acknowledged by asking for the next."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from massage_link.realtime import Change, MemoryCheckpoint
from massage_link.realtime.checkpoint import Progress
from massage_link.realtime.ledger import Mark
from massage_link.realtime.outbox import Outbox

NOW = datetime(2026, 7, 1, 9, tzinfo=UTC)


def change(number: int) -> Change[Any]:
    return Change(
        id=f"bookings/b{number}/1",
        kind="created",
        row=None,
        table="bookings",
        row_id=f"b{number}",
        version=1,
        live=True,
        received_at=NOW,
        server_timestamp=NOW,
        watch="bookings",
    )


def mark(number: int) -> Mark:
    return Mark(f"b{number}", 1, "", NOW)


class World:
    def __init__(self, capacity: int = 4) -> None:
        self.reliefs = 0
        self.checkpoint = MemoryCheckpoint()
        self.checkpoint.open()
        self.checkpoint.begin("bookings", Progress(NOW, NOW, ()))
        self.outbox: Outbox[Any] = Outbox(capacity, self.checkpoint, self._relieved)

    def _relieved(self) -> None:
        self.reliefs += 1

    def put(self, *numbers: int) -> None:
        for number in numbers:
            self.outbox.put(change(number), mark(number))

    def dealt_with(self) -> list[str]:
        progress = self.checkpoint.load("bookings")
        assert progress is not None
        return [each.key for each in progress.marks]


async def test_changes_come_in_order_and_asking_for_the_next_acknowledges_the_one_before() -> None:
    world = World()
    world.put(1, 2)
    assert (await world.outbox.take()).row_id == "b1"
    assert world.dealt_with() == []
    assert (await world.outbox.take()).row_id == "b2"
    assert world.dealt_with() == ["b1"]
    world.outbox.acknowledge()
    world.outbox.acknowledge()
    assert world.dealt_with() == ["b1", "b2"]


async def test_an_advance_is_noted_only_when_all_before_it_has_been_dealt_with() -> None:
    world, later = World(), datetime(2026, 7, 2, tzinfo=UTC)
    world.put(1)
    world.outbox.put_advance("bookings", later, NOW)
    world.put(2)
    await world.outbox.take()
    progress = world.checkpoint.load("bookings")
    assert progress is not None
    assert progress.high_water == NOW
    await world.outbox.take()
    progress = world.checkpoint.load("bookings")
    assert progress is not None
    assert progress.high_water == later


async def test_a_consumer_who_waits_is_given_what_comes_and_raised_the_end() -> None:
    world = World()
    waiting = asyncio.ensure_future(world.outbox.take())
    await asyncio.sleep(0)
    world.put(1)
    assert (await waiting).row_id == "b1"
    world.put(2)
    world.outbox.finish(StopAsyncIteration())
    assert (await world.outbox.take()).row_id == "b2"
    with pytest.raises(StopAsyncIteration):
        await world.outbox.take()


async def test_a_consumer_who_is_cancelled_while_waiting_loses_nothing() -> None:
    world = World()
    waiting = asyncio.ensure_future(world.outbox.take())
    await asyncio.sleep(0)
    world.put(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await world.outbox.take()).row_id == "b1"


async def test_it_says_when_it_is_full_and_when_what_was_refused_can_be_read_back() -> None:
    world = World(capacity=4)
    world.put(1, 2, 3, 4)
    assert world.outbox.full
    world.outbox.refused()
    room = asyncio.ensure_future(world.outbox.room())
    await asyncio.sleep(0)
    await world.outbox.take()
    await asyncio.sleep(0)
    assert (room.done(), world.reliefs) == (False, 0)  # not at once, or every change would call for a read-back
    await world.outbox.take()
    await room
    await world.outbox.take()
    assert world.reliefs == 1


async def test_what_was_handed_out_and_not_acknowledged_is_not_dealt_with_when_it_is_cleared() -> None:
    world = World()
    world.put(1, 2)
    await world.outbox.take()
    world.outbox.clear()
    world.outbox.acknowledge()
    assert (world.dealt_with(), len(world.outbox)) == ([], 0)


async def test_a_handler_that_never_waits_lets_other_tasks_have_their_turn() -> None:
    world, turns = World(capacity=1000), 0
    world.put(*range(200))

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    for _ in range(200):
        await world.outbox.take()
    task.cancel()
    assert turns >= 3
