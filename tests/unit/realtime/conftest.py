from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from realtime_double import RealtimeDouble, running_double

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def server() -> AsyncIterator[RealtimeDouble]:
    async with running_double() as double:
        yield double
