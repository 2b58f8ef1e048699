"""Who listens to what, and the delivery of every change to those who may read it.

A subscription is a set of channels with queries. The real server keeps them by role, channel, connection and id;
what follows from that and is kept here: a repeated id replaces the queries on the channels it names again, an
event is sent once per connection with the ids of all its matching subscriptions, and a connection that signs in
while it has no subscription loses its place in the project (see ``Connection.lost``).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from typing import TYPE_CHECKING, Any

from .events import ACTIONS
from .realtime_faults import RealtimeFaults
from .realtime_queries import Query, matches
from .websocket import RealtimeProtocol, text_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .events import Change
    from .identity import Identity
    from .kernel import Clock

Queries = tuple[Query, ...]


class Connection:
    """One socket: who it is, and its subscriptions as channel → id → queries."""

    def __init__(self, socket: RealtimeProtocol, identity: Identity) -> None:
        self.socket = socket
        self.identity = identity
        self.channels: dict[str, dict[str, Queries]] = {}
        self.presences: set[str] = set()
        self.message_times: list[float] = []
        # The real server forgets a connection's project when it authenticates without a subscription: whatever is
        # sent next but a ping is answered with 1008.
        self.lost = False
        self.due = 0.0  # loop time before which no delayed event may arrive, so that delays keep the order

    @property
    def user_id(self) -> str:
        return self.identity.user_id or ""

    @property
    def roles(self) -> frozenset[str]:
        return self.identity.roles

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message."""
        self.socket.write_frame(text_frame(_encode(message)))

    def subscription_ids(self) -> set[str]:
        """The ids of all subscriptions."""
        return set(itertools.chain.from_iterable(self.channels.values()))


def own_channels(channels: Iterable[str], user_id: str) -> list[str]:
    """``channels`` as the server understands them: ``account`` becomes the user's own, somebody else's disappears."""
    kept: dict[str, None] = dict.fromkeys(channels)
    for channel in list(kept):
        _, is_account, rest = channel.partition("account.")
        if channel == "account" and user_id:
            kept[f"account.{user_id}"] = None
        elif channel.startswith("account.") and is_account:
            if rest in ACTIONS and not user_id:
                continue  # a guest keeps the bare action until she signs in
            del kept[channel]
            if rest in ACTIONS:
                kept[f"account.{user_id}.{rest}"] = None
    return list(kept)


class Hub:
    """All realtime connections of one server. ``reload`` gives a user's identity as it is now, or None."""

    def __init__(self, clock: Clock, reload: Callable[[str], Identity | None]) -> None:
        self.faults = RealtimeFaults()
        self.connections: set[Connection] = set()
        self.arrivals: dict[str, list[float]] = {}  # times of handshakes by address, when rates are limited
        self._clock = clock
        self._reload = reload
        self._listeners: dict[str, set[Connection]] = {}

    def open(self, socket: RealtimeProtocol, identity: Identity) -> Connection:
        """Take in a new socket."""
        connection = Connection(socket, identity)
        self.connections.add(connection)
        return connection

    def close(self, connection: Connection) -> None:
        """Forget a socket and its subscriptions."""
        self.connections.discard(connection)
        self._forget(connection)

    def subscribe(self, connection: Connection, key: str, channels: Sequence[str], queries: Queries) -> None:
        """Listen to ``channels``; on channels already listened to under this ``key``, the queries are replaced."""
        for channel in channels:
            connection.channels.setdefault(channel, {})[key] = queries
            self._listeners.setdefault(channel, set()).add(connection)

    def unsubscribe(self, connection: Connection, key: str) -> bool:
        """End the subscription ``key``; False when there is none."""
        found = False
        for channel, subscriptions in list(connection.channels.items()):
            if subscriptions.pop(key, None) is None:
                continue
            found = True
            if not subscriptions:
                del connection.channels[channel]
                self._leave(channel, connection)
        return found

    def sign_in(self, connection: Connection, identity: Identity) -> None:
        """Make ``identity`` the connection's, with the subscriptions that it has."""
        had = connection.channels
        previous = connection.user_id
        self._forget(connection)
        connection.identity = identity
        connection.lost = connection.lost or not had
        for channel, subscriptions in had.items():
            for key, queries in subscriptions.items():
                renamed = _rebound(channel, previous, identity.user_id or "")
                self.subscribe(connection, key, [renamed], queries)

    def rebind(self, user_id: str) -> None:
        """The user's memberships changed: listening connections get the roles of now, changed labels included."""
        concerned = [c for c in self.connections if c.channels and c.user_id == user_id]
        identity = self._reload(user_id) if concerned else None
        if identity is not None:
            for connection in concerned:
                connection.identity = identity

    def publish(self, change: Change) -> None:
        """Deliver ``change`` to every connection that listens and may read it."""
        if change.rebinds_user_id:
            self.rebind(change.rebinds_user_id)
        receivers = self._receivers(change)
        if receivers:
            head = self._event_head(change)
            for connection, ids in receivers.items():
                self._deliver(connection, text_frame(b"%b%b}}" % (head, _encode(list(ids)))))

    def _event_head(self, change: Change) -> bytes:
        data = {
            "events": change.names,
            "channels": change.channels,
            "timestamp": self._clock.stamp(),
            "payload": change.payload,
        }
        return b'{"type":"event","data":%b,"subscriptions":' % _encode(data)[:-1]

    def _receivers(self, change: Change) -> dict[Connection, dict[str, None]]:
        found: dict[Connection, dict[str, None]] = {}
        if not self._listeners:
            return found
        roles, payload = change.roles, change.payload
        for channel in change.channels:
            for connection in self._listeners.get(channel, ()):
                if "any" not in roles and roles.isdisjoint(connection.roles):
                    continue
                for key, queries in connection.channels[channel].items():
                    if not queries or matches(queries, payload):
                        found.setdefault(connection, {})[key] = None
        return found

    def _deliver(self, connection: Connection, frame: bytes) -> None:
        if not self.faults.planted:
            connection.socket.write_frame(frame)
            return
        loop = asyncio.get_running_loop()
        in_order = not self.faults.reorder
        for delay in self.faults.deliveries():
            due = loop.time() + delay
            if in_order:
                due = connection.due = max(due, math.nextafter(connection.due, math.inf))
            if due <= loop.time():
                connection.socket.write_frame(frame)
            else:
                loop.call_at(due, connection.socket.write_frame, frame)

    def _leave(self, channel: str, connection: Connection) -> None:
        listeners = self._listeners[channel]
        listeners.discard(connection)
        if not listeners:
            del self._listeners[channel]

    def _forget(self, connection: Connection) -> None:
        for channel in connection.channels:
            self._leave(channel, connection)
        connection.channels = {}


def _rebound(channel: str, old_user: str, new_user: str) -> str:
    """An account channel follows the user who signs in."""
    if not channel.startswith("account.") or not new_user or old_user == new_user:
        return channel
    rest = channel.removeprefix("account.")
    if not old_user:
        return f"account.{new_user}.{rest}" if rest in ACTIONS else channel
    owner, _, action = rest.partition(".")
    if owner != old_user or (action and action not in ACTIONS):
        return channel
    return f"account.{new_user}.{action}" if action else f"account.{new_user}"


def _encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
