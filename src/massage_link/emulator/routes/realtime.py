"""``/v1/realtime``: the life of one socket, from its handshake to its end, and the faults planted on sockets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from massage_link.emulator.errors import AppwriteError
from massage_link.emulator.identity import GUEST
from massage_link.emulator.kernel import unique_id
from massage_link.emulator.people import wire_account
from massage_link.emulator.realtime import own_channels
from massage_link.emulator.realtime_address import (
    RealtimeQueryError,
    foreign_origin,
    read_query,
    subscriptions,
    wanted_channels,
)
from massage_link.emulator.realtime_messages import RealtimeError, answer
from massage_link.emulator.routing import Call, Reply, Route
from massage_link.emulator.sqlite import dumps
from massage_link.emulator.websocket import SOCKET, RealtimeProtocol, text_frame

from .control import guarded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from massage_link.emulator.core import Emulator
    from massage_link.emulator.identity import Identity
    from massage_link.emulator.realtime import Connection

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

_PATH = "/v1/realtime"
_MESSAGES_A_MINUTE = 32
_CONNECTIONS_A_MINUTE = 128
_MINUTE = 60.0


class _RefusedError(Exception):
    """The connection is told an error and dropped."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.body = {"type": "error", "data": {"code": code, "message": message}}


class ServerDirectory:
    """The rest of the server, as far as answering a message needs it."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def session(self, secret: str) -> Identity | None:
        """The user of a session, or None."""
        try:
            identity = self._emulator.identities.from_session(secret)
        except AppwriteError:
            return None
        return identity if identity.user else None

    def account(self, user: Mapping[str, Any]) -> Mapping[str, Any]:
        """A user as she sees herself."""
        return wire_account(user)

    def announce_presence(self, connection: Connection, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Store the presence of a connection's user; it ends with the connection."""
        fields = {name: data[name] for name in ("status", "metadata", "permissions") if data.get(name) is not None}
        wanted = str(data.get("presenceId") or "unique()")
        document = self._emulator.presences.upsert(wanted, connection.identity, fields, source="realtime")
        connection.presences.add(document["$id"])
        return document


async def serve_socket(emulator: Emulator, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Serve one WebSocket until it ends."""
    await receive()
    if scope["path"].rstrip("/") != _PATH or emulator.hub.faults.refuses():
        status = 404 if scope["path"].rstrip("/") != _PATH else 503
        await send({"type": "websocket.http.response.start", "status": status, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})
        return
    await send({"type": "websocket.accept"})
    socket: RealtimeProtocol = scope["state"][SOCKET]
    try:
        connection = _open(emulator, scope, socket)
    except _RefusedError as refusal:
        socket.write_frame(text_frame(dumps(refusal.body).encode()))
        socket.hang_up()
        return
    try:
        await _listen(emulator, connection, receive)
    finally:
        emulator.hub.close(connection)
        for presence in connection.presences:
            emulator.presences.remove(presence, None)


async def _listen(emulator: Emulator, connection: Connection, receive: Receive) -> None:
    directory = ServerDirectory(emulator)
    while True:
        message = await receive()
        if message["type"] != "websocket.receive":
            return
        if emulator.settings.rate_limits and _too_many(connection.message_times, _MESSAGES_A_MINUTE):
            connection.send(RealtimeError(1013).as_message())
            continue
        text = message.get("text")
        answer(
            emulator.hub, directory, connection, message["bytes"].decode("utf-8", "replace") if text is None else text
        )


def _open(emulator: Emulator, scope: Mapping[str, Any], socket: RealtimeProtocol) -> Connection:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = read_query(scope["query_string"].decode("latin-1"))
    project = query.get("project", headers.get("x-appwrite-project", "console"))
    if project not in (emulator.identities.project, "console"):
        raise _RefusedError(1008, "Missing or unknown project ID")
    address = scope["client"][0] if scope.get("client") else ""
    if emulator.settings.rate_limits and _too_many(
        emulator.hub.arrivals.setdefault(address, []), _CONNECTIONS_A_MINUTE
    ):
        raise _RefusedError(1013, "Error: Server Error")
    _check_origin(headers)
    in_console = project == "console"  # what a missing project amounts to: a connection to which nothing happens
    identity = GUEST if in_console else _caller(emulator, headers)
    channels = own_channels(wanted_channels(query), identity.user_id or "")
    try:
        wanted = subscriptions(channels, query)
    except RealtimeQueryError as error:
        raise _RefusedError(1008, str(error)) from error
    connection = emulator.hub.open(socket, identity)
    ids = [unique_id() for _ in wanted]
    if not in_console:
        for key, (names, queries) in zip(ids, wanted, strict=True):
            emulator.hub.subscribe(connection, key, names, queries)
    user = wire_account(identity.user) if identity.user else None
    connection.send({"type": "connected", "data": {"channels": channels, "subscriptions": ids, "user": user}})
    return connection


def _check_origin(headers: Mapping[str, str]) -> None:
    stranger = foreign_origin(headers.get("origin"), headers.get("host"))
    if stranger:
        raise _RefusedError(
            1008,
            f"Invalid Origin. Register your new client ({stranger}) as a new Web platform on your project console "
            "dashboard",
        )


def _caller(emulator: Emulator, headers: Mapping[str, str]) -> Identity:
    """The user of a session or JWT; an API key gives no rights on a socket."""
    without_key = {name: value for name, value in headers.items() if name != "x-appwrite-key"}
    try:
        return emulator.identities.from_request(without_key)
    except AppwriteError as error:
        raise _RefusedError(error.code, error.message) from error


def _too_many(times: list[float], limit: int) -> bool:
    now = time.monotonic()
    times[:] = [moment for moment in times if moment > now - _MINUTE]
    times.append(now)
    return len(times) > limit


# The control plane


def plant(call: Call) -> Reply:
    """Drop or freeze sockets, of all or of one ``userId``; lose, double, delay, reorder events; refuse handshakes."""
    hub, wanted = call.emulator.hub, call.body
    if wanted.get("clear"):
        hub.faults.clear()
    hub.faults.plant(wanted)
    user = wanted.get("userId")
    concerned = [connection for connection in hub.connections if user in (None, connection.user_id)]
    if wanted.get("drop"):
        hub.faults.count("dropped", len(concerned))
        for connection in concerned:
            _end(connection.socket, wanted.get("code"))
    if wanted.get("freeze"):
        hub.faults.count("frozen", len(concerned))
        for connection in concerned:
            connection.socket.freeze(float(wanted["freeze"]))
    return report(call)


def _end(socket: RealtimeProtocol, code: int | None) -> None:
    if code is None:
        socket.cut()
    else:
        socket.close_with(code)


def report(call: Call) -> Reply:
    """What was met, and how many sockets are open."""
    hub = call.emulator.hub
    return Reply({"connections": len(hub.connections), "met": hub.faults.counters})


routes: list[Route] = [
    Route("POST", "_emulator/realtime", guarded(plant), ("control",)),
    Route("GET", "_emulator/realtime", guarded(report), ("control",)),
]
