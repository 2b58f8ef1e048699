"""Planted faults of realtime: what becomes of one event on its way to one socket, and whether a handshake succeeds."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_OVERTAKEN_SECONDS = 0.05


@dataclass
class RealtimeFaults:
    """Probabilities per event and socket; ``counters`` tells what was met."""

    lose: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay_seconds: tuple[float, float] = (0.0, 0.0)
    refuse: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    _dice: random.Random = field(default_factory=random.Random)

    def plant(self, wanted: Mapping[str, Any]) -> None:
        """Replace what ``wanted`` names: ``lose duplicate reorder delaySeconds refuse seed``."""
        for name in ("lose", "duplicate", "reorder"):
            if name in wanted:
                setattr(self, name, float(wanted[name]))
        if "refuse" in wanted:
            self.refuse = int(wanted["refuse"])
        if "delaySeconds" in wanted:
            delay = wanted["delaySeconds"]
            low, high = delay if isinstance(delay, list) else (delay, delay)
            self.delay_seconds = float(low), float(high)
        if "seed" in wanted:
            self._dice.seed(wanted["seed"])

    def clear(self) -> None:
        """No faults any more, and nothing met."""
        self.__init__()  # type: ignore[misc]

    @property
    def planted(self) -> bool:
        """Whether events may meet a fault."""
        return bool(self.lose or self.duplicate or self.reorder or self.delay_seconds[1])

    def deliveries(self) -> list[float]:
        """The delays in seconds after which one event reaches one socket: none, one or several."""
        if self._happens(self.lose, "lost"):
            return []
        delay = self._dice.uniform(*self.delay_seconds)
        if delay:
            self.count("delayed")
        if self._happens(self.reorder, "reordered"):
            delay += self._dice.uniform(0, _OVERTAKEN_SECONDS)
        return [delay, delay] if self._happens(self.duplicate, "duplicated") else [delay]

    def refuses(self) -> bool:
        """Whether this handshake is one of those to refuse."""
        if self.refuse:
            self.refuse -= 1
            self.count("refused")
            return True
        return False

    def count(self, name: str, times: int = 1) -> None:
        """Note that something happened."""
        self.counters[name] = self.counters.get(name, 0) + times

    def _happens(self, probability: float, name: str) -> bool:
        if not probability or self._dice.random() >= probability:
            return False
        self.count(name)
        return True
