"""Chat: dense numbers, sent once, strangers kept out; on the emulator or a real server, with both links."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from appwrite.query import Query

from marketplace import LinkMaker, Market, all_of, gathered
from massage_link import AsyncMassageLink, Booking, ChatMessage
from massage_link.domain.chat import MessageKind
from massage_link.domain.tables import CHAT_MESSAGES, CHAT_ROOMS
from massage_link.errors import IdempotencyMismatch, InvalidMessage, NotAllowed, RoomFrozen
from massage_link.usecases.chat import ensure_room
from massage_link.wire.rows import patch_row

_FUTURE = datetime(2100, 1, 1, tzinfo=UTC).isoformat(timespec="milliseconds")


async def _booked(link: AsyncMassageLink, market: Market) -> Booking:
    return await link.bookings.request(**market.wish(area="Berlin-Mitte"))


async def test_a_room_opens_with_what_it_is_about(link: AsyncMassageLink, market: Market) -> None:
    booking = await _booked(link, market)
    await link.chat.send(booking.id, "Is there a lift?", sender_id=booking.customer_id)
    first, second = await all_of(link.chat.messages(booking.id))
    assert (first.n, first.kind, first.sender_id) == (1, MessageKind.SYSTEM, "system")
    assert "Deep tissue, 60 minutes" in first.body
    assert "Berlin-Mitte" in first.body
    assert (second.n, second.kind, second.body) == (2, MessageKind.USER, "Is there a lift?")
    room = await link.chat.room(booking.id)
    assert set(room.participants) == {booking.customer_id, booking.therapist_id}
    assert (room.message_count, room.last_message, room.last_sender_id) == (2, "Is there a lift?", booking.customer_id)


async def test_ten_who_open_a_room_at_once_open_one(links: LinkMaker, market: Market) -> None:
    link = links()
    booking = await _booked(link, market)
    rooms = await gathered(*(each.run(ensure_room(each.ports, booking.id)) for each in [links() for _ in range(10)]))
    assert {room.id for room in rooms} == {booking.id}
    assert len(market.rows(CHAT_ROOMS, Query.equal("$id", [booking.id]))) == 1
    assert [each.n async for each in link.chat.messages(booking.id)] == [1]


async def test_both_sides_talk_in_any_script(link: AsyncMassageLink, market: Market) -> None:
    booking = await _booked(link, market)
    texts = ["שלום 👋🏽", "مرحبا", "<b>no markup</b>", "e\u0301 and é", "  two\nlines\t", "x" * 5_000]
    for number, text in enumerate(texts):
        sender = booking.customer_id if number % 2 else booking.therapist_id
        sent = await link.chat.send(booking.id, text, sender_id=sender)
        assert (sent.n, sent.body, sent.sender_id) == (number + 2, text, sender)
    assert [each.body async for each in link.chat.messages(booking.id, after=1)] == texts


async def test_messages_are_listed_from_both_ends(link: AsyncMassageLink, market: Market) -> None:
    booking = await _booked(link, market)
    for number in range(5):
        await link.chat.send(booking.id, f"{number}", sender_id=booking.customer_id)

    async def numbers(**narrowed: Any) -> list[int]:
        return [each.n async for each in link.chat.messages(booking.id, page_size=2, **narrowed)]

    assert await numbers() == [1, 2, 3, 4, 5, 6]
    assert await numbers(newest_first=True, limit=3) == [6, 5, 4]
    assert await numbers(after=4) == [5, 6]


async def test_eight_who_send_at_once_are_numbered_without_gaps(links: LinkMaker, market: Market) -> None:
    link = links()
    booking = await _booked(link, market)
    people = (booking.customer_id, booking.therapist_id)

    async def talk(each: AsyncMassageLink, voice: int) -> list[ChatMessage]:
        return [await each.chat.send(booking.id, f"{voice}:{line}", sender_id=people[voice % 2]) for line in range(5)]

    told = await gathered(*(talk(links(), voice) for voice in range(8)))
    heard = await all_of(link.chat.messages(booking.id))
    assert [each.n for each in heard] == list(range(1, 42))
    assert {each.id for lines in told for each in lines} == {each.id for each in heard[1:]}
    for lines in told:
        assert [each.n for each in lines] == sorted(each.n for each in lines)
    assert (await link.chat.room(booking.id)).message_count <= 41
    await link.chat.send(booking.id, "last", sender_id=booking.customer_id)
    room = await link.chat.room(booking.id)
    assert (room.message_count, room.last_message) == (42, "last")
    market.check()


async def test_sending_again_with_the_same_client_id_changes_nothing(link: AsyncMassageLink, market: Market) -> None:
    booking = await _booked(link, market)
    first = await link.chat.send(booking.id, "hello", sender_id=booking.customer_id, client_id="phone-1")
    again = await link.chat.send(booking.id, "hello", sender_id=booking.customer_id, client_id="phone-1")
    assert again == first
    assert [each.n async for each in link.chat.messages(booking.id)] == [1, 2]


async def test_repeats_of_one_message_at_once_send_it_once(links: LinkMaker, market: Market) -> None:
    booking = await _booked(links(), market)
    sent = await gathered(
        *(
            each.chat.send(booking.id, "hello", sender_id=booking.customer_id, client_id="phone-2")
            for each in [links() for _ in range(8)]
        )
    )
    assert {each.id for each in sent} == {sent[0].id}
    assert len(market.rows(CHAT_MESSAGES, Query.equal("roomId", [booking.id]))) == 2


@pytest.mark.parametrize("client_id", ["phone-3", "opened"])
async def test_a_client_id_that_is_taken_by_another_message_loses_nothing_silently(
    link: AsyncMassageLink, market: Market, client_id: str
) -> None:
    booking = await _booked(link, market)
    if client_id != "opened":  # the id of the room's own first message
        await link.chat.send(booking.id, "hello", sender_id=booking.customer_id, client_id=client_id)
    with pytest.raises(IdempotencyMismatch, match=client_id):
        await link.chat.send(booking.id, "hello", sender_id=booking.therapist_id, client_id=client_id)


async def test_a_stranger_can_not_join_in(link: AsyncMassageLink, market: Market) -> None:
    booking = await _booked(link, market)
    with pytest.raises(NotAllowed, match="does not take part"):
        await link.chat.send(booking.id, "psst", sender_id=market.someone())
    with pytest.raises(NotAllowed, match="does not take part"):
        await link.chat.send(booking.id, "psst", sender_id="system")
    assert [each.n async for each in link.chat.messages(booking.id)] == [1]


@pytest.mark.parametrize("body", ["", "  \n", "x" * 5_001, "half \ud83d"])
async def test_what_is_no_message_is_refused(link: AsyncMassageLink, market: Market, body: str) -> None:
    booking = await _booked(link, market)
    with pytest.raises(InvalidMessage):
        await link.chat.send(booking.id, body, sender_id=booking.customer_id)
    assert market.rows(CHAT_ROOMS, Query.equal("$id", [booking.id])) == []


async def test_nothing_is_written_into_a_closed_conversation(link: AsyncMassageLink, market: Market) -> None:
    booking = await _booked(link, market)
    await link.chat.send(booking.id, "hello", sender_id=booking.customer_id)
    rooms = link.ports.address(CHAT_ROOMS)
    await link.send(patch_row(rooms, CHAT_ROOMS.model, booking.id, {"status": "frozen"}, unless_changed=_FUTURE))
    with pytest.raises(RoomFrozen, match="is closed"):
        await link.chat.send(booking.id, "one more", sender_id=booking.customer_id)


async def test_rooms_are_listed_by_customer_and_therapist(link: AsyncMassageLink, market: Market) -> None:
    booking = await _booked(link, market)
    await link.chat.send(booking.id, "hello", sender_id=booking.customer_id)
    assert [each.id async for each in link.chat.rooms(customer_id=booking.customer_id)] == [booking.id]
    assert [each.id async for each in link.chat.rooms(therapist_id=booking.therapist_id)] == [booking.id]
    assert [each.id async for each in link.chat.rooms(customer_id=booking.therapist_id)] == []
