"""The report: as good as its worst probe, and the same to people, programs and Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.console import Console

from massage_link import HealthReport, Probe, State, Step
from massage_link.cli.health_view import shown
from massage_link.health import prometheus

SLOW = Step("alert", (20.0, 30.0, 250.0), 100.0)


def probe(name: str, state: State, *steps: Step) -> Probe:
    action = "" if state is State.OK else "Mend it."
    return Probe(name, state, 12.5, "Nothing works.", f"{name} was found.", action, steps)


def report(*probes: Probe) -> HealthReport:
    return HealthReport(datetime(2030, 1, 1, tzinfo=UTC), 1.25, "http://h/v1", "p", True, probes)


@pytest.mark.parametrize(
    ("states", "altogether", "code"),
    [
        ([State.OK, State.OK], State.OK, 0),
        ([State.OK, State.DEGRADED], State.DEGRADED, 1),
        ([State.OK, State.UNKNOWN], State.DEGRADED, 1),
        ([State.UNKNOWN, State.DOWN, State.DEGRADED], State.DOWN, 2),
    ],
)
def test_a_report_is_as_good_as_its_worst_probe(states: list[State], altogether: State, code: int) -> None:
    found = report(*(probe(str(number), state) for number, state in enumerate(states)))
    assert (found.state, found.exit_code) == (altogether, code)


def test_percentiles_are_samples_that_were_measured() -> None:
    assert [SLOW.percentile(percent) for percent in (50, 95, 99)] == [30.0, 250.0, 250.0]
    assert not SLOW.is_met
    assert Step("alert", (20.0,), 100.0).is_met
    assert Step("room", (9_000.0,)).is_met


def test_programs_get_every_fact() -> None:
    found = report(probe("canary", State.DEGRADED, SLOW)).as_json()
    assert (found["state"], found["exitCode"], found["at"]) == ("degraded", 1, "2030-01-01T00:00:00.000+00:00")
    (one,) = found["probes"]
    assert (one["name"], one["milliseconds"], one["action"]) == ("canary", 12.5, "Mend it.")
    (step,) = one["steps"]
    assert step == {
        "name": "alert", "samples": 3, "p50Ms": 30.0, "p95Ms": 250.0, "p99Ms": 250.0,
        "objectiveMs": 100.0, "met": False,
    }  # fmt: skip


def test_a_probe_is_found_by_its_name() -> None:
    found = report(probe("clock", State.OK))
    assert found["clock"].state is State.OK
    with pytest.raises(KeyError):
        _ = found["nonsense"]


def test_prometheus_gets_seconds_and_numbers() -> None:
    text = prometheus(report(probe("canary", State.DEGRADED, SLOW), probe('a"b\\', State.UNKNOWN)))
    lines = text.splitlines()
    assert "massage_link_health_state 1" in lines
    assert 'massage_link_health_probe_state{probe="canary"} 1' in lines
    assert 'massage_link_health_probe_state{probe="a\\"b\\\\"} 3' in lines
    assert 'massage_link_health_step_seconds{step="alert",quantile="0.95"} 0.25' in lines
    assert 'massage_link_health_step_objective_seconds{step="alert"} 0.1' in lines
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_people_see_what_is_wrong_what_it_means_and_what_to_do() -> None:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(shown(report(probe("canary", State.DEGRADED, SLOW), probe("tables", State.UNKNOWN))))
    told = captured.get()
    assert "! degraded" in told
    assert "canary was found." in told
    assert "Nothing works." in told
    assert "→ Mend it." in told
    assert "missed 100" in told
    assert "Not all is well: 0 of 2 probes are ok" in told
