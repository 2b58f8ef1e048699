"""Routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from massage_link.emulator.routing import Route

routes: list[Route] = []
