"""What all tests share: an environment without our settings, a server, and links to it of both colours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, settings

from marketplace import NAMED_SERVER, LinkMaker, Market, People, Server, hired_people, own_database, without_settings
from massage_link.client.link import AsyncMassageLink
from massage_link.testing import Emulator, running_emulator

# Machines that run tests differ in speed, so no property is judged by time; and each run tries the same examples.
settings.register_profile(
    "massage-link", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], max_examples=100
)
settings.load_profile("massage-link")


@pytest.fixture(autouse=True, scope="session")
def _environment_without_our_settings() -> Iterator[None]:
    with without_settings():
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what only the emulator can do when a real server is named."""
    if NAMED_SERVER:
        for item in items:
            if item.get_closest_marker("emulator_only"):
                item.add_marker(pytest.mark.skip(reason="plants faults or moves the clock: no real server can do that"))


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """One embedded server for all tests of this process, without tables."""
    with running_emulator(schema=False) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with our tables in a database of this run: the emulator, or the one that the environment names."""
    bare = NAMED_SERVER
    if bare is None:
        running: Emulator = request.getfixturevalue("emulator")
        bare = Server(running.endpoint, running.project_id, running.api_key, emulator=running)
    with own_database(bare) as with_tables:
        yield with_tables


@pytest.fixture(scope="session")
def people(server: Server) -> Iterator[People]:
    """Users who can sign in; they are removed at the end."""
    with hired_people(server) as hired:
        yield hired


@pytest.fixture
def market(server: Server) -> Iterator[Market]:
    """What tests ask for and look into."""
    with server.link() as link:
        yield Market(server, link)


@pytest.fixture(scope="session")
def threads() -> Iterator[ThreadPoolExecutor]:
    """Where blocking links run."""
    with ThreadPoolExecutor(32) as pool:
        yield pool


@pytest.fixture(params=["sync", "async"])
async def links(
    request: pytest.FixtureRequest, server: Server, threads: ThreadPoolExecutor
) -> AsyncIterator[LinkMaker]:
    """Makes links with the key, blocking ones (awaited in threads) or async ones: each test runs with both."""
    maker = LinkMaker(server, threads if request.param == "sync" else None)
    yield maker
    await maker.aclose()


@pytest.fixture
def link(links: LinkMaker) -> AsyncMassageLink:
    """A link with the key."""
    return links()
