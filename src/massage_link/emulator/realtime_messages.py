"""What a client may say on a realtime socket, and the answers.

Errors carry a code: 1003 for a message or session that is not valid (the connection stays), 1008 for a violated
policy (the connection is closed without a closing frame), 0 for what the real server's code trips over.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from .errors import AppwriteError
from .kernel import is_id, unique_id
from .realtime import own_channels
from .realtime_queries import RealtimeQueryError, parse_queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .identity import Identity
    from .realtime import Connection, Hub

_HIDDEN = "Error: Server Error"  # in production the server tells no more than this of codes 0 and from 500 on
_LONGEST_SESSION = 2048


class RealtimeError(Exception):
    """An error to answer with; the hub closes the connection after code 1008."""

    def __init__(self, code: int, message: str = _HIDDEN) -> None:
        super().__init__(message)
        self.code = code
        self.message = message if 0 < code < 500 else _HIDDEN

    def as_message(self) -> dict[str, Any]:
        return {"type": "error", "data": {"code": self.code, "message": self.message}}


class Directory(Protocol):
    """What answering needs to know of the rest of the server."""

    def session(self, secret: str) -> Identity | None:
        """The user of a session, or None."""

    def account(self, user: Mapping[str, Any]) -> Mapping[str, Any]:
        """A user as ``GET /account`` shows her."""

    def announce_presence(self, connection: Connection, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Store the presence that ``data`` describes and return it; raises AppwriteError."""


def answer(hub: Hub, directory: Directory, connection: Connection, text: str) -> None:
    """Do what the client asks for in ``text`` and send the answer."""
    try:
        connection.send(_dispatch(hub, directory, connection, _parsed(text)))
    except RealtimeError as error:
        connection.send(error.as_message())
        if error.code == 1008:
            connection.socket.hang_up()
    except AppwriteError as error:
        connection.send(RealtimeError(error.code, error.message).as_message())


def _parsed(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise RealtimeError(1003) from None
    if message is not None and not isinstance(message, dict | list):
        raise RealtimeError(0)
    if not isinstance(message, dict) or not message.keys() & {"type", "data"}:
        raise RealtimeError(1003)
    return message


def _dispatch(hub: Hub, directory: Directory, connection: Connection, message: Mapping[str, Any]) -> Mapping[str, Any]:
    kind, data = message.get("type"), message.get("data")
    if kind == "ping":
        return {"type": "pong"}
    if kind not in ("subscribe", "unsubscribe", "authentication", "presence"):
        raise RealtimeError(1003)
    if connection.lost:
        raise RealtimeError(1008)
    if kind == "subscribe":
        return _response(kind, subscriptions=_subscribe(hub, connection, data))
    if kind == "unsubscribe":
        return _response(kind, subscriptions=_unsubscribe(hub, connection, data))
    if kind == "authentication":
        return _response(kind, user=_authenticate(hub, directory, connection, data))
    return {"type": "response", "data": {"to": kind, "presence": _presence(directory, connection, data)}}


def _response(to: str, **fields: object) -> dict[str, Any]:
    return {"type": "response", "data": {"to": to, "success": True, **fields}}


def _subscribe(hub: Hub, connection: Connection, data: object) -> list[dict[str, Any]]:
    wanted = [_wanted(item, connection.user_id) for item in _items(data)]
    for key, channels, queries in wanted:
        hub.subscribe(connection, key, channels, queries)
    return [
        {"subscriptionId": key, "channels": channels, "queries": [str(query) for query in queries]}
        for key, channels, queries in wanted
    ]


def _wanted(item: Mapping[str, Any], user_id: str) -> tuple[str, list[str], Any]:
    key = item.get("subscriptionId", "") if "subscriptionId" in item else unique_id()
    channels, queries = item.get("channels"), item.get("queries", [])
    if not (is_id(key) or key == "unique()") or not isinstance(channels, list) or not isinstance(queries, list):
        raise RealtimeError(1003)
    if not all(isinstance(channel, str) for channel in channels):
        raise RealtimeError(1003)
    try:
        return key, own_channels(channels, user_id), parse_queries(queries)
    except RealtimeQueryError as error:
        raise RealtimeError(error.code) from error


def _unsubscribe(hub: Hub, connection: Connection, data: object) -> list[dict[str, Any]]:
    ids = [item.get("subscriptionId") for item in _items(data)]
    if not all(isinstance(key, str) and key for key in ids):
        raise RealtimeError(1003)
    return [{"subscriptionId": key, "removed": hub.unsubscribe(connection, str(key))} for key in ids]


def _items(data: object) -> list[dict[str, Any]]:
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise RealtimeError(1003)
    return data


def _authenticate(hub: Hub, directory: Directory, connection: Connection, data: object) -> Mapping[str, Any]:
    secret = data.get("session") if isinstance(data, dict) else None
    if not isinstance(secret, str) or not 0 < len(secret) <= _LONGEST_SESSION:
        raise RealtimeError(1003)
    identity = directory.session(secret)
    if identity is None or identity.user is None:
        raise RealtimeError(1003)
    hub.sign_in(connection, identity)
    return directory.account(identity.user)


def _presence(directory: Directory, connection: Connection, data: object) -> Mapping[str, Any]:
    if not isinstance(data, dict) or not isinstance(data.get("status"), str) or not data["status"]:
        raise RealtimeError(1003)
    if not connection.user_id:
        raise RealtimeError(401, "User must be authorized")
    return directory.announce_presence(connection, data)
