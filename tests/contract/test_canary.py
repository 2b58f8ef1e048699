"""What a health check writes disappears again, all of it, and nothing of anybody else's goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from marketplace import LinkMaker, Market, Server, own_database
from massage_link import AsyncMassageLink, Booking
from massage_link.domain.tables import BOOKINGS, SYSTEM_STATE
from massage_link.errors import InvalidInput, RowNotFound
from massage_link.usecases.canary import (
    LEFTOVER_AFTER,
    Canary,
    hire,
    new_canary,
    note_canary,
    remove_canaries,
    remove_canary,
)
from massage_link.usecases.ports import Ports
from massage_link.wire.rows import delete_rows
from massage_link.wire.users import labels_of


@pytest.fixture(scope="module")
def server(server: Server) -> Iterator[Server]:
    """The server with a database of these tests alone."""
    with own_database(server) as own:
        yield own


@pytest.fixture
async def canary(link: AsyncMassageLink) -> Canary:
    """A run that has noted itself and has its people."""
    made = new_canary()
    await link.run(note_canary(link.ports, made))
    await link.run(hire(made.people))
    return made


async def booked(links: LinkMaker, server: Server, market: Market, canary: Canary) -> Booking:
    """The whole way: a booking with a room, a talk, read marks and a commission that is due."""
    link = links(ports=canary.ports(Ports(database=server.database)))
    wish = market.wish(customer_id=canary.customer_id, therapist_id=canary.therapist_id, canary=True)
    booking = await link.bookings.request(**wish, idempotency_key=canary.idempotency_key(0), address="Here 1")
    for sender in canary.people:
        await link.chat.send(booking.id, "Hello", sender_id=sender)
        await link.chat.mark_read(booking.id, user_id=sender, n=2)
    await link.bookings.accept(booking.id, by=canary.therapist_id)
    return await link.bookings.complete(booking.id, by=canary.therapist_id)


async def is_there(link: AsyncMassageLink, user_id: str) -> bool:
    try:
        await link.send(labels_of(user_id))
    except RowNotFound:
        return False
    return True


def in_ten_minutes(links: LinkMaker, server: Server, **more: Any) -> AsyncMassageLink:
    """A link whose clock is ten minutes ahead."""
    ports = Ports(database=server.database)
    return links(ports=replace(ports, now=lambda: Ports().now() + timedelta(minutes=10)), **more)


async def test_a_run_is_removed_with_every_row_and_user_of_it_and_nothing_else(
    links: LinkMaker, link: AsyncMassageLink, server: Server, market: Market, canary: Canary
) -> None:
    others = await link.bookings.request(**market.wish(), idempotency_key="canary-0")
    await link.chat.send(others.id, "Hello", sender_id=others.customer_id)
    await link.run(remove_canary(link.ports, canary))
    before = market.contents()
    await link.run(note_canary(link.ports, canary))
    await link.run(hire(canary.people))
    booking = await booked(links, server, market, canary)
    kept = {name: set(rows) for name, rows in before.items()}
    written = {name: set(rows) - kept[name] for name, rows in market.contents().items()}
    # Slots are free again once a booking is completed; therapists have no canary among them.
    assert {name for name, ids in written.items() if not ids} == {"slots", "therapists", "therapist_terms"}
    removed = await link.run(remove_canary(link.ports, canary))
    assert removed == sum(len(ids) for name, ids in written.items() if name != "system_state")
    assert market.contents() == before
    assert booking.id.startswith(canary.run)
    assert [await is_there(link, user_id) for user_id in canary.people] == [False, False]


async def test_slots_that_a_canary_still_holds_become_free(
    links: LinkMaker, server: Server, link: AsyncMassageLink, market: Market, canary: Canary
) -> None:
    maker = links(ports=canary.ports(Ports(database=server.database)))
    people = {"customer_id": canary.customer_id, "therapist_id": canary.therapist_id}
    booking = await maker.bookings.request(**market.wish(**people), canary=True)
    assert len(market.slots_of(booking)) == 12
    await link.run(remove_canary(link.ports, canary))
    assert market.slots_of(booking) == []


async def test_removing_again_changes_nothing(link: AsyncMassageLink, market: Market, canary: Canary) -> None:
    await link.run(remove_canary(link.ports, canary))
    before = market.contents()
    assert await link.run(remove_canary(link.ports, canary)) == 0
    assert market.contents() == before


async def test_what_a_killed_run_left_is_found_by_its_age(
    links: LinkMaker, link: AsyncMassageLink, server: Server, market: Market, canary: Canary
) -> None:
    await booked(links, server, market, canary)
    assert await link.run(remove_canaries(link.ports, LEFTOVER_AFTER)) == 0
    assert market.rows(BOOKINGS), "a run that goes on just now is left alone"
    later = in_ten_minutes(links, server)
    assert await later.run(remove_canaries(later.ports, LEFTOVER_AFTER)) >= 1
    assert not await is_there(link, canary.customer_id)
    assert not [row for row in market.rows(BOOKINGS) if row.id.startswith(canary.run)]
    assert canary.note_id not in {row.id for row in market.rows(SYSTEM_STATE)}


@pytest.mark.emulator_only
async def test_a_key_that_may_not_remove_users_removes_the_rows_and_leaves_the_rest_to_the_next(
    links: LinkMaker, link: AsyncMassageLink, server: Server, market: Market, canary: Canary
) -> None:
    await booked(links, server, market, canary)
    assert server.emulator is not None
    secret = server.emulator.control("POST", "keys", {"scopes": ["rows.read", "rows.write"]})["secret"]
    sweeper = in_ten_minutes(links, server, api_key=secret)
    for _ in range(2):
        assert await sweeper.run(remove_canaries(sweeper.ports, LEFTOVER_AFTER)) == 0
        assert not [row for row in market.rows(BOOKINGS) if row.id.startswith(canary.run)]
        assert await is_there(link, canary.customer_id)
    later = in_ten_minutes(links, server)
    assert await later.run(remove_canaries(later.ports, LEFTOVER_AFTER)) == 1
    assert not await is_there(link, canary.customer_id)


def test_a_key_for_more_bookings_than_are_removed_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 20 bookings"):
        new_canary().idempotency_key(20)


def test_deleting_rows_without_saying_which_is_refused() -> None:
    with pytest.raises(InvalidInput, match="without a query all of them would be"):
        delete_rows(Ports().address(BOOKINGS), [])
