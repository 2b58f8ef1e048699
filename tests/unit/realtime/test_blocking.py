from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from massage_link.errors import RealtimeRefused, UsageError
from massage_link.realtime import BlockingSubscriber

if TYPE_CHECKING:
    from realtime_double import RealtimeDouble


def collect(server: RealtimeDouble, count: int, write: Any) -> list[str]:
    """Runs in a thread without an event loop."""
    with BlockingSubscriber(server.subscriber) as changes:
        changes.wait_until_live()
        assert changes.state.name == "live"
        write()
        got = [next(changes).id for _ in range(count)]
        changes.acknowledge()
        return got


async def test_changes_come_without_an_event_loop(server: RealtimeDouble) -> None:
    loop = asyncio.get_running_loop()

    def write() -> None:
        for n in (1, 2):
            loop.call_soon_threadsafe(partial(server.write, "bookings", f"b{n}", version=1))

    assert await asyncio.to_thread(collect, server, 2, write) == ["bookings/b1/1", "bookings/b2/1"]
    assert not [thread for thread in threading.enumerate() if thread.name == "massage-link realtime"]


async def test_closing_from_another_thread_ends_the_iteration(server: RealtimeDouble) -> None:
    def iterate() -> list[Any]:
        with BlockingSubscriber(server.subscriber) as changes:
            changes.wait_until_live()
            threading.Timer(0.05, changes.close).start()
            return list(changes)

    assert await asyncio.to_thread(iterate) == []


async def test_an_error_of_the_subscriber_is_raised(server: RealtimeDouble) -> None:
    server.refuse_with.append(404)

    def iterate() -> None:
        with BlockingSubscriber(server.subscriber) as changes:
            next(changes)

    with pytest.raises(RealtimeRefused, match="404"):
        await asyncio.to_thread(iterate)


def test_an_error_while_it_opens_leaves_no_thread_behind() -> None:
    def make() -> Any:
        raise UsageError("no sources")

    with pytest.raises(UsageError, match="no sources"), BlockingSubscriber(make):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name == "massage-link realtime"]


def test_it_is_iterated_inside_of_with() -> None:
    with pytest.raises(UsageError, match="with"):
        next(BlockingSubscriber[Any](lambda: pytest.fail("not to be called")))


async def test_it_is_used_once(server: RealtimeDouble) -> None:
    def twice() -> None:
        subscriber = BlockingSubscriber(server.subscriber)
        with subscriber:
            pass
        with pytest.raises(UsageError, match="closed"):
            next(subscriber)
        with subscriber:
            pass

    with pytest.raises(UsageError, match="once"):
        await asyncio.to_thread(twice)
