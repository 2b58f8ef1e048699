"""Two people write to each other at once while their sockets are cut: each sees every message once, in one order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from marketplace import Market, Server, all_of
from massage_link import AsyncMassageLink, Booking, ChatMessage
from massage_link.domain.tables import CHAT_MESSAGES, CHAT_READS, CHAT_ROOMS
from massage_link.realtime import Change, Policy
from massage_link.testing import Emulator, running_emulator
from massage_link.wire.users import create_user

pytestmark = pytest.mark.emulator_only

QUICK = Policy(read_back_every=1.0, ping_every=0.5, pong_within=0.3, backoff_first=0.01, backoff_most=0.1)
#: Seconds that the last message may take to arrive.
PATIENCE = 60.0
#: After how many messages all sockets are cut.
CUT_EVERY = 40


@pytest.fixture(scope="module")
def own() -> Iterator[Emulator]:
    """A server of this module's own: its faults are nobody else's."""
    with running_emulator() as emulator, emulator.link() as link:
        for user_id in ("ann", "tom", "eve"):
            link.send(create_user(user_id, f"{user_id}@example.com", "password-1", user_id.title()))
        yield emulator


class Reader:
    """Somebody who watches messages, and what they saw."""

    def __init__(self) -> None:
        self.seen: list[Change[ChatMessage]] = []
        self._grown = asyncio.Event()

    async def watch(self, link: AsyncMassageLink, live: asyncio.Event, **more: Any) -> None:
        """Watch, and mark as read, until cancelled."""
        async with link.chat.reading(**more) as reading, link.chat.watch(policy=QUICK) as changes:
            await changes.wait_until_live()
            live.set()
            async for change in changes:
                self.seen.append(change)
                reading.seen(change.row.room_id, change.row.n)
                self._grown.set()

    async def until(self, n: int) -> None:
        """Wait for a message."""
        async with asyncio.timeout(PATIENCE):
            while not self.seen or self.seen[-1].row.n < n:
                self._grown.clear()
                await self._grown.wait()

    @property
    def numbers(self) -> list[int]:
        """The numbers of the messages, as they came."""
        return [change.row.n for change in self.seen]


@asynccontextmanager
async def watching(key: AsyncMassageLink, *user_ids: str) -> AsyncIterator[dict[str, Reader]]:
    """Everybody watches within the block, from its beginning."""
    readers = {user_id: Reader() for user_id in user_ids}
    live = {user_id: asyncio.Event() for user_id in user_ids}
    tasks = [
        # Marks are written with the key, for the user: there are no functions on this server.
        asyncio.create_task(readers[user_id].watch(_half(key, user_id), live[user_id], user_id=user_id))
        for user_id in user_ids
    ]
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(each.wait() for each in live.values()))
    yield readers
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _half(key: AsyncMassageLink, user_id: str) -> Any:
    """Watches as the user, and writes with the key."""

    class Half:
        class chat:  # noqa: N801 - stands for the attribute of a link
            reading = key.chat.reading
            watch = key.as_user(user_id).chat.watch

    return Half


async def _talk(
    key: AsyncMassageLink, own: Emulator, booking: Booking, sender: str, count: int, sent: list[ChatMessage]
) -> None:
    for number in range(count):
        told = await key.chat.send(booking.id, f"{sender} {number}", sender_id=sender, client_id=f"{sender}-{number}")
        sent.append(told)
        if len(sent) % CUT_EVERY == 0:
            await asyncio.to_thread(own.control, "POST", "realtime", {"drop": True})


@asynccontextmanager
async def _guest(own: Emulator, told: list[dict[str, Any]]) -> AsyncIterator[None]:
    """A socket without credentials that asks for all there is, again after each cut; what it is told is noted."""
    url = f"{own.endpoint.replace('http', 'ws', 1)}/realtime?project={own.project_id}"
    tables = (CHAT_MESSAGES, CHAT_ROOMS, CHAT_READS)
    wanted = [{"channels": [f"tablesdb.massage_link.tables.{table.id}.rows" for table in tables]}]

    async def listen() -> None:
        async for socket in connect(url, proxy=None):
            with suppress(ConnectionClosed):
                await socket.recv()  # connected
                await socket.send(json.dumps({"type": "subscribe", "data": wanted}))
                async for message in socket:
                    told.append(json.loads(message))  # noqa: PERF401 - noted as it comes

    listening = asyncio.create_task(listen())
    yield
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


@pytest.mark.parametrize("count", [60, pytest.param(1_000, marks=pytest.mark.long)])
async def test_each_sees_every_message_once_in_the_same_order(own: Emulator, count: int) -> None:
    own.control("POST", "realtime", {"lose": 0.05, "reorder": 0.05, "duplicate": 0.05, "seed": 11})
    sent: list[ChatMessage] = []
    overheard: list[dict[str, Any]] = []
    server = Server(own.endpoint, own.project_id, own.api_key, emulator=own)
    async with AsyncExitStack() as leaving:
        key = await leaving.enter_async_context(own.async_link())
        with server.link() as blocking:
            wish = Market(server, blocking).wish(customer_id="ann", therapist_id="tom")
        booking = await key.bookings.request(**wish)
        await leaving.enter_async_context(_guest(own, overheard))
        async with watching(key, "ann", "tom", "eve") as readers:
            await asyncio.gather(*(_talk(key, own, booking, sender, count, sent) for sender in ("ann", "tom")))
            last = max(each.n for each in sent)
            await asyncio.gather(readers["ann"].until(last), readers["tom"].until(last))
        assert last == 2 * count + 1  # and the line with which the room opened
        for person in ("ann", "tom"):
            reader = readers[person]
            mine = [change for change in reader.seen if change.row.room_id == booking.id]
            assert [change.row.n for change in mine] == list(range(1, last + 1)), person
            assert [change.row.client_id for change in mine[1:]] == [
                each.client_id for each in sorted(sent, key=_number)
            ]
        assert readers["eve"].seen == []
        assert {each["type"] for each in overheard} == {"response"}  # it was subscribed, and heard of nothing
        # Both have read all; what each says from now on is new to the other.
        for person in ("ann", "tom"):
            assert await key.chat.unread(booking.id, user_id=person) == 0
        for number in range(3):
            await key.chat.send(booking.id, f"more {number}", sender_id="ann")
        assert await key.chat.unread(booking.id, user_id="tom") == 3
        total = await key.chat.unread_total(user_id="tom")
        assert total.rooms[booking.id] == 3
        assert await key.chat.unread(booking.id, user_id="ann") == 0
        assert await all_of(key.as_user("eve").chat.messages(booking.id)) == []
        async with AsyncMassageLink(**server.arguments(api_key=None)) as guest:
            assert await all_of(guest.chat.messages(booking.id)) == []


def _number(message: ChatMessage) -> int:
    return message.n
