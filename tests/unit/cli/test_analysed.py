"""A report as table, drawing, JSON and CSV: whatever the names and amounts are, nothing is cut, run or misread."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from massage_link import Money
from massage_link.cli.analysed import drawn, json_of, table_of
from massage_link.domain.analytics import AnalyticsReport, Dimension, Earnings, Happening, Outcome, Period, Tallies
from massage_link.domain.analytics_text import analytics_csv

START = datetime(2026, 11, 2, tzinfo=UTC)


def report(*, by: Sequence[str] = ("day",), days: int = 3, service: str = "Thai") -> AnalyticsReport:
    """A request, its acceptance and completion on the first day; another request on the second."""
    tallies = Tallies(Period.parse(START, START + timedelta(days=days), "UTC"), Dimension.parse(by))
    later, paid = timedelta(hours=2, minutes=5), Earnings(Money(123_456_789, "EUR"), Money(37_037_037, "EUR"))
    for happening in (
        Happening(START, "mara", service, Outcome.REQUESTED),
        Happening(START + later, "mara", service, Outcome.ACCEPTED, answered_after=later),
        Happening(START + 2 * later, "mara", service, Outcome.COMPLETED, earned=paid),
        Happening(START + timedelta(days=1), "tom", service, Outcome.REQUESTED),
    ):
        tallies.add(happening)
    return tallies.report()


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")


def test_no_amount_is_cut_in_a_narrow_terminal() -> None:
    lines = table_of(report()).splitlines()
    assert lines[0].split()[:3] == ["day", "requests", "accepted"]
    assert lines[1].split()[0] == "2026-11-02"
    assert "2 h 05 min" in lines[1]
    assert lines[1].split()[-2:] == ["1,234,567.89", "370,370.37"]
    assert lines[2].split()[:2] == ["2026-11-03", "1"]
    assert lines[-1].split()[:4] == ["total", "2", "1", "(100%)"]
    assert len(lines) == 4


def test_names_are_shown_as_they_are_and_never_taken_for_markup() -> None:
    assert "[red]Thai[/red] :smile:" in table_of(report(by=["service"], service="[red]Thai[/red] :smile:"))


def test_the_total_alone_is_one_line() -> None:
    heading, line = table_of(report(by=())).splitlines()
    assert heading.split()[0] == "requests"
    assert line.split()[0] == "2"


def test_an_empty_period_is_said_to_be_empty() -> None:
    empty = Tallies(Period.parse(START, START + timedelta(days=1), "UTC"), (Dimension.DAY,)).report()
    assert table_of(empty) == drawn(empty) == "Nothing happened in this period.\n"
    assert len(analytics_csv(empty).splitlines()) == 1
    assert json.loads(json_of(empty))["rows"] == []


def test_csv_has_a_line_a_row_and_amounts_that_a_program_reads() -> None:
    first, second = csv.DictReader(io.StringIO(analytics_csv(report(by=["day", "therapist"]))))
    assert (first["day"], first["therapist_id"], first["requests"]) == ("2026-11-02", "mara", "1")
    assert (first["revenue_EUR"], first["commission_EUR"]) == ("1234567.89", "370370.37")
    assert (first["acceptance_rate"], first["answer_p50_seconds"]) == ("1", "7500")
    assert (second["acceptance_rate"], second["answer_p90_seconds"], second["revenue_EUR"]) == ("", "", "0.00")


@pytest.mark.parametrize("name", ['=HYPERLINK("x")', "+1", "-1", "@x"])
def test_a_spreadsheet_shows_a_name_and_does_not_compute_it(name: str) -> None:
    (row,) = csv.DictReader(io.StringIO(analytics_csv(report(by=["service"], service=name))))
    assert row["service"] == f"'{name}"


def test_json_is_one_line_with_minor_units_and_seconds() -> None:
    text = json_of(report(by=["day", "service"]))
    assert text.count("\n") == 1
    told = json.loads(text)
    assert (told["timezone"], told["by"]) == ("UTC", ["day", "service"])
    assert told["rows"][0]["day"] == "2026-11-02"
    assert told["rows"][0]["service"] == "Thai"
    assert told["total"]["earned"] == [
        {"currency": "EUR", "revenue_minor": 123_456_789, "commission_minor": 37_037_037}
    ]
    assert (told["total"]["acceptance_rate"], told["total"]["answer_p50_seconds"]) == (1.0, 7500.0)


def test_days_are_drawn_as_bars_within_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = drawn(report())
    assert "requests █ and accepted ░" in text
    assert "revenue, EUR" in text
    assert all(day in text for day in ("11-02", "11-03", "11-04"))
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text


def test_many_days_are_drawn_by_the_week(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = drawn(report(days=60))
    mondays = [date(2026, 11, 2) + timedelta(days=7 * number) for number in range(9)]
    assert sum(f"{monday:%m-%d}" in text for monday in mondays) >= 5
    assert "11-03" not in text


def test_services_are_drawn_beside_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    title, bar, _, _, revenue = drawn(report(by=["service"], service="Lomi 癒し Nui")).splitlines()
    assert (title, bar.split()[:4]) == ("requests", ["Lomi", "癒し", "Nui", "2"])
    assert bar.count("█") == 60 - 13 - 1 - 4
    assert revenue.split()[3] == "1,234,567.89"


def test_therapists_with_most_requests_come_first() -> None:
    tallies = Tallies(Period.parse(START, START + timedelta(days=1), "UTC"), (Dimension.THERAPIST,))
    for therapist in ("tom", "mara", "mara", "lin", "mara", "lin"):
        tallies.add(Happening(START, therapist, "Thai", Outcome.REQUESTED))
    assert [line.split()[0] for line in drawn(tallies.report()).splitlines()] == ["requests", "mara", "lin", "tom"]
