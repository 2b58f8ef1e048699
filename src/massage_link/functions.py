"""What our Appwrite Functions share: from an execution to a use case, and from its end to the answer.

A function's ``main.py`` names the use case and nothing else. The handlers take only the booking's id from the event and
read everything else again: an event may be late, doubled or forged.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from massage_link.client.link import AsyncMassageLink
from massage_link.domain.rows import Row
from massage_link.errors import InvalidInput, MassageLinkError, NotAllowed, NotFound, Unauthorized, UsageError
from massage_link.settings import FunctionSettings
from massage_link.usecases.commands import Caller, run_command
from massage_link.usecases.ports import Ports
from massage_link.usecases.reported import report, status_of
from massage_link.usecases.sweep import sweep
from massage_link.wire.call import Flow
from massage_link.wire.executions import CALLER_JWT
from massage_link.wire.users import user_of_jwt

__all__ = ["Context", "for_booking", "run_commands", "run_sweep"]

#: Both spellings: the server names an event by documents for `….create` patterns and by rows for `….rows.*` patterns.
_EVENT = re.compile(r"databases\.[^.]+\.(?:collections|tables)\.[^.]+\.(?:documents|rows)\.(?P<row>.+)\.[a-z]+")
#: One connection pool an event loop: a warm runtime does not connect anew for each execution.
_links: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncMassageLink] = WeakKeyDictionary()


class Context(Protocol):
    """What Appwrite's Python runtime hands to `main`."""

    req: Any
    res: Any

    def log(self, *messages: Any) -> None:
        """Write to the execution's log."""
        ...

    def error(self, *messages: Any) -> None:
        """Write to the execution's error log."""
        ...


async def for_booking(context: Context, ensure: Callable[[Ports, str], Flow[Row | None]]) -> Any:
    """Run a use case for the booking that an event is about.

    Args:
        context: of the execution, triggered by the event, or by hand with the body ``{"bookingId": "…"}``.
        ensure: makes sure that something exists for a booking; None when the booking is a draft.

    Returns:
        The runtime's answer: 200 with ``{"bookingId", "ensured": the row's id, or null for a draft}``; 400 when the
        execution names no booking; 404 when there is no such booking; 500 when the use case failed.

    """
    try:
        booking_id = _booking_id(context.req)
        link = _link().with_key(_key(context.req.headers))
        row = await link.run(ensure(link.ports, booking_id))
    except MassageLinkError as error:
        context.error(f"{type(error).__name__}: {error}")
        status = 404 if isinstance(error, NotFound) else 400 if isinstance(error, UsageError) else 500
        return context.res.json({"error": type(error).__name__, "message": str(error)}, status, {})
    context.log(f"booking {booking_id}: {'a draft, nothing to do' if row is None else 'done'}")
    return context.res.json({"bookingId": booking_id, "ensured": None if row is None else row.id}, 200, {})


async def run_sweep(context: Context) -> Any:
    """Sweep once: by the clock, or by hand.

    Returns:
        200 with the report, or 500 when the sweep failed.

    """
    try:
        link = _link().with_key(_key(context.req.headers))
        done = await link.run(sweep(link.ports))
    except MassageLinkError as error:
        context.error(f"{type(error).__name__}: {error}")
        return context.res.json({"error": report(error)}, 500, {})
    context.log(f"swept: {done}")
    return context.res.json(asdict(done), 200, {})


async def run_commands(context: Context) -> Any:
    """Run one command of a signed-in user: the body is ``{"command": "bookings.accept", "arguments": {…}}``.

    Who gives it is whose JWT comes along, as the server says, never what the request says.

    Returns:
        200 with ``{"result": …}``, or the status of an error with ``{"error": {"type", "message", …}}``, which the SDK
        raises as the same error at the caller's.

    """
    try:
        name, arguments = _command(context.req)
        link = _link().with_key(_key(context.req.headers))
        caller = Caller(await _caller_id(link, context.req.headers))
        result = await link.run(run_command(link.ports, caller, name, arguments))
    except MassageLinkError as error:
        status = status_of(error)
        (context.error if status >= 500 else context.log)(f"{type(error).__name__}: {error}")
        return context.res.json({"error": report(error)}, status, {})
    context.log(f"{name}: done")
    return context.res.json({"result": result}, 200, {})


def _command(request: Any) -> tuple[str, Mapping[str, Any]]:
    body = _json_of(request)
    if not isinstance(body, dict) or not isinstance(body.get("command"), str):
        raise InvalidInput('the body is JSON: {"command": "bookings.accept", "arguments": {…}}.')
    arguments = body.get("arguments", {})
    if not isinstance(arguments, dict):
        raise InvalidInput("the arguments of a command are a JSON object.")
    return body["command"], arguments


def _json_of(request: Any) -> Any:
    try:
        return request.body_json
    except (ValueError, RecursionError):  # brackets in brackets, by the thousand
        return None


async def _caller_id(link: AsyncMassageLink, headers: Mapping[str, str]) -> str:
    """Id of the user who calls.

    The header ``x-appwrite-user-id`` proves nothing: Appwrite 1.9 lets a caller set ``X-Appwrite-User-Id``, sends it on
    before its own, and the runtime keeps the first of the two. A JWT cannot be made up.
    """
    jwt = headers.get(CALLER_JWT) or headers.get("x-appwrite-user-jwt", "")
    if not jwt:
        raise NotAllowed(
            "commands are given by a signed-in user; with an API key the SDK runs the use case itself. Who acts by a "
            f"JWT and no session shows it in the execution's header {CALLER_JWT}."
        )
    try:
        return await link.send(user_of_jwt(jwt))
    except Unauthorized:
        raise NotAllowed("the caller's JWT is not valid (any more): sign in again.") from None


def _booking_id(request: Any) -> str:
    event = request.headers.get("x-appwrite-event", "")
    if event:
        found = _EVENT.fullmatch(event)
        if found is None:
            raise UsageError(f"this function runs when a row is created, not on the event {event!r}.")
        return found["row"]
    body = _json_of(request)
    booking_id = body.get("bookingId") if isinstance(body, dict) else None
    if not isinstance(booking_id, str) or not booking_id:
        raise UsageError('run by hand, this function takes the body {"bookingId": "…"}.')
    return booking_id


def _key(headers: Mapping[str, str]) -> str:
    key = headers.get("x-appwrite-key", "")
    if not key:
        raise UsageError("the runtime sent no key (x-appwrite-key); give the function its scopes and deploy it again.")
    return key


@lru_cache(maxsize=1)
def _settings() -> FunctionSettings:
    return FunctionSettings.load()


def _link() -> AsyncMassageLink:
    loop = asyncio.get_running_loop()
    if loop not in _links:
        settings = _settings()
        _links[loop] = AsyncMassageLink(
            settings.endpoint, settings.project_id, database=settings.database, freeze_after=settings.freeze_after
        )
    return _links[loop]
