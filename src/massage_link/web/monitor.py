"""Looks after the components: checks again and again, and remembers what it saw, for the status page."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from massage_link.client.link import AsyncMassageLink
from massage_link.health import HealthReport, State, Step, reach, verify

__all__ = ["Incident", "Moment", "Monitor", "Objective"]

#: Checks that are remembered: some four hours at a check every half minute.
_REMEMBERED = 480
_INCIDENTS = 50
#: Seconds within which "check now" gives what was just found, so that nobody can keep the server busy with it.
_JUST_NOW = 5.0
log = logging.getLogger("massage_link.web")


@dataclass(slots=True)
class Incident:
    """A time during which a component was not as it should be.

    Attributes:
        probe: the component.
        state: the worst that it was.
        found: what was found first.
        began, ended: UTC; None while it lasts.

    """

    probe: str
    state: State
    found: str
    began: datetime
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """What one check said of one component."""

    at: datetime
    state: State
    milliseconds: float | None


@dataclass(frozen=True, slots=True)
class Objective:
    """A step that is measured, over all checks that are remembered.

    Attributes:
        step: all samples together.
        course: the 95th percentile of each check, the oldest first.

    """

    step: Step
    course: Sequence[float]


def _rank(objective: Objective) -> tuple[bool, bool, str]:
    """Those with an objective first, and last what happens only once."""
    step = objective.step
    return step.objective_ms is None, step.name.startswith("first "), step.name


class Monitor:
    """Checks in the background.

    Args:
        link: with an API key; or without, when only whether the server answers is looked at.
        every: seconds between two checks.
        canary_every: seconds between two checks that send a canary booking the whole way; 0 sends none.

    Attributes:
        report: the newest; None before the first.
        failed: why the check itself could not run the last time; empty when it could.
        since: when the first check began.
        incidents: since then, the newest last.

    """

    def __init__(self, link: AsyncMassageLink, *, every: float, canary_every: float) -> None:
        self.sends_canaries = canary_every > 0 and link.acts_with_key
        self.report: HealthReport | None = None
        self.failed = ""
        self.since: datetime | None = None
        self.incidents: deque[Incident] = deque(maxlen=_INCIDENTS)
        self.checking = False
        self._link = link
        self._every = every
        self._canary_every = canary_every
        self._canary_due = 0.0
        self._checked_at = 0.0
        self._courses: dict[str, deque[Moment]] = {}
        self._steps: dict[str, deque[Step]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    # --- looking ------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="monitor")

    async def aclose(self) -> None:
        """End; a check that is under way cleans up first."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._link.aclose()

    async def check_now(self) -> None:
        """Check, unless that has just been done."""
        async with self._lock:
            if time.monotonic() - self._checked_at > _JUST_NOW:
                await self._check()

    async def _run(self) -> None:
        while True:
            async with self._lock:
                await self._check()
            await asyncio.sleep(self._every)

    async def _check(self) -> None:
        # The first check sends none: whoever opens the page first is not to wait for it.
        deep = self.sends_canaries and self.report is not None and time.monotonic() >= self._canary_due
        self.checking = True
        self._tell()
        try:
            report = await (verify(self._link, deep=deep) if self._link.acts_with_key else reach(self._link))
        except Exception as error:  # the check itself must not end for what it meets; it is shown that it could not run
            log.exception("the check could not run")
            self.failed = type(error).__name__
        else:
            self.failed = ""
            self._remember(report)
            if deep:
                self._canary_due = time.monotonic() + self._canary_every
        finally:
            self.checking = False
            self._checked_at = time.monotonic()
            self._tell()

    # --- remembering --------------------------------------------------------------------------------------------------
    def _remember(self, report: HealthReport) -> None:
        self.report = report
        self.since = self.since or report.at
        for probe in report.probes:
            moment = Moment(report.at, probe.state, probe.milliseconds)
            self._courses.setdefault(probe.name, deque(maxlen=_REMEMBERED)).append(moment)
            for step in probe.steps:
                self._steps.setdefault(step.name, deque(maxlen=_REMEMBERED)).append(step)
            self._note(probe.name, probe.state, probe.found, report.at)

    def _note(self, name: str, state: State, found: str, at: datetime) -> None:
        lasting = next((each for each in self.incidents if each.probe == name and each.ended is None), None)
        if state is State.OK:
            if lasting is not None:
                lasting.ended = at
        elif lasting is None and (state is not State.UNKNOWN or self._link.acts_with_key):
            self.incidents.append(Incident(name, state, found, at))
        elif lasting is not None and state is State.DOWN:
            lasting.state = State.DOWN

    def course(self, name: str) -> Sequence[Moment]:
        """What the checks said of a component, the oldest first."""
        return tuple(self._courses.get(name, ()))

    def objectives(self) -> list[Objective]:
        """What the canaries measured, step by step."""
        found = []
        for name, steps in self._steps.items():
            samples = tuple(sample for step in steps for sample in step.samples_ms)
            whole = Step(name, samples, steps[-1].objective_ms)
            found.append(Objective(whole, [step.percentile(95) for step in steps]))
        return sorted(found, key=_rank)

    def shown(self, text: str) -> str:
        """A text for everybody: the server's own address is its operators' business."""
        for address in (self._link.endpoint, self._link.endpoint.removesuffix("/v1")):
            text = text.replace(address, "the server")
        return text

    # --- who listens --------------------------------------------------------------------------------------------------
    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call it with every change; gives what ends it."""
        self._listeners.append(listener)

        def leave() -> None:
            with suppress(ValueError):
                self._listeners.remove(listener)

        return leave

    def _tell(self) -> None:
        for listener in [*self._listeners]:
            try:
                listener()
            except Exception:  # a page that is going away must not keep the news from the others
                log.exception("a page could not take the news")
