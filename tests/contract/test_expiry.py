"""A pending booking holds its time until its time to answer is over, and not a moment longer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from marketplace import LinkMaker, Market, Server, all_of, gathered, own_database
from massage_link import AsyncMassageLink, Booking, Role, Status
from massage_link.domain.booking import BookingEventType
from massage_link.errors import IllegalTransition, SlotTaken, StaleBooking
from massage_link.usecases.ports import Ports
from massage_link.usecases.sweep import sweep
from salon import later


@pytest.fixture(scope="module")
def server(server: Server) -> Iterator[Server]:
    """The server with a database of these tests alone, whose requests may all expire."""
    with own_database(server) as own:
        yield own


@pytest.fixture
async def pending(link: AsyncMassageLink, market: Market) -> Booking:
    """A request that waits for an answer."""
    return await link.bookings.request(**market.wish())


def after_expiry(links: LinkMaker, server: Server, booking: Booking, **by: float) -> AsyncMassageLink:
    """A link whose clock shows the moment at which the booking expires, or one before or after it."""
    assert booking.expires_at is not None
    return links(ports=Ports(database=server.database, now=later(booking.expires_at, **by)))


async def test_an_expired_request_frees_its_time_and_is_on_nobodys_books(
    links: LinkMaker, server: Server, market: Market, pending: Booking
) -> None:
    late = after_expiry(links, server, pending)
    assert await late.bookings.expire_due() >= 1
    expired = await late.bookings.get(pending.id)
    assert (expired.status, expired.version, expired.expires_at) == (Status.EXPIRED, 2, None)
    assert market.slots_of(expired) == []
    event = (await all_of(late.bookings.history(pending.id)))[-1]
    assert (event.type, event.actor_role) == (BookingEventType.EXPIRED, Role.SYSTEM)
    assert (await late.commissions.get(pending.id)).status.value == "void"
    market.check()


async def test_nothing_expires_before_its_time(
    links: LinkMaker, server: Server, market: Market, pending: Booking
) -> None:
    early = after_expiry(links, server, pending, milliseconds=-1)
    await early.bookings.expire_due()
    assert (await early.bookings.get(pending.id)).status is Status.PENDING
    with pytest.raises(SlotTaken):
        await early.bookings.request(**market.wish(therapist_id=pending.therapist_id, starts_at=pending.starts_at))


async def test_what_was_accepted_never_expires(
    links: LinkMaker, server: Server, market: Market, pending: Booking
) -> None:
    late = after_expiry(links, server, pending, hours=1)
    await links().bookings.accept(pending.id)
    await late.bookings.expire_due()
    assert (await late.bookings.get(pending.id)).status is Status.ACCEPTED
    with pytest.raises(SlotTaken):
        await late.bookings.request(**market.wish(therapist_id=pending.therapist_id, starts_at=pending.starts_at))


async def test_an_expired_request_cannot_be_accepted_but_declined(
    links: LinkMaker, server: Server, pending: Booking
) -> None:
    late = after_expiry(links, server, pending)
    with pytest.raises(IllegalTransition, match="could be answered until"):
        await late.bookings.accept(pending.id, by=pending.therapist_id)
    assert (await late.bookings.decline(pending.id, by=pending.therapist_id)).status is Status.DECLINED


async def test_a_request_that_needs_the_time_of_an_expired_one_gets_it_at_once(
    links: LinkMaker, server: Server, market: Market, pending: Booking
) -> None:
    late = after_expiry(links, server, pending)
    start = pending.starts_at + timedelta(minutes=30)
    booking = await late.bookings.request(**market.wish(therapist_id=pending.therapist_id, starts_at=start))
    assert market.slots_of(booking) == list(booking.buckets)
    assert (await late.bookings.get(pending.id)).status is Status.EXPIRED
    assert market.slots_of(pending) == []
    market.check()


async def test_a_move_onto_the_time_of_an_expired_request_succeeds_too(
    links: LinkMaker, server: Server, market: Market, pending: Booking
) -> None:
    start = pending.starts_at + timedelta(hours=6)
    other = await links().bookings.request(**market.wish(therapist_id=pending.therapist_id, starts_at=start))
    await links().bookings.accept(other.id)
    late = after_expiry(links, server, pending)
    moved = await late.bookings.reschedule(other.id, pending.starts_at + timedelta(minutes=30))
    assert market.slots_of(moved) == list(moved.buckets)
    assert (await late.bookings.get(pending.id)).status is Status.EXPIRED


async def test_between_two_expired_requests_and_a_live_one_only_the_live_one_is_in_the_way(
    links: LinkMaker, server: Server, market: Market, pending: Booking
) -> None:
    therapist, hour = pending.therapist_id, timedelta(hours=1)
    live = await links().bookings.request(**market.wish(therapist_id=therapist, starts_at=pending.starts_at + hour))
    await links().bookings.accept(live.id)
    late = after_expiry(links, server, pending)
    half = pending.starts_at + hour / 2
    with pytest.raises(SlotTaken) as refused:
        await late.bookings.request(**market.wish(therapist_id=therapist, starts_at=half))
    assert refused.value.taken == tuple(live.starts_at + n * timedelta(minutes=5) for n in range(6))
    assert (await late.bookings.get(pending.id)).status is Status.EXPIRED
    market.check()


async def test_ten_who_need_the_time_of_an_expired_request_find_one_winner(
    links: LinkMaker, server: Server, market: Market, pending: Booking
) -> None:
    assert pending.expires_at is not None
    racers = links.abreast(10, ports=Ports(database=server.database, now=later(pending.expires_at)))
    wish = market.wish(therapist_id=pending.therapist_id, starts_at=pending.starts_at)
    wishes = [{**wish, "customer_id": market.someone()} for _ in racers]
    results = await gathered(*(each.bookings.request(**its) for each, its in zip(racers, wishes, strict=True)))
    assert sorted(type(result).__name__ for result in results) == ["Booking", *["SlotTaken"] * 9]
    market.check()


async def test_of_an_acceptance_and_an_expiry_at_once_one_wins(
    links: LinkMaker, server: Server, market: Market, pending: Booking
) -> None:
    assert pending.expires_at is not None
    in_time = Ports(database=server.database, now=later(pending.expires_at, milliseconds=-1))
    late = Ports(database=server.database, now=later(pending.expires_at))
    (one,), (two,) = links.abreast(1, ports=in_time), links.abreast(1, ports=late)
    accepted, expired = await gathered(
        one.bookings.accept(pending.id, by=pending.therapist_id), two.bookings.expire_due()
    )
    stored = await links().bookings.get(pending.id)
    if isinstance(accepted, Booking):
        assert stored.status is Status.ACCEPTED
    else:
        assert isinstance(accepted, StaleBooking | IllegalTransition)
        assert expired >= 1
        assert stored.status is Status.EXPIRED
    market.check()


async def test_the_sweeper_expires_what_nobody_answered(
    links: LinkMaker, server: Server, market: Market, pending: Booking
) -> None:
    late = after_expiry(links, server, pending)
    report = await late.run(sweep(late.ports))
    assert report.expired >= 1
    assert (await late.bookings.get(pending.id)).status is Status.EXPIRED
    again = await late.run(sweep(late.ports))
    assert again.expired == 0
    market.check()
