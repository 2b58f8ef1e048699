"""Statements: the balance is carried from line to line, and what is written into files stays data."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from ledgers import AT, opened
from massage_link.domain.commission import Commission, CommissionEntry, EntryKind, split
from massage_link.domain.entries import accrual, adjustment, charge_fee, fall_due, payout, refund
from massage_link.domain.ledger import after
from massage_link.domain.money import Money
from massage_link.domain.period import Period
from massage_link.domain.statement import LISTED, Statement, statement_of
from massage_link.domain.statement_text import statement_csv, statement_html

NOVEMBER = Period.parse("2026-07", "Europe/Berlin")
EVIL = '=HYPERLINK("http://x")<script>alert(1)</script>&"\''


def life(booking_id: str, price: Money, *, reason: str = "ill", at: datetime = AT) -> list[CommissionEntry]:
    """A booking that was completed, refunded in part, adjusted and paid, an hour apart."""
    told = opened(price).model_copy(update={"id": booking_id})
    entries = [accrual(told, at)]
    makers: list[Callable[[Commission, datetime], CommissionEntry]] = [
        lambda it, when: fall_due(it, version=3, at=when),
        lambda it, when: refund(it, Money(1_000, price.currency), key="k", reason=reason, actor="ops", at=when),
        lambda it, when: adjustment(it, Money(300, price.currency), key="k", reason=reason, actor="ops", at=when),
        lambda it, when: payout(it, batch="b", actor="ops", at=when),
    ]
    for hour, make in enumerate(makers):
        entries.append(make(told, at + timedelta(hours=hour)))
        told = after(told, entries[-1])
    return entries


def drawn_up(
    entries: Sequence[CommissionEntry], opening: dict[str, int] | None = None, name: str = "Tina"
) -> Statement:
    """A statement of these entries."""
    agreed = {entry.id: entry for entry in entries if entry.kind is EntryKind.ACCRUAL}
    listed = [entry for entry in entries if entry.kind in LISTED]
    return statement_of("t1", name, NOVEMBER, opening=opening or {}, entries=listed, agreed=agreed)


def test_the_balance_is_carried_from_line_to_line() -> None:
    statement = drawn_up([*life("b1", Money(9_505, "EUR")), *life("b2", Money(9_999, "JPY"))], {"EUR": 250, "USD": 7})
    euros, yen, dollars = statement.accounts
    assert [account.currency for account in statement.accounts] == ["EUR", "JPY", "USD"]
    assert [(line.kind.value, line.amount.minor, line.balance.minor) for line in euros.lines] == [
        ("due", 6_653, 6_903),
        ("refund", -700, 6_203),
        ("adjustment", 300, 6_503),
        ("payout", -6_253, 250),
    ]
    assert (euros.opening.minor, euros.closing.minor) == (250, 250)
    assert [each.minor for each in (euros.earned, euros.refunded, euros.adjusted, euros.paid)] == [
        6_653,
        -700,
        300,
        -6_253,
    ]
    # The platform's part: 28.52, less 3.00 of the refund and 3.00 that it gave.
    assert (euros.gross.minor, euros.commission.minor) == (8_505, 2_852 - 300 - 300)
    assert yen.closing == Money(0, "JPY")
    assert (dollars.opening, dollars.lines, dollars.closing) == (Money(7, "USD"), (), Money(7, "USD"))


def test_what_falls_due_is_shown_with_its_price() -> None:
    (account,) = drawn_up(life("b1", Money(9_505, "EUR"))).accounts
    first = account.lines[0]
    assert (first.gross.minor, first.commission.minor, first.net.minor) == (9_505, 2_852, 6_653)
    assert account.lines[1].gross.minor == -1_000
    assert not account.lines[3].gross


def test_a_fee_is_shown_as_what_it_is_not_as_the_difference_to_the_price() -> None:
    told = opened(Money(9_505, "EUR"))
    fee = charge_fee(told, split(Money(4_753, "EUR"), 2_000), rate_bps=2_000, version=3, at=AT)
    (account,) = drawn_up([accrual(told, AT), fee]).accounts
    (line,) = account.lines
    assert (line.gross.minor, line.commission.minor, line.net.minor, line.amount.minor) == (4_753, 951, 3_802, 3_802)


@given(st.permutations(range(8)), st.integers(-(10**9), 10**9))
def test_the_order_in_which_entries_are_read_changes_nothing(order: list[int], opening: int) -> None:
    entries = [*life("b1", Money(9_505, "EUR")), *life("b2", Money(3_300, "EUR"), at=AT + timedelta(minutes=7))]
    listed = [entry for entry in entries if entry.kind in LISTED]
    agreed = {entry.id: entry for entry in entries if entry.kind is EntryKind.ACCRUAL}

    def drawn(some: Sequence[CommissionEntry]) -> Statement:
        return statement_of("t1", "", NOVEMBER, opening={"EUR": opening}, entries=some, agreed=agreed)

    statement = drawn([listed[n] for n in order])
    assert statement == drawn(listed)
    (account,) = statement.accounts
    parts = (account.opening, account.earned, account.refunded, account.adjusted, account.paid)
    assert sum(part.minor for part in parts) == account.closing.minor == opening


def test_nothing_owed_is_a_statement_too() -> None:
    statement = drawn_up([])
    assert statement.accounts == ()
    assert "Nothing was owed" in statement_html(statement)
    assert statement_csv(statement).count("\r\n") == 1


# --- files ------------------------------------------------------------------------------------------------------------
def test_the_csv_is_read_back_as_it_was_meant() -> None:
    statement = drawn_up(life("b1", Money(9_505, "EUR"), reason=EVIL), {"EUR": 250})
    rows = list(csv.DictReader(io.StringIO(statement_csv(statement), newline="")))
    assert [row["kind"] for row in rows] == ["opening", "due", "refund", "adjustment", "payout", "closing"]
    assert [row["balance"] for row in rows] == ["2.50", "69.03", "62.03", "65.03", "2.50", "2.50"]
    assert [row["amount"] for row in rows] == ["", "66.53", "-7.00", "3.00", "-62.53", ""]
    assert rows[1]["at"] == "2026-07-01T11:00:00.000+02:00"
    assert (rows[0]["at"], rows[-1]["at"]) == ("2026-07-01T00:00:00+02:00", "2026-08-01T00:00:00+02:00")
    assert rows[2]["reason"] == f"'{EVIL}"  # a spreadsheet takes it for a text


def test_amounts_in_the_csv_have_the_decimals_of_their_currency() -> None:
    for price, shown in (
        (Money(9_999, "JPY"), "6999"),
        (Money(12_345, "KWD"), "8.641"),
        (Money(12_345, "CLF"), "0.8641"),
    ):
        rows = list(csv.DictReader(io.StringIO(statement_csv(drawn_up(life("b1", price))), newline="")))
        assert rows[1]["amount"] == shown


class Page(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Note it."""
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        """Note it."""
        if data.strip() and self.tags[-1] != "style":
            self.texts.append(data.strip())


def test_the_page_holds_texts_as_texts_and_loads_nothing() -> None:
    statement = drawn_up(life("b1", Money(1_234_505, "EUR"), reason=EVIL), name=EVIL)
    text = statement_html(statement)
    page = Page(text)
    assert {"script", "link", "img", "iframe"}.isdisjoint(page.tags)
    assert f"Refund: {EVIL}" in page.texts
    assert f"Statement of {EVIL} for 2026-07" in page.texts
    assert "8,641.53" in page.texts
    assert "Earned 8,641.53 EUR; refunded -7.00 EUR; adjusted 3.00 EUR; paid -8,637.53 EUR." in page.texts
    assert "@page { size: A4" in text
    assert "@media print" in text
    assert page.tags.count("tr") == 1 + 1 + 4 + 1
    assert "http" not in text.replace("http-equiv", "").replace('"http://x', "").replace("&quot;http://x", "")


def test_a_statement_as_json_adds_up() -> None:
    told = drawn_up(life("b1", Money(9_505, "EUR"))).as_json()
    (account,) = told["accounts"]
    assert (
        account["openingMinor"]
        + account["earnedMinor"]
        + account["refundedMinor"]
        + account["adjustedMinor"]
        + (account["paidMinor"])
        == (account["closingMinor"])
    )
    assert told["period"] == {
        "name": "2026-07",
        "start": "2026-06-30T22:00:00.000+00:00",
        "end": "2026-07-31T22:00:00.000+00:00",
        "timezone": "Europe/Berlin",
    }


def test_the_instant_of_a_line_is_utc_in_the_object() -> None:
    (account,) = drawn_up(life("b1", Money(9_505, "EUR"))).accounts
    assert account.lines[0].at == datetime(2026, 7, 1, 9, tzinfo=UTC)
