"""What docs/health.md shows is what happens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples import ROOT, commands, programs, run, run_command
from massage_link.health.check import DEEP, SHALLOW
from massage_link.health.credentials import SCOPES
from massage_link.health.journey import OBJECTIVES
from massage_link.testing import running_emulator
from massage_link.wire.executions import execute

PAGE = ROOT / "docs" / "health.md"
TEXT = PAGE.read_text("utf-8")


def rows_under(header: str) -> list[list[str]]:
    """Cells of the table with this header."""
    table = re.search(rf"^\| {re.escape(header)} .*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    assert table is not None, header
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table[1].splitlines()]


def test_every_probe_is_explained_and_no_other() -> None:
    named = [name for name in re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE) if name in {*_names(), "removal"}]
    assert named == [*_names(), "removal"]


def _names() -> list[str]:
    return [each.name for each in (*SHALLOW, *DEEP)]


def test_the_scopes_are_those_that_are_tried() -> None:
    assert {scope.strip("`"): use for scope, use in rows_under("scope")} == SCOPES


def test_the_objectives_are_those_that_are_measured() -> None:
    told = {name.strip("`"): re.match(r"(\d+) ms", objective) for name, _, objective in rows_under("step")}
    assert {name: float(found[1]) for name, found in told.items() if found} == OBJECTIVES


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """A server on which everything is deployed, and the settings that lead there."""
    with running_emulator(functions=ROOT / "functions") as server, server.link() as link:
        link.send(execute("sweep", {}))
        link.verify_integration(deep=True)  # the functions are warm now
        yield {
            "APPWRITE_ENDPOINT": server.endpoint,
            "APPWRITE_PROJECT_ID": server.project_id,
            "APPWRITE_API_KEY": server.api_key,
        }


@pytest.mark.long
def test_the_programs_print_what_the_page_says(environment: dict[str, str], tmp_path: Path) -> None:
    examples = programs(PAGE)
    assert len(examples) == 2
    for program, printed in examples:
        assert run(program, tmp_path, environment) == printed


@pytest.mark.long
def test_the_commands_work(environment: dict[str, str], tmp_path: Path) -> None:
    typed = commands(PAGE)
    assert len(typed) == 6
    for command in typed:
        if "--watch" in command:
            command = f"timeout --preserve-status --signal=INT 15 {command}"  # noqa: PLW2901 - it would go on for ever
        if "--deep" in command:
            command += " || test $? = 1"  # noqa: PLW2901 - a busy machine may miss an objective
        assert run_command(command, tmp_path, environment) or ">" in command
    assert "massage_link_health_state 0" in (tmp_path / "massage_link.prom").read_text("utf-8")
