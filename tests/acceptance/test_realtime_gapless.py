"""Realtime through the whole SDK, on the embedded server, with faults planted in it: nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from marketplace import Market, Server
from massage_link import AsyncMassageLink, Booking, Status
from massage_link.client import watching
from massage_link.domain.booking import BookingEvent
from massage_link.realtime import Change, FileCheckpoint, Policy, Subscriber
from massage_link.testing import Emulator, running_emulator
from massage_link.wire.users import create_user, set_labels

pytestmark = pytest.mark.emulator_only

QUICK = Policy(read_back_every=0.3, ping_every=0.4, pong_within=0.2, backoff_first=0.01, backoff_most=0.05)
PATIENCE = 30.0


@pytest.fixture(scope="module")
def own() -> Iterator[Emulator]:
    """A server of this module's own: its faults are nobody else's."""
    with running_emulator() as emulator:
        with emulator.link() as link:
            link.send(create_user("ops", "ops@example.com", "password-1", "Ops"))
            link.send(set_labels("ops", ["ops"]))
        yield emulator


@pytest.fixture(autouse=True)
def _no_faults_left(own: Emulator) -> Iterator[None]:
    yield
    own.control("POST", "realtime", {"lose": 0, "duplicate": 0, "reorder": 0, "delaySeconds": 0, "refuse": 0})


@pytest.fixture
async def key(own: Emulator) -> AsyncIterator[AsyncMassageLink]:
    async with own.async_link() as link:
        yield link


@pytest.fixture
def wishes(own: Emulator) -> Iterator[Market]:
    server = Server(own.endpoint, own.project_id, own.api_key, emulator=own)
    with server.link() as link:
        yield Market(server, link)


class Ledger:
    """What a consumer got, and what the promise makes of it."""

    def __init__(self) -> None:
        self.changes: list[Change[Any]] = []
        self._grown = asyncio.Event()

    def add(self, change: Change[Any]) -> None:
        """Write down one more."""
        self.changes.append(change)
        self._grown.set()

    async def until_complete(self, bookings: list[Booking]) -> None:
        """Wait for the newest version and every event of each booking, but not for ever."""
        async with asyncio.timeout(PATIENCE):
            while not self.complete(bookings):
                self._grown.clear()
                await self._grown.wait()

    def versions(self, booking_id: str) -> list[int]:
        """The versions of a booking, as they came."""
        return [change.row.version for change in self.changes if change.row_id == booking_id]

    def numbers(self, booking_id: str) -> list[int]:
        """The events of a booking, as they came."""
        rows = [change.row for change in self.changes if isinstance(change.row, BookingEvent)]
        return [row.version for row in rows if row.booking_id == booking_id]

    def complete(self, bookings: list[Booking]) -> bool:
        """Whether the newest version and every event of each booking are here."""
        return all(
            self.versions(each.id)[-1:] == [each.version] and len(self.numbers(each.id)) == each.version
            for each in bookings
        )

    def judge(self, bookings: list[Booking]) -> None:
        """Nothing twice, versions increasing, events in order."""
        ids = [change.id for change in self.changes]
        assert len(ids) == len(set(ids))
        for each in bookings:
            assert self.versions(each.id) == sorted(self.versions(each.id))
            assert self.numbers(each.id) == [*range(1, each.version + 1)]


def subscribe(link: AsyncMassageLink, **options: Any) -> Subscriber[Any]:
    """Bookings and their events, as the service user who sees all of them."""
    ops = link.as_user("ops")
    sources: list[Any] = [watching.bookings(ops), watching.booking_events(ops)]
    return watching.subscriber(ops, sources, **{"policy": QUICK, **options})


@asynccontextmanager
async def listening(link: AsyncMassageLink, ledger: Ledger) -> AsyncIterator[Subscriber[Any]]:
    """A consumer that writes down what it gets."""

    async def consume(changes: Subscriber[Any]) -> None:
        async for change in changes:
            ledger.add(change)

    async with subscribe(link) as changes:
        consuming = asyncio.create_task(consume(changes))
        await changes.wait_until_live()
        yield changes
    await consuming


async def lived(link: AsyncMassageLink, wishes: Market) -> Booking:
    """A booking that is requested, accepted and cancelled: three versions."""
    booking = await link.bookings.request(**wishes.wish())
    await link.bookings.accept(booking.id, by=booking.therapist_id)
    return await link.bookings.cancel(booking.id, by=booking.customer_id)


async def test_a_booking_arrives_live_version_by_version(key: AsyncMassageLink, wishes: Market) -> None:
    ledger = Ledger()
    async with listening(key, ledger):
        booking = await lived(key, wishes)
        await ledger.until_complete([booking])
    ledger.judge([booking])
    assert booking.status is Status.CANCELLED
    assert {change.source for change in ledger.changes} == {"live"}


async def test_cut_connections_lose_nothing(own: Emulator, key: AsyncMassageLink, wishes: Market) -> None:
    ledger, bookings = Ledger(), []
    async with listening(key, ledger) as changes:
        for _ in range(10):
            await asyncio.to_thread(own.control, "POST", "realtime", {"drop": True})
            bookings.append(await lived(key, wishes))
        await ledger.until_complete(bookings)
        assert changes.statistics.connections > 1
    ledger.judge(bookings)


async def test_a_third_of_the_events_lost_doubled_or_out_of_order_on_a_healthy_socket(
    own: Emulator, key: AsyncMassageLink, wishes: Market
) -> None:
    faults = {"lose": 0.3, "duplicate": 0.3, "reorder": 0.3, "delaySeconds": [0, 0.05], "seed": 7}
    await asyncio.to_thread(own.control, "POST", "realtime", faults)
    ledger = Ledger()
    async with listening(key, ledger) as changes:
        bookings = [await lived(key, wishes) for _ in range(15)]
        await ledger.until_complete(bookings)
        assert changes.statistics.connections == 1
    ledger.judge(bookings)
    assert "replay" in {change.source for change in ledger.changes}


async def test_a_half_open_socket_is_left_and_nothing_is_lost(
    own: Emulator, key: AsyncMassageLink, wishes: Market
) -> None:
    ledger = Ledger()
    async with listening(key, ledger) as changes:
        await asyncio.to_thread(own.control, "POST", "realtime", {"freeze": 2})
        booking = await lived(key, wishes)
        await ledger.until_complete([booking])
        async with asyncio.timeout(PATIENCE):
            async for state in changes.states():
                if state.name == "live" and changes.statistics.connections > 1:
                    break
    ledger.judge([booking])


async def test_refused_handshakes_are_tried_again(own: Emulator, key: AsyncMassageLink, wishes: Market) -> None:
    ledger = Ledger()
    async with listening(key, ledger):
        await asyncio.to_thread(own.control, "POST", "realtime", {"refuse": 5})
        await asyncio.to_thread(own.control, "POST", "realtime", {"drop": True})
        booking = await lived(key, wishes)
        await ledger.until_complete([booking])
    ledger.judge([booking])


async def test_a_consumer_that_was_away_gets_what_it_missed(
    own: Emulator, key: AsyncMassageLink, wishes: Market, tmp_path: Any
) -> None:
    path = tmp_path / "progress"
    async with subscribe(key, checkpoint=FileCheckpoint(path)) as changes:
        await changes.wait_until_live()
    bookings = [await lived(key, wishes) for _ in range(3)]
    ledger = Ledger()
    async with subscribe(key, checkpoint=FileCheckpoint(path)) as changes:
        async with asyncio.timeout(PATIENCE):
            while not ledger.complete(bookings):
                ledger.add(await anext(changes))
    ledger.judge(bookings)
    assert {change.source for change in ledger.changes} == {"replay"}
    assert {change.kind for change in ledger.changes} == {"created"}


async def test_a_restarted_server_loses_nothing(wishes: Market, tmp_path: Any) -> None:
    ledger, bookings = Ledger(), []
    with running_emulator(data_dir=tmp_path) as first:
        with first.link() as link:
            link.send(create_user("ops", "ops@example.com", "password-1", "Ops"))
            link.send(set_labels("ops", ["ops"]))
        port = int(first.endpoint.split(":")[2].split("/")[0])
        async with first.async_link() as key, listening(key, ledger):
            bookings.append(await lived(key, wishes))
            first.kill()
            with running_emulator(data_dir=tmp_path, port=port, api_key=first.api_key, schema=False):
                bookings.append(await lived(key, wishes))
                await ledger.until_complete(bookings)
    ledger.judge(bookings)


async def test_a_stranger_hears_of_nothing(key: AsyncMassageLink, wishes: Market) -> None:
    await key.send(create_user("stranger", "stranger@example.com", "password-1", "Stranger"))
    async with key.as_user("stranger").bookings.watch(policy=QUICK) as changes:
        await changes.wait_until_live()
        booking = await lived(key, wishes)
        own_booking = await key.bookings.request(**wishes.wish(customer_id="stranger"))
        async with asyncio.timeout(PATIENCE):
            first = await anext(changes)
    assert first.row_id == own_booking.id != booking.id
