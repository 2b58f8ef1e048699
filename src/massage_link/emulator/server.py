"""Runs the application under uvicorn on a socket of our own, so that port 0 works and the endpoint is known."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING

import uvicorn

from .app import App
from .console import EMAIL
from .core import Emulator, Settings
from .websocket import RealtimeProtocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on `host` and `port` (0: any free one)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio switches Nagle's algorithm off only where it sees that this is TCP.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


class _Uvicorn(uvicorn.Server):
    """uvicorn's server, which tells when it has begun to serve."""

    on_ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.on_ready()


class Server:
    """One emulator serving HTTP and WebSocket until `stop`."""

    def __init__(self, settings: Settings, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._socket = listen(host, port)
        try:
            self.emulator = Emulator(settings)
        except BaseException:
            self._socket.close()
            raise
        shown = f"[{host}]" if ":" in host else host
        self.emulator.endpoint = f"http://{shown}:{self._socket.getsockname()[1]}/v1"
        self._config = uvicorn.Config(
            App(self.emulator),
            http="httptools",
            loop="auto",
            ws=RealtimeProtocol,
            ws_per_message_deflate=False,
            access_log=False,
            log_level="warning",
            date_header=False,  # the app's own answers carry the date, by its clock
            lifespan="on",
            timeout_graceful_shutdown=2,
            timeout_keep_alive=75,  # clients that pool connections must not find them closed after a pause
            ws_ping_interval=None,
            ws_max_size=16 * 1024 * 1024,
            server_header=False,
        )
        self._uvicorn = _Uvicorn(self._config)

    async def serve(self, on_ready: Callable[[], None]) -> None:
        """Serve until `stop` or a signal; `on_ready` runs once requests are answered."""
        self.emulator.functions.start()
        self._uvicorn.on_ready = on_ready
        try:
            await self._uvicorn.serve(sockets=[self._socket])
        finally:
            await self.emulator.functions.close()
            self.emulator.close()

    def stop(self) -> None:
        """Begin to stop gracefully."""
        self._uvicorn.should_exit = True

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve on an event loop of its own, uvloop where there is one."""
        factory = self._config.get_loop_factory()
        with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=factory) as runner:
            runner.run(self.serve(on_ready))


def describe(emulator: Emulator, *, as_json: bool) -> str:
    """What a caller needs to know: one JSON line, or lines ready to paste into .env."""
    settings = emulator.settings
    if as_json:
        return json.dumps(
            {
                "endpoint": emulator.endpoint,
                "project": settings.project,
                "key": settings.key,
                "controlToken": settings.control_token,
            }
        )
    return "\n".join(
        [
            "# Embedded Appwrite-compatible server, for development only. Paste into .env:",
            f"APPWRITE_ENDPOINT={emulator.endpoint}",
            f"APPWRITE_PROJECT_ID={settings.project}",
            f"APPWRITE_API_KEY={settings.key}",
            f"# The Appwrite CLI: appwrite login --endpoint {emulator.endpoint} --email {EMAIL} --password [the key]",
            f"# Control plane: X-Emulator-Token: {settings.control_token}",
            *_about_functions(settings.functions_dir),
        ]
    )


def _about_functions(folder: Path | None) -> list[str]:
    return [] if folder is None else [f"# A function that is created runs from its folder in {folder}."]


def watch_stdin(stop: Callable[[], None]) -> None:
    """Call `stop` when standard input closes, so that a server never outlives the process that started it."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()  # the buffered stream would be locked when the interpreter ends

    def wait() -> None:
        while os.read(descriptor, 4096):
            pass
        loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, daemon=True).start()
