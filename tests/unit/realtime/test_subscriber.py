from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from massage_link.realtime import Change, Subscriber
    from realtime_double import RealtimeDouble


async def take(subscriber: Subscriber[Any], count: int) -> list[Change[Any]]:
    """The next `count` changes."""
    async with asyncio.timeout(10):
        return [await anext(subscriber) for _ in range(count)]


async def until_live(subscriber: Subscriber[Any]) -> None:
    async with asyncio.timeout(10):
        await subscriber.wait_until_live()


async def test_a_written_row_arrives_live(server: RealtimeDouble) -> None:
    async with server.subscriber() as changes:
        await until_live(changes)
        server.write("bookings", "b1", version=1)
        [change] = await take(changes, 1)
    assert (change.id, change.kind, change.source, change.version) == ("bookings/b1/1", "created", "live", 1)
    assert change.row["$id"] == "b1"


async def test_a_row_written_while_the_socket_was_down_is_replayed(server: RealtimeDouble) -> None:
    async with server.subscriber() as changes:
        await until_live(changes)
        server.cut()
        server.write("bookings", "b1", lose=True, version=1)
        [change] = await take(changes, 1)
    assert (change.id, change.source) == ("bookings/b1/1", "replay")


async def test_rows_from_before_the_start_are_not_delivered(server: RealtimeDouble) -> None:
    server.write("bookings", "old", version=1)
    async with server.subscriber() as changes:
        await until_live(changes)
        server.write("bookings", "new", version=1)
        [change] = await take(changes, 1)
    assert change.row_id == "new"
