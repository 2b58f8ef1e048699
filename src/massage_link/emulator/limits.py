"""Limits of calls a minute: told in headers always, as the real server does, enforced only when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import AppwriteError

if TYPE_CHECKING:
    from .routing import Call, Route

_WINDOW = 60


class Limits:
    """Counts calls per route and caller in windows of a minute. Keys are not limited."""

    def __init__(self, *, enforced: bool) -> None:
        self._enforced = enforced
        self._counts: dict[tuple[str, str, str], int] = {}
        self._ends = 0

    def count(self, call: Call, route: Route) -> list[tuple[str, str]]:
        """The `X-RateLimit-…` headers for this call. Raises AppwriteError (429) when it is one too many."""
        limit = route.per_minute or 0
        now = int(call.emulator.clock.now().timestamp())
        if not self._ends - _WINDOW <= now < self._ends:
            self._counts.clear()
            self._ends = now - now % _WINDOW + _WINDOW
        used = 1
        if self._enforced and not call.identity.privileged:
            caller = (route.method, route.path, call.identity.user_id or call.client)
            used = self._counts[caller] = self._counts.get(caller, 0) + 1
        headers = [
            ("X-RateLimit-Limit", str(limit)),
            ("X-RateLimit-Remaining", str(max(0, limit - used))),
            ("X-RateLimit-Reset", str(self._ends)),
        ]
        if used > limit:
            raise AppwriteError("general_rate_limit_exceeded", headers=headers)
        return headers
