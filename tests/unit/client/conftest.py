"""Links of both colours to a server that is not there: respx answers for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import respx
from tenacity import wait_none

from marketplace import awaited
from massage_link import AsyncMassageLink, MassageLink, RetryPolicy

ENDPOINT = "http://appwrite.test/v1"
Make = Callable[..., AsyncMassageLink]


@pytest.fixture
def api() -> Iterator[respx.MockRouter]:
    """What the server answers."""
    with respx.mock(base_url=ENDPOINT, assert_all_called=False) as router:
        yield router


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest, threads: ThreadPoolExecutor) -> Make:
    """Makes links that do not wait before they try again."""

    def make(endpoint: str = ENDPOINT, **arguments: Any) -> AsyncMassageLink:
        wanted = {"api_key": "s3cr3t-key", "retries": RetryPolicy(wait=wait_none()), **arguments}
        if request.param == "async":
            return AsyncMassageLink(endpoint, "project", **wanted)
        return awaited(MassageLink(endpoint, "project", **wanted), threads)

    return make
