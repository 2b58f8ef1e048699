"""Contract tests of the whole path need our functions on the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployed import deployed
from marketplace import LinkMaker
from salon import Salon, opened


@pytest.fixture(scope="session")
def salon() -> Iterator[Salon]:
    """A server with functions in direct-write mode, therapists with catalogues, and users."""
    with deployed(direct_write=True) as server, opened(server) as salon:
        yield salon


@pytest.fixture(params=["sync", "async"])
async def desks(request: pytest.FixtureRequest, salon: Salon, threads: ThreadPoolExecutor) -> AsyncIterator[LinkMaker]:
    """Makes links to the salon's server: each test runs with blocking and with async ones."""
    maker = LinkMaker(salon.server, threads if request.param == "sync" else None)
    yield maker
    await maker.aclose()
