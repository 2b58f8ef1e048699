"""Contract tests of the whole path need our functions on the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployed import deployed
from marketplace import LinkMaker, Server
from salon import Salon, opened


@pytest.fixture(scope="session")
def direct_writes() -> Iterator[Server]:
    """A server with functions in direct-write mode; a named one builds them once for all tests."""
    with deployed(direct_write=True) as server:
        yield server


@pytest.fixture(scope="session")
def trusted_writes() -> Iterator[Server]:
    """One on which nobody but the key and the functions write."""
    with deployed(direct_write=False) as server:
        yield server


@pytest.fixture(scope="session")
def salon(direct_writes: Server) -> Iterator[Salon]:
    """That server with therapists who have catalogues, and with users."""
    with opened(direct_writes) as salon:
        yield salon


@pytest.fixture(params=["sync", "async"])
async def desks(request: pytest.FixtureRequest, salon: Salon, threads: ThreadPoolExecutor) -> AsyncIterator[LinkMaker]:
    """Makes links to the salon's server: each test runs with blocking and with async ones."""
    maker = LinkMaker(salon.server, threads if request.param == "sync" else None)
    yield maker
    await maker.aclose()
