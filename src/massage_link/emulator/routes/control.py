"""The control plane under /_emulator/: data, clock, faults. Only with the control token."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from massage_link.emulator.errors import AppwriteError
from massage_link.emulator.routing import Call, Reply, Route

if TYPE_CHECKING:
    from collections.abc import Callable


def guarded(handler: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
    """`handler`, for callers with the control token only."""

    def check(call: Call) -> Reply:
        token = call.headers.get("x-emulator-token", "")
        if not secrets.compare_digest(token.encode(), call.emulator.settings.control_token.encode()):
            raise AppwriteError("general_access_forbidden", message="The control plane needs X-Emulator-Token")
        return handler(call)

    return check


def reset(call: Call) -> Reply:
    """Drop all data."""
    call.emulator.reset()
    return Reply({})


routes = [Route("POST", "_emulator/reset", guarded(reset), ("control",))]
