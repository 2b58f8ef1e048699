"""A report as a file: programs read the amounts, spreadsheets run nothing, people find names."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from massage_link.domain.analytics import Dimension, Period, Tallies
from massage_link.domain.analytics_text import analytics_csv
from reports import START, report


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


def test_therapists_have_names_beside_their_ids_where_they_are_known() -> None:
    text = analytics_csv(report(by=["day", "therapist"]), {"mara": "=Mara", "zoe": "Zoe"})
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["therapist_id"], row["therapist"]) for row in rows] == [("mara", "'=Mara"), ("tom", "")]
    assert "therapist" not in analytics_csv(report(by=["service"]), {"mara": "Mara"}).splitlines()[0]


def test_a_report_of_nothing_is_its_heading_alone() -> None:
    empty = Tallies(Period.parse(START, START + timedelta(days=1), "UTC"), (Dimension.DAY,)).report()
    (heading,) = analytics_csv(empty).splitlines()
    assert heading.startswith("day,requests,")
