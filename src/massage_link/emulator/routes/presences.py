"""``/v1/presences``: what users say of themselves for a while."""

from __future__ import annotations

from massage_link.emulator.pages import page
from massage_link.emulator.routing import Call, Reply, Route

_ASKED = dict.fromkeys(("userInternalId", "userId", "status", "source"), "string") | {"expiresAt": "datetime"}


def list_presences(call: Call) -> Reply:
    """List the presences that the caller may read."""
    presences, total = page(call, call.emulator.presences.visible_to(call.identity), _ASKED)
    return Reply({"total": total, "presences": presences})


def get_presence(call: Call) -> Reply:
    """One presence."""
    return Reply(call.emulator.presences.get(call.params["presenceId"], call.identity))


def upsert_presence(call: Call) -> Reply:
    """Say something of a user."""
    return Reply(call.emulator.presences.upsert(call.params["presenceId"], call.identity, call.body))


def update_presence(call: Call) -> Reply:
    """Change a presence."""
    return Reply(call.emulator.presences.update(call.params["presenceId"], call.identity, call.body))


def delete_presence(call: Call) -> Reply:
    """End a presence."""
    presence = call.params["presenceId"]
    call.emulator.presences.remove(presence, call.identity)
    for connection in call.emulator.hub.connections:
        connection.presences.discard(presence)
    return Reply(None, 204)


_ONE = "presences/{presenceId}"
_READ, _WRITE = ("presences.read",), ("presences.write",)

routes: list[Route] = [
    Route("GET", "presences", list_presences, _READ),
    Route("GET", _ONE, get_presence, _READ),
    Route("PUT", _ONE, upsert_presence, _WRITE),
    Route("PATCH", _ONE, update_presence, _WRITE),
    Route("DELETE", _ONE, delete_presence, _WRITE),
]
