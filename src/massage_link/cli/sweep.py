"""``massage-link sweep``: do by hand what the scheduled function does each minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from massage_link.domain.sweeping import SweepReport

__all__ = ["sweep"]

_STEPS = 100


def sweep(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            metavar="TIME",
            help="Look back at least to this day or instant (UTC); if not said, to where the last sweep began.",
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, metavar="SECONDS", help="Stop after so long; the next sweep goes on there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    env_file: Annotated[Path, typer.Option(help="Settings, beside those of the environment.")] = Path(".env"),
) -> None:
    """Expire what nobody answered, and do again what an event that never came left undone.

    Safe to repeat, also beside the scheduled function. Needs an API key. Exit code 1 when a booking could not be dealt
    with (the next run begins with it), when time ran out, or when another sweeper is at work.
    """
    import json
    from dataclasses import asdict

    from massage_link.cli.progress import Bar
    from massage_link.client.link import MassageLink
    from massage_link.usecases.sweep import sweep as sweep_once

    with MassageLink.from_env(env_file) as link, Bar() as bar:
        link.require_key("sweep")
        bar.start(_STEPS)
        flow = sweep_once(
            link.ports,
            budget=None if seconds is None else timedelta(seconds=seconds),
            since=None if since is None else since.replace(tzinfo=UTC),
            dry_run=dry_run,
            progress=lambda done: bar.reach(round(done * _STEPS), "looking at what changed"),
        )
        report = link.run(flow)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
    else:
        _print(report)
    if report.failed or not report.complete:
        raise typer.Exit(1)


def _print(report: SweepReport) -> None:
    if report.elsewhere:
        typer.echo("Another sweeper is at work; this one has left the rest to it.", err=True)
        if not report.since:
            return
    typer.echo(f"{report.since} to {report.until}: {report.checked} bookings were looked at.")
    if report.dry_run:
        typer.echo("Nothing was written; a sweep would do this:")
    for line in _lines(report):
        typer.echo(f"  {line}")
    if not report.repaired:
        typer.echo("Nothing was missing, and nothing was due.")
    for booking_id in report.failed:
        typer.echo(f"{booking_id} could not be dealt with; see the log.", err=True)
    if not report.complete and not report.elsewhere:
        typer.echo("Time ran out; run it again to go on.", err=True)


def _lines(report: SweepReport) -> list[str]:
    told = {
        "expired": report.expired,
        "drafts never decided on": report.drafts,
        "drafts admitted": report.admitted,
        "drafts declined": report.declined,
        "rooms opened": report.rooms,
        "lines written into rooms": report.lines,
        "commissions computed": report.commissions,
        "rooms brought up to date": report.stale_rooms,
        "commissions brought up to date": report.stale_commissions,
        "rooms frozen": report.frozen,
        "health checks cleared away": report.canaries,
    }
    return [f"{what}: {count}" for what, count in told.items() if count]
