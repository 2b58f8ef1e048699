"""Probes of the server itself: does it answer, is it Appwrite, is the line safe, does its clock agree with ours."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urlsplit

from massage_link.errors import ConnectionFailed, NotAppwrite, RowNotFound, TransportError
from massage_link.health.report import Finding, State
from massage_link.health.surroundings import Asked, Surroundings
from massage_link.wire.probing import greeting

__all__ = ["CLOCK", "ENDPOINT"]

_MADE_FOR = "1.9."
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_RESOLVED_WITHIN = 2.0
_CERTIFICATE_WITHIN = 2.0
#: Renewals are due a month ahead; who has less left than this has missed one.
_CERTIFICATE_LEFT = timedelta(days=14)
#: Servers keep time to well within this. The other bound is how far read-backs and sweeps look back.
_CLOCK_OK = timedelta(seconds=5)
_CLOCK_MOST = timedelta(seconds=120)


async def _endpoint(surroundings: Surroundings) -> Finding:
    link = surroundings.link
    address = urlsplit(link.endpoint)
    if not await _resolves(address):
        found = f"The name {address.hostname} is not resolved within {_RESOLVED_WITHIN:g} s."
        return Finding(State.DOWN, found, "Look at the DNS of this machine, and at APPWRITE_ENDPOINT.")
    try:
        answer = await link.send(greeting())
    except RowNotFound as error:
        if error.type != "project_not_found":
            raise
        found = f"There is an Appwrite server, but it has no project {link.project_id!r}."
        return Finding(State.DOWN, found, "Set APPWRITE_PROJECT_ID to the id that the console shows.")
    except ConnectionFailed as error:
        return Finding(State.DOWN, str(error), _about_no_connection(str(error)))
    except TransportError as error:
        return Finding(State.DOWN, str(error), "The server takes connections and does not answer: look at its log.")
    except NotAppwrite as error:
        return Finding(State.DOWN, str(error), "Set APPWRITE_ENDPOINT to the address of the API, which ends in /v1.")
    found = f"Appwrite {answer.version} answers."
    if not answer.version.startswith(_MADE_FOR):
        return Finding(State.DEGRADED, found, f"massage-link is made for Appwrite {_MADE_FOR}x: test it well.")
    return await _line(address, found)


def _about_no_connection(text: str) -> str:
    if "CERTIFICATE" in text.upper() or "SSL" in text.upper():
        return "The certificate is not one to trust for this name: renew it, or give this machine its authority."
    return "Start the server, or set APPWRITE_ENDPOINT right; look at firewall and proxy between."


async def _resolves(address: SplitResult) -> bool:
    """Whether the resolver gives any answer in time, be it that there is no such name.

    In a thread that nobody waits for: the one that asyncio uses would keep the program from ending.
    """
    loop = asyncio.get_running_loop()
    answered = asyncio.Event()

    def resolve() -> None:
        with suppress(OSError, UnicodeError):  # the call that follows says it better
            socket.getaddrinfo(address.hostname, address.port or address.scheme)
        with suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(answered.set)

    threading.Thread(target=resolve, daemon=True).start()
    try:
        async with asyncio.timeout(_RESOLVED_WITHIN):
            await answered.wait()
    except TimeoutError:
        return False
    return True


async def _line(address: SplitResult, found: str) -> Finding:
    """What is to be said of the line to a server that answers."""
    if address.scheme == "http":
        if address.hostname in _LOOPBACK:
            return Finding(State.OK, found)
        return Finding(State.DEGRADED, f"{found} The line is not encrypted.", "Use https: the key can be read.")
    try:
        async with asyncio.timeout(_CERTIFICATE_WITHIN):
            certificate = await _certificate(address)
    except (OSError, TimeoutError):
        return Finding(State.OK, f"{found} Its certificate is trusted; when it ends could not be seen.")
    return judged_certificate(certificate, datetime.now(UTC), found)


async def _certificate(address: SplitResult) -> dict[str, Any]:
    connect = partial(asyncio.open_connection, address.hostname, address.port or 443)
    _, writer = await connect(ssl=ssl.create_default_context())
    try:
        return dict(writer.get_extra_info("peercert") or {})
    finally:
        writer.transport.abort()


def judged_certificate(certificate: dict[str, Any], now: datetime, found: str) -> Finding:
    """What follows from when a trusted certificate ends."""
    ends = certificate.get("notAfter")
    if ends is None:
        return Finding(State.OK, f"{found} Its certificate is trusted; when it ends could not be seen.")
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC)
    found = f"{found} Its certificate is valid until {until:%Y-%m-%d}."
    if until - now < _CERTIFICATE_LEFT:
        return Finding(State.DEGRADED, found, "Renew the certificate; see why it was not renewed by itself.")
    return Finding(State.OK, found)


async def _clock(surroundings: Surroundings) -> Finding:
    now = surroundings.link.ports.now
    asked_at = now()
    answer = await surroundings.link.send(greeting())
    return judged_clock(asked_at, now(), answer.server_time)


def judged_clock(asked_at: datetime, answered_at: datetime, server_time: datetime) -> Finding:
    """What follows from the server's time, which it tells in whole seconds, somewhere between question and answer."""
    earliest = server_time - answered_at
    latest = server_time + timedelta(seconds=1) - asked_at
    # What the difference is at least, whenever within its second and the call the server looked at its clock.
    least = max(earliest, -latest, timedelta(0))
    ahead = "ahead of" if earliest > timedelta(0) else "behind"
    if least == timedelta(0):
        return Finding(State.OK, "The clocks agree, as far as whole seconds tell.")
    found = f"The server's clock is at least {least.total_seconds():.1f} s {ahead} ours."
    action = "Let both machines keep their time by NTP."
    if least <= _CLOCK_OK:
        return Finding(State.OK, found)
    if least <= _CLOCK_MOST:
        return Finding(State.DEGRADED, found, action)
    return Finding(State.DOWN, found, f"{action} Read-backs and sweeps look back {_CLOCK_MOST.total_seconds():g} s.")


ENDPOINT = Asked("endpoint", "Nothing works: neither bookings nor chat.", _endpoint, seconds=3.0)
CLOCK = Asked(
    "clock",
    "Requests expire too soon or too late, and what is read back after a lost connection may miss something.",
    _clock,
    needs=("endpoint",),
)
