"""An emulator inside the test's own event loop: real sockets, and its state within reach."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from massage_link.emulator.core import Emulator, Settings
from massage_link.emulator.server import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

PROJECT, KEY, TOKEN = "massage", "key", "token"


@dataclass
class Live:
    """A running server, and a client with its key."""

    emulator: Emulator
    http: httpx.AsyncClient

    async def call(
        self, method: str, path: str, body: object = None, *, session: str | None = None, **more: Any
    ) -> Any:
        """The JSON of a call that must succeed, by the key or by the user of ``session``."""
        answer = await self.answer(method, path, body, session=session, **more)
        assert answer.status_code < 400, answer.text
        return answer.json() if answer.content else None

    async def answer(
        self, method: str, path: str, body: object = None, *, session: str | None = None, **more: Any
    ) -> httpx.Response:
        """Any call's answer."""
        headers = {"X-Appwrite-Project": PROJECT, **more.pop("headers", {})}
        if session == "guest":
            pass
        elif session:
            headers["X-Appwrite-Session"] = session
        else:
            headers["X-Appwrite-Key"] = KEY
        return await self.http.request(method, path, json=body, headers=headers, **more)

    async def control(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """A call of the control plane."""
        url = self.emulator.endpoint.removesuffix("/v1") + f"/_emulator/{path}"
        answer = await self.http.request(method, url, json=body, headers={"X-Emulator-Token": TOKEN})
        assert answer.status_code < 400, answer.text
        return answer.json()

    async def user(self, name: str, *, labels: list[str] | None = None) -> str:
        """A new user of this id; returns the secret of a session."""
        await self.call("POST", "/users", {"userId": name, "email": f"{name}@example.test", "password": "password-1"})
        if labels:
            await self.call("PUT", f"/users/{name}/labels", {"labels": labels})
        return str((await self.call("POST", f"/users/{name}/sessions", {}))["secret"])

    async def table(self, **settings: Any) -> str:
        """Database ``db`` with table ``items`` (title, n); returns the path of its rows."""
        await self.call("POST", "/tablesdb", {"databaseId": "db", "name": "Main"})
        table = {"tableId": "items", "name": "Items", "rowSecurity": True, **settings}
        await self.call("POST", "/tablesdb/db/tables", table)
        columns = "/tablesdb/db/tables/items/columns"
        await self.call("POST", f"{columns}/string", {"key": "title", "size": 40, "required": False})
        await self.call("POST", f"{columns}/integer", {"key": "n", "required": False})

        async def available() -> bool:
            return all(column["status"] == "available" for column in (await self.call("GET", columns))["columns"])

        await until(available)
        return "/tablesdb/db/tables/items/rows"

    def socket(self, query: str = f"?project={PROJECT}", *, session: str | None = None, **more: Any) -> connect:
        """A WebSocket to realtime, to be used with ``async with``."""
        url = self.emulator.endpoint.replace("http", "ws", 1) + f"/realtime{query}"
        headers = {"X-Appwrite-Session": session} if session else {}
        return connect(url, additional_headers={**headers, **more.pop("headers", {})}, **more)


@asynccontextmanager
async def live_server(**settings: Any) -> AsyncIterator[Live]:
    """A server that stops at the end of the block."""
    server = Server(Settings(project=PROJECT, key=KEY, control_token=TOKEN, **settings))
    ready = asyncio.Event()
    serving = asyncio.create_task(server.serve(ready.set))
    await ready.wait()
    try:
        async with httpx.AsyncClient(base_url=server.emulator.endpoint, timeout=20) as client:
            yield Live(server.emulator, client)
    finally:
        server.stop()
        await serving


async def until(holds: Callable[[], bool | Awaitable[bool]], seconds: float = 20) -> None:
    """Wait until ``holds`` says so."""
    async with asyncio.timeout(seconds):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.005)


async def say(socket: ClientConnection, **message: object) -> dict[str, Any]:
    """Send ``message`` and return the next one that arrives."""
    await socket.send(json.dumps(message))
    return await heard(socket)


async def heard(socket: ClientConnection) -> dict[str, Any]:
    """The next message."""
    message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 20))
    return message


async def subscribed(socket: ClientConnection, *channels: str, **more: object) -> None:
    """Wait for the greeting and subscribe to ``channels``."""
    assert (await heard(socket))["type"] == "connected"
    answer = await say(socket, type="subscribe", data=[{"channels": channels, **more}])
    assert answer["data"]["success"]
