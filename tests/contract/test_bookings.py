"""Bookings: requested, moved through their states, listed; on the emulator or a real server, with both links."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from appwrite.query import Query

from marketplace import LinkMaker, Market, all_of, gathered
from massage_link import AsyncMassageLink, Booking, Money, Role, Status
from massage_link.domain.booking import BookingEventType
from massage_link.domain.rows import Row
from massage_link.domain.tables import BOOKING_KEYS
from massage_link.errors import (
    IdempotencyMismatch,
    IllegalTransition,
    InvalidBooking,
    NotAllowed,
    NotFound,
    SlotTaken,
    StaleBooking,
)

_METADATA = {"created_at", "updated_at", "permissions"}


def facts(row: Row) -> dict[str, object]:
    """A row without what the server adds."""
    return row.model_dump(exclude=_METADATA)


# --- request ----------------------------------------------------------------------------------------------------------
async def test_a_requested_booking_reads_back_as_it_was_answered(link: AsyncMassageLink, market: Market) -> None:
    booking = await link.bookings.request(
        **market.wish(
            area="Berlin-Mitte",
            address="Linienstraße 1",
            note="Zweiter Hof, bitte klingeln 🙏",
            customer_name="محمد",
            timezone="Europe/Berlin",
            buffer=timedelta(minutes=15),
            price=Money(12_345, "KWD"),
        )
    )
    stored = await link.bookings.get(booking.id)
    assert facts(stored) == facts(booking)
    assert stored.status is Status.PENDING
    assert stored.price == Money(12_345, "KWD")
    assert stored.created_at is not None
    assert await link.bookings.address(booking.id) == "Linienstraße 1"


async def test_a_pending_booking_holds_its_time_and_its_buffers(link: AsyncMassageLink, market: Market) -> None:
    start = market.start()
    booking = await link.bookings.request(**market.wish(starts_at=start, buffer=timedelta(minutes=10)))
    first = int(start.timestamp()) // 300
    assert market.slots_of(booking) == list(range(first - 2, first + 12 + 2))


async def test_the_same_time_is_not_sold_twice(link: AsyncMassageLink, market: Market) -> None:
    wish = market.wish()
    await link.bookings.request(**wish)
    late = wish["starts_at"] + timedelta(minutes=55)
    overlapping = {**wish, "starts_at": late, "ends_at": late + timedelta(hours=1), "customer_id": market.someone()}
    with pytest.raises(SlotTaken, match="booked at") as refused:
        await link.bookings.request(**overlapping)
    assert refused.value.taken == (late,)
    assert [each.customer_id async for each in link.bookings.list(therapist_id=wish["therapist_id"])] == [
        wish["customer_id"]
    ]


async def test_bookings_that_touch_do_not_collide(link: AsyncMassageLink, market: Market) -> None:
    first = market.wish()
    await link.bookings.request(**first)
    after = {**first, "starts_at": first["ends_at"], "ends_at": first["ends_at"] + timedelta(minutes=30)}
    booking = await link.bookings.request(**after)
    assert booking.status is Status.PENDING


async def test_of_twenty_who_want_the_same_time_exactly_one_gets_it(links: LinkMaker, market: Market) -> None:
    wish = market.wish()
    racers = links.abreast(20)
    wishes = [{**wish, "customer_id": market.someone()} for _ in racers]
    results = await gathered(*(each.bookings.request(**its) for each, its in zip(racers, wishes, strict=True)))
    won = [each for each in results if isinstance(each, Booking)]
    assert [type(each) for each in results if not isinstance(each, Booking)] == [SlotTaken] * 19
    assert [facts(each) for each in await all_of(links().bookings.list(therapist_id=wish["therapist_id"]))] == [
        facts(won[0])
    ]
    assert len(market.slots_of(won[0])) == 12
    market.check()


async def test_a_request_that_breaks_a_rule_writes_nothing(link: AsyncMassageLink, market: Market) -> None:
    wish = market.wish()
    with pytest.raises(InvalidBooking):
        await link.bookings.request(**{**wish, "ends_at": wish["starts_at"]})
    assert await all_of(link.bookings.list(therapist_id=wish["therapist_id"])) == []


# --- idempotency ------------------------------------------------------------------------------------------------------
async def test_the_same_key_gives_the_same_booking(link: AsyncMassageLink, market: Market) -> None:
    wish = market.wish(idempotency_key="order-4711")
    first = await link.bookings.request(**wish)
    again = await link.bookings.request(**wish)
    assert facts(again) == facts(first)
    assert len(await all_of(link.bookings.list(customer_id=wish["customer_id"]))) == 1


async def test_the_same_key_gives_the_booking_as_it_is_by_now(link: AsyncMassageLink, market: Market) -> None:
    wish = market.wish(idempotency_key="order-1")
    first = await link.bookings.request(**wish)
    await link.bookings.accept(first.id)
    assert (await link.bookings.request(**wish)).status is Status.ACCEPTED


async def test_a_key_of_another_customer_is_another_key(link: AsyncMassageLink, market: Market) -> None:
    first = await link.bookings.request(**market.wish(idempotency_key="1"))
    other = await link.bookings.request(**market.wish(idempotency_key="1"))
    assert first.id != other.id


async def test_a_key_does_not_serve_for_another_request(link: AsyncMassageLink, market: Market) -> None:
    wish = market.wish(idempotency_key="order-4712")
    first = await link.bookings.request(**wish)
    with pytest.raises(IdempotencyMismatch, match=first.id):
        await link.bookings.request(**{**wish, "price": Money(1, "EUR")})


async def test_ten_who_repeat_a_request_at_once_get_one_booking(links: LinkMaker, market: Market) -> None:
    wish = market.wish(idempotency_key="order-4713")
    results = await gathered(*(each.bookings.request(**wish) for each in links.abreast(10)))
    assert {each.id for each in results} == {results[0].id}
    assert len(await all_of(links().bookings.list(customer_id=wish["customer_id"]))) == 1
    assert len(market.rows(BOOKING_KEYS, Query.equal("bookingId", [results[0].id]))) == 1
    market.check()


# --- transitions ------------------------------------------------------------------------------------------------------
async def test_a_booking_goes_from_request_to_completion(link: AsyncMassageLink, market: Market) -> None:
    booking = await link.bookings.request(**market.wish())
    therapist = booking.therapist_id
    accepted = await link.bookings.accept(booking.id, by=therapist, reason="See you")
    assert (accepted.status, accepted.version, accepted.status_reason) == (Status.ACCEPTED, 2, "See you")
    assert accepted.responded_at is not None
    assert (await link.bookings.start(booking.id, by=therapist)).status is Status.IN_PROGRESS
    completed = await link.bookings.complete(booking.id, by=therapist)
    assert facts(await link.bookings.get(booking.id)) == facts(completed)
    assert (completed.status, completed.version) == (Status.COMPLETED, 4)
    assert market.slots_of(completed) == []


async def test_the_history_tells_who_did_what(link: AsyncMassageLink, market: Market) -> None:
    booking = await link.bookings.request(**market.wish())
    await link.bookings.accept(booking.id, by=booking.therapist_id)
    await link.bookings.cancel(booking.id, by=booking.customer_id, reason="Ill")
    history = await all_of(link.bookings.history(booking.id))
    assert [(each.version, each.type, each.actor, each.actor_role, each.reason) for each in history] == [
        (1, BookingEventType.REQUESTED, booking.customer_id, Role.CUSTOMER, ""),
        (2, BookingEventType.ACCEPTED, booking.therapist_id, Role.THERAPIST, ""),
        (3, BookingEventType.CANCELLED, booking.customer_id, Role.CUSTOMER, "Ill"),
    ]


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        (["decline"], Status.DECLINED),
        (["cancel"], Status.CANCELLED),
        (["accept", "cancel"], Status.CANCELLED),
        (["accept", "start", "cancel"], Status.CANCELLED),
        (["accept", "complete"], Status.COMPLETED),
        (["accept", "no_show"], Status.NO_SHOW),
        (["accept", "start", "no_show"], Status.NO_SHOW),
    ],
)
async def test_a_booking_that_ended_gives_its_time_back(
    link: AsyncMassageLink, market: Market, steps: list[str], status: Status
) -> None:
    wish = market.wish()
    booking = await link.bookings.request(**wish)
    for step in steps:
        booking = await getattr(link.bookings, step)(booking.id, reason="as agreed")
    assert booking.status is status
    assert market.slots_of(booking) == []
    again = await link.bookings.request(**{**wish, "customer_id": market.someone()})
    assert again.status is Status.PENDING


async def test_what_is_not_possible_says_what_is(link: AsyncMassageLink, market: Market) -> None:
    booking = await link.bookings.request(**market.wish())
    with pytest.raises(IllegalTransition, match=r"is pending; start is possible while it is accepted"):
        await link.bookings.start(booking.id)
    with pytest.raises(NotAllowed, match=r"can be accepted by ops or therapist, not by customer"):
        await link.bookings.accept(booking.id, by=booking.customer_id)
    with pytest.raises(NotAllowed, match="neither the customer nor the therapist"):
        await link.bookings.cancel(booking.id, by=market.someone())
    assert facts(await link.bookings.get(booking.id)) == facts(booking)
    assert len(await all_of(link.bookings.history(booking.id))) == 1


async def test_a_booking_that_is_not_there_is_not_found(link: AsyncMassageLink) -> None:
    for work in (
        link.bookings.get("nosuchbooking"),
        link.bookings.address("nosuchbooking"),
        link.bookings.accept("nosuchbooking"),
        link.chat.send("nosuchbooking", "hello", sender_id="somebody"),
        link.chat.room("nosuchbooking"),
        link.commissions.get("nosuchbooking"),
    ):
        with pytest.raises(NotFound, match="nosuchbooking"):
            await work


async def test_a_move_of_a_booking_as_it_was_seen_is_refused_once_it_has_changed(
    link: AsyncMassageLink, market: Market
) -> None:
    seen = await link.bookings.request(**market.wish())
    await link.bookings.reschedule(seen.id, market.start(), by=seen.customer_id)
    for move in ("accept", "decline", "cancel"):
        with pytest.raises(StaleBooking) as refused:
            await getattr(link.bookings, move)(seen.id, expected_version=seen.version)
        assert refused.value.current.version == 2
    assert (await link.bookings.accept(seen.id, expected_version=2)).version == 3
    with pytest.raises(StaleBooking):
        await link.bookings.complete(seen.id, expected_version=2)


async def test_of_four_who_answer_at_once_one_wins_and_the_others_see_how_it_stands(
    links: LinkMaker, market: Market
) -> None:
    booking = await links().bookings.request(**market.wish())
    one, two, three, four = links.abreast(4)
    results = await gathered(
        one.bookings.accept(booking.id, by=booking.therapist_id),
        two.bookings.decline(booking.id, by=booking.therapist_id),
        three.bookings.cancel(booking.id, by=booking.customer_id),
        four.bookings.accept(booking.id),
    )
    won = [each for each in results if isinstance(each, Booking)]
    lost = [each for each in results if isinstance(each, StaleBooking)]
    assert (len(won), len(lost)) == (1, 3), results
    assert {each.current.version for each in lost} == {2}
    assert {each.current.status for each in lost} == {won[0].status}
    assert facts(await links().bookings.get(booking.id)) == facts(won[0])
    market.check()


# --- lists ------------------------------------------------------------------------------------------------------------
async def test_a_list_reads_every_page(link: AsyncMassageLink, market: Market) -> None:
    therapist, start = market.someone(), market.start()
    made = []
    for hour in range(7):
        begin = start + timedelta(hours=hour)
        made.append(await link.bookings.request(**market.wish(starts_at=begin, therapist_id=therapist)))
    expected = [each.id for each in made]

    async def listed(**filters: Any) -> list[str]:
        rows = link.bookings.list(therapist_id=therapist, **filters)
        return [each.id async for each in rows]

    assert await listed(page_size=2, newest_first=False) == expected
    assert await listed(page_size=7) == expected[::-1]
    assert await listed(page_size=3, limit=5, newest_first=False) == expected[:5]
    assert await listed(limit=0) == []
    assert (
        await listed(starts_from=made[2].starts_at, starts_before=made[4].starts_at, newest_first=False)
        == (expected[2:4])
    )


async def test_a_list_pages_through_bookings_of_the_same_start(link: AsyncMassageLink, market: Market) -> None:
    customer, start = market.someone(), market.start()
    made = [await link.bookings.request(**market.wish(starts_at=start, customer_id=customer)) for _ in range(5)]
    listed = [each.id async for each in link.bookings.list(customer_id=customer, page_size=2)]
    assert sorted(listed) == sorted(each.id for each in made)


async def test_a_list_is_narrowed_by_customer_therapist_and_state(link: AsyncMassageLink, market: Market) -> None:
    customer = market.someone()
    pending = await link.bookings.request(**market.wish(customer_id=customer))
    declined = await link.bookings.request(**market.wish(customer_id=customer))
    await link.bookings.decline(declined.id)
    other = await link.bookings.request(**market.wish())

    async def ids(**filters: Any) -> set[str]:
        rows = link.bookings.list(**filters)
        return {each.id async for each in rows}

    assert await ids(customer_id=customer) == {pending.id, declined.id}
    assert await ids(customer_id=customer, status=Status.DECLINED) == {declined.id}
    assert await ids(customer_id=customer, status=[Status.DECLINED, Status.PENDING]) == {pending.id, declined.id}
    assert await ids(therapist_id=other.therapist_id) == {other.id}
    assert await ids(customer_id=customer, therapist_id=other.therapist_id) == set()
