"""Whatever is lost, doubled or off by a cent is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo_world import FIRST, SECOND, good_books, good_record, with_commissions
from massage_link.demo.record import Kind, Record, Sight
from massage_link.demo.verdict import Books, Shares, judge, report, shares_of
from massage_link.domain.booking import Status
from massage_link.domain.commission import CommissionStatus, split
from massage_link.domain.money import Money

Spoil = Callable[[Books], Books]


def faults(record: Record, books: Books) -> list[str]:
    return sorted(problem.fault for problem in judge(record, books))


def test_a_good_run_has_no_problem() -> None:
    record = good_record()
    assert judge(record, good_books(record)) == []


# --- lost -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", list(Kind))
def test_something_unseen_is_lost(kind: Kind) -> None:
    record = good_record()
    books = good_books(record)
    missing = next(each for each in record.expected() if each.kind is kind)
    del record.seen[missing.user_id, missing.sight]
    (problem,) = judge(record, books)
    assert problem.fault == "lost"
    assert missing.user_id in problem.text


LOSSES: dict[str, Spoil] = {
    "booking": lambda books: replace(books, bookings=books.bookings[1:]),
    "room": lambda books: replace(books, rooms=books.rooms[1:]),
    "message": lambda books: replace(books, messages=books.messages[1:]),
    "last message": lambda books: replace(books, messages=books.messages[:-1]),
    "accrual": lambda books: replace(books, entries=books.entries[1:]),
    "completion": lambda books: replace(
        books, bookings=[books.bookings[0].model_copy(update={"status": Status.ACCEPTED}), *books.bookings[1:]]
    ),
    "due commission": lambda books: replace(
        books,
        commissions=[
            books.commissions[0].model_copy(update={"status": CommissionStatus.PENDING}),
            *books.commissions[1:],
        ],
    ),
}


@pytest.mark.parametrize("what", LOSSES)
def test_a_row_that_is_missing_is_lost(what: str) -> None:
    record = good_record()
    assert faults(record, LOSSES[what](good_books(record))) == ["lost"]


def test_a_missing_commission_is_lost_and_missed_in_ledger_and_totals() -> None:
    record = good_record()
    books = good_books(record)
    assert faults(record, with_commissions(books, list(books.commissions[1:]))) == ["cents", "lost", "lost"]


# --- doubled ----------------------------------------------------------------------------------------------------------
def test_the_same_change_twice_to_one_person_is_a_duplicate() -> None:
    record = good_record()
    alerted = record.expected()[0]
    record.saw(alerted.user_id, alerted.sight, 1.0)
    assert faults(record, good_books(record)) == ["duplicate"]


DOUBLES: dict[str, Spoil] = {
    "booking": lambda books: replace(books, bookings=[*books.bookings, books.bookings[0]]),
    "room": lambda books: replace(books, rooms=[*books.rooms, books.rooms[0]]),
    "room of no booking": lambda books: replace(
        books, rooms=[*books.rooms, books.rooms[0].model_copy(update={"id": "b9"})]
    ),
    "message": lambda books: replace(
        books, messages=[*books.messages, books.messages[-1].model_copy(update={"n": 99, "id": f"{SECOND}_99"})]
    ),
    "commission": lambda books: replace(books, commissions=[*books.commissions, books.commissions[0]]),
    "accrual": lambda books: replace(books, entries=[*books.entries, books.entries[0]]),
}


@pytest.mark.parametrize("what", DOUBLES)
def test_a_row_too_many_is_a_duplicate(what: str) -> None:
    record = good_record()
    assert faults(record, DOUBLES[what](good_books(record))) == ["duplicate"]


def test_a_second_booking_of_the_same_order_is_a_duplicate_and_no_loss() -> None:
    record = good_record()
    books = good_books(record)
    again = books.bookings[0].model_copy(update={"id": "b9"})
    assert faults(record, replace(books, bookings=[*books.bookings, again])) == ["duplicate"]


# --- off by a cent ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("column", ["gross_minor", "commission_minor", "net_minor"])
@pytest.mark.parametrize("off", [1, -1])
def test_a_cent_too_many_or_too_few_is_found_in_row_ledger_and_total(column: str, off: int) -> None:
    record = good_record()
    books = good_books(record)
    first = books.commissions[0]
    wrong = first.model_copy(update={column: getattr(first, column) + off})
    assert faults(record, with_commissions(books, [wrong, *books.commissions[1:]])) == ["cents"] * 3


def test_a_cent_that_is_off_in_the_ledger_alone_is_found() -> None:
    record = good_record()
    books = good_books(record)
    wrong = books.entries[0].model_copy(update={"net_minor": books.entries[0].net_minor + 1})
    assert faults(record, replace(books, entries=[wrong, *books.entries[1:]])) == ["cents"]


def test_two_wrongs_that_cancel_out_in_the_total_are_found() -> None:
    record = good_record()
    record.booked[SECOND] = record.booked[FIRST]
    for expected in record.expected():
        record.seen.setdefault((expected.user_id, expected.sight), [1.0])
    books = good_books(record)
    off = [
        each.model_copy(update={"commission_minor": each.commission_minor + by, "net_minor": each.net_minor - by})
        for each, by in zip(books.commissions, (1, -1), strict=True)
    ]
    assert "cents" in faults(record, with_commissions(books, off))


def test_a_price_that_is_not_the_files_is_found() -> None:
    record = good_record()
    books = good_books(record)
    wrong = books.bookings[0].model_copy(update={"price_minor": books.bookings[0].price_minor + 1})
    assert faults(record, replace(books, bookings=[wrong, *books.bookings[1:]])) == ["cents"]


def test_totals_of_a_currency_that_nobody_paid_in_are_found() -> None:
    record = good_record()
    books = good_books(record)
    strange = replace(books.totals[0], currency="USD")
    assert faults(record, replace(books, totals=[*books.totals, strange])) == ["cents"]


def test_a_strangers_sight_is_a_leak() -> None:
    record = good_record()
    record.saw(record.booked[SECOND].request.customer_id, Sight("commissions", FIRST, "due"), 1.0)
    assert faults(record, good_books(record)) == ["leak"]


@pytest.mark.parametrize(
    ("price", "shares"),
    [
        ("9999", Shares(9999, 3000, 6999)),
        ("95.05", Shares(9505, 2852, 6653)),
        ("12.345", Shares(12345, 3704, 8641)),
        ("0.00", Shares(0, 0, 0)),
        ("5", Shares(5, 2, 3)),
    ],
)
def test_shares_are_thirty_percent_half_up(price: str, shares: Shares) -> None:
    assert shares_of(price) == shares


@given(st.integers(0, 10**12), st.sampled_from([("JPY", 0), ("EUR", 2), ("KWD", 3)]))
def test_shares_agree_with_the_product_for_every_amount(minor: int, currency: tuple[str, int]) -> None:
    code, decimals = currency
    found = shares_of(f"{Decimal(minor).scaleb(-decimals):f}")
    product = split(Money(minor, code), 3_000)
    assert found == (product.gross.minor, product.commission.minor, product.net.minor)


# --- the report -------------------------------------------------------------------------------------------------------
def test_the_report_has_exactly_the_promised_keys() -> None:
    record = good_record()
    result = json.loads(json.dumps(report(record, good_books(record), [], seconds=1.234).as_json()))
    keys = "bookings alerts messages rooms commissions statuses lost duplicates seconds direct_alerts"
    assert list(result) == keys.split()
    assert list(result["alerts"]) == list(result["messages"]) == ["count", "p50_ms", "p95_ms", "p99_ms"]
    assert [list(row) for row in result["commissions"]] == [
        ["currency", "count", "gross_minor", "commission_minor", "net_minor"]
    ] * 2
    assert result["statuses"] == {"completed": 2}
    # The second of the file is written by its customer: it is an alert, and measured apart.
    assert (result["alerts"]["count"], result["direct_alerts"]["count"]) == (2, 1)
    assert (result["bookings"], result["rooms"], result["lost"], result["duplicates"]) == (2, 2, 0, 0)


def test_the_report_counts_losses_and_duplicates() -> None:
    record = good_record()
    books = good_books(record)
    spoilt = replace(books, rooms=[books.rooms[0], books.rooms[0]])
    result = report(record, spoilt, judge(record, spoilt), seconds=1.0)
    assert (result.lost, result.duplicates) == (1, 1)
