"""Bookings, commissions and ledger entries tell the same; or it is said where they do not, and mended if it can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from ledgers import ENDS, Till, opened_till
from marketplace import Server
from massage_link import Booking
from massage_link.domain.ids import slot_id
from massage_link.domain.reconciliation import Fault, Finding
from massage_link.domain.tables import (
    BOOKING_EVENTS,
    BOOKING_TERMS,
    BOOKINGS,
    CHAT_MESSAGES,
    COMMISSION_ENTRIES,
    COMMISSIONS,
    SLOTS,
)
from massage_link.usecases.commissions import ensure_commission, refresh_commission
from massage_link.usecases.reconciliation import Report, check_ledger, reconcile

_CENT = {"commissionMinor": 2_851, "netMinor": 6_654}


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


def check(till: Till, **how: Any) -> Report:
    """What the check says."""
    return till.link.run(check_ledger(till.link.ports, **how))


def faults(report: Report) -> list[tuple[Fault, str]]:
    """What was found, of which row."""
    return [(finding.fault, finding.row_id) for finding in report.findings]


@pytest.mark.parametrize("end", ENDS)
def test_however_a_booking_ends_its_books_are_right(till: Till, end: str) -> None:
    booking = till.booking(end)
    commission = till.link.commissions.get(booking.id)
    assert (commission.status.value, commission.gross_minor, commission.commission_minor) == ENDS[end]
    assert commission.balance_minor == (commission.net_minor if commission.status.value == "due" else 0)
    # For these two it was another time, which the check of stamps would notice.
    report = check(till, full=end not in {"expired", "cancelled late"})
    assert (report.ok, report.bookings, report.difference) == (True, 1, {"EUR": 0}), report.findings
    (currency,) = report.currencies
    assert currency.asked == currency.projected == currency.entered
    assert currency.asked.gross == ENDS[end][1]


@pytest.mark.parametrize("end", ENDS)
def test_a_commission_that_is_lost_with_its_entries_is_computed_as_it_was(till: Till, end: str) -> None:
    booking = till.booking(end)
    before = till.link.commissions.get(booking.id)
    _lose_everything(till, booking)
    report = check(till)
    assert faults(report) == [(Fault.NO_COMMISSION, booking.id)]
    assert report.difference == {"EUR": ENDS[end][1]}
    mended = till.link.run(reconcile(till.link.ports))
    assert (mended.faults, mended.repaired, mended.ok) == (1, 1, True)
    again = till.link.commissions.get(booking.id)
    assert again.model_copy(update={"due_at": None}).columns() == before.model_copy(update={"due_at": None}).columns()
    assert check(till).ok


def _lose_everything(till: Till, booking: Booking) -> None:
    for entry in list(till.link.commissions.entries(booking.id)):
        till.delete(COMMISSION_ENTRIES, entry.id)
    till.delete(COMMISSIONS, booking.id)


Tamper = Callable[[Till, Booking], object]
TAMPERED: dict[str, tuple[Tamper, list[Fault], int, bool]] = {
    "the commission says a cent less": (
        lambda till, it: till.write(COMMISSIONS, it.id, **_CENT),
        [Fault.STALE_PROJECTION],
        1,
        True,
    ),
    "the commission says that it is pending": (
        lambda till, it: till.write(COMMISSIONS, it.id, status="pending"),
        [Fault.STALE_PROJECTION],
        0,
        True,
    ),
    "the commission is gone": (
        lambda till, it: till.delete(COMMISSIONS, it.id),
        [Fault.NO_COMMISSION],
        9_505,
        True,
    ),
    "the entries are gone": (
        lambda till, it: till.delete(COMMISSION_ENTRIES, f"{it.id}_1", f"{it.id}_2"),
        [Fault.NO_ENTRIES],
        9_505,
        False,
    ),
    "the first entry is gone": (
        lambda till, it: till.delete(COMMISSION_ENTRIES, f"{it.id}_1"),
        [Fault.BROKEN_LEDGER],
        9_505,
        False,
    ),
    "the last entry is gone": (
        lambda till, it: till.delete(COMMISSION_ENTRIES, f"{it.id}_2"),
        [Fault.WRONG_STATUS, Fault.STALE_PROJECTION],
        0,
        False,
    ),
    "an entry says a cent less": (
        lambda till, it: till.write(COMMISSION_ENTRIES, f"{it.id}_1", **_CENT),
        [Fault.WRONG_AMOUNT, Fault.STALE_PROJECTION],
        1,
        False,
    ),
    "the price is another": (
        lambda till, it: till.write(BOOKINGS, it.id, priceMinor=9_500),
        [Fault.WRONG_AMOUNT],
        5,
        False,
    ),
    "the rate is another": (
        lambda till, it: till.write(BOOKING_TERMS, it.id, commissionBps=2_000),
        [Fault.WRONG_AMOUNT],
        951,
        False,
    ),
    "the terms are gone": (
        lambda till, it: till.delete(BOOKING_TERMS, it.id),
        [Fault.NO_TERMS],
        9_505,
        False,
    ),
    "the booking is not completed": (
        lambda till, it: till.write(BOOKINGS, it.id, status="accepted"),
        [Fault.WRONG_STATUS],
        0,
        False,
    ),
    "the currency is none": (
        lambda till, it: till.write(BOOKINGS, it.id, currency="XXQ"),
        [Fault.MALFORMED],
        0,
        False,
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_somebody_tampered_with_is_found_and_mended_where_nobody_has_to_decide(till: Till, name: str) -> None:
    tamper, expected, difference, mends = TAMPERED[name]
    good, bad = till.booking(), till.booking()
    tamper(till, bad)
    told: list[Finding] = []
    report = check(till, found=told.append)
    assert faults(report) == [(fault, bad.id) for fault in expected], report.findings
    assert (told, report.ok, report.bookings) == (list(report.findings), False, 2)
    assert sum(report.difference.values()) == difference
    mended = till.link.run(reconcile(till.link.ports))
    assert mended.ok is mends
    assert (faults(check(till)) == []) is mends
    assert till.link.commissions.get(good.id).status.value == "due"


def test_what_has_no_booking_is_found(till: Till) -> None:
    booking = till.booking()
    till.delete(BOOKINGS, booking.id)
    assert faults(check(till)) == [
        (Fault.ORPHAN_COMMISSION, booking.id),
        (Fault.ORPHAN_ENTRIES, booking.id),
    ]


def test_canaries_are_counted_and_not_compared(till: Till) -> None:
    till.booking(canary=True)
    tampered = till.booking(canary=True)
    till.write(COMMISSIONS, tampered.id, **_CENT)
    report = check(till)
    assert (report.canaries, report.bookings, report.currencies, report.ok) == (2, 0, (), True)


def test_only_what_was_written_since_is_looked_at_when_asked(till: Till) -> None:
    early = till.booking()
    till.write(COMMISSIONS, early.id, **_CENT)
    bookings = {row["$id"]: row["$updatedAt"] for row in till.market.raw_rows(BOOKINGS)}
    till.write(BOOKINGS, early.id, **{"statusReason": "so", "$updatedAt": "2020-01-01T00:00:00.000+00:00"})
    late = till.booking()
    assert bookings.keys() == {early.id}
    report = check(till, since=datetime.now(UTC) - timedelta(hours=1))
    assert (report.bookings, report.ok) == (1, True)
    assert faults(check(till)) == [(Fault.STALE_PROJECTION, early.id)]
    assert late.id != early.id


def test_a_young_booking_may_wait_for_its_commission_when_asked(till: Till) -> None:
    booking = till.link.bookings.request(**till.market.wish())
    assert faults(check(till)) == [(Fault.NO_COMMISSION, booking.id)]
    report = check(till, settle=timedelta(minutes=5))
    assert (report.ok, report.waiting, report.bookings) == (True, 1, 0)


def test_a_clock_that_is_behind_the_server_s_hides_nothing(till: Till) -> None:
    booking = till.link.bookings.request(**till.market.wish())
    with till.at(datetime.now(UTC) - timedelta(hours=1)) as behind:
        report = behind.run(check_ledger(behind.ports))
    assert faults(report) == [(Fault.NO_COMMISSION, booking.id)]


def test_more_bookings_than_a_page_are_all_looked_at(till: Till) -> None:
    ids = [till.link.bookings.request(**till.market.wish()).id for _ in range(95)]
    seen: list[int] = []
    report = till.link.run(reconcile(till.link.ports, advance=seen.append))
    assert (report.bookings, report.waiting) == (95, 0)
    assert sorted(finding.row_id for finding in report.findings) == sorted(ids)
    assert (report.repaired, report.ok) == (95, True)
    assert sum(seen) == 95 + 95 + 95
    assert check(till).difference == {"EUR": 0}


def test_refreshing_a_commission_says_what_is_stored(till: Till) -> None:
    booking = till.booking()
    good = till.link.commissions.get(booking.id)
    till.write(COMMISSIONS, booking.id, **_CENT)
    refreshed = till.link.run(refresh_commission(till.link.ports, booking.id))
    assert refreshed is not None
    assert refreshed.columns() == good.columns() == till.link.commissions.get(booking.id).columns()
    till.delete(COMMISSIONS, booking.id)
    again = till.link.run(refresh_commission(till.link.ports, booking.id))
    assert again is not None
    assert again.columns() == good.columns()


def test_a_booking_whose_commission_was_taken_away_can_still_be_completed(till: Till) -> None:
    booking = till.booking("accepted")
    till.delete(COMMISSIONS, booking.id)
    till.link.bookings.complete(booking.id)
    assert check(till).ok


def test_a_projection_that_lies_is_not_believed_by_what_comes_next(till: Till) -> None:
    booking = till.booking("accepted")
    till.write(COMMISSIONS, booking.id, **_CENT)
    till.link.bookings.complete(booking.id)
    assert till.link.commissions.get(booking.id).commission_minor == 2_852
    assert check(till).ok


# --- slots ------------------------------------------------------------------------------------------------------------
def _slot(till: Till, booking: Booking, bucket: int, booking_id: str | None = None) -> str:
    row_id = slot_id(booking.therapist_id, bucket)
    till.create(SLOTS, row_id, therapistId=booking.therapist_id, bookingId=booking_id or booking.id)
    return row_id


def test_slots_that_nobody_holds_are_found_and_removed(till: Till) -> None:
    ended, live = till.booking("declined"), till.booking("accepted")
    _slot(till, ended, 1)
    _slot(till, ended, 2)
    _slot(till, live, 3, "gone")
    kept = _slot(till, live, 4)
    report = check(till, full=True)
    assert sorted(faults(report)) == sorted(
        [(Fault.ORPHAN_SLOTS, ended.id), (Fault.ORPHAN_SLOTS, "gone"), (Fault.ORPHAN_SLOTS, live.id)]
    )
    assert check(till).ok  # only the full check looks at slots
    mended = till.link.run(reconcile(till.link.ports, full=True))
    assert (mended.faults, mended.repaired) == (3, 2)
    # Whether a live booking should have a slot that it has not asked for is for a person to say.
    assert [row["$id"] for row in till.market.raw_rows(SLOTS) if row["bookingId"] == live.id].count(kept) == 1
    assert till.market.slots_of(ended) == []
    assert faults(check(till, full=True)) == [(Fault.ORPHAN_SLOTS, live.id)]


def test_a_live_booking_gets_its_time_back_unless_another_holds_it(till: Till) -> None:
    lucky, robbed = till.booking("accepted"), till.booking("pending")
    for booking in (lucky, robbed):
        for bucket in (booking.buckets[0], booking.buckets[-1]):
            till.delete(SLOTS, slot_id(booking.therapist_id, bucket))
    _slot(till, robbed, robbed.buckets[0], lucky.id)
    report = check(till, full=True)
    missing = [finding for finding in report.findings if finding.fault is Fault.MISSING_SLOTS]
    assert sorted(finding.row_id for finding in missing) == sorted([lucky.id, robbed.id])
    text = next(finding.text for finding in missing if finding.row_id == robbed.id)
    assert text.endswith(f"1 are held by {lucky.id}.")
    mended = till.link.run(reconcile(till.link.ports, full=True))
    assert [finding.row_id for finding in mended.findings if finding.repaired] == [lucky.id]
    assert till.market.slots_of(lucky) == sorted([*lucky.buckets, robbed.buckets[0]])
    left = faults(check(till, full=True))
    assert sorted(left) == sorted([(Fault.MISSING_SLOTS, robbed.id), (Fault.ORPHAN_SLOTS, lucky.id)])


# --- stamps -----------------------------------------------------------------------------------------------------------
_PAST, _FUTURE = "2019-05-06T07:08:09.000+00:00", "2099-05-06T07:08:09.000+00:00"
_LONG_AGO = {"statusReason": "so", "$updatedAt": _PAST, "$createdAt": _PAST}
FORGED: dict[str, tuple[Tamper, str]] = {
    "a booking written in the future": (
        lambda till, it: till.write(BOOKINGS, it.id, **{"statusReason": "so", "$updatedAt": _FUTURE}),
        "bookings/{}",
    ),
    "a booking written back with its old stamp": (
        lambda till, it: till.write(BOOKINGS, it.id, **_LONG_AGO),
        "bookings/{}",
    ),
    "a booking changed before it was made": (
        lambda till, it: till.write(BOOKINGS, it.id, **{"statusReason": "so", "$updatedAt": _PAST}),
        "bookings/{}",
    ),
    "an event from before it happened": (
        lambda till, it: till.write(BOOKING_EVENTS, f"{it.id}_2", **{"$createdAt": _PAST}),
        "booking_events/{}_2",
    ),
    "a commission from before its booking": (
        lambda till, it: till.write(COMMISSIONS, it.id, **{"$createdAt": _PAST}),
        "commissions/{}",
    ),
    "a ledger entry from before it was made": (
        lambda till, it: till.write(COMMISSION_ENTRIES, f"{it.id}_1", **{"$createdAt": _PAST}),
        "commission_entries/{}_1",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_stamp_that_cannot_be_the_servers_is_found(till: Till, name: str) -> None:
    forge, row = FORGED[name]
    good, bad = till.booking(), till.booking()
    assert check(till, full=True).ok
    forge(till, bad)
    report = check(till, full=True)
    assert {(finding.fault, finding.row_id) for finding in report.findings} == {
        (Fault.FORGED_STAMP, row.format(bad.id))
    }
    assert report.difference == {"EUR": 0}
    assert till.link.run(reconcile(till.link.ports, full=True)).repaired == 0
    assert good.id != bad.id


def test_a_message_from_the_future_is_found_in_any_table(till: Till) -> None:
    booking = till.booking()
    till.link.chat.send(booking.id, "Hello", sender_id=booking.customer_id)
    till.write(CHAT_MESSAGES, f"{booking.id}_2", **{"$createdAt": _FUTURE})
    report = check(till, full=True)
    assert faults(report) == [(Fault.FORGED_STAMP, f"chat_messages/{booking.id}_2")]


# --- in the middle of business ----------------------------------------------------------------------------------------
def test_a_booking_that_moves_while_it_is_looked_at_is_no_fault(till: Till) -> None:
    """Between any two reads of the check a booking is completed: nothing is called wrong."""
    number, reached = 0, True
    while reached:
        till.market.empty()
        booking = till.booking("accepted")
        report, reached = _with_an_interruption(till, number, lambda: till.link.bookings.complete(booking.id))  # noqa: B023
        assert report.ok, (number, report.findings)
        number += 1
    assert number > 15


def _with_an_interruption(till: Till, number: int, act: Callable[[], object]) -> tuple[Report, bool]:
    """The full check, with something else happening before one of its calls, if it has so many."""
    numbers = iter(range(10**6))

    def before(request: httpx.Request) -> None:
        if next(numbers) == number:
            act()

    with till.server.link() as link:
        link._http.event_hooks = {"request": [before], "response": []}
        report = link.run(check_ledger(link.ports, full=True))
    return report, next(numbers) > number


def test_a_booking_is_ensured_at_most_once_whatever_is_asked_first(till: Till) -> None:
    booking = till.link.bookings.request(**till.market.wish())
    for ensure in (refresh_commission, ensure_commission, refresh_commission):
        till.link.run(ensure(till.link.ports, booking.id))
    assert len(list(till.link.commissions.entries(booking.id))) == 1
