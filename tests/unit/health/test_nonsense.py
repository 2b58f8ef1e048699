"""Whatever answers, a check ends in time, calls it down, and shows nothing secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from massage_link import AsyncMassageLink, State
from massage_link.health import WITHIN

KEY = "standard_0123456789abcdef"
_Answer = Callable[[asyncio.StreamWriter, str], Awaitable[None]]


def _http(body: str, *, status: str = "200 OK", kind: str = "application/json") -> _Answer:
    async def answer(writer: asyncio.StreamWriter, _: str) -> None:
        length = len(body.encode())
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        writer.write((head + body).encode())

    return answer


async def _echo(writer: asyncio.StreamWriter, request: str) -> None:
    body = json.dumps({"message": f"\x1b[31m{request}", "code": 500, "type": request[:20]})
    await _http(body, status="500 Internal Server Error")(writer, "")


async def _garbage(writer: asyncio.StreamWriter, _: str) -> None:
    writer.write(b"\x00\xff\xfe" * 1000)


async def _hang_up(writer: asyncio.StreamWriter, _: str) -> None:
    writer.close()


async def _drip(writer: asyncio.StreamWriter, _: str) -> None:
    """A byte at a time: no read ever times out."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await asyncio.sleep(0.05)


def _appwrite_at_first(then: _Answer) -> _Answer:
    """Answers like Appwrite when it is asked for its version, and otherwise as `then`."""

    async def answer(writer: asyncio.StreamWriter, request: str) -> None:
        if "/health/version" not in request:
            await then(writer, request)
            return
        head = "HTTP/1.1 200 OK\r\nDate: Thu, 26 Nov 2026 02:00:00 GMT\r\nContent-Length: 19\r\n\r\n"
        writer.write(f'{head}{{"version":"1.9.6"}}'.encode())

    return answer


NONSENSE: dict[str, _Answer] = {
    "a page": _http("<html>Welcome to nginx!</html>", kind="text/html"),
    "a list": _http("[1, 2, 3]"),
    "null": _http("null"),
    "another version": _http('{"version": null}'),
    "a page that is not found": _http("<html>404</html>", status="404 Not Found", kind="text/html"),
    "a redirect": _http("", status="302 Found"),
    "our own words": _echo,
    "garbage": _garbage,
    "nothing": _hang_up,
    "a drip": _drip,
    "Appwrite, then a list": _appwrite_at_first(_http("[]")),
    "Appwrite, then an object": _appwrite_at_first(_http("{}")),
    "Appwrite, then wrong kinds": _appwrite_at_first(
        _http('{"rows": [7], "tables": 3, "functions": "x", "executions": {}, "users": null, "total": [], "$id": 1}')
    ),
    "Appwrite, then our own words": _appwrite_at_first(_echo),
    "Appwrite, then a drip": _appwrite_at_first(_drip),
    "Appwrite, then nothing": _appwrite_at_first(_hang_up),
}


@asynccontextmanager
async def talking(answer: _Answer) -> AsyncIterator[str]:
    """The endpoint of a server that answers so."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            await answer(writer, request)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}/v1"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_nonsense_is_told_in_time_and_without_our_key(nonsense: str) -> None:
    async with talking(NONSENSE[nonsense]) as endpoint, AsyncMassageLink(endpoint, "p", api_key=KEY) as link:
        async with asyncio.timeout(WITHIN):
            report = await link.verify_integration(deep=True)
    assert report.state is State.DOWN, [(probe.name, probe.state, probe.found) for probe in report.probes]
    assert report["canary"].state is State.UNKNOWN
    told = json.dumps(report.as_json())
    assert KEY not in told
    assert "\\u001b" not in told
    assert all(len(probe.found) < 1_000 for probe in report.probes)
    assert all(probe.action for probe in report.probes if probe.state is not State.OK)
