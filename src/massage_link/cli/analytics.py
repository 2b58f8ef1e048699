"""``massage-link analytics``: how the business does."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from massage_link.errors import UsageError

__all__ = ["analytics"]

_DAY = timedelta(days=1)
_USUAL = timedelta(days=29)
_DATE = "%Y-%m-%d"


def analytics(
    *,
    first: Annotated[
        datetime | None,
        typer.Option(
            "--from", formats=[_DATE], metavar="DAY", help="The first day; 29 days before the last if not said."
        ),
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=[_DATE], metavar="DAY", help="The last day; today if not said.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="WHAT", help="Divide by day (if not said), therapist, service; repeatable; or: total."),
    ] = None,
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="Whose days count, an IANA name.")] = "UTC",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV and nothing else.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Draw it instead.")] = False,
    env_file: Annotated[Path, typer.Option(help="Settings, beside those of the environment.")] = Path(".env"),
) -> None:
    """Requests, answers, ends and earnings, counted from the history of all bookings but canaries.

    Everything counts on the day on which it happened. For ops: with a key, or as a user with the label ops.
    """
    from massage_link.cli.analysed import drawn, json_of, table_of
    from massage_link.client.link import MassageLink
    from massage_link.domain.analytics import Dimension
    from massage_link.domain.analytics_text import analytics_csv

    if as_json + as_csv + plot > 1:
        raise UsageError("--json, --csv and --plot exclude each other: give one.")
    divided = Dimension.parse(() if by == ["total"] else by or [Dimension.DAY])
    if plot and len(divided) != 1:
        raise UsageError("--plot draws one thing: give one --by, which is day, therapist or service.")
    with MassageLink.from_env(env_file) as link:
        start, end = _days(link.ports.now(), first, last, timezone)
        report = link.analytics.report(start, end, by=divided, timezone=timezone)
    shown = json_of if as_json else analytics_csv if as_csv else drawn if plot else table_of
    typer.echo(shown(report), nl=False)


def _days(now: datetime, first: datetime | None, last: datetime | None, timezone: str) -> tuple[date, date]:
    """The first day, and the one after the last."""
    from massage_link.domain.analytics import Period

    today = Period.parse(now, now + _DAY, timezone).days[0]
    final = today if last is None else last.date()
    try:
        start = final - _USUAL if first is None else first.date()
        after = final + _DAY
    except OverflowError:
        raise UsageError(f"--to {final} lies beyond the calendar.") from None
    if start > final:
        raise UsageError(f"--from {start} is after --to {final}.")
    return start, after
