"""Health and ping."""

from __future__ import annotations

from massage_link.emulator.kernel import VERSION
from massage_link.emulator.routing import Call, Reply, Route


def version(call: Call) -> Reply:
    """The server's version; open to guests, closed to keys, as on the real server."""
    del call
    return Reply({"version": VERSION})


def health(call: Call) -> Reply:
    """Whether the server itself is well: it answers, so it is."""
    del call
    return Reply({"name": "http", "ping": 0, "status": "pass"})


def database(call: Call) -> Reply:
    """Whether the database answers."""
    call.emulator.database.execute("SELECT 1").fetchone()
    return Reply({"total": 1, "statuses": [{"name": "database", "ping": 0, "status": "pass"}]})


def time(call: Call) -> Reply:
    """The server's time against that of the world, which here are the same."""
    now = int(call.emulator.clock.now().timestamp())
    return Reply({"remoteTime": now, "localTime": now, "diff": 0})


def ping(call: Call) -> Reply:
    """A word in plain text."""
    del call
    return Reply(b"Pong!", content_type="text/plain; charset=UTF-8")


_HEALTH = ("health.read",)

routes = [
    Route("GET", "health/version", version),
    Route("GET", "health", health, _HEALTH),
    Route("GET", "health/db", database, _HEALTH),
    Route("GET", "health/time", time, _HEALTH),
    Route("GET", "ping", ping, ("global",)),
]
