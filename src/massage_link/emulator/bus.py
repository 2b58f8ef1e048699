"""Who hears of a change. The store publishes after it has committed, in order; subscribers must not block."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .events import Change


class Bus:
    """Calls every subscriber with every published change, synchronously and in order of subscription."""

    def __init__(self) -> None:
        self._subscribers: list[Callable[[Change], None]] = []

    def subscribe(self, callback: Callable[[Change], None]) -> None:
        """Call ``callback`` for every change from now on."""
        self._subscribers.append(callback)

    def publish(self, change: Change) -> None:
        """Tell every subscriber of ``change``, which must be committed already."""
        for callback in self._subscribers:
            callback(change)
