"""The ledger: its entries tell the commission, whatever happens in whatever order, and no cent is lost or made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from ledgers import AT, opened
from massage_link.domain.commission import Commission, CommissionEntry, CommissionStatus, EntryKind, split
from massage_link.domain.entries import (
    accrual,
    adjustment,
    charge_fee,
    fall_due,
    payout,
    refund,
    refundable,
    void,
)
from massage_link.domain.ledger import after, rebuilt
from massage_link.domain.money import Money, currency_exponent
from massage_link.errors import AmountTooLarge, BrokenLedger, IllegalTransition, InvalidInput, InvalidMoney

#: Every currency with a number of decimals: those of 0, 2, 3 and 4 among them.
CURRENCIES = sorted(each.code for each in Currency if each.exponent is not None)
AMOUNTS = st.integers(0, 10**12) | st.integers(0, 200)
RATES = st.integers(0, 10_000) | st.sampled_from([0, 3_000, 10_000])


def due(gross: Money, rate: int = 3_000) -> Commission:
    """A commission of a booking that was completed."""
    commission = opened(gross, rate)
    return after(commission, fall_due(commission, version=3, at=AT))


def refunded(commission: Commission, minor: int, key: str = "r") -> Commission:
    """The commission after a refund."""
    amount = Money(minor, commission.currency)
    return after(commission, refund(commission, amount, key=key, reason="ill", actor="ops", at=AT))


def paid(commission: Commission, batch: str = "p") -> Commission:
    """The commission after a payout."""
    return after(commission, payout(commission, batch=batch, actor="ops", at=AT))


def test_every_number_of_decimals_is_among_the_currencies() -> None:
    assert {currency_exponent(code) for code in CURRENCIES} == {0, 2, 3, 4}
    assert len(CURRENCIES) > 150


# --- refunds ----------------------------------------------------------------------------------------------------------
def test_nineteen_refunds_of_five_on_ninety_five_give_back_exactly_the_commission() -> None:
    for scale in (1, 100):
        commission = due(Money(95 * scale, "EUR"))
        for number in range(19):
            commission = refunded(commission, 5 * scale, f"r{number}")
        assert commission.refunded == commission.gross == Money(95 * scale, "EUR")
        assert commission.refunded_commission_minor == commission.commission_minor
        assert (commission.earned.minor, commission.balance_minor) == (0, 0)
        with pytest.raises(AmountTooLarge, match=r"0\.00 EUR left"):
            refunded(commission, 1)


@given(AMOUNTS, RATES, st.sampled_from(CURRENCIES), st.lists(st.integers(1, 10**12), max_size=12))
def test_the_parts_of_refunds_always_add_up(gross: int, rate: int, currency: str, parts: list[int]) -> None:
    commission = due(Money(gross, currency), rate)
    given_back = 0
    for number, part in enumerate(parts):
        amount = min(part, refundable(commission).minor)
        if not amount:
            break
        entry = refund(commission, Money(amount, currency), key=f"r{number}", reason="so", actor="ops", at=AT)
        assert entry.gross_minor == entry.commission_minor + entry.net_minor == -amount
        assert entry.commission_minor <= 0 >= entry.net_minor
        commission, given_back = after(commission, entry), given_back + amount
        # The oracle: one refund of the sum, in major units, as a person with pencil and paper would reckon it.
        unit = Money(1, currency).decimal
        share = (Money(given_back, currency).decimal * rate / 10_000).quantize(unit, rounding=ROUND_HALF_UP)
        assert Money(commission.refunded_commission_minor, currency).decimal == share
        assert commission.balance_minor == commission.net_minor - (given_back - commission.refunded_commission_minor)
    left = refundable(commission)
    if left:
        commission = refunded(commission, left.minor, "rest")
    assert commission.refunded_commission_minor == commission.commission_minor
    assert commission.balance_minor == commission.earned.minor == 0


@given(AMOUNTS, RATES, st.sampled_from(CURRENCIES))
def test_a_split_adds_up_in_every_currency(gross: int, rate: int, currency: str) -> None:
    shares = split(Money(gross, currency), rate)
    unit = Money(1, currency).decimal
    exact = shares.gross.decimal * Decimal(rate) / 10_000
    assert shares.commission.decimal == exact.quantize(unit, rounding=ROUND_HALF_UP)
    assert shares.commission + shares.net == shares.gross


def test_a_refund_after_the_payout_is_owed_by_the_therapist_until_it_is_settled() -> None:
    commission = refunded(paid(due(Money(9_505, "EUR"))), 1_000)
    assert (commission.status, commission.balance_minor, commission.paid_minor) == (CommissionStatus.DUE, -700, 6_653)
    settled = paid(commission, "next")
    assert (settled.status, settled.balance_minor, settled.paid_minor) == (CommissionStatus.PAID, 0, 5_953)


def test_a_refund_that_costs_the_therapist_nothing_leaves_a_paid_commission_paid() -> None:
    assert refunded(paid(due(Money(9_505, "EUR"), 10_000)), 100).status is CommissionStatus.PAID


@pytest.mark.parametrize(
    ("minor", "currency", "reason", "key", "error", "said"),
    [
        (9_506, "EUR", "so", "k", AmountTooLarge, r"95\.05 EUR left"),
        (0, "EUR", "so", "k", InvalidMoney, "more than zero"),
        (-1, "EUR", "so", "k", InvalidMoney, "more than zero"),
        (1, "JPY", "so", "k", InvalidMoney, "paid in EUR, not in JPY"),
        (1, "EUR", " ", "k", InvalidInput, "a reason is needed"),
        (1, "EUR", "x" * 501, "k", InvalidInput, "at most 500"),
        (1, "EUR", "so", "", InvalidInput, "is not a key"),
        (1, "EUR", "so", "k" * 51, InvalidInput, "is not a key"),
        (1, "EUR", "so", "a b", InvalidInput, "is not a key"),
    ],
)
def test_a_refund_that_can_not_be_is_refused(
    minor: int, currency: str, reason: str, key: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        refund(due(Money(9_505, "EUR")), Money(minor, currency), key=key, reason=reason, actor="ops", at=AT)


def test_an_amount_that_is_no_money_is_refused() -> None:
    with pytest.raises(InvalidMoney, match="an amount is Money"):
        refund(due(Money(1, "EUR")), 1, key="k", reason="so", actor="ops", at=AT)  # type: ignore[arg-type]


def test_nothing_is_given_back_of_what_is_not_due() -> None:
    pending = opened(Money(100, "EUR"))
    gone = after(pending, void(pending, version=2, at=AT))
    for commission in (pending, gone):
        assert refundable(commission) == Money(0, "EUR")
        for correct in (refund, adjustment):
            with pytest.raises(IllegalTransition, match="due or paid"):
                correct(commission, Money(1, "EUR"), key="k", reason="so", actor="ops", at=AT)
        with pytest.raises(IllegalTransition, match="not due"):
            payout(commission, batch="b", actor="ops", at=AT)


def test_keys_differ_by_more_than_capitals() -> None:
    commission = due(Money(100, "EUR"))
    one, other = (
        refund(commission, Money(1, "EUR"), key=key, reason="so", actor="ops", at=AT) for key in ("Key-1", "key-1")
    )
    assert one.reference == other.reference == "refund:key-1"


# --- adjustments ------------------------------------------------------------------------------------------------------
def test_an_adjustment_moves_between_the_two_and_leaves_the_price() -> None:
    commission = due(Money(9_505, "EUR"))
    entry = adjustment(commission, Money(500, "EUR"), key="a", reason="a long way", actor="ops", at=AT)
    assert (entry.gross_minor, entry.commission_minor, entry.net_minor) == (0, -500, 500)
    more = after(commission, entry)
    assert (more.gross_minor, more.earned.minor, more.balance_minor) == (9_505, 2_352, 7_153)
    back = after(more, adjustment(more, Money(-700, "EUR"), key="b", reason="late", actor="ops", at=AT))
    assert (back.adjusted_minor, back.earned.minor, back.balance_minor) == (-200, 3_052, 6_453)


def test_an_adjustment_of_nothing_or_beyond_what_a_row_holds_is_refused() -> None:
    commission = due(Money(9_505, "EUR"))
    with pytest.raises(InvalidMoney, match="more or less than zero"):
        adjustment(commission, Money(0, "EUR"), key="a", reason="so", actor="ops", at=AT)
    with pytest.raises(AmountTooLarge, match="more than a row can hold"):
        adjustment(commission, Money(10**12 + 1, "EUR"), key="a", reason="so", actor="ops", at=AT)


# --- the whole life ---------------------------------------------------------------------------------------------------
def test_a_fee_takes_the_place_of_the_price_at_its_own_rate() -> None:
    commission = opened(Money(9_505, "EUR"))
    fee = split(Money(4_753, "EUR"), 2_000)
    entry = charge_fee(commission, fee, rate_bps=2_000, version=3, at=AT)
    told = after(commission, entry)
    assert (told.gross_minor, told.commission_minor, told.net_minor, told.rate_bps) == (4_753, 951, 3_802, 2_000)
    assert (told.status, told.balance_minor, told.due_at) == (CommissionStatus.DUE, 3_802, AT)
    assert refunded(told, 4_753).refunded_commission_minor == 951


@st.composite
def ledgers(draw: st.DrawFn) -> list[CommissionEntry]:
    """A ledger as it can become, step by step."""
    currency = draw(st.sampled_from(CURRENCIES))
    rate = draw(RATES)
    commission = opened(Money(draw(AMOUNTS), currency), rate)
    entries = [accrual(commission, AT)]

    def add(entry: CommissionEntry) -> None:
        nonlocal commission
        commission = after(commission, entry)
        entries.append(entry)

    end = draw(st.sampled_from(["live", "due", "fee", "void"]))
    if end == "due":
        add(fall_due(commission, version=3, at=AT))
    elif end == "fee":
        own_rate = draw(RATES)
        fee = split(Money(draw(st.integers(0, commission.gross_minor)), currency), own_rate)
        add(charge_fee(commission, fee, rate_bps=own_rate, version=3, at=AT))
    elif end == "void":
        add(void(commission, version=2, at=AT))
    for step in range(draw(st.integers(0, 8)) if end in {"due", "fee"} else 0):
        at = AT + timedelta(days=step)
        kind = draw(st.sampled_from(["refund", "adjustment", "payout"]))
        if kind == "payout" and commission.status is CommissionStatus.DUE:
            add(payout(commission, batch=f"p{step}", actor="ops", at=at))
        elif kind == "refund" and refundable(commission):
            amount = Money(draw(st.integers(1, refundable(commission).minor)), currency)
            add(refund(commission, amount, key=f"r{step}", reason="so", actor="ops", at=at))
        elif kind == "adjustment":
            amount = Money(draw(st.integers(-(10**9), 10**9).filter(bool)), currency)
            add(adjustment(commission, amount, key=f"a{step}", reason="so", actor="ops", at=at))
    assert rebuilt(entries) == commission
    return entries


def _sum(entries: Sequence[CommissionEntry], column: str) -> int:
    return sum(getattr(entry, column) for entry in entries)


@given(ledgers(), st.randoms(use_true_random=False))
def test_the_entries_alone_tell_the_commission_in_whatever_order_they_are_read(
    entries: list[CommissionEntry], chance: object
) -> None:
    shuffled = list(entries)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    told = rebuilt(shuffled)
    assert (told.entries, told.version) == (len(entries), len(entries))
    assert told.commission_minor + told.net_minor == told.gross_minor >= 0
    assert told.commission == split(told.gross, told.rate_bps).commission
    assert _sum(entries, "gross_minor") == told.gross_minor - told.refunded_minor
    assert _sum(entries, "commission_minor") == told.earned.minor
    assert _sum(entries, "balance_minor") == told.balance_minor
    assert _sum(entries, "net_minor") - told.paid_minor == (
        told.balance_minor if told.status is not CommissionStatus.PENDING else told.net_minor
    )
    assert all(entry.gross_minor == entry.commission_minor + entry.net_minor for entry in entries)
    assert (told.status is CommissionStatus.PAID) <= (told.balance_minor == 0)
    assert 0 <= told.refunded_minor <= told.gross_minor
    assert len({entry.reference for entry in entries}) == len(entries)


@given(ledgers(), st.data())
def test_a_ledger_from_which_an_entry_is_missing_or_doubled_is_broken(
    entries: list[CommissionEntry], data: st.DataObject
) -> None:
    victim = data.draw(st.integers(0, len(entries) - 1))
    if victim < len(entries) - 1:  # without its last one it is the ledger of a moment ago
        with pytest.raises(BrokenLedger):
            rebuilt([entry for entry in entries if entry is not entries[victim]])
    with pytest.raises(BrokenLedger):
        rebuilt([*entries, entries[victim]])
    stranger = entries[victim].model_copy(update={"booking_id": "b2"})
    if len(entries) > 1:
        with pytest.raises(BrokenLedger, match="something else"):
            rebuilt([stranger if entry is entries[victim] else entry for entry in entries])


def test_a_ledger_without_entries_tells_nothing() -> None:
    with pytest.raises(BrokenLedger, match="begins with the accrual"):
        rebuilt([])


def test_each_kind_of_entry_has_its_place_in_a_life() -> None:
    commission = opened(Money(9_505, "EUR"))
    entries = [accrual(commission, AT), fall_due(commission, version=3, at=AT)]
    makers: list[Callable[[Commission], CommissionEntry]] = [
        lambda told: refund(told, Money(5, "EUR"), key="k", reason="so", actor="ops", at=AT),
        lambda told: adjustment(told, Money(5, "EUR"), key="k", reason="so", actor="ops", at=AT),
        lambda told: payout(told, batch="b", actor="ops", at=AT),
    ]
    for make in makers:
        entries.append(make(rebuilt(entries)))
    assert [entry.reference for entry in entries] == ["accrual", "due:3", "refund:k", "adjustment:k", "payout:b"]
    assert [entry.id for entry in entries] == [f"b1_{n}" for n in range(1, 6)]
    assert {EntryKind.FEE, EntryKind.VOID}.isdisjoint(entry.kind for entry in entries)
