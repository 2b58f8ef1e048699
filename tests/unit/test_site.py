"""The documentation as a site: every page has its place, the reference is fresh, what is shown can be done."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import massage_link
from massage_link.cli.app import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
_NAV = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    """What the generator makes of the code as it is."""
    generator: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "docs" / "reference.py"))
    made: dict[str, str] = generator["pages"]()
    return made


def test_every_page_has_its_place_in_the_navigation() -> None:
    named = re.findall(r"([\w/.-]+\.md)$", _NAV, re.MULTILINE)
    assert sorted(named) == [page.relative_to(DOCS).as_posix() for page in PAGES], "see nav in mkdocs.yml"
    assert len(named) == len(set(named))


def test_the_reference_is_fresh(reference: dict[str, str]) -> None:
    there = {page.name: page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md")}
    assert there == reference, "run `python scripts/docs/reference.py`"


def test_every_command_with_every_option_is_in_the_reference(reference: dict[str, str]) -> None:
    def commands(command: Any, name: str) -> dict[str, Any]:
        inner = getattr(command, "commands", None)
        if inner is None:
            return {name: command}
        return {key: one for each, sub in inner.items() for key, one in commands(sub, f"{name} {each}").items()}

    page = reference["cli.md"]
    for name, command in commands(get_command(app), "massage-link").items():
        section = page.partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
        assert section, name
        for option in (each for each in command.params if each.param_type_name == "option"):
            assert f"`{option.opts[0]}" in section, (name, option.opts)


def test_every_operation_is_in_the_reference_with_what_it_gives(reference: dict[str, str]) -> None:
    page = reference["operations.md"]
    assert "request(\n" in page
    assert ") -> Booking\n" in page
    assert "-> iterator of Booking\n" in page
    assert "Flow[" not in page


def test_every_public_name_is_in_the_reference(reference: dict[str, str]) -> None:
    shown = set(re.findall(r"^## `(\w+)`$", "".join(reference.values()), re.MULTILINE))
    assert set(massage_link.__all__) - shown == {"MassageLinkError", "errors", "__version__"}  # the tree of errors


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_block_is_python(page: Path) -> None:
    for block in re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        signature = re.fullmatch(r"(async )?(\w+\(.*\))( -> (iterator of )?[^\n]*)?\n", block, re.DOTALL)
        program = f"def {signature[2]}: ..." if signature and page.parent.name == "reference" else block
        ast.parse(program.replace("…", "..."))


def test_installing_to_run_or_to_test_brings_nothing_that_only_the_site_needs() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text("utf-8")
    needed = pyproject.partition("\ndependencies = [")[2].partition("\ndocs = [")[0]
    assert "mkdocs" not in needed
