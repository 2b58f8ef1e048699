"""``massage-link demo``: what it prints and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from demo_world import good_books, good_record
from massage_link.cli.app import app
from massage_link.cli.keep import printed_settings
from massage_link.demo.record import Record
from massage_link.demo.run import Kept, Outcome
from massage_link.demo.verdict import Books, judge, report
from massage_link.testing import Emulator

RUNNER = CliRunner()
Ending = Callable[[Record, Books], None]


@pytest.fixture
def ends_with(monkeypatch: pytest.MonkeyPatch) -> Ending:
    """Lets the demo's run come to this end."""

    def make(record: Record, books: Books) -> None:
        problems = judge(record, books)
        outcome = Outcome(report(record, books, problems, seconds=6.0), problems, (), None)
        monkeypatch.setattr("massage_link.demo.run.run_demo", lambda *_, **__: outcome)

    return make


def test_a_good_run_ends_with_zero_and_prints_one_json_object(ends_with: Ending) -> None:
    record = good_record()
    ends_with(record, good_books(record))
    result = RUNNER.invoke(app, ["demo", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["bookings"] == 2


def _lost(record: Record, books: Books) -> Books:
    return replace(books, rooms=books.rooms[1:])


def _doubled(record: Record, books: Books) -> Books:
    alerted = record.expected()[0]
    record.saw(alerted.user_id, alerted.sight, 1.0)
    return books


def _a_cent_off(record: Record, books: Books) -> Books:
    wrong = books.commissions[0].model_copy(update={"commission_minor": books.commissions[0].commission_minor + 1})
    return replace(books, commissions=[wrong, *books.commissions[1:]])


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("spoil", [_lost, _doubled, _a_cent_off])
def test_anything_lost_doubled_or_off_by_a_cent_ends_with_one(
    ends_with: Ending, spoil: Callable[[Record, Books], Books], options: list[str]
) -> None:
    record = good_record()
    ends_with(record, spoil(record, good_books(record)))
    assert RUNNER.invoke(app, ["demo", *options]).exit_code == 1


def test_with_json_the_problems_go_to_standard_error(ends_with: Ending) -> None:
    record = good_record()
    ends_with(record, _lost(record, good_books(record)))
    result = RUNNER.invoke(app, ["demo", "--json"])
    assert json.loads(result.stdout)["lost"] == 1
    assert "lost: booking b1 has no room" in result.stderr


@pytest.mark.parametrize("count", ["0", "-1", "5001", "many"])
def test_a_number_of_bookings_that_makes_no_sense_is_refused(count: str) -> None:
    assert RUNNER.invoke(app, ["demo", "--bookings", count]).exit_code == 2


def test_the_settings_of_a_kept_server_can_be_pasted_and_say_who_can_sign_in() -> None:
    process: Any = None
    server = Emulator("http://127.0.0.1:1/v1", "p", "the-key", "token", process)
    kept = Kept(server, ["zoe@example.com"], "the-password")
    lines = printed_settings(kept).splitlines()
    pasted = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert pasted == {
        "APPWRITE_ENDPOINT": "http://127.0.0.1:1/v1", "APPWRITE_PROJECT_ID": "p", "APPWRITE_API_KEY": "the-key",
    }  # fmt: skip
    assert any("zoe@example.com" in line and "the-password" in line for line in lines)
    assert "the-password" not in repr(kept)
