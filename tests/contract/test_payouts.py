"""Payouts: each booking once under one name, however often the batch is begun; what is owed back is taken off."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledgers import Till, euros, opened_till
from marketplace import Server, gathered
from massage_link import AsyncMassageLink, Booking, CommissionStatus, Money, Role
from massage_link.domain.commission import EntryKind
from massage_link.domain.states import Actor
from massage_link.errors import InvalidInput
from massage_link.usecases.payouts import PayoutReport, pay_out, payout_report
from massage_link.usecases.transitions import OPS
from steps import Crash, Steps, at, crash


@pytest.fixture(scope="module")
def the_till(server: Server) -> Iterator[Till]:
    """One database for this module."""
    with opened_till(server) as till:
        yield till


@pytest.fixture
def till(the_till: Till) -> Till:
    """The till, empty."""
    the_till.market.empty()
    return the_till


def sums(report: PayoutReport) -> list[tuple[str, str, int, int]]:
    """Who is to get how much for how many."""
    return [(line.therapist_id, line.currency, line.count, line.amount.minor) for line in report.lines]


def completed(till: Till, *, price: Money | None = None, **changes: Any) -> Booking:
    """A completed booking for 95.05 EUR, unless another price is said."""
    return till.booking(price=price or Money(9_505, "EUR"), **changes)


def payouts_of(till: Till, booking: Booking) -> list[int]:
    """What was paid for a booking, entry by entry."""
    entries = till.link.commissions.entries(booking.id)
    return [-entry.balance_minor for entry in entries if entry.kind is EntryKind.PAYOUT]


def test_what_is_due_is_paid_and_nothing_else(till: Till) -> None:
    one = completed(till, therapist_id="tina")
    completed(till, therapist_id="tina", price=Money(9_999, "JPY"))
    completed(till, therapist_id="tom")
    completed(till, therapist_id="tom", canary=True)
    for end in ("pending", "accepted", "declined", "cancelled"):
        till.booking(end, therapist_id="tina")
    till.booking("cancelled late", therapist_id="tom")
    report = till.link.commissions.pay_out("2026-11")
    assert sums(report) == [
        ("tina", "EUR", 1, 6_653),
        ("tina", "JPY", 1, 6_999),
        ("tom", "EUR", 2, 6_653 + 3_802),
    ]
    assert [(total.currency, total.count, total.amount.minor) for total in report.totals] == [
        ("EUR", 3, 2 * 6_653 + 3_802),
        ("JPY", 1, 6_999),
    ]
    assert (report.paid, report.carried, report.failed, report.complete) == (4, 0, (), True)
    commission = till.link.commissions.get(one.id)
    assert (commission.status, commission.balance_minor, commission.paid_minor) == (CommissionStatus.PAID, 0, 6_653)
    entry = list(till.link.commissions.entries(one.id))[-1]
    assert (entry.reference, entry.actor, entry.gross_minor, entry.net_minor) == ("payout:2026-11", "ops", 0, 0)
    till.market.check()


def test_a_batch_that_is_repeated_says_the_same_and_pays_nothing_more(till: Till) -> None:
    booking = completed(till)
    first = till.link.commissions.pay_out("Nov")
    again = till.link.commissions.pay_out("nov")
    assert (again.paid, sums(again)) == (0, sums(first))
    assert payouts_of(till, booking) == [6_653]


def test_a_dry_run_says_what_the_batch_will_pay_and_writes_nothing(till: Till) -> None:
    _owing(till, "tina", "9.00")
    for therapist in ("tina", "tina", "tom"):
        completed(till, therapist_id=therapist)
    before = till.market.contents()
    dry = till.link.commissions.pay_out("b", dry_run=True)
    assert till.market.contents() == before
    wet = till.link.commissions.pay_out("b")
    assert (dry.dry_run, wet.dry_run) == (True, False)
    assert (sums(dry), dry.paid, dry.carried) == (sums(wet), wet.paid, wet.carried)
    assert sums(wet)[0] == ("tina", "EUR", 3, 2 * 6_653 - 630)


def test_only_one_therapist_s_or_only_what_fell_due_before_is_paid_when_asked(till: Till) -> None:
    early, late = completed(till, therapist_id="tina"), completed(till, therapist_id="tom")
    due_at = till.link.commissions.get(late.id).due_at
    assert due_at is not None
    assert sums(till.link.commissions.pay_out("b1", therapist_id="tina")) == [("tina", "EUR", 1, 6_653)]
    assert sums(till.link.commissions.pay_out("b2", until=due_at)) == []
    assert sums(till.link.commissions.pay_out("b2", until=due_at + timedelta(milliseconds=1))) == [
        ("tom", "EUR", 1, 6_653)
    ]
    assert till.link.commissions.get(early.id).status is CommissionStatus.PAID


def _owing(till: Till, therapist_id: str, *backs: str) -> list[Booking]:
    """Bookings of which something was given back after they had been paid."""
    bookings = [completed(till, therapist_id=therapist_id) for _ in backs]
    till.link.commissions.pay_out("old", therapist_id=therapist_id)
    for booking, back in zip(bookings, backs, strict=True):
        till.link.commissions.refund(booking.id, euros(back), key="k", reason="ill")
    return bookings


def test_what_a_therapist_owes_is_taken_off_as_far_as_the_batch_goes(till: Till) -> None:
    (much, little), (lonely,) = _owing(till, "tina", "95.05", "10.00"), _owing(till, "tom", "10.00")
    completed(till, therapist_id="tina", price=euros("20.00"))
    completed(till, therapist_id="tom", price=Money(9_999, "JPY"))
    report = till.link.commissions.pay_out("b")
    # 14.00 less 7.00; the 66.53 are more than what is left, and yen do not pay euros back.
    assert sums(report) == [("tina", "EUR", 2, 1_400 - 700), ("tom", "JPY", 1, 6_999)]
    assert report.carried == 2
    balances = [till.link.commissions.get(each.id).balance_minor for each in (much, little, lonely)]
    assert balances == [-6_653, 0, -700]
    completed(till, therapist_id="tina")
    assert sums(till.link.commissions.pay_out("next", therapist_id="tina")) == [("tina", "EUR", 2, 0)]


def test_what_comes_after_a_batch_has_paid_waits_for_the_next_one(till: Till) -> None:
    booking = completed(till)
    till.link.commissions.pay_out("b")
    till.link.commissions.adjust(booking.id, euros("3.00"), key="k", reason="a long way")
    for dry_run in (True, False):
        again = till.link.commissions.pay_out("b", dry_run=dry_run)
        assert (again.paid, again.carried, again.totals[0].amount) == (0, 1, euros("66.53"))
    assert till.link.commissions.pay_out("c").totals[0].amount == euros("3.00")
    assert payouts_of(till, booking) == [6_653, 300]


def test_a_batch_of_more_than_a_page_is_paid_to_its_end(till: Till) -> None:
    """A hundred and some commissions, put on the books directly: the pages are of a hundred."""
    bookings = [completed(till, therapist_id=f"t{number % 3}") for number in range(104)]
    seen: list[str] = []
    report = till.link.run(pay_out(till.link.ports, "b", actor=OPS, advance=seen.append))
    assert sorted(seen) == sorted(booking.id for booking in bookings)
    assert (report.paid, report.totals[0].count, report.totals[0].amount.minor) == (104, 104, 104 * 6_653)


def test_time_that_runs_out_stops_between_two_bookings(till: Till) -> None:
    for _ in range(3):
        completed(till)
    flow = pay_out(till.link.ports, "b", actor=OPS, budget=timedelta(seconds=-1))
    assert (till.link.run(flow).paid, till.link.run(_again(till)).paid) == (0, 3)


def _again(till: Till) -> Any:
    return pay_out(till.link.ports, "b", actor=Actor("olga", Role.OPS), budget=timedelta(minutes=5))


@pytest.mark.emulator_only
def test_a_batch_that_is_killed_after_any_call_and_repeated_pays_each_booking_once(till: Till, server: Server) -> None:
    number, finished = 0, False
    while not finished:
        till.market.empty()
        bookings = [completed(till, therapist_id="tina"), completed(till, therapist_id="tom")]
        with till.server.link(transport=Steps(after=at(number, crash))) as mortal:
            try:
                mortal.commissions.pay_out("b")
                finished = True
            except Crash:
                number += 1
        report = till.link.commissions.pay_out("b")
        assert [payouts_of(till, booking) for booking in bookings] == [[6_653], [6_653]], number
        assert (report.totals[0].count, report.totals[0].amount.minor) == (2, 2 * 6_653)
        till.market.check()
    assert number > 8


async def test_two_who_pay_at_once_pay_each_booking_once(till: Till) -> None:
    bookings = [completed(till, therapist_id=f"t{number}") for number in range(6)]
    async with (
        AsyncMassageLink(**till.server.arguments()) as one,
        AsyncMassageLink(**till.server.arguments()) as other,
    ):
        same = await gathered(one.commissions.pay_out("b"), other.commissions.pay_out("b"))
    assert sum(report.paid for report in same) == 6, same
    assert [payouts_of(till, booking) for booking in bookings] == [[6_653]] * 6
    assert all(report.failed == () for report in same)


async def test_two_batches_at_once_pay_each_booking_once(till: Till) -> None:
    bookings = [completed(till, therapist_id=f"t{number}") for number in range(6)]
    async with (
        AsyncMassageLink(**till.server.arguments()) as one,
        AsyncMassageLink(**till.server.arguments()) as other,
    ):
        reports = await gathered(one.commissions.pay_out("b"), other.commissions.pay_out("c"))
    assert [payouts_of(till, booking) for booking in bookings] == [[6_653]] * 6
    assert sum(report.totals[0].count for report in reports if report.totals) == 6, reports


async def test_a_refund_that_races_the_payout_is_taken_off_before_or_owed_after(till: Till) -> None:
    async with (
        AsyncMassageLink(**till.server.arguments()) as one,
        AsyncMassageLink(**till.server.arguments()) as other,
    ):
        for _ in range(5):
            till.market.empty()
            booking = completed(till)
            paid, given = await gathered(
                one.commissions.pay_out("b"),
                other.commissions.refund(booking.id, euros("10"), key="k", reason="ill"),
            )
            commission = till.link.commissions.get(booking.id)
            assert given.gross_minor == -1_000
            assert commission.refunded == euros("10")
            # The therapist's share of what is left is 59.53, paid or still to be settled.
            assert commission.paid_minor + commission.balance_minor == 5_953, paid
            till.market.check()


@pytest.mark.parametrize("batch", ["", "no spaces", "x" * 51, "-x"])
def test_a_name_that_is_no_key_is_refused(till: Till, batch: str) -> None:
    with pytest.raises(InvalidInput, match="is not a key"):
        till.link.commissions.pay_out(batch)


def test_an_instant_without_a_time_zone_is_refused(till: Till) -> None:
    with pytest.raises(InvalidInput, match="with a time zone"):
        till.link.commissions.pay_out("b", until=datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_report_travels_as_json(till: Till) -> None:
    completed(till)
    report = till.link.commissions.pay_out("b", until=datetime.now(UTC) + timedelta(days=1))
    assert payout_report(report.as_json()) == report
