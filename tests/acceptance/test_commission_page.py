"""What docs/commission.md shows is what happens: programs, commands, tables."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from examples import ROOT, commands, programs, run
from massage_link import MassageLink, Money
from massage_link.cli.app import app
from massage_link.domain.commission import CommissionStatus, EntryKind, split
from massage_link.domain.reconciliation import REPAIRABLE, Fault
from massage_link.testing import running_emulator

FILE = ROOT / "docs" / "commission.md"
PAGE = FILE.read_text("utf-8")


def _rows(head: str) -> list[list[str]]:
    """The rows of the table with this head."""
    table = PAGE[PAGE.index(f"| {head} |") :].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_programs_print_and_the_commands_do_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_emulator() as server:
        settings = {
            "APPWRITE_ENDPOINT": server.endpoint,
            "APPWRITE_PROJECT_ID": server.project_id,
            "APPWRITE_API_KEY": server.api_key,
        }
        assert len(programs(FILE)) == 4
        for program, printed in programs(FILE):
            assert run(program, tmp_path, settings) == printed
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        with MassageLink.from_env() as link:
            booking = next(link.bookings.list()).model_copy()
            again = link.bookings.request(
                customer_id=booking.customer_id,
                therapist_id=booking.therapist_id,
                service=booking.service,
                starts_at=booking.ends_at,
                ends_at=booking.ends_at + (booking.ends_at - booking.starts_at),
                price=booking.price,
            )
            link.bookings.accept(again.id)
            link.bookings.complete(again.id)
        assert len(commands(FILE)) == 11
        for line in commands(FILE):
            words = shlex.split(line.replace("BOOKING", again.id))
            assert words[0] == "massage-link"
            done = CliRunner().invoke(app, words[1:])
            assert (done.exit_code, done.stderr) == (0, ""), line
        assert (tmp_path / "statement.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_the_splits_are_right() -> None:
    for currency, decimals, gross, exact, commission, net in _rows("currency | decimals"):
        shares = split(Money.parse(gross.replace(",", ""), currency), 3_000)
        assert len(gross.partition(".")[2]) == int(decimals)
        assert [f"{each.decimal:,f}" for each in (shares.commission, shares.net)] == [commission, net]
        assert f"{shares.gross.decimal * 3_000 / 10_000:,f}".rstrip("0").rstrip(".") == exact


def test_every_state_kind_and_fault_is_explained() -> None:
    assert {row[0].strip("`") for row in _rows("state | when")} == set(CommissionStatus)
    assert [row[0].strip("`") for row in _rows("kind | reference")] == [kind.value for kind in EntryKind]
    faults = _rows("fault | what")
    named = {name: not row[2].startswith("no") for row in faults for name in re.findall(r"`(\w+)`", row[0])}
    assert named == {fault.value: fault in REPAIRABLE for fault in Fault}
