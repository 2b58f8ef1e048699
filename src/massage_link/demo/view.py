"""What the demo shows: progress while it runs (standard error), then a timeline and the numbers (standard output)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from massage_link.demo.run import Outcome
from massage_link.demo.story import Moment, Story
from massage_link.demo.verdict import Problem, Report
from massage_link.domain.money import Money

__all__ = ["Screen", "shown"]

_MOST_PROBLEMS = 20


class Screen:
    """Progress, as it happens; a context manager.

    Args:
        console: where to draw; a bar is drawn on a terminal only.
        bookings: how many will be taken.

    """

    def __init__(self, console: Console, bookings: int) -> None:
        self._console = console
        self._started = time.perf_counter()
        self._bar = Progress(
            TextColumn("  taking bookings"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        )
        self._task = self._bar.add_task("bookings", total=bookings, start=False)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Draw nothing any more."""
        self._bar.stop()

    def done(self, what: str) -> None:
        """A step of the preparations is done."""
        seconds = time.perf_counter() - self._started
        self._console.print(Text.assemble(("✔ ", "green"), (f"{seconds:5.1f} s  ", "dim"), what))

    def taken(self) -> None:
        """A booking has gone the whole way."""
        self._bar.start_task(self._task)
        self._bar.advance(self._task)


def shown(outcome: Outcome) -> RenderableType:
    """Everything that is shown at the end."""
    story = [_timeline(outcome.story), Text()] if outcome.story is not None else []
    report = outcome.report
    return Group(
        *story, _latencies(report), Text(), _ledger(report), Text(), _verdict(report, outcome.problems, outcome.hints)
    )


def _timeline(story: Story) -> RenderableType:
    wish = story.order.request
    moments = sorted(story.moments)
    lines = Table.grid(padding=(0, 2))
    lines.add_column(justify="right", style="cyan", no_wrap=True)
    lines.add_column(style="bold", no_wrap=True)
    lines.add_column()
    for moment in moments:
        lines.add_row(_since(moments[0], moment), Text(moment.who), Text(moment.what))
    begins = f"{wish.starts_at.astimezone(ZoneInfo(wish.timezone)):%a %d %b %H:%M}"
    title = f"{wish.service}, {begins} in {wish.timezone}, {wish.price}"
    return Group(
        Text(title, style="bold"), Text("milliseconds since the booking's commit was sent", style="dim"), lines
    )


def _since(first: Moment, moment: Moment) -> Text:
    return Text(f"{(moment.at - first.at) * 1000:.1f}")


def _latencies(report: Report) -> RenderableType:
    table = Table("request sent → handler entered", title_justify="left", box=None, pad_edge=False)
    for name in ("count", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(name, justify="right")
    trusted = {**report.alerts, "count": report.alerts["count"] - report.direct_alerts["count"]}
    for what, numbers in (
        ("alert to the therapist", trusted),
        ("… of a direct write, once admitted", report.direct_alerts),
        ("chat message to the other", report.messages),
    ):
        table.add_row(what, *_cells(numbers))
    return table


def _cells(numbers: Mapping[str, Any]) -> list[str]:
    values = (numbers["p50_ms"], numbers["p95_ms"], numbers["p99_ms"])
    return [str(numbers["count"]), *("–" if value is None else f"{value:.1f}" for value in values)]


def _ledger(report: Report) -> RenderableType:
    table = Table("ledger", box=None, pad_edge=False)
    for name in ("bookings", "gross", "commission", "net"):
        table.add_column(name, justify="right")
    for total in report.commissions:
        amounts = (Money(total[f"{name}_minor"], total["currency"]).decimal for name in ("gross", "commission", "net"))
        table.add_row(total["currency"], str(total["count"]), *(f"{amount:,f}" for amount in amounts))
    return table


def _verdict(report: Report, problems: Sequence[Problem], hints: Sequence[str]) -> RenderableType:
    statuses = ", ".join(f"{count} {status}" for status, count in report.statuses.items()) or "none"
    facts = Text(f"Bookings: {report.bookings} ({statuses}). Rooms: {report.rooms}. Seconds: {report.seconds:.1f}.")
    if not problems:
        return Group(facts, Text("Nothing lost, nothing doubled, not a cent off.", style="bold green"))
    shown = [Text(f"{problem.fault}: {problem.text}", style="red") for problem in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        shown.append(Text(f"… and {len(problems) - _MOST_PROBLEMS} more", style="red"))
    count = Text(f"{report.lost} lost, {report.duplicates} doubled, {len(problems)} problems:", style="bold red")
    return Group(facts, count, *shown, *(Text(hint) for hint in hints))
