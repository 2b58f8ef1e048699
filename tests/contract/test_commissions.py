"""Commission: half-up to the minor unit, one entry a booking, settled with it; on either server, with both links."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from appwrite.query import Query

from marketplace import LinkMaker, Market, all_of, gathered
from massage_link import AsyncMassageLink, Booking, Commission, CommissionStatus, Money
from massage_link.domain.commission import EntryKind
from massage_link.domain.tables import COMMISSION_ENTRIES, COMMISSIONS, THERAPIST_TERMS
from massage_link.errors import NotFound
from massage_link.usecases.commissions import ensure_commission
from massage_link.wire.rows import create_row


async def _completed(link: AsyncMassageLink, booking: Booking) -> Commission:
    await link.bookings.accept(booking.id, by=booking.therapist_id)
    await link.bookings.complete(booking.id, by=booking.therapist_id)
    return await link.commissions.get(booking.id)


@pytest.mark.parametrize(
    "price",
    [
        Money(9_505, "EUR"),  # 28.515
        Money(1, "EUR"),
        Money(5, "EUR"),  # 1.5
        Money(9_999, "JPY"),  # 2999.7
        Money(12_345, "KWD"),  # 3.7035
        Money(0, "USD"),
        Money(10**12, "USD"),
    ],
)
async def test_the_commission_is_thirty_percent_rounded_half_up(
    link: AsyncMassageLink, market: Market, price: Money
) -> None:
    commission = await _completed(link, await link.bookings.request(**market.wish(price=price)))
    share = int((Decimal(price.minor) * Decimal("0.30")).quantize(Decimal(1), ROUND_HALF_UP))
    assert (commission.gross, commission.commission) == (price, Money(share, price.currency))
    assert commission.net == price - commission.commission
    assert (commission.rate_bps, commission.status) == (3_000, CommissionStatus.DUE)


async def test_a_completed_booking_has_two_entries_what_was_agreed_and_that_it_is_owed(
    link: AsyncMassageLink, market: Market
) -> None:
    booking = await link.bookings.request(**market.wish())
    commission = await _completed(link, booking)
    agreed, due = await all_of(link.commissions.entries(booking.id))
    assert (agreed.n, agreed.kind, agreed.reference, agreed.balance_minor) == (1, EntryKind.ACCRUAL, "accrual", 0)
    amounts = (commission.gross_minor, commission.commission_minor, commission.net_minor)
    assert (agreed.gross_minor, agreed.commission_minor, agreed.net_minor) == amounts
    assert (agreed.therapist_id, agreed.currency) == (booking.therapist_id, "EUR")
    assert (due.n, due.kind, due.reference, due.gross_minor) == (2, EntryKind.DUE, "due:3", 0)
    assert due.balance_minor == commission.balance_minor == commission.net_minor
    assert commission.due_at == due.at


async def test_the_rate_agreed_with_a_therapist_holds_from_the_request_on(
    link: AsyncMassageLink, market: Market
) -> None:
    therapist = market.someone("therapist")
    terms = THERAPIST_TERMS.model(id=therapist, commission_bps=1_250)
    await link.send(
        create_row(link.ports.address(THERAPIST_TERMS), THERAPIST_TERMS.model, terms.id, terms.columns(), [])
    )
    agreed = await _completed(
        link, await link.bookings.request(**market.wish(therapist_id=therapist, price=Money(10_004, "EUR")))
    )
    assert (agreed.rate_bps, agreed.commission, agreed.net) == (1_250, Money(1_251, "EUR"), Money(8_753, "EUR"))


async def test_ten_who_ensure_a_commission_at_once_write_it_once(links: LinkMaker, market: Market) -> None:
    booking = await links().bookings.request(**market.wish())
    results = await gathered(*(each.run(ensure_commission(each.ports, booking.id)) for each in links.abreast(10)))
    assert {each.id for each in results} == {booking.id}
    for table, column in ((COMMISSIONS, "$id"), (COMMISSION_ENTRIES, "bookingId")):
        assert len(market.rows(table, Query.equal(column, [booking.id]))) == 1
    market.check()


async def test_a_commission_that_is_ensured_late_stands_where_its_booking_does(
    link: AsyncMassageLink, market: Market
) -> None:
    booking = await link.bookings.request(**market.wish())
    pending = await link.run(ensure_commission(link.ports, booking.id))
    assert pending is not None
    assert pending.status is CommissionStatus.PENDING
    await link.bookings.cancel(booking.id, by=booking.customer_id)
    again = await link.run(ensure_commission(link.ports, booking.id))
    assert again is not None
    assert again.status is CommissionStatus.VOID


async def test_there_is_no_commission_of_a_booking_that_is_not_there(link: AsyncMassageLink) -> None:
    with pytest.raises(NotFound, match="nosuchbooking"):
        await link.run(ensure_commission(link.ports, "nosuchbooking"))


async def test_totals_are_kept_apart_by_currency(link: AsyncMassageLink, market: Market) -> None:
    therapist = market.someone("therapist")
    for price in (Money(9_505, "EUR"), Money(5, "EUR"), Money(9_999, "JPY")):
        await _completed(link, await link.bookings.request(**market.wish(therapist_id=therapist, price=price)))
    canary = await link.bookings.request(**market.wish(therapist_id=therapist, canary=True))
    await _completed(link, canary)
    totals = await link.commissions.totals(therapist_id=therapist, status=CommissionStatus.DUE)
    assert [
        (each.currency, each.count, each.gross.minor, each.commission.minor, each.net.minor) for each in totals
    ] == [
        ("EUR", 2, 9_510, 2_854, 6_656),
        ("JPY", 1, 9_999, 3_000, 6_999),
    ]
    listed = await all_of(link.commissions.list(therapist_id=therapist, page_size=2))
    assert len(listed) == 4
