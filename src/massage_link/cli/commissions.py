"""``massage-link commissions``: read the ledger, give back, adjust, draw up statements, pay out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from massage_link.cli.ledger_view import (
    print_commission,
    print_commissions,
    print_entries,
    print_payout,
    print_rows,
    print_statement,
    print_totals,
)
from massage_link.cli.options import AsJson, EnvFile, connected
from massage_link.cli.progress import Bar
from massage_link.cli.tables import put_out

if TYPE_CHECKING:
    from datetime import datetime

    from massage_link.client.link import MassageLink
    from massage_link.domain.commission import CommissionStatus
    from massage_link.usecases.payouts import PayoutReport

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="What the platform earns, and what therapists are owed and paid.")

_Therapist = Annotated[str | None, typer.Option("--therapist", help="Only this therapist's (user id).")]
_Booking = Annotated[str, typer.Argument(help="Id of the booking.")]
_Status = Annotated[str | None, typer.Option("--status", help="Only those that are pending, due, void or paid.")]
_Currency = Annotated[str, typer.Argument(help="Such as EUR.")]
_Key = Annotated[str, typer.Option(help="Repeating it with the same key changes nothing more.")]
_Reason = Annotated[str, typer.Option(help="Kept in the ledger, which the therapist may read.")]
_ENV = Path(".env")


@app.command(name="list")
def list_commissions(
    *,
    therapist: _Therapist = None,
    status: _Status = None,
    limit: Annotated[int, typer.Option(help="At most so many; 0 for all.")] = 100,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """The commissions, in the order in which they were made."""
    with connected(env_file) as link:
        found = link.commissions.list(therapist_id=therapist, status=_state(status), limit=limit or None)
        (print_rows if as_json else print_commissions)(found)


@app.command()
def get(booking: _Booking, *, as_json: AsJson = False, env_file: EnvFile = _ENV) -> None:
    """The commission of a booking."""
    with connected(env_file) as link:
        row = link.commissions.get(booking)
    if as_json:
        print_rows([row])
    else:
        print_commission(row)


@app.command()
def entries(booking: _Booking, *, as_json: AsJson = False, env_file: EnvFile = _ENV) -> None:
    """The ledger entries of a booking, by number."""
    with connected(env_file) as link:
        found = list(link.commissions.entries(booking))
    if as_json:
        print_rows(found)
    else:
        print_entries(found)


@app.command()
def totals(
    *, therapist: _Therapist = None, status: _Status = None, as_json: AsJson = False, env_file: EnvFile = _ENV
) -> None:
    """The sums per currency; canaries are left out."""
    import json

    with connected(env_file) as link:
        found = link.commissions.totals(therapist_id=therapist, status=_state(status))
    if as_json:
        typer.echo(json.dumps({"totals": [each.as_json() for each in found]}))
    else:
        print_totals(found)


@app.command()
def refund(
    booking: _Booking,
    amount: Annotated[str, typer.Argument(help="Such as 5.00.")],
    currency: _Currency,
    *,
    key: _Key,
    reason: _Reason,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """Give something back to the customer; platform and therapist each give their share of it."""
    _correct("refund", booking, amount, currency, key, reason, env_file, as_json=as_json)


@app.command(context_settings={"ignore_unknown_options": True})  # a negative amount is no option
def adjust(
    booking: _Booking,
    amount: Annotated[str, typer.Argument(help="Such as 5.00 or -5.00.")],
    currency: _Currency,
    *,
    key: _Key,
    reason: _Reason,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """Move something from the platform's share to the therapist's; a negative amount moves it back."""
    _correct("adjust", booking, amount, currency, key, reason, env_file, as_json=as_json)


@app.command()
def statement(
    therapist: Annotated[str, typer.Argument(help="User id of the therapist.")],
    period: Annotated[str, typer.Argument(help="2026, 2026-11, 2026-W48, 2026-11-23 or 2026-11-01..2026-11-15.")],
    *,
    timezone: Annotated[str | None, typer.Option(help="Zone of its midnights; else the therapist's, or UTC.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
    as_html: Annotated[bool, typer.Option("--html", help="As a page that prints.")] = False,
    as_json: AsJson = False,
    output: Annotated[Path | None, typer.Option(help="Write it to this file.", dir_okay=False)] = None,
    env_file: EnvFile = _ENV,
) -> None:
    """What a therapist was owed and paid in a period."""
    import json

    from massage_link.domain.statement_text import statement_csv, statement_html
    from massage_link.errors import UsageError

    if as_csv + as_html + as_json > 1:
        raise UsageError("--csv, --html and --json exclude each other.")
    if output is not None and not (as_csv or as_html or as_json):
        raise UsageError("--output asks for --csv, --html or --json.")
    with connected(env_file) as link:
        drawn_up = link.commissions.statement(therapist, period, timezone=timezone)
    if as_csv:
        put_out(statement_csv(drawn_up), output)
    elif as_html:
        put_out(statement_html(drawn_up), output)
    elif as_json:
        put_out(json.dumps(drawn_up.as_json()) + "\n", output)
    else:
        print_statement(drawn_up)


@app.command()
def payout(
    batch: Annotated[str, typer.Argument(help="Its name, such as 2026-11. The same name goes on with the same batch.")],
    *,
    therapist: _Therapist = None,
    until: Annotated[str | None, typer.Option(help="Only what fell due before this day, such as 2026-12-01.")] = None,
    timezone: Annotated[str, typer.Option(help="Zone of that day's midnight.")] = "UTC",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what would be paid.")] = False,
    as_json: AsJson = False,
    env_file: EnvFile = _ENV,
) -> None:
    """Pay what is due, booking by booking; repeated under the same name it goes on where it stopped.

    Prints who is to get how much. Exit code 1 when the batch is not at its end: repeat it.
    """
    import json

    from massage_link.domain.period import Period

    before = None if until is None else Period.parse(until, timezone).start
    with connected(env_file) as link:
        report = _paid(link, batch, therapist, before, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(report.as_json()))
    else:
        print_payout(report)
    if report.failed or not report.complete:
        raise typer.Exit(1)


# --- doing ------------------------------------------------------------------------------------------------------------
def _state(status: str | None) -> CommissionStatus | None:
    return cast("CommissionStatus | None", status)  # the SDK takes the states' own texts, and says which there are


def _correct(
    name: str, booking: str, amount: str, currency: str, key: str, reason: str, env_file: Path, *, as_json: bool
) -> None:
    from massage_link.domain.money import Money

    money = Money.parse(amount, currency)
    with connected(env_file) as link:
        entry = getattr(link.commissions, name)(booking, money, key=key, reason=reason)
    if as_json:
        print_rows([entry])
    else:
        print_entries([entry])


def _paid(
    link: MassageLink, batch: str, therapist: str | None, until: datetime | None, *, dry_run: bool
) -> PayoutReport:
    from massage_link.usecases.payouts import pay_out
    from massage_link.usecases.transitions import OPS

    if dry_run or not link.acts_with_key:
        return link.commissions.pay_out(batch, therapist_id=therapist, until=until, dry_run=dry_run)
    with Bar() as bar:
        if bar.shown:  # what is to come is only counted for somebody who watches
            bar.start(link.commissions.pay_out(batch, therapist_id=therapist, until=until, dry_run=True).paid)
        flow = pay_out(link.ports, batch, actor=OPS, therapist_id=therapist, until=until, advance=bar.advance)
        return link.run(flow)
