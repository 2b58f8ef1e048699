from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from massage_link.errors import UsageError
from massage_link.realtime import Credential, MemoryCheckpoint, Subscriber
from realtime_double import FAST, take, until, until_live

if TYPE_CHECKING:
    from massage_link.realtime import Change, RawRow
    from realtime_double import RealtimeDouble


async def test_a_written_row_arrives_live(server: RealtimeDouble) -> None:
    async with server.subscriber() as changes:
        await until_live(changes)
        server.write("bookings", "b1", version=1)
        [change] = await take(changes, 1)
    assert (change.id, change.kind, change.source, change.version) == ("bookings/b1/1", "created", "live", 1)
    assert (change.table, change.watch, change.row["$id"]) == ("bookings", "bookings", "b1")


async def test_a_later_version_is_an_update(server: RealtimeDouble) -> None:
    async with server.subscriber() as changes:
        await until_live(changes)
        server.write("bookings", "b1", version=1)
        server.write("bookings", "b1", version=2)
        assert [(change.kind, change.version) for change in await take(changes, 2)] == [("created", 1), ("updated", 2)]


async def test_an_update_of_a_row_from_before_the_start_is_an_update(server: RealtimeDouble) -> None:
    server.write("bookings", "b1", version=1)
    async with server.subscriber() as changes:
        await until_live(changes)
        server.write("bookings", "b1", version=2)
        [change] = await take(changes, 1)
    assert (change.kind, change.version) == ("updated", 2)


async def test_rows_from_before_the_start_are_not_delivered(server: RealtimeDouble) -> None:
    server.write("bookings", "old", version=1)
    async with server.subscriber() as changes:
        await until_live(changes)
        server.write("bookings", "new", version=1)
        [change] = await take(changes, 1)
    assert change.row_id == "new"


async def test_since_begins_in_the_past(server: RealtimeDouble) -> None:
    before = server.now()
    server.write("bookings", "old", version=1)
    async with server.subscriber(since=before) as changes:
        [change] = await take(changes, 1)
    assert (change.row_id, change.kind, change.source) == ("old", "created", "replay")


async def test_an_upsert_arrives_and_a_delete_does_not(server: RealtimeDouble) -> None:
    async with server.subscriber() as changes:
        await until_live(changes)
        server.write("bookings", "b1", lose=True, version=1)
        row = server.tables["bookings"].rows["b1"]
        server.publish("bookings", row, "delete")
        server.publish("bookings", {**row, "version": 2}, "upsert")
        [change] = await take(changes, 1)
    assert change.version == 2


async def test_a_doubled_or_outdated_event_is_not_delivered(server: RealtimeDouble) -> None:
    async with server.subscriber() as changes:
        await until_live(changes)
        server.write("bookings", "b1", version=1)
        first = dict(server.tables["bookings"].rows["b1"])
        server.write("bookings", "b1", version=2)
        server.publish("bookings", first, "create")
        server.publish("bookings", server.tables["bookings"].rows["b1"], "update")
        server.write("bookings", "b1", version=3)
        assert [change.version for change in await take(changes, 3)] == [1, 2, 3]


async def test_several_sources_share_one_socket(server: RealtimeDouble) -> None:
    async with server.subscriber(server.source("bookings"), server.source("messages", numbered=True)) as changes:
        await until_live(changes)
        server.write("bookings", "b1", version=1)
        server.write("messages", "r_1", scope="r", n=1)
        assert [change.id for change in await take(changes, 2)] == ["bookings/b1/1", "messages/r_1/1"]
    assert len(server.handshakes) == 1
    assert [message["type"] for message in server.received] == ["subscribe"]


async def test_a_missing_number_is_fetched_by_id(server: RealtimeDouble) -> None:
    async with server.subscriber(server.source("messages", numbered=True)) as changes:
        await until_live(changes)
        for n in (1, 2, 3, 4):
            server.write("messages", f"r_{n}", lose=n in (2, 3), scope="r", n=n)
        got = await take(changes, 4)
    assert [(change.version, change.source) for change in got] == [
        (1, "live"),
        (2, "replay"),
        (3, "replay"),
        (4, "live"),
    ]
    assert server.fetched == ["r_2", "r_3"]
    assert server.read_backs == 3  # two for the baseline, one after the subscription: the gap needed none


async def test_a_row_without_a_version_is_told_apart_by_its_content(server: RealtimeDouble) -> None:
    async with server.subscriber(server.source("rooms", version=None)) as changes:
        await until_live(changes)
        server.write("rooms", "r", status="open")
        server.write("rooms", "r", status="open")
        server.write("rooms", "r", status="frozen")
        got = await take(changes, 2)
    assert [(change.row["status"], change.version) for change in got] == [("open", None), ("frozen", None)]


async def test_a_row_that_cannot_be_decoded_is_reported_and_does_not_stop_the_others(server: RealtimeDouble) -> None:
    reported: list[tuple[str, Any]] = []

    def report(source: str, row: RawRow, error: Exception) -> None:
        reported.append((source, row["$id"]))

    def decode(row: RawRow) -> Any:
        return row["title"]

    source = server.source()
    object.__setattr__(source, "decode", decode)
    async with server.subscriber(source, on_undecodable=report) as changes:
        await until_live(changes)
        server.write("bookings", "bad", version=1)
        server.write("bookings", "nameless")
        server.write("bookings", "good", version=1, title="x")
        [change] = await take(changes, 1)
    assert change.row == "x"
    assert reported == [("bookings", "bad"), ("bookings", "nameless")]
    assert changes.statistics.undecodable == 2


async def test_a_slow_consumer_loses_nothing_and_memory_stays_bounded(server: RealtimeDouble) -> None:
    policy = _with(max_waiting=10, page_size=10)
    sources = server.source("bookings"), server.source("messages", numbered=True)
    async with server.subscriber(*sources, policy=policy) as changes:
        await until_live(changes)
        for n in range(1, 101):
            server.write("bookings", f"b{n}", version=1)
            server.write("messages", f"r_{n}", scope="r", n=n)
        got: list[Change[Any]] = []
        while len(got) < 200:
            got += await take(changes, 1)
            assert len(changes._outbox) < policy.max_waiting + 2 * policy.page_size + len(sources)
    assert {change.row_id for change in got if change.table == "bookings"} == {f"b{n}" for n in range(1, 101)}
    assert [change.version for change in got if change.table == "messages"] == [*range(1, 101)]
    assert changes.statistics.dropped > 0


async def test_states_are_told_in_order(server: RealtimeDouble) -> None:
    async with server.subscriber() as changes:
        states = changes.states()
        seen: list[str] = [(await anext(states)).name]
        while seen[-1] != "live":
            seen.append((await anext(states)).name)
        server.cut()
        while seen[-1] != "reconnecting":
            seen.append((await anext(states)).name)
        await until_live(changes)
    assert seen == ["connecting", "catching up", "live", "reconnecting"]
    assert [state.name async for state in changes.states()] == ["closed"]


async def test_closing_ends_an_iteration_that_waits(server: RealtimeDouble) -> None:
    subscriber = server.subscriber()
    async with subscriber:
        await until_live(subscriber)
        waiting = asyncio.ensure_future(_collect(subscriber))
        await asyncio.sleep(0)
        await subscriber.aclose()
        assert await waiting == []
    await until(subscriber, "closed")


async def test_closing_leaves_no_task_behind(server: RealtimeDouble) -> None:
    async with server.subscriber() as changes:
        await until_live(changes)
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]
    assert not [name for name in names if "Subscriber" in name or "_Connection" in name]


async def test_what_was_not_acknowledged_comes_again_under_the_same_id(server: RealtimeDouble) -> None:
    checkpoint = MemoryCheckpoint()
    async with server.subscriber(checkpoint=checkpoint) as changes:
        await until_live(changes)
        server.write("bookings", "b1", version=1)
        server.write("bookings", "b2", version=1)
        first = [change.id for change in await take(changes, 2)]
    async with server.subscriber(checkpoint=checkpoint) as changes:
        [again] = await take(changes, 1)
    assert first == ["bookings/b1/1", "bookings/b2/1"]
    assert again.id == "bookings/b2/1"


async def test_an_explicit_acknowledgement_is_enough(server: RealtimeDouble) -> None:
    checkpoint = MemoryCheckpoint()
    async with server.subscriber(checkpoint=checkpoint) as changes:
        await until_live(changes)
        server.write("bookings", "b1", version=1)
        await take(changes, 1)
        changes.acknowledge()
    server.write("bookings", "b2", version=1)
    async with server.subscriber(checkpoint=checkpoint) as changes:
        [change] = await take(changes, 1)
    assert change.id == "bookings/b2/1"


async def test_what_was_written_between_two_runs_is_delivered(server: RealtimeDouble) -> None:
    checkpoint = MemoryCheckpoint()
    sources = server.source("bookings"), server.source("messages", numbered=True)
    async with server.subscriber(*sources, checkpoint=checkpoint) as changes:
        await until_live(changes)
        server.write("messages", "r_1", scope="r", n=1)
        await take(changes, 1)
        changes.acknowledge()
    server.write("bookings", "b1", version=7)
    server.write("messages", "r_2", scope="r", n=2)
    async with server.subscriber(*sources, checkpoint=checkpoint) as changes:
        ids = [change.id for change in await take(changes, 2)]
    assert ids == ["bookings/b1/7", "messages/r_2/2"]


async def test_a_request_for_the_next_change_that_is_cancelled_loses_none(server: RealtimeDouble) -> None:
    checkpoint = MemoryCheckpoint()
    got: list[int | None] = []
    async with server.subscriber(server.source("messages", numbered=True), checkpoint=checkpoint) as changes:
        await until_live(changes)
        for n in range(1, 201):
            server.write("messages", f"r_{n}", scope="r", n=n)
        while len(got) < 200:
            asking = asyncio.ensure_future(take(changes, 1))
            await asyncio.sleep(0)
            if not asking.done() and len(got) % 2:
                asking.cancel()
            try:
                got += [change.version for change in await asking]
            except asyncio.CancelledError:
                got += [change.version for change in await take(changes, 1)]
    assert got == [*range(1, 201)]


async def test_iterating_outside_of_the_context_is_refused(server: RealtimeDouble) -> None:
    with pytest.raises(UsageError, match="async with"):
        await anext(server.subscriber())


async def test_a_subscriber_is_used_once(server: RealtimeDouble) -> None:
    subscriber = server.subscriber()
    async with subscriber:
        pass
    with pytest.raises(UsageError, match="once"):
        async with subscriber:
            pass


async def test_waiting_for_a_closed_subscriber_is_refused(server: RealtimeDouble) -> None:
    async with server.subscriber() as changes:
        pass
    with pytest.raises(UsageError, match="closed"):
        await changes.wait_until_live()


def test_sources_of_one_name_are_refused(server: RealtimeDouble) -> None:
    with pytest.raises(UsageError, match="different names"):
        server.subscriber(server.source(), server.source())


def test_a_subscriber_without_sources_is_refused(server: RealtimeDouble) -> None:
    async def credential() -> Credential:
        raise AssertionError

    with pytest.raises(UsageError, match="different names"):
        Subscriber[Any](endpoint=server.endpoint, project="p", sources=[], credential=credential)


async def _collect(subscriber: Subscriber[Any]) -> list[Change[Any]]:
    return [change async for change in subscriber]


def _with(**settings: Any) -> Any:
    from dataclasses import replace

    return replace(FAST, **settings)
