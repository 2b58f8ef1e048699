"""When a request really left: stamped where the SDK hands it to the network, per task."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import httpx

__all__ = ["Departure", "Stopwatch", "departure"]


@dataclass(slots=True)
class Departure:
    """When the (last) request that matters was handed to the network, in seconds of `time.perf_counter`."""

    at: float | None = None


_departure: ContextVar[Departure | None] = ContextVar("departure", default=None)


@contextmanager
def departure() -> Generator[Departure, None, None]:
    """Notes when a commit, a chat message or a client's own booking leaves within the block."""
    noted = Departure()
    token = _departure.set(noted)
    try:
        yield noted
    finally:
        _departure.reset(token)


class Stopwatch(httpx.AsyncBaseTransport):
    """The ordinary transport, with a look at the clock before a request that changes what others see."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it."""
        noted = _departure.get()
        if noted is not None and _matters(request.method, request.url.path):
            noted.at = time.perf_counter()
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


def _matters(method: str, path: str) -> bool:
    commit = method == "PATCH" and "/tablesdb/transactions/" in path
    row = method == "POST" and path.endswith(("/tables/chat_messages/rows", "/tables/bookings/rows"))
    return commit or row
