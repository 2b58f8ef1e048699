"""Watching: what happens arrives typed, for those who may see it; on the emulator or a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from marketplace import PATIENCE, Market, People, Server
from massage_link import (
    AsyncMassageLink,
    Booking,
    Change,
    ChatMessage,
    ChatRead,
    Commission,
    CommissionStatus,
    MassageLink,
    Status,
)
from massage_link.errors import CredentialRequired


@pytest.fixture
async def alink(server: Server) -> AsyncIterator[AsyncMassageLink]:
    """An async link with the key."""
    async with AsyncMassageLink(**server.arguments()) as link:
        yield link


async def test_a_therapist_sees_booking_message_and_commission_arrive_typed(
    alink: AsyncMassageLink, people: People, market: Market
) -> None:
    customer, therapist = people.customer.id, people.therapist.id
    seen: list[Change[object]] = []
    async with asyncio.timeout(PATIENCE), alink.as_user(therapist).watch() as changes:
        await changes.wait_until_live()
        booking = await alink.bookings.request(**market.wish(customer_id=customer, therapist_id=therapist))
        message = await alink.chat.send(booking.id, "Hello!", sender_id=customer)
        await alink.bookings.accept(booking.id, by=therapist)
        await alink.bookings.complete(booking.id, by=therapist)
        async for change in changes:
            seen.append(change)
            rows = [each.row for each in seen]
            if (
                any(isinstance(row, Booking) and row.status is Status.COMPLETED for row in rows)
                and any(isinstance(row, ChatMessage) and row.id == message.id for row in rows)
                and any(isinstance(row, Commission) and row.status is CommissionStatus.DUE for row in rows)
            ):
                break
    assert len({change.id for change in seen}) == len(seen)
    numbers = [each.row.n for each in seen if isinstance(each.row, ChatMessage)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 2  # and the lines of the acceptance and the completion, if they came before the last
    versions = [each.row.version for each in seen if isinstance(each.row, Booking)]
    assert versions == sorted(set(versions))
    assert {each.row_id for each in seen if isinstance(each.row, Booking | Commission)} == {booking.id}


async def test_a_user_who_signed_in_watches_by_the_session(
    alink: AsyncMassageLink, people: People, market: Market
) -> None:
    user = await alink.sign_in(people.customer.email, people.customer.password)
    async with asyncio.timeout(PATIENCE), user.bookings.watch() as changes:
        await changes.wait_until_live()
        booking = await alink.bookings.request(**market.wish(customer_id=people.customer.id))
        async for change in changes:
            assert (change.row.id, change.kind, change.table) == (booking.id, "created", "bookings")
            break


async def test_a_stranger_hears_nothing_of_others(alink: AsyncMassageLink, people: People, market: Market) -> None:
    customer, stranger = people.customer.id, people.other_customer.id
    async with asyncio.timeout(PATIENCE), alink.as_user(stranger).watch() as changes:
        await changes.wait_until_live()
        others = await alink.bookings.request(**market.wish(customer_id=customer))
        await alink.chat.send(others.id, "secret", sender_id=customer)
        await alink.bookings.complete((await alink.bookings.accept(others.id)).id)
        own = await alink.bookings.request(**market.wish(customer_id=stranger))
        async for change in changes:  # whatever the stranger hears comes before their own, or is their own
            assert change.row_id == own.id
            break


async def test_watching_with_a_key_says_how_to_watch(alink: AsyncMassageLink) -> None:
    for watch in (alink.watch, alink.bookings.watch, alink.chat.watch, alink.commissions.watch):
        with pytest.raises(CredentialRequired, match=r"as_user\(user_id\)"):
            watch()


async def test_watching_as_nobody_says_how_to_watch(server: Server) -> None:
    async with AsyncMassageLink(**server.arguments(api_key=None)) as nobody:
        with pytest.raises(CredentialRequired, match="acts as a guest"):
            nobody.watch()


async def test_read_marks_arrive_and_never_go_back(alink: AsyncMassageLink, people: People, market: Market) -> None:
    customer, therapist = people.customer.id, people.therapist.id
    booking = await alink.bookings.request(**market.wish(customer_id=customer, therapist_id=therapist))
    for number in range(3):
        await alink.chat.send(booking.id, f"{number}", sender_id=customer)
    seen: list[Change[ChatRead]] = []
    watching = alink.as_user(customer).chat.watch_reads(booking_id=booking.id)
    async with asyncio.timeout(PATIENCE), watching as changes:
        await changes.wait_until_live()
        for n in (2, 3, 1, 4):
            await alink.chat.mark_read(booking.id, n, user_id=therapist)
        async for change in changes:
            seen.append(change)
            if change.row.n == 4:
                break
    numbers = [change.row.n for change in seen]
    assert numbers == sorted(set(numbers))
    assert {(change.row.user_id, change.version == change.row.n) for change in seen} == {(therapist, True)}


async def test_booking_events_arrive_every_one_in_order(
    alink: AsyncMassageLink, people: People, market: Market
) -> None:
    booking = await alink.bookings.request(**market.wish(customer_id=people.customer.id))
    async with (
        asyncio.timeout(PATIENCE),
        alink.as_user(people.customer.id).bookings.watch_events(booking_id=booking.id) as changes,
    ):
        await changes.wait_until_live()
        await alink.bookings.accept(booking.id)
        await alink.bookings.start(booking.id)
        await alink.bookings.complete(booking.id)
        seen = []
        async for change in changes:
            seen.append((change.row.version, change.row.type.value))
            if change.row.version == 4:
                break
    assert seen[-3:] == [(2, "accepted"), (3, "started"), (4, "completed")]


def test_a_program_without_an_event_loop_watches_too(server: Server, people: People, market: Market) -> None:
    with MassageLink(**server.arguments()) as link, link.as_user(people.therapist.id).watch() as changes:
        changes.wait_until_live()
        wish = market.wish(customer_id=people.customer.id, therapist_id=people.therapist.id)
        booking = link.bookings.request(**wish)
        first = next(changes)
        assert isinstance(first.row, Booking)
        assert (first.row.id, first.kind, first.live) == (booking.id, "created", True)
        link.chat.send(booking.id, "Hello!", sender_id=people.customer.id)
        numbers = [change.row.n for _, change in zip(range(2), changes, strict=False)]
        assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 2  # and the lines of the acceptance and the completion, if they came before the last


def test_watching_with_a_key_is_refused_before_anything_is_started(server: Server) -> None:
    with MassageLink(**server.arguments()) as link:
        for watch in (link.watch, link.bookings.watch, link.bookings.watch_events, link.chat.watch):
            with pytest.raises(CredentialRequired, match="as_user"):
                watch()
