"""A report of the business as a file: CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal

from massage_link.domain.analytics import AnalyticsReport, AnalyticsRow, Dimension
from massage_link.domain.statement_text import in_spreadsheet

__all__ = ["COUNTS", "GROUPS", "RATES", "amounts", "analytics_csv", "group", "seconds"]

#: The columns of a row: numbers, and shares from 0 to 1.
COUNTS = ("requests", "accepted", "declined", "expired", "withdrawn", "completed", "cancelled", "no_shows")
RATES = ("acceptance_rate", "completion_rate", "cancellation_rate", "no_show_rate")
#: Where a row says of which group it is.
GROUPS = {Dimension.DAY: "day", Dimension.THERAPIST: "therapist_id", Dimension.SERVICE: "service"}


def group(row: AnalyticsRow, by: Iterable[Dimension]) -> list[str]:
    """Of which group a row is, as texts."""
    return [str(getattr(row, GROUPS[each])) for each in by]


def seconds(span: timedelta | None) -> float | None:
    """A length of time in seconds."""
    return None if span is None else span.total_seconds()


def amounts(report: AnalyticsReport, row: AnalyticsRow) -> list[Decimal]:
    """Revenue and commission of each currency of the report, in major units."""
    return [amount.decimal for code in report.currencies for amount in (row.revenue(code), row.commission(code))]


def analytics_csv(report: AnalyticsReport, names: Mapping[str, str] | None = None) -> str:
    """A line for each row, without the total; two columns for each currency, amounts with a decimal point.

    Args:
        report: of what.
        names: of therapists, by id; with them comes a column ``therapist``, empty for those that it does not name.

    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    named = names if names is not None and Dimension.THERAPIST in report.by else None
    money = [f"{part}_{code}" for code in report.currencies for part in ("revenue", "commission")]
    times = ["answer_p50_seconds", "answer_p90_seconds"]
    who = [] if named is None else ["therapist"]
    writer.writerow([*(GROUPS[each] for each in report.by), *who, *COUNTS, *RATES, *times, *money])
    for row in report.rows:
        facts = group(row, report.by) + ([] if named is None else [named.get(row.therapist_id or "", "")])
        numbers = [getattr(row, name) for name in (*COUNTS, *RATES)]
        waits = [seconds(row.answer_p50), seconds(row.answer_p90)]
        money_cells = (f"{amount:f}" for amount in amounts(report, row))
        writer.writerow([*map(in_spreadsheet, facts), *map(_cell, [*numbers, *waits]), *money_cells])
    return out.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}".rstrip("0").rstrip(".")
