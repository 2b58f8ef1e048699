"""What README and getting-started show is what happens."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from examples import programs, run
from massage_link.demo.orders import load_week, orders
from massage_link.demo.verdict import shares_of
from massage_link.domain.money import Money
from massage_link.testing import running_emulator

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GETTING_STARTED = ROOT / "docs" / "getting-started.md"
CHAT = ROOT / "docs" / "chat.md"


@pytest.fixture
def server_of_the_reader() -> Iterator[dict[str, str]]:
    """A server as the reader has it after the first steps, and the settings that lead to it."""
    with running_emulator() as server:
        yield {
            "APPWRITE_ENDPOINT": server.endpoint,
            "APPWRITE_PROJECT_ID": server.project_id,
            "APPWRITE_API_KEY": server.api_key,
        }


@pytest.mark.parametrize(
    "page",
    [README, *(pytest.param(page, marks=pytest.mark.long) for page in (GETTING_STARTED, CHAT))],
    ids=lambda page: page.name,
)
def test_every_example_runs_and_prints_what_the_page_says(
    page: Path, tmp_path: Path, server_of_the_reader: dict[str, str]
) -> None:
    examples = programs(page)
    assert len(examples) >= 2
    for program, printed in examples:
        assert run(program, tmp_path, server_of_the_reader) == printed


def test_the_ledger_that_the_readme_shows_is_the_demos() -> None:
    sums: defaultdict[str, list[tuple[int, ...]]] = defaultdict(list)
    for order in orders(load_week(), 60, now=datetime.now(UTC)):
        sums[order.request.price.currency].append(shares_of(order.price))
    shown = {tuple(line.split()) for line in README.read_text("utf-8").splitlines()}
    for currency, rows in sums.items():
        amounts = [Money(sum(column), currency).decimal for column in zip(*rows, strict=True)]
        assert (currency, str(len(rows)), *(f"{amount:,f}" for amount in amounts)) in shown


@pytest.mark.parametrize("page", [README, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_no_link_of_a_page_leads_nowhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
