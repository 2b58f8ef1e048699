"""Who is in a room, and who is typing: Appwrite presences, where the server has them.

A presence is readable by the two people of the room alone, which only a key can grant: a user may only grant roles that
they hold. So a signed-in user says it through the `commands` function, and reads it directly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from appwrite.query import Query

from massage_link.domain.chat import ChatRoom
from massage_link.domain.ids import presence_id
from massage_link.domain.rows import to_wire_time
from massage_link.errors import NotAppwrite, RowNotFound
from massage_link.usecases.chat import get_room, refuse_stranger
from massage_link.usecases.ports import Ports
from massage_link.wire.call import Call, Flow
from massage_link.wire.presences import PresenceDocument, list_presences, put_presence
from massage_link.wire.rows import read_by

__all__ = ["ONLINE_FOR", "TYPING_FOR", "Presence", "appear", "present"]

T = TypeVar("T")
#: How long it holds if it is not said again.
ONLINE_FOR = timedelta(minutes=2)
TYPING_FOR = timedelta(seconds=15)
_ONLINE, _TYPING = "online", "typing"
_ROUTE_MISSING = "general_route_not_found"


@dataclass(frozen=True, slots=True)
class Presence:
    """Somebody who has a room open.

    Attributes:
        user_id: who.
        typing: whether they are writing something.
        until: until when this holds, unless they say it again.

    """

    user_id: str
    typing: bool
    until: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs, and over the wire of the `commands` function."""
        until = None if self.until is None else to_wire_time(self.until)
        return {"userId": self.user_id, "typing": self.typing, "until": until}

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Presence:
        """From what `as_json` gave."""
        until = facts["until"]
        return cls(facts["userId"], facts["typing"], None if until is None else datetime.fromisoformat(until))


def appear(ports: Ports, booking_id: str, *, user_id: str, typing: bool = False) -> Flow[Presence | None]:
    """Say that somebody has a room open, and whether they are typing; it holds for two minutes, or 15 s of typing.

    Returns:
        What the other side can see now; None on a server that has no presences.

    Raises:
        NotFound: there is no such room.
        NotAllowed: the user does not take part in this conversation.

    """
    room = yield from get_room(ports, booking_id)
    refuse_stranger(room, user_id)
    body: dict[str, Any] = {
        "userId": user_id,
        "status": _TYPING if typing else _ONLINE,
        "permissions": read_by(room.participants),
        "expiresAt": to_wire_time(ports.now() + (TYPING_FOR if typing else ONLINE_FOR)),
        "metadata": {"room": room.id},
    }
    said = yield from _unless_absent(put_presence(presence_id(user_id), body))
    return None if said is None else _presence(said)


def present(ports: Ports, booking_id: str) -> Flow[list[Presence]]:
    """Who has a room open now; nobody on a server that has no presences.

    Raises:
        NotFound: there is no such room, or none that the credential may see.

    """
    room = yield from get_room(ports, booking_id)
    found = yield from _unless_absent(list_presences([Query.equal("userId", list(room.participants))]))
    return sorted((_presence(each) for each in found or () if _is_in(room, each)), key=lambda each: each.user_id)


def _is_in(room: ChatRoom, document: PresenceDocument) -> bool:
    return isinstance(document.metadata, dict) and document.metadata.get("room") == room.id


def _presence(document: PresenceDocument) -> Presence:
    return Presence(document.user_id, document.status == _TYPING, document.expires_at)


def _unless_absent(call: Call[T]) -> Flow[T | None]:
    """What a call gives; None when the server knows no such route."""
    try:
        return (yield from call)
    except NotAppwrite as error:
        if error.status != 404:  # Appwrite's answer to a route that it does not know is a page
            raise
    except RowNotFound as error:
        if error.type != _ROUTE_MISSING:
            raise
    return None
