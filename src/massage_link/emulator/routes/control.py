"""The control plane under /_emulator/: data, clock, faults. Only with the control token."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from massage_link.emulator.dates import parse_date
from massage_link.emulator.errors import AppwriteError
from massage_link.emulator.faults import fault_from
from massage_link.emulator.kernel import unique_id
from massage_link.emulator.routing import Call, Reply, Route
from massage_link.emulator.scopes import ALL_KEY_SCOPES
from massage_link.emulator.writes import DuplicateError, StructureError, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from massage_link.emulator.sqlite import Document


def guarded(handler: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
    """`handler`, for callers with the control token only."""

    def check(call: Call) -> Reply:
        token = call.headers.get("x-emulator-token", "")
        if not secrets.compare_digest(token.encode(), call.emulator.settings.control_token.encode()):
            raise AppwriteError("general_access_forbidden", message="The control plane needs X-Emulator-Token")
        return handler(call)

    return check


def reset(call: Call) -> Reply:
    """Drop all data."""
    call.emulator.reset()
    return Reply({})


def seed(call: Call) -> Reply:
    """Insert rows fast: no events, no permission checks. `{databaseId, tableId, rows: [{$id?, $permissions?, …}]}`."""
    body, emulator = call.body, call.emulator
    table = emulator.catalogue.find_table(str(body.get("databaseId")), str(body.get("tableId")))
    writer = Writer(emulator.clock, emulator.identities.from_key(emulator.settings.key), keep_dates=True)
    rows = body.get("rows")
    if not isinstance(rows, list):
        raise AppwriteError("general_bad_request", message="rows must be a list")
    try:
        with emulator.database.atomic():
            for row in rows:
                writer.create(table, row)
    except StructureError as error:
        raise AppwriteError("row_invalid_structure", message=str(error)) from error
    except DuplicateError as error:
        raise AppwriteError("row_already_exists", "") from error
    return Reply({"total": len(rows)}, 201)


def clock(call: Call) -> Reply:
    """Move the clock (`offsetSeconds`), stop it (`freeze`: a moment, or true for now) or let it go (`freeze`: null)."""
    body, ours = call.body, call.emulator.clock
    try:
        if "offsetSeconds" in body:
            ours.offset = timedelta(seconds=float(body["offsetSeconds"]))
        if "freeze" in body:
            frozen = body["freeze"]
            moment = None if frozen in (None, False) else ours.now() if frozen is True else parse_date(frozen, ours)
            ours.frozen = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        ours.forget_ticks()
    except (TypeError, ValueError) as error:
        raise AppwriteError("general_bad_request", message=f"Not a moment: {error}") from error
    return Reply({"now": ours.stamp()})


def plant(call: Call) -> Reply:
    """Plant a fault; see `faults.fault_from` for what a request may say."""
    return Reply(call.emulator.faults.plant(fault_from(call.body)).wire(), 201)


def list_faults(call: Call) -> Reply:
    """All planted faults, each with how often it was met."""
    return Reply({"faults": call.emulator.faults.wire()})


def clear_faults(call: Call) -> Reply:
    """Forget all faults."""
    call.emulator.faults.clear()
    return Reply(None, 204)


def create_key(call: Call) -> Reply:
    """Another API key with the given `scopes`."""
    scopes = call.body.get("scopes")
    if not isinstance(scopes, list) or not all(scope in ALL_KEY_SCOPES for scope in scopes):
        raise AppwriteError("general_bad_request", message="scopes must be a list of known scopes")
    key: Document = {"$id": unique_id(), "scopes": scopes, "secret": "standard_" + secrets.token_hex(64)}
    call.emulator.identities.keys.put(key["$id"], key)
    return Reply(key, 201)


def _route(method: str, path: str, handler: Callable[[Call], Reply]) -> Route:
    return Route(method, f"_emulator/{path}", guarded(handler), ("control",))


routes = [
    _route("POST", "reset", reset),
    _route("POST", "seed", seed),
    _route("POST", "clock", clock),
    _route("POST", "faults", plant),
    _route("GET", "faults", list_faults),
    _route("DELETE", "faults", clear_faults),
    _route("POST", "keys", create_key),
]
