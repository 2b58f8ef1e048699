"""The route table, put together from one module per service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import account, control, health, rows, tables, teams, transactions, users

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from massage_link.emulator.core import Emulator
    from massage_link.emulator.routing import Route

_MODULES = (account, control, health, rows, tables, teams, transactions, users)


def all_routes() -> list[Route]:
    """Every HTTP route."""
    return [route for module in _MODULES for route in module.routes]


async def websocket(
    emulator: Emulator,
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Refuse: there is no realtime yet."""
    await receive()
    await send({"type": "websocket.close", "code": 1008})
