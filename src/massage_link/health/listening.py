"""The probe of realtime: can a user connect, be known and subscribe."""

from __future__ import annotations

from massage_link.domain.tables import BOOKINGS
from massage_link.errors import RealtimeError, RealtimeRefused
from massage_link.health.report import Finding, State, Step
from massage_link.health.surroundings import Asked, Surroundings
from massage_link.realtime import Credential
from massage_link.realtime.rehearsal import rehearse

__all__ = ["REALTIME"]

_WITHIN = 3.0
_POLICY = 1008


async def _realtime(surroundings: Surroundings) -> Finding:
    if not surroundings.has_listener:
        found = "Nobody could listen: an API key has no rights in realtime, and the canary's user could not be made."
        return Finding(State.UNKNOWN, found, "See to credentials and schema; the key needs rows.write and users.write.")
    user_id = surroundings.canary.customer_id
    user = surroundings.link.as_user(user_id)
    _, jwt = await user.proof()
    channels = [f"tablesdb.{user.ports.database}.tables.{BOOKINGS.id}.rows"]
    try:
        seconds, known_as = await rehearse(
            user.endpoint, user.project_id, Credential("jwt", jwt), channels, within=_WITHIN
        )
    except RealtimeError as error:
        return Finding(State.DOWN, f"No realtime connection: {error}.", _what_to_do(error))
    step = Step("realtime connect", (seconds * 1000,))
    if known_as != user_id:
        found = "The server takes the user for somebody else."
        return Finding(State.DOWN, found, "See that a proxy passes the header X-Appwrite-JWT on.", (step,))
    found = f"A user was connected, known and subscribed after {step.samples_ms[0]:.0f} ms."
    return Finding(State.OK, found, steps=(step,))


def _what_to_do(error: RealtimeError) -> str:
    if isinstance(error, RealtimeRefused) and error.code == _POLICY:
        return "The server refuses project or origin: check APPWRITE_PROJECT_ID."
    if isinstance(error, RealtimeRefused):
        return "See that the proxy before the server passes WebSocket upgrades of /v1/realtime on."
    return (
        "See that the server's realtime process runs (self-hosted: the container appwrite-realtime), and that the "
        "proxy passes WebSocket upgrades on. Meanwhile everybody reads back every 30 s at best."
    )


REALTIME = Asked(
    "realtime",
    "Therapists are not alerted, and messages are seen only when a page is loaded anew.",
    _realtime,
    needs=("credentials",),
)
