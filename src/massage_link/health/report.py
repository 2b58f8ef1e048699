"""What a health check finds: probes, measured steps, and the report of them all. Nothing in it is secret."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from massage_link.domain.rows import to_wire_time

__all__ = ["Finding", "HealthReport", "Probe", "State", "Step"]


class State(StrEnum):
    """How something is."""

    OK = "ok"
    #: It works, but not as it should, or not for long.
    DEGRADED = "degraded"
    #: It does not work.
    DOWN = "down"
    #: The probe itself could not run, so nothing is known.
    UNKNOWN = "could not run"


_EXIT_CODES = {State.OK: 0, State.DEGRADED: 1, State.UNKNOWN: 1, State.DOWN: 2}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a canary's way, measured once or several times.

    Attributes:
        name: such as ``alert``.
        samples_ms: milliseconds, in the order of measuring.
        objective_ms: what the 95th percentile is to stay below; None when there is none.

    """

    name: str
    samples_ms: tuple[float, ...]
    objective_ms: float | None = None

    def percentile(self, percent: int) -> float:
        """By nearest rank: of few samples, a high percentile is the slowest."""
        ordered = sorted(self.samples_ms)
        return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]

    @property
    def is_met(self) -> bool:
        """Whether the objective is met, or there is none."""
        return self.objective_ms is None or self.percentile(95) <= self.objective_ms

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "name": self.name,
            "samples": len(self.samples_ms),
            "p50Ms": round(self.percentile(50), 2),
            "p95Ms": round(self.percentile(95), 2),
            "p99Ms": round(self.percentile(99), 2),
            "objectiveMs": self.objective_ms,
            "met": self.is_met,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe has found.

    Attributes:
        state: how it is.
        found: what was found, a sentence or a few.
        action: what to do about it; empty when there is nothing to do.
        steps: what was measured on the way.

    """

    state: State
    found: str
    action: str = ""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe's outcome.

    Attributes:
        name: such as ``realtime``.
        state: how it is.
        milliseconds: how long the probe took; None when it was not tried.
        means: what it means for the marketplace when this does not work.
        found: what was found.
        action: what to do about it; empty when there is nothing to do.
        steps: what was measured on the way.

    """

    name: str
    state: State
    milliseconds: float | None
    means: str
    found: str
    action: str = ""
    steps: tuple[Step, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "name": self.name,
            "state": self.state.value,
            "milliseconds": None if self.milliseconds is None else round(self.milliseconds, 2),
            "means": self.means,
            "found": self.found,
            "action": self.action,
            "steps": [step.as_json() for step in self.steps],
        }


@dataclass(frozen=True, slots=True)
class HealthReport:
    """All probes of one check.

    Attributes:
        at: when it began.
        seconds: how long all of it took.
        endpoint, project_id: what was looked at.
        deep: whether a canary was sent.
        probes: in the order in which a person would look.

    """

    at: datetime
    seconds: float
    endpoint: str
    project_id: str
    deep: bool
    probes: Sequence[Probe]

    @property
    def state(self) -> State:
        """As good as the worst probe; a probe that could not run is no proof that all is well."""
        states = {probe.state for probe in self.probes}
        if State.DOWN in states:
            return State.DOWN
        return State.OK if states <= {State.OK} else State.DEGRADED

    @property
    def exit_code(self) -> int:
        """0 ok, 1 degraded, 2 down."""
        return _EXIT_CODES[self.state]

    def __getitem__(self, name: str) -> Probe:
        """The probe of this name; KeyError when there is none."""
        for probe in self.probes:
            if probe.name == name:
                return probe
        raise KeyError(name)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "state": self.state.value,
            "exitCode": self.exit_code,
            "at": to_wire_time(self.at),
            "seconds": round(self.seconds, 3),
            "endpoint": self.endpoint,
            "projectId": self.project_id,
            "deep": self.deep,
            "probes": [probe.as_json() for probe in self.probes],
        }
