"""The only two places that send a request or sleep: one for each colour."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext
from typing import TypeVar

import httpx

from massage_link.client.flow import Exchange, Request
from massage_link.errors import ConnectionFailed, MassageLinkError, NoAnswer, SettingsError, UsageError
from massage_link.wire.call import Reply, Sleep, shown

__all__ = ["adrive", "async_http", "drive", "sync_http"]

T = TypeVar("T")
_TIMEOUT = httpx.Timeout(15.0, connect=5.0)
#: A server on this machine is reached without the proxy that the environment may name.
_DIRECTLY: dict[str, None] = dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]"))
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0)


@lru_cache(maxsize=1)
def _tls() -> SSLContext:
    # Loading the certificates takes some 15 ms, so every client of the process shares one context.
    return httpx.create_ssl_context()


class _NoSecrets(logging.Filter):
    """Keeps sessions and open transactions out of what httpx and httpcore log of their own accord.

    At DEBUG httpcore logs every answer's headers, a sign-in's cookie among them; at INFO httpx logs every URL.
    """

    _COOKIE = re.compile(r"(a_session_[^=]*=)[^;,'\s]+|(x-fallback-cookies', b')[^']+", re.IGNORECASE)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without what must not be read in it."""
        if isinstance(record.msg, str):
            record.msg = self._COOKIE.sub(r"\1\2…", record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(
                shown(str(each)) if isinstance(each, httpx.URL) and "/transactions/" in each.path else each
                for each in record.args
            )
        return True


_no_secrets = _NoSecrets()


def _guard_logs() -> None:
    for name in ("httpx", "httpcore.http11", "httpcore.http2"):
        logging.getLogger(name).addFilter(_no_secrets)  # the same filter is added once


def _no_cookies() -> CookieJar:
    # A sign-in answers with a session cookie. Kept, it would travel along with other users' calls and with the key's.
    return CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))


def sync_http(timeout: httpx.Timeout | None = None, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """A pooled client that keeps no cookies and follows no redirects."""
    _guard_logs()
    return httpx.Client(
        timeout=timeout or _TIMEOUT,
        limits=_LIMITS,
        cookies=_no_cookies(),
        verify=_tls(),
        transport=transport,
        mounts=_DIRECTLY,
    )


def async_http(
    timeout: httpx.Timeout | None = None, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """A pooled client that keeps no cookies and follows no redirects."""
    _guard_logs()
    return httpx.AsyncClient(
        timeout=timeout or _TIMEOUT,
        limits=_LIMITS,
        cookies=_no_cookies(),
        verify=_tls(),
        transport=transport,
        mounts=_DIRECTLY,
    )


def drive(http: httpx.Client, exchange: Exchange[T]) -> T:
    """Run an exchange synchronously."""
    reply: Reply | None = None
    error: MassageLinkError | None = None
    while True:
        try:
            step = exchange.send(reply) if error is None else exchange.throw(error)
        except StopIteration as stop:
            result: T = stop.value
            return result
        reply = error = None
        if isinstance(step, Sleep):
            time.sleep(step.seconds)
            continue
        try:
            with _our_errors(step):
                reply = _reply(http.send(_native(http, step)))
        except MassageLinkError as failure:
            error = failure


async def adrive(http: httpx.AsyncClient, exchange: Exchange[T]) -> T:
    """Run an exchange asynchronously."""
    reply: Reply | None = None
    error: MassageLinkError | None = None
    while True:
        try:
            step = exchange.send(reply) if error is None else exchange.throw(error)
        except StopIteration as stop:
            result: T = stop.value
            return result
        reply = error = None
        if isinstance(step, Sleep):
            await asyncio.sleep(step.seconds)
            continue
        try:
            with _our_errors(step):
                reply = _reply(await http.send(_native(http, step)))
        except MassageLinkError as failure:
            error = failure


def _native(http: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
    # Built directly: http.build_request would merge cookies and parameters that we never have.
    return httpx.Request(
        request.method,
        request.url,
        headers=dict(request.headers),
        content=request.content,
        extensions={"timeout": http.timeout.as_dict()},
    )


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, response.headers, response.content)


@contextmanager
def _our_errors(request: Request) -> Generator[None, None, None]:
    """Turn httpx's errors into ours; the difference that matters is whether the request can have been processed."""
    called = request.shown
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise SettingsError(f"{called} cannot be sent ({error}); check APPWRITE_ENDPOINT.") from error
    except (httpx.LocalProtocolError, UnicodeEncodeError):
        # Its text quotes the header that cannot be sent, which may be the credential.
        raise SettingsError(f"{called} cannot be sent: the credential holds signs that no header can hold.") from None
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise ConnectionFailed(
            f"{called}: no connection ({_text(error)}). Is the server running, and APPWRITE_ENDPOINT right?",
            request=called,
        ) from error
    except httpx.RequestError as error:
        raise NoAnswer(f"{called}: no answer ({_text(error)}).", request=called) from error
    except RuntimeError as error:
        if "closed" not in str(error):
            raise
        raise UsageError(f"{called} cannot be sent: this link, or the one that it was made from, is closed.") from None


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
