"""One check: probes run side by side, each within its time, none before what it needs is known to work.

A probe whose needs are not met "could not run": so the one that is red is the one to look at. Whatever the server does,
a check with its clean-up is over within `WITHIN` seconds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from massage_link.errors import (
    MassageLinkError,
    NotAppwrite,
    ServerError,
    TransportError,
    Unauthorized,
    UnexpectedAnswer,
)
from massage_link.health.atomicity import ATOMICITY
from massage_link.health.credentials import CREDENTIALS
from massage_link.health.endpoint import CLOCK, ENDPOINT
from massage_link.health.functions import FUNCTIONS, SWEEPER
from massage_link.health.journey import CANARY
from massage_link.health.ledger import LEDGER
from massage_link.health.listening import REALTIME
from massage_link.health.removal import REMOVAL
from massage_link.health.report import Finding, HealthReport, Probe, State
from massage_link.health.surroundings import Asked, Surroundings
from massage_link.health.tables import SCHEMA, TABLES_PROBE
from massage_link.usecases.canary import new_canary

if TYPE_CHECKING:
    from massage_link.client.link import AsyncMassageLink

__all__ = ["WITHIN", "reach", "verify"]

#: Seconds within which a check has ended and cleaned up, whatever the server does.
WITHIN = 15.0
SHALLOW: Sequence[Asked] = (
    ENDPOINT,
    CREDENTIALS,
    SCHEMA,
    TABLES_PROBE,
    REALTIME,
    FUNCTIONS,
    SWEEPER,
    CLOCK,
    LEDGER,
)
DEEP: Sequence[Asked] = (CANARY, ATOMICITY)
_LONGEST_TEXT = 800
_LOOK = "look at the server's log, and whether it is overloaded"
log = logging.getLogger("massage_link.health")


async def verify(link: AsyncMassageLink, *, deep: bool = False) -> HealthReport:
    """Check everything, as `MassageLink.verify_integration` does.

    Args:
        link: with an API key; every call is tried as often as its retry policy says.
        deep: also send a canary booking the whole way.

    Raises:
        CredentialRequired: the link acts without a key.

    """
    link.require_key("the health check")
    at, begun = link.ports.now(), time.perf_counter()
    surroundings = Surroundings(link, new_canary(), begun=begun, deep=deep)
    asked = [*SHALLOW, *(DEEP if deep else ())]
    tasks: dict[str, asyncio.Task[Probe]] = {}
    try:
        for each in asked:
            tasks[each.name] = asyncio.create_task(_after_its_needs(each, surroundings, tasks))
        probes = [await tasks[each.name] for each in asked]
    finally:
        # Also when the check is cancelled, as by a signal: a canary is not left behind.
        await _ended(tasks)
        removal = await _outcome(REMOVAL, surroundings)
    if removal.state is not State.OK or deep:
        probes.append(removal)
    return HealthReport(at, time.perf_counter() - begun, link.endpoint, link.project_id, deep, probes)


async def reach(link: AsyncMassageLink) -> HealthReport:
    """What can be seen without an API key: whether the server answers. Of all the rest it is said that it is not known.

    Args:
        link: acts as whoever it likes.

    """
    at, begun = link.ports.now(), time.perf_counter()
    probes = [await _outcome(ENDPOINT, Surroundings(link, new_canary(), begun=begun, deep=False))]
    for each in SHALLOW:
        if each is not ENDPOINT:
            found = "Not tried: looking at it needs an API key."
            probes.append(Probe(each.name, State.UNKNOWN, None, each.means, found, "Set APPWRITE_API_KEY."))
    return HealthReport(at, time.perf_counter() - begun, link.endpoint, link.project_id, False, probes)


async def _ended(tasks: Mapping[str, asyncio.Task[Probe]]) -> None:
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


async def _after_its_needs(
    asked: Asked, surroundings: Surroundings, others: Mapping[str, asyncio.Task[Probe]]
) -> Probe:
    for name in asked.needs:
        needed = await asyncio.shield(others[name])
        if needed.state in {State.DOWN, State.UNKNOWN}:
            return Probe(
                asked.name,
                State.UNKNOWN,
                None,
                asked.means,
                f"Not tried: {name} {'is down' if needed.state is State.DOWN else 'is not known to work'}.",
                f"See to {name} first.",
            )
    return await _outcome(asked, surroundings)


async def _outcome(asked: Asked, surroundings: Surroundings) -> Probe:
    begun = time.perf_counter()
    allowed = max(0.1, min(asked.seconds, surroundings.left(asked.until)))
    try:
        async with asyncio.timeout(allowed):
            finding = await asked.run(surroundings)
    except TimeoutError:
        finding = Finding(State.DOWN, f"No answer within {allowed:.1f} s.", f"{_LOOK[0].upper()}{_LOOK[1:]}.")
    except Exception as error:  # noqa: BLE001 # a probe that fails is a finding, and must not hide the others
        finding = _failure(asked, error)
    return Probe(
        asked.name,
        finding.state,
        (time.perf_counter() - begun) * 1000,
        asked.means,
        _shown(finding.found, surroundings),
        _shown(finding.action, surroundings),
        finding.steps,
    )


def _failure(asked: Asked, error: Exception) -> Finding:
    if isinstance(error, Unauthorized):
        return Finding(State.UNKNOWN, str(error), "Give the API key the scopes that docs/health.md lists.")
    if isinstance(error, TransportError | ServerError | NotAppwrite | UnexpectedAnswer):
        return Finding(State.DOWN, str(error), f"{_LOOK[0].upper()}{_LOOK[1:]}.")
    if isinstance(error, MassageLinkError):
        return Finding(State.UNKNOWN, str(error), "The message says what is missing.")
    log.warning("the probe %s failed", asked.name, exc_info=error)
    found = f"The probe itself failed: {type(error).__name__}. The server's answer may not be Appwrite's."
    return Finding(State.UNKNOWN, found, f"{_LOOK[0].upper()}{_LOOK[1:]}.")


def _shown(text: str, surroundings: Surroundings) -> str:
    """A text as it may be shown: a server that answers nonsense may repeat our key, or send signs for a terminal."""
    with suppress(AttributeError):
        text = text.replace(surroundings.link.credential.secret, "…")  # type: ignore[attr-defined]
    text = "".join(sign if sign.isprintable() else " " for sign in text)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
