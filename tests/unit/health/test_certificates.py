"""Over TLS: a certificate that nobody trusts is told as such, one that is about to end as well."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from massage_link import AsyncMassageLink, State
from massage_link.client import drive

_Serving = Callable[[int], AbstractAsyncContextManager[tuple[str, Path]]]


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As Appwrite does when it is asked for its version, and for everything else."""
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            head = b"HTTP/1.1 200 OK\r\nDate: Thu, 26 Nov 2026 02:00:00 GMT\r\nContent-Length: 19\r\n\r\n"
            writer.write(head + b'{"version":"1.9.6"}')
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        writer.close()


@pytest.fixture
def serving(tmp_path: Path) -> _Serving:
    """Serves with a certificate that is valid for so many days; gives the endpoint and the file of its authority."""

    @asynccontextmanager
    async def serve(days: int) -> AsyncIterator[tuple[str, Path]]:
        made, authority = trustme.CA(), tmp_path / "authority.pem"
        made.cert_pem.write_to_path(authority)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.issue_cert("localhost", not_after=datetime.now(UTC) + timedelta(days=days)).configure_cert(context)
        server = await asyncio.start_server(_answer, "localhost", 0, ssl=context)
        try:
            yield f"https://localhost:{server.sockets[0].getsockname()[1]}/v1", authority
        finally:
            server.close()

    return serve


async def test_a_certificate_that_nobody_trusts_is_told_as_such(serving: _Serving) -> None:
    async with serving(90) as (endpoint, _), AsyncMassageLink(endpoint, "p", api_key="k") as link:
        found = (await link.verify_integration())["endpoint"]
    assert found.state is State.DOWN
    assert "certificate" in found.action


@pytest.mark.parametrize(
    ("days", "state", "action"), [(90, State.OK, ""), (5, State.DEGRADED, "Renew the certificate")]
)
async def test_a_trusted_certificate_is_told_with_its_end(
    serving: _Serving, monkeypatch: pytest.MonkeyPatch, days: int, state: State, action: str
) -> None:
    async with serving(days) as (endpoint, authority):
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        drive._tls.cache_clear()
        try:
            async with AsyncMassageLink(endpoint, "p", api_key="k") as link:
                found = (await link.verify_integration())["endpoint"]
        finally:
            drive._tls.cache_clear()
    assert found.state is state, found
    assert "Its certificate is valid until" in found.found
    assert found.action.startswith(action)
