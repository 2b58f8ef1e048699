"""A report as Prometheus reads it (text exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from massage_link.health.report import HealthReport, State, Step

__all__ = ["prometheus"]

_NUMBERS = {State.OK: 0, State.DEGRADED: 1, State.DOWN: 2, State.UNKNOWN: 3}
_STATES = ", ".join(f"{number} {state}" for state, number in _NUMBERS.items())
_QUANTILES = {"0.5": 50, "0.95": 95, "0.99": 99}


def prometheus(report: HealthReport) -> str:
    """The report's numbers, a metric a paragraph."""
    steps = [step for probe in report.probes for step in probe.steps]
    return "".join(
        [
            *_gauge("state", f"How it is altogether: {_STATES}.", [("", _NUMBERS[report.state])]),
            *_gauge("timestamp_seconds", "When the check began, Unix time.", [("", report.at.timestamp())]),
            *_gauge("duration_seconds", "How long the check took.", [("", report.seconds)]),
            *_gauge(
                "probe_state",
                f"How a component is: {_STATES}.",
                [(_labels(probe=probe.name), _NUMBERS[probe.state]) for probe in report.probes],
            ),
            *_gauge(
                "probe_seconds",
                "How long a probe took.",
                [
                    (_labels(probe=probe.name), probe.milliseconds / 1000)
                    for probe in report.probes
                    if probe.milliseconds is not None
                ],
            ),
            *_gauge("step_seconds", "How long a step of a canary's way took.", _times(steps)),
            *_gauge(
                "step_objective_seconds",
                "What the 0.95 quantile of a step is to stay below.",
                [
                    (_labels(step=step.name), step.objective_ms / 1000)
                    for step in steps
                    if step.objective_ms is not None
                ],
            ),
        ]
    )


def _times(steps: Iterable[Step]) -> Iterator[tuple[str, float]]:
    for step in steps:
        for quantile, percent in _QUANTILES.items():
            yield _labels(step=step.name, quantile=quantile), step.percentile(percent) / 1000


def _labels(**values: str) -> str:
    def escaped(text: str) -> str:
        return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in values.items()) + "}"


def _gauge(name: str, help_text: str, values: Iterable[tuple[str, float]]) -> Iterator[str]:
    whole = f"massage_link_health_{name}"
    lines = [f"{whole}{labels} {value:.15g}\n" for labels, value in values]
    if lines:
        yield f"# HELP {whole} {help_text}\n"
        yield f"# TYPE {whole} gauge\n"
        yield from lines
