"""What the status page remembers: courses, measurements, incidents; and that it is honest about itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from massage_link import AsyncMassageLink
from massage_link.health import HealthReport, Probe, State, Step
from massage_link.web import monitor as module
from massage_link.web.monitor import Monitor

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


class Checks:
    """Stands in for the health check: gives what it is told to, and counts."""

    def __init__(self) -> None:
        self.findings: list[dict[str, State] | Exception] = []
        self.steps: Sequence[Step] = ()
        self.deep: list[bool] = []

    async def __call__(self, link: AsyncMassageLink, *, deep: bool = False) -> HealthReport:
        found = self.findings[min(len(self.deep), len(self.findings) - 1)]
        self.deep.append(deep)
        if isinstance(found, Exception):
            raise found
        steps = tuple(self.steps) if deep else ()
        probes = [Probe(name, state, 12.0, "…", f"{name} is {state}", steps=steps) for name, state in found.items()]
        at = NOW + timedelta(seconds=30 * len(self.deep))
        return HealthReport(at, 0.1, link.endpoint, link.project_id, deep, probes)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    made = Checks()
    monkeypatch.setattr(module, "verify", made)
    monkeypatch.setattr(module, "_JUST_NOW", -1.0)
    return made


def _monitor(**changes: Any) -> Monitor:
    link = AsyncMassageLink("http://appwrite.internal/v1", "shop", api_key="secret")
    return Monitor(link, **{"every": 30.0, "canary_every": 0.0, **changes})


async def test_an_incident_begins_with_the_first_check_that_fails_and_ends_with_the_first_that_does_not(
    checks: Checks,
) -> None:
    checks.findings = [{"realtime": state} for state in (State.OK, State.DEGRADED, State.DOWN, State.OK)]
    monitor = _monitor()
    for _ in range(4):
        await monitor.check_now()
    (incident,) = monitor.incidents
    assert (incident.probe, incident.state, incident.found) == ("realtime", State.DOWN, "realtime is degraded")
    assert incident.began == NOW + timedelta(seconds=60)
    assert incident.ended == NOW + timedelta(seconds=120)
    assert [moment.state for moment in monitor.course("realtime")] == ["ok", "degraded", "down", "ok"]


async def test_a_check_that_cannot_run_is_said_and_leaves_what_was_found_before(checks: Checks) -> None:
    checks.findings = [{"realtime": State.OK}, RuntimeError("secret"), {"realtime": State.OK}]
    monitor = _monitor()
    await monitor.check_now()
    before = monitor.report
    await monitor.check_now()
    assert monitor.failed == "RuntimeError"
    assert monitor.report is before
    assert not monitor.checking
    await monitor.check_now()
    assert not monitor.failed


async def test_canaries_are_sent_when_they_are_due_and_never_with_the_first_check(checks: Checks) -> None:
    checks.findings = [{"canary": State.OK}]
    checks.steps = [Step("alert", (10.0, 20.0), 100.0), Step("first alert", (500.0,))]
    monitor = _monitor(canary_every=3_600.0)
    for _ in range(3):
        await monitor.check_now()
    assert checks.deep == [False, True, False]
    alert, first = monitor.objectives()
    assert (alert.step.name, alert.step.percentile(95), list(alert.course)) == ("alert", 20.0, [20.0])
    assert first.step.name == "first alert"


async def test_nobody_can_keep_the_server_busy_by_checking(checks: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_JUST_NOW", 60.0)
    checks.findings = [{"realtime": State.OK}]
    monitor = _monitor()
    for _ in range(5):
        await monitor.check_now()
    assert len(checks.deep) == 1


async def test_without_a_key_nothing_is_claimed_and_no_incident_is_made_of_it() -> None:
    monitor = Monitor(AsyncMassageLink("http://127.0.0.1:9/v1", "shop"), every=30.0, canary_every=60.0)
    assert not monitor.sends_canaries
    await monitor.check_now()
    assert monitor.report is not None
    assert monitor.report["endpoint"].state is State.DOWN
    assert {probe.state for probe in monitor.report.probes[1:]} == {State.UNKNOWN}
    assert [incident.probe for incident in monitor.incidents] == ["endpoint"]
    assert "127.0.0.1" not in monitor.shown(monitor.report["endpoint"].found)
