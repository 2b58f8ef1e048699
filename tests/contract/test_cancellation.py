"""What a cancellation or a no-show costs, on every book: quoted first, frozen, and split to the cent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from marketplace import LinkMaker, Market, Server, all_of, gathered
from massage_link import AsyncMassageLink, Booking, Money, Status
from massage_link.domain.commission import CommissionStatus, EntryKind
from massage_link.domain.policy import CancellationPolicy
from massage_link.errors import IllegalTransition, InvalidInput, NotAllowed, StaleBooking
from massage_link.usecases.ports import Ports

POLICY = CancellationPolicy(free_until_hours=24, fee_bps=5_000, no_show_bps=10_000)


class Late:
    """Links whose clock is so many hours before or after a booking's start."""

    def __init__(self, links: LinkMaker, server: Server) -> None:
        self._links, self._server = links, server

    def __call__(self, booking: Booking, *, hours: float) -> AsyncMassageLink:
        """A link with such a clock."""
        moment: datetime = booking.starts_at + timedelta(hours=hours)
        return self._links(ports=Ports(database=self._server.database, now=lambda: moment))


@pytest.fixture
def at(links: LinkMaker, server: Server) -> Late:
    """Clocks."""
    return Late(links, server)


async def accepted(link: AsyncMassageLink, market: Market, **changes: Any) -> Booking:
    """An accepted booking for 95.05 EUR with a policy."""
    booking = await link.bookings.request(**market.wish(**{"cancellation_policy": POLICY, **changes}))
    return await link.bookings.accept(booking.id)


async def books(link: AsyncMassageLink, booking: Booking) -> tuple[CommissionStatus, int, int, int]:
    """Status, gross, commission and net of a booking's commission, of which the entries are the sum."""
    commission = await link.commissions.get(booking.id)
    entries = await all_of(link.commissions.entries(booking.id))
    sums = tuple(sum(getattr(entry, part) for entry in entries) for part in ("gross_minor", "commission_minor"))
    assert sums == (commission.gross_minor, commission.commission_minor)
    assert sum(entry.net_minor for entry in entries) == commission.net_minor
    assert [entry.n for entry in entries] == list(range(1, commission.entries + 1))
    return commission.status, commission.gross_minor, commission.commission_minor, commission.net_minor


async def test_a_late_cancellation_costs_its_share_of_the_price(
    at: Late, link: AsyncMassageLink, market: Market
) -> None:
    booking = await accepted(link, market)
    late = at(booking, hours=-23)
    quote = await late.bookings.quote_cancellation(booking.id, by=booking.customer_id)
    assert (quote.fee, quote.free_until) == (Money(4_753, "EUR"), booking.starts_at - timedelta(hours=24))
    cancelled = await late.bookings.cancel(booking.id, by=booking.customer_id, quoted=quote)
    assert (cancelled.status, cancelled.price) == (Status.CANCELLED, Money(9_505, "EUR"))
    # 30 % of 47.53 is 14.259.
    assert await books(link, booking) == (CommissionStatus.DUE, 4_753, 1_426, 3_327)
    entries = await all_of(link.commissions.entries(booking.id))
    assert [(entry.kind, entry.gross_minor, entry.reference) for entry in entries] == [
        (EntryKind.ACCRUAL, 9_505, "accrual"),
        (EntryKind.FEE, 4_753 - 9_505, "fee:3"),
    ]
    assert (await all_of(link.bookings.history(booking.id)))[-1].facts == {"currency": "EUR", "feeMinor": 4_753}
    assert market.slots_of(cancelled) == []


@pytest.mark.parametrize("hours", [-24, -48])
async def test_a_cancellation_in_time_costs_nothing(
    at: Late, link: AsyncMassageLink, market: Market, hours: int
) -> None:
    booking = await accepted(link, market)
    in_time = at(booking, hours=hours)
    quote = await in_time.bookings.quote_cancellation(booking.id, by=booking.customer_id)
    assert quote.fee == Money(0, "EUR")
    await in_time.bookings.cancel(booking.id, by=booking.customer_id, quoted=quote)
    assert await books(link, booking) == (CommissionStatus.VOID, 0, 0, 0)


@pytest.mark.parametrize("by", ["therapist", "ops"])
async def test_a_cancellation_by_the_other_side_costs_the_customer_nothing(
    at: Late, link: AsyncMassageLink, market: Market, by: str
) -> None:
    booking = await accepted(link, market)
    who = booking.therapist_id if by == "therapist" else None
    late = at(booking, hours=-1)
    assert (await late.bookings.quote_cancellation(booking.id, by=who)).fee == Money(0, "EUR")
    await late.bookings.cancel(booking.id, by=who, reason="ill")
    assert (await books(link, booking))[0] is CommissionStatus.VOID


async def test_what_nobody_has_accepted_is_cancelled_for_nothing(
    at: Late, link: AsyncMassageLink, market: Market
) -> None:
    booking = await link.bookings.request(**market.wish(cancellation_policy=POLICY))
    await at(booking, hours=-1).bookings.cancel(booking.id, by=booking.customer_id)
    assert (await books(link, booking))[0] is CommissionStatus.VOID


async def test_a_quote_holds_until_the_booking_changes(at: Late, link: AsyncMassageLink, market: Market) -> None:
    booking = await accepted(link, market)
    late = at(booking, hours=-2)
    quote = await late.bookings.quote_cancellation(booking.id, by=booking.customer_id)
    await link.bookings.start(booking.id)
    with pytest.raises(StaleBooking, match="has version 3 by now, not 2") as refused:
        await late.bookings.cancel(booking.id, by=booking.customer_id, quoted=quote)
    assert refused.value.current.status is Status.IN_PROGRESS


async def test_a_quote_does_not_hold_when_it_costs_more_by_now(
    at: Late, link: AsyncMassageLink, market: Market
) -> None:
    booking = await accepted(link, market)
    quote = await at(booking, hours=-24).bookings.quote_cancellation(booking.id, by=booking.customer_id)
    late = at(booking, hours=-23.9)
    with pytest.raises(StaleBooking, match=r"costs 47\.53 EUR by now, not 0\.00 EUR"):
        await late.bookings.cancel(booking.id, by=booking.customer_id, quoted=quote)
    assert (await link.bookings.get(booking.id)).status is Status.ACCEPTED
    assert len(market.slots_of(booking)) == 12


async def test_a_no_show_costs_its_own_share_from_the_start_on(
    at: Late, link: AsyncMassageLink, market: Market
) -> None:
    booking = await accepted(link, market)
    with pytest.raises(IllegalTransition, match="not before"):
        await at(booking, hours=-1).bookings.no_show(booking.id, "nobody came", by=booking.therapist_id)
    on_site = at(booking, hours=0.5)
    with pytest.raises(InvalidInput, match="say what was seen"):
        await on_site.bookings.no_show(booking.id, "", by=booking.therapist_id)
    missed = await on_site.bookings.no_show(booking.id, "Rang twice, waited 20 minutes.", by=booking.therapist_id)
    assert (missed.status, missed.status_reason) == (Status.NO_SHOW, "Rang twice, waited 20 minutes.")
    assert await books(link, booking) == (CommissionStatus.DUE, 9_505, 2_852, 6_653)


async def test_ops_waive_a_fee_with_a_reason_and_nobody_else_does(
    at: Late, link: AsyncMassageLink, market: Market
) -> None:
    booking = await accepted(link, market)
    on_site = at(booking, hours=0.5)
    with pytest.raises(NotAllowed, match="only ops may waive a fee"):
        await on_site.bookings.no_show(booking.id, "nobody came", by=booking.therapist_id, waive_fee=True)
    await on_site.bookings.no_show(booking.id, "was in hospital", waive_fee=True)
    assert (await books(link, booking))[0] is CommissionStatus.VOID
    assert (await all_of(link.bookings.history(booking.id)))[-1].facts == {"feeWaived": True}


@pytest.mark.parametrize(
    ("platform_bps", "commission", "net"), [(0, 0, 4_753), (10_000, 4_753, 0), (None, 1_426, 3_327)]
)
async def test_the_fee_is_split_as_the_policy_says(
    at: Late, link: AsyncMassageLink, market: Market, platform_bps: int | None, commission: int, net: int
) -> None:
    policy = POLICY.model_copy(update={"platform_bps": platform_bps})
    booking = await accepted(link, market, cancellation_policy=policy)
    await at(booking, hours=-1).bookings.cancel(booking.id, by=booking.customer_id)
    assert await books(link, booking) == (CommissionStatus.DUE, 4_753, commission, net)


@pytest.mark.parametrize(("minor", "currency", "fee"), [(9_999, "JPY", 5_000), (12_345, "KWD", 6_173), (1, "EUR", 1)])
async def test_a_fee_is_rounded_half_up_in_every_currency(
    at: Late, link: AsyncMassageLink, market: Market, minor: int, currency: str, fee: int
) -> None:
    booking = await accepted(link, market, price=Money(minor, currency))
    await at(booking, hours=-1).bookings.cancel(booking.id, by=booking.customer_id)
    assert (await books(link, booking))[:2] == (CommissionStatus.DUE, fee)


async def test_without_a_policy_a_late_cancellation_costs_nothing(
    at: Late, link: AsyncMassageLink, market: Market
) -> None:
    booking = await accepted(link, market, cancellation_policy=None)
    late = at(booking, hours=-1)
    assert (await late.bookings.quote_cancellation(booking.id, by=booking.customer_id)).free_until is None
    await late.bookings.cancel(booking.id, by=booking.customer_id)
    assert (await books(link, booking))[0] is CommissionStatus.VOID


async def test_a_fee_is_charged_once_however_many_cancel_at_once(
    links: LinkMaker, server: Server, link: AsyncMassageLink, market: Market
) -> None:
    booking = await accepted(link, market)
    moment = booking.starts_at - timedelta(hours=1)
    racers = links.abreast(4, ports=Ports(database=server.database, now=lambda: moment))
    results = await gathered(*(each.bookings.cancel(booking.id, by=booking.customer_id) for each in racers))
    assert sorted(type(result).__name__ for result in results) == ["Booking", *["StaleBooking"] * 3]
    assert await books(link, booking) == (CommissionStatus.DUE, 4_753, 1_426, 3_327)
