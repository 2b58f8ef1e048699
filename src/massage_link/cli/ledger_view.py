"""How commissions, ledger entries, statements and payouts are shown in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import typer

from massage_link.cli.tables import counted, print_table

if TYPE_CHECKING:
    from massage_link.domain.commission import Commission, CommissionEntry
    from massage_link.domain.money import Money
    from massage_link.domain.rows import Row
    from massage_link.domain.statement import Statement
    from massage_link.usecases.payouts import PayoutReport
    from massage_link.usecases.totals import CommissionTotal

__all__ = [
    "print_commission",
    "print_commissions",
    "print_entries",
    "print_payout",
    "print_rows",
    "print_statement",
    "print_totals",
]

_SUMS = ("gross", "commission", "net", "refunded", "earned", "paid", "balance")
_AMOUNTS = ("gross", "commission", "net", "balance")


def print_commissions(found: Iterable[Commission]) -> None:
    """One line each."""
    print_table(
        ("booking", "therapist", "status", "currency", *_AMOUNTS),
        ((row.id, row.therapist_id, row.status.value, row.currency, *map(_figure, _amounts(row))) for row in found),
        numbers=_AMOUNTS,
    )


def _amounts(row: Commission) -> tuple[Money, ...]:
    return row.gross, row.commission, row.net, row.balance


def print_commission(row: Commission) -> None:
    """All that is known of one."""
    facts = {
        "booking": row.id,
        "therapist": row.therapist_id,
        "status": row.status.value,
        "gross": str(row.gross),
        "rate": f"{row.rate_bps / 100:.2f} %",
        "commission": str(row.commission),
        "net": str(row.net),
        "refunded": str(row.refunded),
        "earned": str(row.earned),
        "paid": str(row.paid),
        "balance": str(row.balance),
        "due since": "" if row.due_at is None else f"{row.due_at:%Y-%m-%d %H:%M} UTC",
        "entries": str(row.entries),
    }
    print_table(("", ""), facts.items())


def print_totals(found: Iterable[CommissionTotal]) -> None:
    """One line a currency."""
    rows = ([each.currency, str(each.count), *(_figure(getattr(each, name)) for name in _SUMS)] for each in found)
    print_table(("currency", "bookings", *_SUMS), rows, numbers=("bookings", *_SUMS))


def print_rows(rows: Iterable[Row]) -> None:
    """Each as JSON, on a line of its own."""
    from massage_link.worker.describing import row_as_json

    for row in rows:
        typer.echo(row_as_json(row))


def _figure(amount: Money) -> str:
    return f"{amount.decimal:,f}"


def print_entries(found: Sequence[CommissionEntry]) -> None:
    """One line each."""
    from massage_link.domain.money import Money

    def amounts(row: CommissionEntry) -> list[str]:
        minors = (row.gross_minor, row.commission_minor, row.net_minor, row.balance_minor)
        return [_figure(Money(minor, row.currency)) for minor in minors]

    print_table(
        ("n", "at (UTC)", "kind", "reference", "currency", *_AMOUNTS, "by", "reason"),
        (
            (str(row.n), f"{row.at:%Y-%m-%d %H:%M:%S}", row.kind.value, row.reference, row.currency, *amounts(row),
             row.actor, row.reason)
            for row in found
        ),
        numbers=("n", *_AMOUNTS),
    )  # fmt: skip


def print_statement(drawn_up: Statement) -> None:
    """A table for each currency."""
    from massage_link.domain.statement_text import statement_rows

    period = drawn_up.period
    first, end = (f"{period.local(each):%Y-%m-%d %H:%M}" for each in (period.start, period.end))
    typer.echo(f"{drawn_up.therapist_name or drawn_up.therapist_id}, {first} until {end} ({period.timezone})")
    if not drawn_up.accounts:
        typer.echo("Nothing was owed, and nothing came to it.")
    heads = ("when", "what", "booking", "gross", "commission", "amount", "balance")
    for account in drawn_up.accounts:
        typer.echo("")
        opening = ("", "opening balance", "", "", "", "", _figure(account.opening))
        closing = ("", "closing balance", "", "", "", "", _figure(account.closing))
        rows = [opening, *statement_rows(drawn_up, account), closing]
        print_table((account.currency, *heads[1:]), rows, numbers=heads[3:])


def print_payout(report: PayoutReport) -> None:
    """Who is to get how much, and what is left."""
    lines = [(each.therapist_id, each.currency, str(each.count), _figure(each.amount)) for each in report.lines]
    sums = [("total", each.currency, str(each.count), _figure(each.amount)) for each in report.totals]
    print_table(("therapist", "currency", "bookings", "amount"), [*lines, *sums], numbers=("bookings", "amount"))
    verb = "would pay" if report.dry_run else "has paid"
    typer.echo(f"Batch {report.batch}: this run {verb} for {counted(report.paid, 'booking')}.")
    if report.carried:
        left = counted(report.carried, "booking")
        typer.echo(f"Left to a later batch: {left} of which more is owed back than this one pays.")
    for booking_id in report.failed:
        typer.echo(f"{booking_id} could not be paid; repeat the batch.", err=True)
    if not report.complete:
        typer.echo("Time ran out; repeat the batch to go on.", err=True)
