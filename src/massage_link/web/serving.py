"""Serves the pages, until a signal ends it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from massage_link.errors import UsageError
from massage_link.web.app import create_app
from massage_link.web.site import Site

__all__ = ["serve"]

#: Seconds that open pages have to end their connections.
_LEAVE_WITHIN = 3


def serve(site: Callable[[], Site], *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        site: makes the site, inside the event loop.
        host, port: where; port 0 takes a free one.
        ready: told the address once it answers.

    Raises:
        UsageError: the port is taken, or is not ours to take.

    """
    listening = _listening(host, port)
    asyncio.run(_serve(site, listening, host, ready))


async def _serve(site: Callable[[], Site], listening: socket.socket, host: str, ready: Callable[[str], None]) -> None:
    config = uvicorn.Config(
        create_app(site()),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_LEAVE_WITHIN,
        server_header=False,
        ws_max_size=1_000_000,
    )
    shown = "localhost" if host in {"127.0.0.1", "localhost"} else host
    server = _Server(config, lambda: ready(f"http://{shown}:{listening.getsockname()[1]}"))
    await server.serve(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Uvicorn's own raises the signal again once it has served; here a signal is how serving ends well.
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, self.handle_exit, each, None)
        try:
            yield
        finally:
            for each in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(each)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except (OSError, OverflowError) as error:
        made.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot listen on {host}:{port} ({reason}); choose another with --port.") from None
    return made
