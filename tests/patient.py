"""Clients that obey a server's rate limits: refused with 429, they wait until the limit is reset, and ask again."""

from __future__ import annotations

import asyncio
import time

import httpx

#: A real server counts in windows of a minute.
_LONGEST = 65.0


def _wait(response: httpx.Response) -> float:
    """Seconds until the call may be made again; 0 when it was not refused for its rate."""
    if response.status_code != 429:
        return 0.0
    until_reset = float(response.headers["X-RateLimit-Reset"]) - time.time()
    return min(max(until_reset, 0.0) + 1.0, _LONGEST)


class Patient(httpx.BaseTransport):
    """For blocking clients."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport(verify=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        while True:
            response = self._inner.handle_request(request)
            if not (wait := _wait(response)):
                return response
            response.close()
            time.sleep(wait)

    def close(self) -> None:
        self._inner.close()


class AsyncPatient(httpx.AsyncBaseTransport):
    """For async clients."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport(verify=False, limits=httpx.Limits(max_connections=100))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        while True:
            response = await self._inner.handle_async_request(request)
            if not (wait := _wait(response)):
                return response
            await response.aclose()
            await asyncio.sleep(wait)

    async def aclose(self) -> None:
        await self._inner.aclose()
