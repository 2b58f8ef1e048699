"""Who watches a listener: told at once of whatever happens, in the event loop."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from massage_link.realtime import Change, ConnectionState
from massage_link.worker.handling import Parked

__all__ = ["LogObserver", "Observer"]

_log = logging.getLogger("massage_link.worker")


class Observer(Protocol):
    """Its methods are quick and do not raise; they are called before handlers have run."""

    def arrived(self, change: Change[Any]) -> None:
        """A change has come; its handlers will be run."""

    def connection(self, state: ConnectionState, replayed: int) -> None:
        """The connection's state; on ``live``, how many changes were replayed since it was live last."""

    def parked(self, parked: Parked) -> None:
        """A handler was given up."""

    def note(self, text: str) -> None:
        """Anything else that somebody who watches may want to know, as a sentence."""


class LogObserver:
    """Writes to the logger ``massage_link.worker``."""

    def arrived(self, change: Change[Any]) -> None:
        """See `Observer.arrived`."""
        _log.debug("%s %s", change.kind, change.id)

    def connection(self, state: ConnectionState, replayed: int) -> None:
        """See `Observer.connection`."""
        _log.info("%s%s", state.name, f": {replayed} missed changes replayed" if replayed else "")

    def parked(self, parked: Parked) -> None:
        """See `Observer.parked`."""
        _log.error("%s", parked)

    def note(self, text: str) -> None:
        """See `Observer.note`."""
        _log.warning("%s", text)
