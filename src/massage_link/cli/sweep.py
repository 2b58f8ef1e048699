"""``massage-link sweep``: do by hand what the scheduled function does each minute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from massage_link.usecases.sweep import SweepReport

__all__ = ["sweep"]


def sweep(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    env_file: Annotated[Path, typer.Option(help="Settings, beside those of the environment.")] = Path(".env"),
) -> None:
    """Expire what nobody answered, and do again what an event that never came left undone.

    Safe to repeat, also beside the scheduled function. Needs an API key. Exit code 1 when a booking could not be dealt
    with; the next run begins with it.
    """
    import json
    from dataclasses import asdict

    from massage_link.client.link import MassageLink
    from massage_link.usecases.sweep import sweep as sweep_once

    with MassageLink.from_env(env_file) as link:
        link.require_key("sweep")
        report = link.run(sweep_once(link.ports))
    if as_json:
        typer.echo(json.dumps(asdict(report)))
    else:
        _print(report)
    if report.failed:
        raise typer.Exit(1)


def _print(report: SweepReport) -> None:
    typer.echo(f"{report.since} to {report.until}:")
    typer.echo(f"{report.expired} bookings expired, {report.admitted} drafts admitted, {report.declined} declined.")
    typer.echo(f"{report.checked} bookings were looked at; each has its room and its commission.")
    for booking_id in report.failed:
        typer.echo(f"{booking_id} could not be dealt with; see the log.", err=True)
    if not report.complete:
        typer.echo("Time ran out; run it again to go on.", err=True)
