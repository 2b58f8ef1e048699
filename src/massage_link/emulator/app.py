"""The ASGI application: finds the route, establishes the caller, answers; errors become Appwrite's JSON."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from .console import CONSOLE
from .core import Emulator, Settings
from .errors import AppwriteError, ServerFailure, invalid_param
from .kernel import VERSION, is_id
from .limits import Limits
from .params import UID_RULE
from .routes import all_routes, console, websocket
from .routing import Call, Reply, Route, Router, ScalarBodyError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

logger = logging.getLogger("massage_link.emulator")

_BASE = "/v1/"
_LARGEST_BODY = 12 * 1024 * 1024  # the real server's limit; code uploads come in chunks of 5 MB
# First path segments of services that the real server has: 501 below them says what is missing here.
_SERVICES = frozenset(
    {
        "account", "advisor", "assistant", "avatars", "backups", "console", "databases", "documentsdb", "embeddings",
        "functions", "graphql", "health", "locale", "manager", "messaging", "migrations", "mock", "presences",
        "project", "projects", "proxy", "realtime", "sites", "storage", "tablesdb", "teams", "tokens", "users",
        "vcs", "vectorsdb", "webhooks",
    }
)  # fmt: skip
_TOO_LARGE = {
    "message": "The request is larger than 12 MB.",
    "code": 413,
    "type": "general_bad_request",
    "version": VERSION,
}
_NOT_FOUND = b'<!DOCTYPE html><html lang="en"><head><title>Not found</title></head><body>Not found</body></html>'
# What a page of another origin may send, as the real server lists it; browsers refuse calls with any other header.
_CORS = (
    "Accept, Origin, Cookie, Set-Cookie, Content-Type, Content-Range, X-Appwrite-Project, X-Appwrite-Key, "
    "X-Appwrite-Dev-Key, X-Appwrite-Locale, X-Appwrite-Mode, X-Appwrite-JWT, X-Appwrite-Organization, "
    "X-Appwrite-Response-Format, X-Appwrite-Timeout, X-Appwrite-ID, X-Appwrite-Timestamp, X-Appwrite-Session, "
    "X-Appwrite-Platform, X-Appwrite-Impersonate-User-Id, X-Appwrite-Impersonate-User-Email, "
    "X-Appwrite-Impersonate-User-Phone, X-SDK-Version, X-SDK-Name, X-SDK-Language, X-SDK-Platform, X-SDK-GraphQL, "
    "X-SDK-Profile, Range, Cache-Control, Expires, Pragma, X-Fallback-Cookies, X-Requested-With, X-Forwarded-For, "
    "X-Forwarded-User-Agent"
)
# Services of which this server has every route of the paths that it has: another method there is none of Appwrite's.
_WHOLE = ("tablesdb", "databases")


class DropConnection(Exception):
    """Cut the TCP connection instead of answering."""


class _TooLargeError(Exception):
    """The body is larger than the server takes."""


class App:
    """The emulator as an ASGI application; `emulator` is its state."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.router = Router(all_routes())
        self.console_router = Router(console.routes)
        self.limits = Limits(enforced=emulator.settings.rate_limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await websocket(self.emulator, scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _read(receive)
        except _TooLargeError:
            await _respond(send, Reply(_TOO_LARGE, 413, [("Connection", "close")]), None)
            return
        if body is None:
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        call = Call(
            self.emulator,
            scope["method"],
            scope["path"],
            headers,
            scope["query_string"].decode("latin-1"),
            body,
            client=scope["client"][0] if scope.get("client") else "127.0.0.1",
        )
        try:
            reply = await self._answer_or_fail(call)
        except DropConnection:
            _cut(send)
            return
        await _respond(send, reply, headers.get("origin"))

    async def _answer_or_fail(self, call: Call) -> Reply:
        """The answer, or what a planted fault makes of it."""
        fault = self.emulator.faults.for_call(call.method, call.path)
        if fault is None:
            return await self.answer(call)
        if fault.when == "before":
            planted = await _planted(fault.action)
            return planted or await self.answer(call)
        reply = await self.answer(call)
        return await _planted(fault.action) or reply

    async def answer(self, call: Call) -> Reply:
        """The answer to `call`, errors included."""
        try:
            reply = await self._dispatch(call)
        except AppwriteError as error:
            return Reply(error.body(), error.code, error.headers)
        except (ServerFailure, ScalarBodyError):
            return Reply(AppwriteError("general_unknown").body(), 500)
        except DropConnection:
            raise
        except Exception:
            logger.exception("%s %s failed", call.method, call.path)
            return Reply(AppwriteError("general_unknown").body(), 500)
        return reply

    async def _dispatch(self, call: Call) -> Reply:
        if call.method == "OPTIONS":
            return Reply(None, 204, [("Access-Control-Allow-Headers", _CORS), ("Access-Control-Max-Age", "86400")])
        if not call.path.startswith((_BASE, "/_emulator/")):
            return self._unknown(call, call.path)
        method = "GET" if call.method == "HEAD" else call.method
        path = call.path.removeprefix(_BASE)
        of_console = call.headers.get("x-appwrite-project") == CONSOLE
        found = (self.console_router.find(method, path) if of_console else None) or self.router.find(method, path)
        if found is None:
            return self._unknown(call, path)
        route, call.params = found
        self._authorize(call, route)
        _check_ids(call)
        if route.per_minute is None:
            result = route.handler(call)
            return await result if inspect.isawaitable(result) else result
        headers = self.limits.count(call, route)
        try:
            result = route.handler(call)
            reply = await result if inspect.isawaitable(result) else result
        except AppwriteError as error:
            error.headers.extend(headers)
            raise
        reply.headers.extend(headers)
        return reply

    def _unknown(self, call: Call, path: str) -> Reply:
        service = path.partition("/")[0]
        wrong_method = service in _WHOLE and self.router.knows(path)
        if call.path.startswith(_BASE) and service in _SERVICES and not wrong_method:
            raise AppwriteError("emulator_not_implemented", f"{call.method} {call.path}")
        return Reply(_NOT_FOUND, 404, content_type="text/html; charset=UTF-8")

    def _authorize(self, call: Call, route: Route) -> None:
        if route.scopes in (("control",), ("console",)):
            return
        identities = self.emulator.identities
        project = call.headers.get("x-appwrite-project") or call.query.get("project")
        if project != identities.project and not (project in (None, CONSOLE) and route.scopes == ("public",)):
            raise AppwriteError("project_not_found")
        call.identity = self.emulator.console.operator(call.headers) or identities.from_request(call.headers)
        if call.identity.scopes.isdisjoint(route.scopes):
            wanted = ", ".join(f'"{scope}"' for scope in route.scopes)
            raise AppwriteError(
                "general_unauthorized_scope", message=f"{call.identity.title()} missing scopes ([{wanted}])"
            )


def _check_ids(call: Call) -> None:
    """Refuse ids in the path that cannot be any; an upsert checks the row's id itself, because it may make one."""
    for name, value in call.params.items():
        if name.endswith("Id") and not is_id(value) and not (name == "rowId" and call.method == "PUT"):
            raise invalid_param(name, UID_RULE)


async def _planted(action: Mapping[str, Any]) -> Reply | None:
    """Carry out a planted fault: the answer that it gives, or None when it only delays."""
    if action.get("delaySeconds"):
        await asyncio.sleep(float(action["delaySeconds"]))
    if action.get("drop"):
        raise DropConnection
    if "status" not in action:
        return None
    status = int(action["status"])
    body = action.get("body") or AppwriteError("general_unknown", code=status).body()
    return Reply(body, status)


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when the client went away. Raises _TooLargeError."""
    message = await receive()
    if message["type"] == "http.disconnect":
        return None
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _LARGEST_BODY:
            raise _TooLargeError
    return b"".join(parts)


async def _respond(send: Send, reply: Reply, origin: str | None) -> None:
    payload = reply.payload()
    headers = [(name.encode(), value.encode()) for name, value in reply.headers]
    # The official Python client reads the content type of every answer, and the body when it says JSON.
    headers.append((b"content-type", (reply.content_type if payload else "text/html; charset=UTF-8").encode()))
    if payload or reply.status != 204:
        headers.append((b"content-length", str(len(payload)).encode()))
    if origin:
        headers += [
            (b"access-control-allow-origin", origin.encode()),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
            (b"access-control-expose-headers", b"X-Appwrite-Session, X-Fallback-Cookies"),
        ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": payload})


def _cut(send: Send) -> None:
    """Drop the connection: uvicorn's `send` is a method of the object that holds the transport."""
    cycle = getattr(send, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise RuntimeError("this server cannot drop connections")
    transport.abort()


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            await send({"type": "lifespan.shutdown.complete"})
            return


def create_app(settings: Settings | None = None) -> App:
    """An emulator as an ASGI application, with its own state."""
    return App(Emulator(settings or Settings()))


__all__ = ["App", "DropConnection", "create_app"]
