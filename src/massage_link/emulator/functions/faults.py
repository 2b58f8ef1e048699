"""Planted faults of events on their way to functions."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class FunctionFaults:
    """Probabilities per event, a delay in seconds with its probability per job, and what was met."""

    lose: float = 0.0
    fail: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 1.0
    delay_seconds: float = 0.0
    counters: dict[str, int] = field(default_factory=dict)
    dice: random.Random = field(default_factory=random.Random)

    def plant(self, wanted: Mapping[str, Any]) -> None:
        """Replace what ``wanted`` names: ``lose fail duplicate reorder delay delaySeconds seed``."""
        self.lose = float(wanted.get("lose", self.lose))
        self.fail = float(wanted.get("fail", self.fail))
        self.duplicate = float(wanted.get("duplicate", self.duplicate))
        self.reorder = float(wanted.get("reorder", self.reorder))
        self.delay = float(wanted.get("delay", self.delay))
        self.delay_seconds = float(wanted.get("delaySeconds", self.delay_seconds))
        if "seed" in wanted:
            self.dice.seed(wanted["seed"])

    def place(self, waiting: int) -> int:
        """Where in the queue a job goes: behind all that wait, or, out of order, anywhere behind the one that runs."""
        if waiting > 1 and self.happens(self.reorder, "reordered"):
            return self.dice.randrange(1, waiting)
        return waiting

    def happens(self, probability: float, name: str) -> bool:
        """Throw the dice, and count."""
        if not probability or self.dice.random() >= probability:
            return False
        self.counters[name] = self.counters.get(name, 0) + 1
        return True
