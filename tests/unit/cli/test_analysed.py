"""A report as table, drawing and JSON: whatever the names and amounts are, nothing is cut, run or misread."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from massage_link.cli.analysed import drawn, json_of, table_of
from massage_link.domain.analytics import Dimension, Happening, Outcome, Period, Tallies
from reports import START, report


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
    assert json.loads(json_of(empty))["rows"] == []


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
