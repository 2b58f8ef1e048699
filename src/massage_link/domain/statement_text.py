"""A statement as a file: CSV for a spreadsheet, and a page that prints. Everything in it is data, never markup."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from html import escape

from massage_link.domain.commission import EntryKind
from massage_link.domain.money import Money
from massage_link.domain.statement import Account, Statement, StatementLine

__all__ = ["KIND_NAMES", "in_spreadsheet", "statement_csv", "statement_html", "statement_rows"]

#: What a line is called.
KIND_NAMES = {
    EntryKind.DUE: "Completed",
    EntryKind.FEE: "Fee",
    EntryKind.REFUND: "Refund",
    EntryKind.ADJUSTMENT: "Adjustment",
    EntryKind.PAYOUT: "Payout",
}
_COLUMNS = (
    "currency", "at", "kind", "booking", "reference", "reason", "gross", "commission", "net", "amount", "balance",
)  # fmt: skip
#: A spreadsheet would take a text that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def in_spreadsheet(text: str) -> str:
    """A text as a cell: what a spreadsheet would compute, coming from people, gets an apostrophe before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def statement_csv(statement: Statement) -> str:
    """The lines as CSV (RFC 4180), with the opening and closing balance of each currency.

    Times are those of the period's zone, with their offset; amounts are in major units with a point, such as
    ``-66.53``. A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    period = statement.period
    start, end = (period.local(instant).isoformat() for instant in (period.start, period.end))
    for account in statement.accounts:
        writer.writerow([account.currency, start, "opening", *[""] * 7, _plain(account.opening)])
        for line in account.lines:
            writer.writerow(_csv_row(statement, line))
        writer.writerow([account.currency, end, "closing", *[""] * 7, _plain(account.closing)])
    return text.getvalue()


def _csv_row(statement: Statement, line: StatementLine) -> list[str]:
    amounts = (line.gross, line.commission, line.net, line.amount, line.balance)
    texts = (line.kind.value, line.booking_id, line.reference, line.reason)
    return [
        line.amount.currency,
        statement.period.local(line.at).isoformat(timespec="milliseconds"),
        *map(in_spreadsheet, texts),
        *map(_plain, amounts),
    ]


def _plain(amount: Money) -> str:
    return f"{amount.decimal:f}"


def statement_rows(statement: Statement, account: Account) -> Iterator[tuple[str, ...]]:
    """The lines of an account for people to read: when, what, booking, gross, commission, amount, balance."""
    for line in account.lines:
        what = KIND_NAMES[line.kind] + (f": {line.reason}" if line.reason else "")
        shares = [f"{each.decimal:,f}" if each or line.kind in {EntryKind.DUE, EntryKind.FEE} else ""
                  for each in (line.gross, line.commission)]  # fmt: skip
        yield (
            f"{statement.period.local(line.at):%Y-%m-%d %H:%M}",
            what,
            line.booking_id,
            *shares,
            f"{line.amount.decimal:,f}",
            f"{line.balance.decimal:,f}",
        )


_STYLE = """
@page { size: A4; margin: 18mm 15mm; }
body { font: 10pt/1.4 system-ui, sans-serif; color: #111; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 16pt; margin: 0; }
h2 { font-size: 12pt; margin: 2rem 0 .5rem; break-after: avoid; }
table { border-collapse: collapse; width: 100%; }
caption { position: absolute; left: -100vw; }
th, td { padding: .25rem .5rem; text-align: left; vertical-align: top; border-bottom: 1px solid #bbb; }
td:nth-child(2), td:nth-child(3) { overflow-wrap: anywhere; }
.money { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
tfoot td, .balance td { font-weight: 600; }
@media print { body { margin: 0; max-width: none; padding: 0; } }
"""
_HEADS = ("When", "What", "Booking", "Gross", "Commission", "Amount", "Balance")


def statement_html(statement: Statement) -> str:
    """A page of its own that prints on A4: no scripts, nothing loaded, every text escaped."""
    name = statement.therapist_name or statement.therapist_id
    title = f"Statement of {name} for {statement.period.name}"
    first, end = (statement.period.local(instant) for instant in (statement.period.start, statement.period.end))
    accounts = "".join(_account_html(statement, account) for account in statement.accounts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p>From {first:%Y-%m-%d %H:%M} until {end:%Y-%m-%d %H:%M}, {escape(statement.period.timezone)}.
Therapist {escape(statement.therapist_id)}.</p>
{accounts or "<p>Nothing was owed, and nothing came to it.</p>"}
</body>
</html>
"""


def _account_html(statement: Statement, account: Account) -> str:
    rows = "".join(_row_html(row) for row in statement_rows(statement, account))
    heads = "".join(f'<th scope="col"{_money(n)}>{head}</th>' for n, head in enumerate(_HEADS))
    currency = escape(account.currency)
    sums = "; ".join(
        f"{what} {amount}"
        for what, amount in (
            ("earned", account.earned),
            ("refunded", account.refunded),
            ("adjusted", account.adjusted),
            ("paid", account.paid),
        )
        if amount
    )
    return f"""<h2>{currency}</h2>
<table>
<caption>Account in {currency}</caption>
<thead><tr>{heads}</tr></thead>
<tbody>
<tr class="balance"><td colspan="6">Opening balance</td><td class="money">{account.opening.decimal:,f}</td></tr>
{rows}</tbody>
<tfoot><tr><td colspan="6">Closing balance</td><td class="money">{account.closing.decimal:,f}</td></tr></tfoot>
</table>
<p>{escape(sums[:1].upper() + sums[1:] or "Nothing in this period")}.</p>
"""


def _row_html(row: tuple[str, ...]) -> str:
    cells = "".join(f"<td{_money(n)}>{escape(text)}</td>" for n, text in enumerate(row))
    return f"<tr>{cells}</tr>\n"


def _money(column: int) -> str:
    return ' class="money"' if column >= 3 else ""
