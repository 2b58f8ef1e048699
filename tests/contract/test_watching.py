"""Watching: what happens arrives typed, for those who may see it; on the emulator or a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from marketplace import PATIENCE, Market, People, Server
from massage_link import AsyncMassageLink, Booking, Change, ChatMessage, Commission, CommissionStatus, Status
from massage_link.errors import CredentialRequired


@pytest.fixture
async def alink(server: Server) -> AsyncIterator[AsyncMassageLink]:
    """An async link with the key: only async links can watch."""
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
    assert numbers == [1, 2]
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
