"""The conversation on a realtime socket, without the socket: frames in, outputs out.

Appwrite speaks JSON texts. After the handshake it says ``connected`` (nothing may be sent before); it answers each
``subscribe``, ``unsubscribe`` and ``authentication`` with a ``response``, a ``ping`` with a ``pong``, and says
``error`` with a code of its own. The codes that a 1.9.6 server is known to use:

======  =====================================================  ====================================================
code    meaning                                                what follows
======  =====================================================  ====================================================
1003    the message before was not acceptable                  the connection stays; during set-up retrying is pointless
1008    policy: project, origin                                the server closes; retrying is pointless
1013    too many messages or connections                       wait for the minute to pass
401     the handshake's JWT is not valid                       the server closes; a fresh credential may help
403     the API is switched off, or the wrong region           the server closes; retrying is pointless
500     the server's own trouble                               try again
======  =====================================================  ====================================================

The texts of errors are hidden in production and never looked at. A session that is not valid is no error at all: the
server says ``connected`` with ``user: null`` and treats the connection as a guest's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from massage_link.realtime.source import RawRow


@dataclass(frozen=True, slots=True)
class Subscription:
    """Channels and queries under an id that we choose; the server repeats the id with every event."""

    id: str
    channels: Sequence[str]
    queries: Sequence[str] = ()


class Remedy(Enum):
    """What to do about a failed conversation."""

    RETRY = "retry"
    """Connect again, with backoff."""
    WAIT = "wait"
    """Connect again after the rate limit's minute."""
    NEW_CREDENTIAL = "new credential"
    """Connect again with a fresh credential; when that fails as well, give up."""
    GIVE_UP = "give up"
    """Retrying is pointless."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text."""

    text: str


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The server has confirmed every subscription: from now on events arrive."""

    user_id: str | None


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The server has taken the new session for this connection."""

    user_id: str | None


@dataclass(frozen=True, slots=True)
class RowEvent:
    """A row was written.

    Attributes:
        subscriptions: ids of the subscriptions that it matches.
        action: ``create``, ``update``, ``upsert`` or ``delete``; empty when the server named no event.
        timestamp: the server's time, ISO 8601.
        row: the payload.

    """

    subscriptions: Sequence[str]
    action: str
    timestamp: str
    row: RawRow


@dataclass(frozen=True, slots=True)
class Puzzling:
    """An event that cannot be read: something happened, and only a read-back tells what."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """This connection is of no use any more."""

    remedy: Remedy
    reason: str
    code: int | None = None


Output: TypeAlias = Send | Subscribed | Authenticated | RowEvent | Puzzling | Failed

_PING = json.dumps({"type": "ping"})
_REMEDIES = {
    1008: Remedy.GIVE_UP,
    403: Remedy.GIVE_UP,
    401: Remedy.NEW_CREDENTIAL,
    1013: Remedy.WAIT,
    429: Remedy.WAIT,
}


class _Awaiting(Enum):
    CONNECTED = "connected"
    SUBSCRIBE = "subscribe"
    AUTHENTICATION = "authentication"
    NOTHING = "nothing"


class RealtimeProtocol:
    """One connection's conversation.

    Args:
        subscriptions: asked for as soon as the server has greeted.
        expect_user: True when a credential was sent with the handshake; being greeted as a guest is then a failure.

    """

    def __init__(self, subscriptions: Iterable[Subscription], *, expect_user: bool = True) -> None:
        self._wanted = {subscription.id: subscription for subscription in subscriptions}
        self._expect_user = expect_user
        self._awaiting = _Awaiting.CONNECTED
        self._user_id: str | None = None

    def ping(self) -> str:
        """The heartbeat's text; the server answers with a frame, and any frame is a sign of life."""
        return _PING

    def authenticate(self, session: str) -> str:
        """The text that gives a live connection a fresh session, with the labels that its user has now."""
        self._awaiting = _Awaiting.AUTHENTICATION
        return json.dumps({"type": "authentication", "data": {"session": session}})

    def subscribe(self, subscriptions: Sequence[Subscription]) -> str:
        """The text that adds subscriptions; one with a known id replaces it."""
        self._wanted.update((subscription.id, subscription) for subscription in subscriptions)
        self._awaiting = _Awaiting.SUBSCRIBE
        data = [{"subscriptionId": s.id, "channels": [*s.channels], "queries": [*s.queries]} for s in subscriptions]
        return json.dumps({"type": "subscribe", "data": data})

    def unsubscribe(self, ids: Sequence[str]) -> str:
        """The text that ends subscriptions; events that were under way for them may still arrive."""
        for one in ids:
            self._wanted.pop(one, None)
        return json.dumps({"type": "unsubscribe", "data": [{"subscriptionId": one} for one in ids]})

    def receive(self, frame: str | bytes) -> Output | None:
        """What one frame from the server asks for; None when it asks for nothing."""
        try:
            message = json.loads(frame)
        except ValueError:
            return Puzzling("a frame that is not JSON")
        if not isinstance(message, dict):
            return Puzzling("a frame that is not an object")
        data = message.get("data")
        if not isinstance(data, dict):
            return None  # a pong, or something newer than this client
        kind = message.get("type")
        if kind == "event":
            return _event(data)
        if kind == "connected":
            return self._connected(data)
        if kind == "response":
            return self._response(data)
        if kind == "error":
            return self._error(data)
        return None

    def _connected(self, data: dict[str, Any]) -> Output:
        self._user_id = _user_id(data)
        if self._expect_user and self._user_id is None:
            return Failed(Remedy.NEW_CREDENTIAL, "the server does not know this session and took us for a guest")
        return Send(self.subscribe([*self._wanted.values()]))

    def _response(self, data: dict[str, Any]) -> Output | None:
        if data.get("to") != self._awaiting.value:
            return None
        awaited, self._awaiting = self._awaiting, _Awaiting.NOTHING
        if awaited is _Awaiting.AUTHENTICATION:
            self._user_id = _user_id(data)
            return Authenticated(self._user_id)
        missing = self._wanted.keys() - _subscription_ids(data)
        if missing:
            return Failed(Remedy.RETRY, f"the server did not confirm {sorted(missing)}")
        return Subscribed(self._user_id)

    def _error(self, data: dict[str, Any]) -> Output | None:
        code = data.get("code")
        code = code if isinstance(code, int) else None
        remedy = _REMEDIES.get(code or 0)
        if remedy is not None:
            return Failed(remedy, f"the server refused with code {code}", code)
        if code != 1003:
            return Failed(Remedy.RETRY, f"the server failed with code {code}", code)
        if self._awaiting is _Awaiting.AUTHENTICATION:
            return Failed(Remedy.NEW_CREDENTIAL, "the server did not accept the session", code)
        if self._awaiting is _Awaiting.SUBSCRIBE:
            return Failed(Remedy.GIVE_UP, "the server did not accept the channels or queries", code)
        return None


def _event(data: dict[str, Any]) -> RowEvent | Puzzling:
    row = data.get("payload")
    subscriptions = data.get("subscriptions")
    if not isinstance(row, dict) or not isinstance(row.get("$id"), str) or not isinstance(subscriptions, list):
        return Puzzling("an event without a row or without subscriptions")
    events = data.get("events")
    first = events[0] if isinstance(events, list) and events and isinstance(events[0], str) else ""
    timestamp = data.get("timestamp")
    return RowEvent(subscriptions, first.rpartition(".")[2], timestamp if isinstance(timestamp, str) else "", row)


def _user_id(data: dict[str, Any]) -> str | None:
    user = data.get("user")
    user_id = user.get("$id") if isinstance(user, dict) else None
    return user_id if isinstance(user_id, str) and user_id else None


def _subscription_ids(data: dict[str, Any]) -> set[Any]:
    confirmed = data.get("subscriptions")
    if not isinstance(confirmed, list):
        return set()
    return {one.get("subscriptionId") for one in confirmed if isinstance(one, dict)}
