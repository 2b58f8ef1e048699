"""The route table, put together from one module per service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    account,
    bulk,
    columns,
    console,
    control,
    databases,
    executions,
    functions,
    health,
    presences,
    proxy,
    reading,
    realtime,
    rows,
    tables,
    teams,
    transactions,
    users,
)
from .realtime import serve_socket

if TYPE_CHECKING:
    from massage_link.emulator.routing import Route

_MODULES = (
    account,
    bulk,
    columns,
    control,
    databases,
    executions,
    functions,
    health,
    presences,
    proxy,
    reading,
    realtime,
    rows,
    tables,
    teams,
    transactions,
    users,
)


def all_routes() -> list[Route]:
    """Every HTTP route."""
    return [route for module in _MODULES for route in module.routes]


websocket = serve_socket

__all__ = ["all_routes", "console", "websocket"]
