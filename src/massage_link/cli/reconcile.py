"""``massage-link reconcile``: prove that the books are right, or say where they are not, and mend what can be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from massage_link.cli.progress import Bar
from massage_link.cli.tables import counted, print_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from massage_link.domain.reconciliation import Amounts, CurrencyCheck, Finding
    from massage_link.usecases.reconciliation import Report
    from massage_link.wire.call import Flow

__all__ = ["reconcile"]


def reconcile(
    *,
    check: Annotated[bool, typer.Option("--check", help="Only look.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Look at slots and at stamps, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look, and say what would be repaired.")] = False,
    settle: Annotated[
        float, typer.Option(help="Seconds that a new booking may wait for its commission before it counts as wrong.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    env_file: Annotated[Path, typer.Option(help="Settings, beside those of the environment.")] = Path(".env"),
) -> None:
    """Compare bookings, commissions and ledger entries, one by one and per currency, and repair what can be.

    A missing commission is computed, a commission that says something else than its entries is rebuilt; with --full,
    slots that nobody holds are removed, and live bookings get theirs back. Amounts in the ledger are never changed.
    Needs an API key. Exit code 0 when nothing is wrong (any more), 1 when something is.
    """
    import json
    from datetime import timedelta
    from functools import partial

    from massage_link.client.link import MassageLink
    from massage_link.domain.reconciliation import REPAIRABLE
    from massage_link.errors import UsageError
    from massage_link.usecases.reconciliation import check_ledger
    from massage_link.usecases.reconciliation import reconcile as mend

    if not 0 <= settle <= 7 * 86_400:
        raise UsageError(f"--settle is a number of seconds, at most a week, not {settle}.")
    findings: list[Finding] = []

    def found(finding: Finding) -> None:
        if as_json:
            findings.append(finding)
            return
        would = dry_run and finding.fault in REPAIRABLE
        typer.echo(f"{finding}{' (repaired)' if finding.repaired else ' (would be repaired)' if would else ''}")

    with MassageLink.from_env(env_file) as link, Bar() as bar:
        link.require_key("reconcile")
        bar.start(None)
        look: Callable[..., Flow[Report]] = check_ledger if check or dry_run else mend
        waits, advance = timedelta(seconds=settle), partial(bar.advance, "rows")
        report = link.run(look(link.ports, full=full, settle=waits, found=found, advance=advance))
    if as_json:
        told = {**report.as_json(), "findings": [_finding_json(each) for each in findings]}
        typer.echo(json.dumps(told))
    else:
        _print(report)
    if not report.ok:
        raise typer.Exit(1)


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        "fault": finding.fault.value,
        "rowId": finding.row_id,
        "text": finding.text,
        "repaired": finding.repaired,
    }


def _print(report: Report) -> None:
    heads = ("currency", "bookings", "asked", "commissions", "entries", "difference")
    print_table(heads, [_row(each) for each in report.currencies], numbers=heads[1:])
    compared = [
        counted(number, thing)
        for number, thing in (
            (report.bookings, "booking"),
            (report.commissions, "commission"),
            (report.entries, "ledger line"),
        )
    ]
    typer.echo(f"Compared: {', '.join(compared)}; left out: {counted(report.canaries, 'booking')} of health checks.")
    if report.waiting:
        typer.echo(f"Still without a commission: {counted(report.waiting, 'new booking')}.")
    if not report.faults:
        typer.echo("They tell the same: the difference is zero.")
        return
    left = report.faults - report.repaired
    typer.echo(f"Found: {counted(report.faults, 'fault')}; repaired: {report.repaired}; left: {left}.", err=True)


def _row(check: CurrencyCheck) -> list[str]:
    def gross(amounts: Amounts) -> str:
        return _money(amounts.gross, check.currency)

    sums = [gross(each) for each in (check.asked, check.projected, check.entered)]
    return [check.currency, str(check.bookings), *sums, _money(check.difference, check.currency)]


def _money(minor: int, currency: str) -> str:
    from massage_link.domain.money import Money
    from massage_link.errors import InvalidMoney

    try:
        return f"{Money(minor, currency).decimal:,f}"
    except InvalidMoney:  # that is one of the faults
        return str(minor)
