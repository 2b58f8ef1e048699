"""Whether the server takes the key, and what the key may do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from appwrite.query import Query

from massage_link.domain.tables import BOOKINGS
from massage_link.errors import NotFound, Unauthorized
from massage_link.health.report import Finding, State
from massage_link.health.surroundings import Asked, Surroundings
from massage_link.usecases.canary import hire, note_canary
from massage_link.wire.control import list_functions, list_tables, list_users
from massage_link.wire.probing import failed_executions
from massage_link.wire.rows import list_raw_rows

__all__ = ["CREDENTIALS", "SCOPES"]

#: Scopes of the key, and what needs them.
SCOPES: Mapping[str, str] = {
    "rows.read": "reads bookings",
    "rows.write": "writes bookings",
    "users.read": "knows who is ops",
    "users.write": "acts for users, and makes the canary's",
    "tables.read": "the schema probe",
    "functions.read": "the functions probe",
    "execution.read": "the functions probe",
}
_INDISPENSABLE = {"rows.read", "rows.write"}
_MEND = "In the console, under Integrations and API keys"


async def _credentials(surroundings: Surroundings) -> Finding:
    link = surroundings.link
    attempts: dict[str, Awaitable[Any]] = {
        "rows.read": link.send(list_raw_rows(link.ports.address(BOOKINGS), [Query.limit(1)])),
        "users.read": link.send(list_users(1)),
        "tables.read": link.send(list_tables(link.ports.database)),
        "functions.read": link.send(list_functions()),
        "execution.read": link.send(failed_executions("sweep", "2020-01-01T00:00:00.000+00:00", 1)),
    }
    readable = await asyncio.gather(*(_granted(attempt) for attempt in attempts.values()))
    granted = dict(zip(attempts, readable, strict=True))
    if not any(granted.values()):
        found = f"The server does not take the API key for project {link.project_id!r}."
        return Finding(
            State.DOWN, found, f"Set APPWRITE_API_KEY. {_MEND}, is one of this project that has not expired."
        )
    granted |= await _writable(surroundings)
    return _judged(granted)


async def _granted(attempt: Awaitable[Any]) -> bool:
    """Whether it may be done; whether there is what it is done to is for other probes to say."""
    try:
        await attempt
    except Unauthorized:
        return False
    except NotFound:
        return True
    return True


async def _writable(surroundings: Surroundings) -> dict[str, bool]:
    """What may be written, found out by writing what the other probes need: the canary's note and its listener."""
    link, canary = surroundings.link, surroundings.canary
    surroundings.is_noted = True
    try:
        await link.run(note_canary(link.ports, canary))
    except Unauthorized:
        surroundings.is_noted = False
        return {"rows.write": False}
    except NotFound:
        surroundings.is_noted = False
        return {"rows.write": True}  # there is no table to write it to, which the schema probe says
    try:
        await link.run(hire(canary.people if surroundings.deep else canary.people[:1]))
    except Unauthorized:
        return {"rows.write": True, "users.write": False}
    surroundings.has_listener = True
    return {"rows.write": True, "users.write": True}


def _judged(granted: Mapping[str, bool]) -> Finding:
    missing = [scope for scope in SCOPES if not granted.get(scope, True)]
    if not missing:
        return Finding(State.OK, "The key is known, and has every scope that is needed.")
    named = ", ".join(f"{scope} ({SCOPES[scope]})" for scope in missing)
    state = State.DOWN if _INDISPENSABLE & set(missing) else State.DEGRADED
    return Finding(state, f"The key lacks scopes: {named}.", f"{_MEND}, give the key {', '.join(missing)}.")


CREDENTIALS = Asked(
    "credentials",
    "Our programs can neither read nor write.",
    _credentials,
    needs=("endpoint",),
    seconds=3.5,
)
