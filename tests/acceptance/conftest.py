"""Acceptance tests run on the embedded server."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from tenacity import wait_none

from deployed import deployed
from faults import PATIENCE_OF_LINKS, Faults
from marketplace import LinkMaker, Market, Server, own_database
from massage_link import AsyncMassageLink, RetryPolicy
from massage_link.testing import Emulator
from massage_link.usecases.ports import Ports
from pages import Pages, serving
from salon import Salon, opened


@pytest.fixture(scope="session")
def server(emulator: Emulator) -> Iterator[Server]:
    """The embedded server with a database for tests that plant faults: they empty it."""
    bare = Server(emulator.endpoint, emulator.project_id, emulator.api_key, emulator=emulator)
    with own_database(bare) as with_tables:
        yield with_tables


@pytest.fixture(scope="module")
def salon() -> Iterator[Salon]:
    """A server of the module's own, with our functions, therapists and people."""
    with deployed(direct_write=True) as server, opened(server) as salon:
        yield salon


@pytest.fixture(scope="module")
def pages(salon: Salon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """The web pages in front of it, which keep sign-ins in a file."""
    sessions = str(tmp_path_factory.mktemp("web") / "sessions.json")
    with serving(salon, "--sessions", sessions, key=salon.server.api_key) as pages:
        yield pages


@pytest.fixture
def faults(emulator: Emulator, market: Market) -> Iterator[Faults]:
    """Faults to plant; neither they nor the rows of the test are left behind."""
    faults = Faults(emulator)
    yield faults
    faults.settle()
    market.empty()


@pytest.fixture
def hasty(links: LinkMaker) -> AsyncMassageLink:
    """A link that waits neither long for an answer nor before it tries again."""
    return links(
        timeout=httpx.Timeout(5.0, read=PATIENCE_OF_LINKS),
        retries=RetryPolicy(wait=wait_none()),
        ports=Ports(jitter=lambda _: 0.0),
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Plant the faults through the async link in the quick run, and through the blocking one in the long run too.

    Both drive the very same flows, so the quick run stays within its five minutes.
    """
    for item in items:
        if item.path.name.startswith("test_faults_") and "[sync-" in item.name:
            item.add_marker(pytest.mark.long)
