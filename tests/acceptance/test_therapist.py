"""The classes behind `massage-link listen`, embedded: dispatch, order, retries, parking, checkpoints, ending."""

from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tenacity import stop_after_attempt, wait_none

from listening import environment
from marketplace import Market, Server
from massage_link import AsyncMassageLink, Booking, Change, ChatMessage, Status
from massage_link.errors import CredentialRequired, NotFound, StaleBooking, Unauthorized, UsageError
from massage_link.realtime import FileCheckpoint, Policy
from massage_link.testing import Emulator, running_emulator
from massage_link.wire.users import create_user, set_labels
from massage_link.worker import Dispatcher, Listener, Retries, Therapist
from worker_world import PATIENCE, Watcher

pytestmark = pytest.mark.emulator_only

QUICK = Policy(read_back_every=0.3, ping_every=0.4, pong_within=0.2, backoff_first=0.01, backoff_most=0.05)
TWICE = Retries(stop=stop_after_attempt(2), wait=wait_none())


@pytest.fixture(scope="module")
def own() -> Iterator[Emulator]:
    """A server of this module's own."""
    with running_emulator() as server:
        with server.link() as link:
            for name in ("ana", "eva", "mia", "ops"):
                link.send(create_user(name, f"{name}@example.com", "password-1", name.title()))
            link.send(set_labels("ops", ["ops"]))
        yield server


@pytest.fixture
async def link(own: Emulator) -> AsyncIterator[AsyncMassageLink]:
    async with own.async_link() as link:
        yield link


@pytest.fixture
def market(own: Emulator) -> Iterator[Market]:
    """Nothing of a test is left to the next one."""
    with own.link() as link:
        market = Market(Server(own.endpoint, own.project_id, own.api_key, "massage_link", own), link)
        yield market
        market.empty()


async def request(link: AsyncMassageLink, market: Market, **changes: Any) -> Booking:
    """Mia asks Ana."""
    return await link.bookings.request(**market.wish(customer_id="mia", **{"therapist_id": "ana", **changes}))


class Book:
    """A handler that writes down what it got."""

    def __init__(self) -> None:
        self.changes: list[Change[Any]] = []
        self._news = asyncio.Event()

    async def __call__(self, change: Change[Any]) -> None:
        self.changes.append(change)
        self._news.set()

    @property
    def ids(self) -> list[str]:
        return [change.id for change in self.changes]

    async def until(self, *ids: str) -> None:
        """Wait until these have come, in whatever order."""
        async with asyncio.timeout(PATIENCE):
            while not set(ids) <= set(self.ids):
                self._news.clear()
                await self._news.wait()


def therapist(link: AsyncMassageLink, watcher: Watcher | None = None, **options: Any) -> Therapist:
    return Therapist(link, "ana", observer=watcher or Watcher(), **{"policy": QUICK, "retries": TWICE, **options})


@asynccontextmanager
async def running(listener: Listener) -> AsyncIterator[Watcher]:
    """The listener runs, and is live, within the block; it is stopped at its end."""
    watcher = listener.observer
    assert isinstance(watcher, Watcher)
    run = asyncio.create_task(listener.run())
    live = asyncio.create_task(watcher.until_live())
    await asyncio.wait({run, live}, return_when=asyncio.FIRST_COMPLETED)
    live.cancel()
    try:
        yield watcher
    finally:
        listener.stop()
        async with asyncio.timeout(PATIENCE):
            await run


async def test_each_handler_gets_what_it_is_for(link: AsyncMassageLink, market: Market) -> None:
    requests, changes, messages, everything = Book(), Book(), Book(), Book()
    ana = therapist(link)
    ana.on_request(requests)
    ana.on_change(changes)
    ana.on_message(messages)
    ana.on_anything(everything)
    async with running(ana):
        booking = await request(link, market)
        await request(link, market, therapist_id="eva")
        await requests.until(f"bookings/{booking.id}/1")
        await link.chat.send(booking.id, "Hello!", sender_id="mia")
        await link.chat.send(booking.id, "My own", sender_id="ana")
        await link.bookings.accept(booking.id, by="ana")
        room = [f"chat_messages/{booking.id}_{n}/{n}" for n in (1, 2, 3, 4)]  # opened, two said, accepted
        await everything.until(f"bookings/{booking.id}/2", *room)
    assert requests.ids == [f"bookings/{booking.id}/1"]
    assert changes.ids == [f"bookings/{booking.id}/1", f"bookings/{booking.id}/2"]
    assert messages.ids == room[1:2]
    assert isinstance(messages.changes[0].row, ChatMessage)
    assert sorted(everything.ids) == sorted([*changes.ids, *room])


async def test_a_handler_accepts_and_declines_as_the_therapist(link: AsyncMassageLink, market: Market) -> None:
    ana, done = therapist(link), Book()

    @ana.on_request
    async def decide(change: Change[Booking]) -> None:
        if change.row.service == "Thai":
            await ana.decline(change.row, reason="Not this one")
        else:
            await ana.accept(change.row)

    ana.on_change(done)
    async with running(ana):
        wanted = await request(link, market)
        unwanted = await request(link, market, service="Thai")
        await done.until(f"bookings/{wanted.id}/2", f"bookings/{unwanted.id}/2")
    assert (await link.bookings.get(wanted.id)).status is Status.ACCEPTED
    declined = await link.bookings.get(unwanted.id)
    assert (declined.status, declined.status_reason) == (Status.DECLINED, "Not this one")
    (_, event) = [event async for event in link.bookings.history(wanted.id)]
    assert (event.actor, event.actor_role) == ("ana", "therapist")


async def test_a_request_that_has_changed_since_it_was_seen_is_not_answered(
    link: AsyncMassageLink, market: Market
) -> None:
    booking = await request(link, market)
    await link.bookings.reschedule(booking.id, market.start(), by="mia")
    ana = therapist(link)
    async with running(ana):
        with pytest.raises(StaleBooking) as refusal:
            await ana.accept(booking)
    assert refusal.value.current.version == 2
    assert (await link.bookings.get(booking.id)).status is Status.PENDING


async def test_a_request_moved_by_the_customer_is_a_request_again(link: AsyncMassageLink, market: Market) -> None:
    ana, requests = therapist(link), Book()
    ana.on_request(requests)
    async with running(ana):
        booking = await request(link, market)
        await requests.until(f"bookings/{booking.id}/1")
        await link.bookings.reschedule(booking.id, market.start(), by="mia")
        await requests.until(f"bookings/{booking.id}/2")


async def test_a_new_listener_begins_with_the_requests_that_are_open(link: AsyncMassageLink, market: Market) -> None:
    answered, open_one = await request(link, market), await request(link, market)
    await link.bookings.accept(answered.id, by="ana")
    ana, changes = therapist(link), Book()
    ana.on_change(changes)
    async with running(ana):
        assert [each.id for each in await ana.open_requests()] == [open_one.id]
        later = await request(link, market)
        await changes.until(f"bookings/{open_one.id}/1", f"bookings/{later.id}/1")
    assert sorted(changes.ids) == sorted([f"bookings/{open_one.id}/1", f"bookings/{later.id}/1"])


async def test_changes_of_one_booking_come_in_order_and_those_of_others_do_not_wait(
    link: AsyncMassageLink, market: Market
) -> None:
    ana, done = therapist(link), Book()
    go = asyncio.Event()
    slow = await request(link, market)

    @ana.on_change
    async def wait(change: Change[Booking]) -> None:
        if change.id == f"bookings/{slow.id}/1":
            await go.wait()

    ana.on_change(done)
    async with running(ana):
        await link.bookings.accept(slow.id, by="ana")
        other = await request(link, market)
        await done.until(f"bookings/{other.id}/1")
        assert done.ids == [f"bookings/{other.id}/1"]
        go.set()
        await done.until(f"bookings/{slow.id}/2")
    assert done.ids[1:] == [f"bookings/{slow.id}/1", f"bookings/{slow.id}/2"]


async def test_what_fails_for_ever_is_parked_and_stops_nobody(
    link: AsyncMassageLink, market: Market, tmp_path: Path
) -> None:
    watcher, done, path = Watcher(), Book(), tmp_path / "progress"
    ana = therapist(link, watcher, checkpoint=FileCheckpoint(path))
    broken = await request(link, market)

    @ana.on_request
    def fails(change: Change[Booking]) -> None:
        if change.row.id == broken.id:
            raise ValueError("out of paper")

    ana.on_change(done)
    async with running(ana):
        await watcher.until(lambda: watcher.given_up)
        other = await request(link, market)
        await done.until(f"bookings/{broken.id}/1", f"bookings/{other.id}/1")
    (parked,) = watcher.given_up
    assert (parked.change.row_id, parked.attempts, ana.parked) == (broken.id, 2, 1)
    assert "out of paper" in str(parked)
    # The next start tries it again, and nothing else.
    again, after = therapist(link, checkpoint=FileCheckpoint(path)), Book()
    again.on_anything(after)
    async with running(again):
        last = await request(link, market)
        await after.until(f"bookings/{last.id}/1", f"bookings/{broken.id}/1")
    assert sorted(after.ids) == sorted([f"bookings/{last.id}/1", f"bookings/{broken.id}/1"])


async def test_a_parked_message_comes_again_with_those_behind_it(
    link: AsyncMassageLink, market: Market, tmp_path: Path
) -> None:
    watcher, done, path = Watcher(), Book(), tmp_path / "progress"
    ana = therapist(link, watcher, checkpoint=FileCheckpoint(path))

    @ana.on_message
    async def fails(change: Change[ChatMessage]) -> None:
        if change.row.body == "second":
            raise ValueError

    ana.on_message(done)
    async with running(ana):
        booking = await request(link, market)
        for body in ("first", "second", "third"):
            await link.chat.send(booking.id, body, sender_id="mia")
        room = [f"chat_messages/{booking.id}_{n}/{n}" for n in range(2, 5)]
        await done.until(*room)
    again, after = therapist(link, checkpoint=FileCheckpoint(path)), Book()
    again.on_message(after)
    async with running(again):
        await after.until(*room[1:])
    assert after.ids == room[1:]


async def test_a_stop_lets_handlers_finish_and_leaves_the_rest_for_the_next_start(
    link: AsyncMassageLink, market: Market, tmp_path: Path
) -> None:
    path, begun, go, finished = tmp_path / "progress", asyncio.Event(), asyncio.Event(), Book()
    watcher = Watcher()
    ana = therapist(link, watcher, checkpoint=FileCheckpoint(path), concurrency=1)
    first = await request(link, market)
    ana.on_request(lambda _: None)

    @ana.on_change
    async def slow(change: Change[Booking]) -> None:
        begun.set()
        await go.wait()
        await finished(change)

    async with running(ana):
        await begun.wait()
        await link.bookings.accept(first.id, by="ana")
        await watcher.until(lambda: any(each.version == 2 for each in watcher.changes))
        ana.stop()
        go.set()
    assert finished.ids == [f"bookings/{first.id}/1"]
    assert watcher.notes == ["changes left unhandled: 1; the next start gets them."]
    again, after = therapist(link, checkpoint=FileCheckpoint(path)), Book()
    again.on_change(after)
    async with running(again):
        await after.until(f"bookings/{first.id}/2")
    assert after.ids == [f"bookings/{first.id}/2"]


async def test_a_crash_before_the_handlers_finished_repeats_the_open_request(
    link: AsyncMassageLink, market: Market, tmp_path: Path
) -> None:
    path, booking = tmp_path / "progress", await request(link, market)
    begun = asyncio.Event()
    ana = therapist(link, checkpoint=FileCheckpoint(path))

    @ana.on_request
    async def never(change: Change[Booking]) -> None:
        begun.set()
        await asyncio.Event().wait()

    run = asyncio.create_task(ana.run())
    await begun.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    again, after = therapist(link, checkpoint=FileCheckpoint(path)), Book()
    again.on_request(after)
    async with running(again):
        await after.until(f"bookings/{booking.id}/1")


async def test_one_file_may_serve_two_therapists_in_turn(
    link: AsyncMassageLink, market: Market, tmp_path: Path
) -> None:
    path = tmp_path / "progress"
    for_eva = await request(link, market, therapist_id="eva")
    async with running(therapist(link, checkpoint=FileCheckpoint(path))):
        pass
    eva, requests = Therapist(link, "eva", observer=Watcher(), checkpoint=FileCheckpoint(path)), Book()
    eva.on_request(requests)
    async with running(eva):
        await requests.until(f"bookings/{for_eva.id}/1")


async def test_a_lossy_connection_loses_no_request(own: Emulator, link: AsyncMassageLink, market: Market) -> None:
    ana, requests = therapist(link), Book()
    ana.on_request(requests)
    faults = {"lose": 0.3, "duplicate": 0.3, "reorder": 0.3, "seed": 3}
    async with running(ana) as watcher:
        await asyncio.to_thread(own.control, "POST", "realtime", faults)
        try:
            bookings = []
            for n in range(20):
                bookings.append(await request(link, market))
                if n % 5 == 0:
                    await asyncio.to_thread(own.control, "POST", "realtime", {"drop": True})
            await requests.until(*(f"bookings/{each.id}/1" for each in bookings))
        finally:
            await asyncio.to_thread(own.control, "POST", "realtime", dict.fromkeys(faults, 0))
    assert len(requests.ids) == len(set(requests.ids)) == 20
    assert "reconnecting" in {state.name for state in watcher.states}


async def test_a_dispatcher_hears_of_everybody_and_answers_as_ops(link: AsyncMassageLink, market: Market) -> None:
    ops, everything = Dispatcher(link, "ops", observer=Watcher(), policy=QUICK), Book()
    ops.on_anything(everything)
    async with running(ops):
        bookings = [await request(link, market, therapist_id=who) for who in ("ana", "eva")]
        await everything.until(*(f"bookings/{each.id}/1" for each in bookings))
        assert {each.id for each in await ops.open_requests()} == {each.id for each in bookings}
        await ops.accept(bookings[0])
        await link.bookings.complete(bookings[0].id, by="ana")
        await everything.until(f"bookings/{bookings[0].id}/3")
        commission = await link.commissions.get(bookings[0].id)
        await everything.until(f"commissions/{commission.id}/{commission.version}")
    (_, event, _) = [event async for event in link.bookings.history(bookings[0].id)]
    assert (event.actor, event.actor_role) == ("ops", "ops")


async def test_a_signed_in_user_needs_no_id(own: Emulator, link: AsyncMassageLink, market: Market) -> None:
    async with AsyncMassageLink(own.endpoint, own.project_id) as guest:
        user = await guest.sign_in("ana@example.com", "password-1")
        ana, requests = Therapist(user, observer=Watcher(), policy=QUICK), Book()
        ana.on_request(requests)
        async with running(ana):
            assert ana.account is not None
            assert ana.account.id == "ana"
            booking = await request(link, market)
            await requests.until(f"bookings/{booking.id}/1")


@pytest.mark.parametrize(
    ("kind", "user_id", "error", "said"),
    [
        (Therapist, "nobody", NotFound, "there is no user 'nobody'"),
        (Therapist, None, CredentialRequired, "say which user listens"),
        (Dispatcher, "ana", UsageError, "does not have the label 'ops'"),
    ],
)
async def test_what_can_not_be_is_said(
    link: AsyncMassageLink, kind: type[Listener], user_id: str | None, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        await kind(link, user_id, observer=Watcher()).run()


async def test_a_wrong_key_is_said(link: AsyncMassageLink) -> None:
    with pytest.raises(Unauthorized):
        await Therapist(link.with_key("wrong"), "ana", observer=Watcher()).run()


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"time_limit": 0.0}])
async def test_options_without_sense_are_refused(link: AsyncMassageLink, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Therapist(link, "ana", **options)


async def test_the_program_in_the_docs_runs(
    own: Emulator, link: AsyncMassageLink, market: Market, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "listen.md").read_text("utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    await link.send(create_user("maria", "maria@example.com", "password-1", "Maria"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-c", program, stdout=PIPE, cwd=tmp_path, env=environment(own)
    )
    try:
        assert process.stdout is not None
        booking = await request(link, market, therapist_id="maria")
        async with asyncio.timeout(PATIENCE):
            lines = [await process.stdout.readline() for _ in range(2)]
    finally:
        process.kill()
        await process.wait()
    assert lines == [f"{booking.id} {status}\n".encode() for status in ("pending", "accepted")]
    assert (await link.bookings.get(booking.id)).status is Status.ACCEPTED
