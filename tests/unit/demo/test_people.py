"""A person waits for what comes through their connection."""

from __future__ import annotations

import asyncio

import pytest

from massage_link import AsyncMassageLink
from massage_link.demo.people import Person, Unseen, alongside, listening
from massage_link.demo.record import Record, Sight
from massage_link.errors import ConnectionFailed, MassageLinkError

ALERT = Sight("bookings", "b1", "pending")


def person(*, patience: float = 30.0, endpoint: str = "http://127.0.0.1:9/v1") -> Person:
    link = AsyncMassageLink(endpoint, "p", api_key="k")
    return Person(link, "mara", Record(), patience=patience)


async def test_what_came_before_somebody_waited_is_not_missed() -> None:
    mara = person()
    mara.arrived(ALERT, 5.0)
    assert await mara.sees(ALERT) == 5.0


async def test_the_first_time_counts() -> None:
    mara = person()
    waiting = asyncio.create_task(mara.sees(ALERT))
    await asyncio.sleep(0)
    mara.arrived(ALERT, 5.0)
    mara.arrived(ALERT, 6.0)
    assert await waiting == 5.0


async def test_what_never_comes_is_unseen() -> None:
    with pytest.raises(Unseen, match="mara waited 0 s for bookings b1 pending"):
        await person(patience=0).sees(ALERT)


async def test_an_error_of_a_listener_ends_the_block_as_itself() -> None:
    mara = person()

    async def fail() -> None:
        raise ConnectionFailed("no connection")

    mara.listen = fail  # type: ignore[method-assign]
    with pytest.raises(ConnectionFailed):
        async with listening([mara]):
            await asyncio.Event().wait()


async def test_an_error_of_the_block_comes_out_as_itself() -> None:
    mara = person()

    async def idle() -> None:
        mara._is_live.set()
        await asyncio.Event().wait()

    mara.listen = idle  # type: ignore[method-assign]
    with pytest.raises(MassageLinkError, match="of the block"):
        async with listening([mara]):
            raise MassageLinkError("of the block")


async def test_somebody_who_is_never_connected_is_reported() -> None:
    mara = person(patience=0)

    async def idle() -> None:
        await asyncio.Event().wait()

    mara.listen = idle  # type: ignore[method-assign]
    with pytest.raises(Unseen, match="mara waited 0 s for the realtime connection"):
        async with listening([mara]):
            await asyncio.Event().wait()


async def test_what_runs_alongside_ends_with_the_block() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with alongside(work()):
        await asyncio.sleep(0)
    assert ended.is_set()
