"""A report of the business as people and programs read it: a table, a drawing, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import plotext
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from massage_link.domain.analytics import AnalyticsReport, AnalyticsRow, Dimension
from massage_link.domain.analytics_text import COUNTS, GROUPS, RATES, group, seconds

__all__ = ["drawn", "json_of", "table_of"]

_NOTHING = "Nothing happened in this period.\n"
_WIDEST = 10_000
#: A drawing's height in lines; and of so many days each is drawn by itself, of more the weeks.
_HEIGHT = 16
_MOST_DAYS = 45
#: So many therapists or services are drawn: those with the most.
_MOST_BARS = 20
_SHORTEST = 10


# --- for programs -----------------------------------------------------------------------------------------------------
def json_of(report: AnalyticsReport) -> str:
    """One JSON object, on a line; amounts in minor units, times in seconds."""
    period = report.period
    told = {
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
        "timezone": period.zone.key,
        "by": list(report.by),
        "rows": [_object(row, report.by) for row in report.rows],
        "total": _object(report.total, ()),
    }
    return json.dumps(told, ensure_ascii=False) + "\n"


def _object(row: AnalyticsRow, by: Sequence[Dimension]) -> dict[str, Any]:
    return {
        **{GROUPS[each]: value for each, value in zip(by, group(row, by), strict=True)},
        **{name: getattr(row, name) for name in (*COUNTS, *RATES)},
        "answer_p50_seconds": seconds(row.answer_p50),
        "answer_p90_seconds": seconds(row.answer_p90),
        "earned": [
            {
                "currency": each.revenue.currency,
                "revenue_minor": each.revenue.minor,
                "commission_minor": each.commission.minor,
            }
            for each in row.earned
        ],
    }


# --- for people -------------------------------------------------------------------------------------------------------
def table_of(report: AnalyticsReport) -> str:
    """A table with a last line for the whole; no number is ever cut, however narrow the terminal."""
    if not report.rows:
        return _NOTHING
    table = Table(box=None, pad_edge=False, show_footer=bool(report.by))
    total = ["total", *[""] * (len(report.by) - 1)] if report.by else []
    for each, footer in zip(report.by, total, strict=True):
        table.add_column(each, footer=footer, no_wrap=True)
    columns = _columns(report)
    for heading, show in columns:
        table.add_column(heading, footer=show(report.total) if report.by else "", justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(*(Text(name) for name in group(row, report.by)), *(show(row) for _, show in columns))
    return _printed(table)


_Column = tuple[str, Callable[[AnalyticsRow], str]]


def _columns(report: AnalyticsReport) -> list[_Column]:
    columns: list[_Column] = [
        ("requests", lambda row: str(row.requests)),
        ("accepted", lambda row: f"{row.accepted} {_percent(row.acceptance_rate)}"),
        ("answer p50", lambda row: _span(row.answer_p50)),
        ("p90", lambda row: _span(row.answer_p90)),
        ("completed", lambda row: f"{row.completed} {_percent(row.completion_rate)}"),
        ("cancelled", lambda row: f"{row.cancelled} {_percent(row.cancellation_rate)}"),
        ("no-show", lambda row: f"{row.no_shows} {_percent(row.no_show_rate)}"),
    ]
    for code in report.currencies:
        columns.append((f"revenue {code}", lambda row, code=code: f"{row.revenue(code).decimal:,f}"))  # type: ignore[misc]
        columns.append((f"commission {code}", lambda row, code=code: f"{row.commission(code).decimal:,f}"))  # type: ignore[misc]
    return columns


def _percent(rate: float | None) -> str:
    return f"({'–' if rate is None else f'{rate:.0%}'})".rjust(6)


def _span(span: timedelta | None) -> str:
    if span is None:
        return "–"
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def _printed(table: Table) -> str:
    console = Console()
    needed = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
    wide = Console(width=max(console.width, needed), force_terminal=console.is_terminal, color_system="auto")
    with wide.capture() as captured:
        wide.print(table, crop=False)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


# --- drawn ------------------------------------------------------------------------------------------------------------
def drawn(report: AnalyticsReport) -> str:
    """Requests and acceptances, then the revenue of each currency, as bars; for a report by one thing."""
    if not report.rows:
        return _NOTHING
    return "\n".join(_over_time(report) if report.by == (Dimension.DAY,) else _side_by_side(report))


def _over_time(report: AnalyticsReport) -> Iterator[str]:
    names, groups = _columns_of_days(report)
    requests = [sum(row.requests for row in rows) for rows in groups]
    accepted = [sum(row.accepted for row in rows) for rows in groups]
    yield _upright("requests █ and accepted ░", names, [requests, accepted])
    for code in report.currencies:
        revenue = [float(sum(row.revenue(code).decimal for row in rows)) for rows in groups]
        yield _upright(f"revenue, {code}", names, [revenue])


def _columns_of_days(report: AnalyticsReport) -> tuple[list[str], list[list[AnalyticsRow]]]:
    """What each column is called, and the rows that it adds up: a day, or a week where there are many."""
    days = report.by_day
    if len(days) <= _MOST_DAYS:
        return [f"{day:%m-%d}" for day in days], [[row] for row in days.values()]
    weeks = [(monday, list(group)) for monday, group in groupby(days, key=_monday)]
    return [f"{monday:%m-%d}" for monday, _ in weeks], [[days[day] for day in group] for _, group in weeks]


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _upright(title: str, names: list[str], heights: list[list[Any]]) -> str:
    figure = plotext.figure
    figure.clear.all()
    figure.theme("colorless")  # whatever the terminal's colours are, it can be read
    figure.plot_size(Console().width, _HEIGHT)
    figure.title(title)
    figure.draw(figure.bar(names, heights, marker=["█", "░"][: len(heights)], width=0.6))
    text: str = plotext.uncolorize(str(figure.build()))
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _side_by_side(report: AnalyticsReport) -> Iterator[str]:
    # Lying bars are drawn here: plotext 6.1 needs memory by the length that they stand for, a gigabyte for a million.
    rows = sorted(report.rows, key=lambda row: (-row.requests, group(row, report.by)))[:_MOST_BARS]
    yield _lying("requests", report, rows, [(row.requests, str(row.requests)) for row in rows])
    for code in report.currencies:
        amounts = [row.revenue(code).decimal for row in rows]
        yield _lying(f"revenue, {code}", report, rows, [(amount, f"{amount:,f}") for amount in amounts])


def _lying(
    title: str, report: AnalyticsReport, rows: Sequence[AnalyticsRow], values: Sequence[tuple[Decimal | int, str]]
) -> str:
    names = [group(row, report.by)[0] for row in rows]
    widths = max(map(cell_len, names)), max(len(shown) for _, shown in values)
    room = max(_SHORTEST, Console().width - sum(widths) - 4)
    most = max(*(value for value, _ in values), 1)
    lines = [
        f"{set_cell_size(name, widths[0])}  {shown.rjust(widths[1])}  {'█' * round(max(value, 0) / most * room)}"
        for name, (value, shown) in zip(names, values, strict=True)
    ]
    return "".join(f"{line.rstrip()}\n" for line in [title, *lines])
