"""Refunds and adjustments: one entry each for a key, whatever is repeated; on either server, with both links."""

from __future__ import annotations

import pytest

from ledgers import euros
from marketplace import LinkMaker, Market, all_of, gathered
from massage_link import AsyncMassageLink, Booking, CommissionEntry, CommissionStatus, Money
from massage_link.domain.commission import EntryKind
from massage_link.errors import (
    AmountTooLarge,
    CredentialRequired,
    IdempotencyMismatch,
    IllegalTransition,
    InvalidInput,
    InvalidMoney,
    NotFound,
)


async def completed(link: AsyncMassageLink, market: Market, price: Money | None = None) -> Booking:
    """A completed booking for 95.00 EUR, or another price."""
    booking = await link.bookings.request(**market.wish(price=price or euros("95.00")))
    await link.bookings.accept(booking.id)
    return await link.bookings.complete(booking.id)


async def test_nineteen_refunds_of_five_on_ninety_five_return_exactly_the_commission(
    link: AsyncMassageLink, market: Market
) -> None:
    booking = await completed(link, market)
    for number in range(19):
        entry = await link.commissions.refund(booking.id, euros("5.00"), key=f"part-{number}", reason="ill")
        assert (entry.kind, entry.gross_minor, entry.n) == (EntryKind.REFUND, -500, number + 3)
    commission = await link.commissions.get(booking.id)
    assert commission.refunded == commission.gross == euros("95.00")
    assert (commission.refunded_commission_minor, commission.commission_minor) == (2_850, 2_850)
    assert (commission.earned, commission.balance) == (euros("0"), euros("0"))
    with pytest.raises(AmountTooLarge, match=r"has 0\.00 EUR left"):
        await link.commissions.refund(booking.id, euros("5.00"), key="one-more", reason="ill")
    market.check()


async def test_a_refund_that_is_repeated_with_its_key_changes_nothing_more(
    link: AsyncMassageLink, market: Market
) -> None:
    booking = await completed(link, market)
    first = await link.commissions.refund(booking.id, euros("5.00"), key="Call-7", reason="ill")
    again = await link.commissions.refund(booking.id, euros("5.00"), key="call-7", reason="said otherwise")
    assert (again.id, again.reason) == (first.id, "ill")
    for other in (euros("5.01"), Money(500, "USD")):
        with pytest.raises(IdempotencyMismatch, match=r"was of 5\.00 EUR"):
            await link.commissions.refund(booking.id, other, key="call-7", reason="ill")
    assert len(await all_of(link.commissions.entries(booking.id))) == 3
    # Another booking may use the same key.
    other_booking = await completed(link, market)
    assert (await link.commissions.refund(other_booking.id, euros("1"), key="call-7", reason="ill")).n == 3


async def test_an_adjustment_says_why_and_by_whom(link: AsyncMassageLink, market: Market) -> None:
    booking = await completed(link, market)
    entry = await link.commissions.adjust(booking.id, euros("4.00"), key="a", reason="a long way")
    assert (entry.kind, entry.reference, entry.reason, entry.actor) == (
        EntryKind.ADJUSTMENT,
        "adjustment:a",
        "a long way",
        "ops",
    )
    await link.commissions.adjust(booking.id, euros("-1.00"), key="b", reason="too much")
    commission = await link.commissions.get(booking.id)
    assert (commission.earned, commission.balance) == (euros("25.50"), euros("69.50"))
    with pytest.raises(IdempotencyMismatch, match=r"was of 4\.00 EUR"):
        await link.commissions.adjust(booking.id, euros("3.00"), key="a", reason="a long way")
    market.check()


async def test_what_can_not_be_corrected_is_said_and_nothing_is_written(link: AsyncMassageLink, market: Market) -> None:
    booking = await link.bookings.request(**market.wish())
    refunds = link.commissions.refund
    with pytest.raises(IllegalTransition, match="is pending"):
        await refunds(booking.id, euros("5"), key="k", reason="ill")
    await link.bookings.accept(booking.id)
    await link.bookings.complete(booking.id)
    before = await all_of(link.commissions.entries(booking.id))
    with pytest.raises(NotFound, match="nosuch"):
        await refunds("nosuch", euros("5"), key="k", reason="ill")
    for key, reason, said in (("no key", "ill", "is not a key"), ("k", "", "a reason is needed")):
        with pytest.raises(InvalidInput, match=said):
            await refunds(booking.id, euros("5"), key=key, reason=reason)
    with pytest.raises(InvalidInput, match="which Appwrite would obey"):
        await refunds(booking.id, euros("5"), key="k", reason='{"method": "increment", "values": [5]}')
    with pytest.raises(InvalidMoney, match="an amount is Money"):
        await refunds(booking.id, 5, key="k", reason="ill")  # type: ignore[arg-type]
    assert await all_of(link.commissions.entries(booking.id)) == before


async def test_ten_who_give_the_same_back_give_it_once(links: LinkMaker, market: Market) -> None:
    booking = await completed(links(), market)
    results = await gathered(
        *(each.commissions.refund(booking.id, euros("5"), key="k", reason="ill") for each in links.abreast(10))
    )
    assert {result.id for result in results} == {f"{booking.id}_3"}, results
    assert (await links().commissions.get(booking.id)).refunded == euros("5")
    market.check()


async def test_those_who_give_back_at_once_never_give_more_than_was_paid(links: LinkMaker, market: Market) -> None:
    booking = await completed(links(), market)
    results = await gathered(
        *(
            each.commissions.refund(booking.id, euros("30"), key=f"k{number}", reason="ill")
            for number, each in enumerate(links.abreast(4))
        )
    )
    given = [result for result in results if isinstance(result, CommissionEntry)]
    assert len(given) == 3, results
    assert [type(result) for result in results if not isinstance(result, CommissionEntry)] == [AmountTooLarge]
    commission = await links().commissions.get(booking.id)
    assert commission.refunded == euros("90")
    # 30 % of 90 in one: no cent is lost between the three.
    assert commission.refunded_commission_minor == 2_700
    market.check()


async def test_a_refund_before_the_payout_is_paid_less_and_one_after_it_is_owed(
    link: AsyncMassageLink, market: Market
) -> None:
    booking = await completed(link, market)
    await link.commissions.refund(booking.id, euros("10"), key="before", reason="ill")
    paid = await link.commissions.pay_out("b1", therapist_id=booking.therapist_id)
    assert [line.amount for line in paid.lines] == [euros("59.50")]
    await link.commissions.refund(booking.id, euros("10"), key="after", reason="ill")
    commission = await link.commissions.get(booking.id)
    assert (commission.status, commission.balance, commission.paid) == (
        CommissionStatus.DUE,
        euros("-7.00"),
        euros("59.50"),
    )
    market.check()


async def test_a_guest_corrects_nothing(links: LinkMaker) -> None:
    guest = links(api_key=None)
    for correct in (guest.commissions.refund, guest.commissions.adjust):
        with pytest.raises(CredentialRequired):
            await correct("b1", euros("5"), key="k", reason="ill")
    with pytest.raises(CredentialRequired):
        await guest.commissions.pay_out("b1")
