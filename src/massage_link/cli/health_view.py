"""A health report on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from massage_link.health import HealthReport, Probe, State, Step

__all__ = ["shown"]

_SIGNS = {
    State.OK: ("✔", "green"),
    State.DEGRADED: ("!", "yellow"),
    State.DOWN: ("✘", "red"),
    State.UNKNOWN: ("?", "cyan"),
}


def shown(report: HealthReport) -> RenderableType:
    """The probes, what is to be done, what was measured, and the end of it."""
    steps = [step for probe in report.probes for step in probe.steps]
    return Group(_probes(report.probes), *([_steps(steps)] if steps else []), _end(report))


def _probes(probes: Sequence[Probe]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("state", no_wrap=True)
    table.add_column("name", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("found", overflow="fold")
    for probe in probes:
        sign, color = _SIGNS[probe.state]
        time = "" if probe.milliseconds is None else f"{probe.milliseconds:,.0f} ms"
        table.add_row(Text(f"{sign} {probe.state}", style=color), probe.name, time, _told(probe))
    return table


def _told(probe: Probe) -> Text:
    text = Text(probe.found)
    if probe.state in {State.DOWN, State.DEGRADED}:
        text.append(f"\n{probe.means}", style="dim")
    if probe.action:
        text.append(f"\n→ {probe.action}", style="bold")
    return text


def _steps(steps: Sequence[Step]) -> Table:
    table = Table(box=None, pad_edge=False, title=None)
    table.add_column("step")
    for name in ("count", "p50 ms", "p95 ms", "p99 ms", "objective"):
        table.add_column(name, justify="right")
    for step in steps:
        style = "" if step.is_met else "yellow"
        objective = "" if step.objective_ms is None else f"{'<' if step.is_met else 'missed'} {step.objective_ms:,.0f}"
        times = [f"{step.percentile(percent):,.1f}" for percent in (50, 95, 99)]
        table.add_row(step.name, str(len(step.samples_ms)), *times, objective, style=style)
    return table


def _end(report: HealthReport) -> Text:
    sign, color = _SIGNS[report.state]
    count = sum(probe.state is State.OK for probe in report.probes)
    said = {State.OK: "All is well", State.DEGRADED: "Not all is well", State.DOWN: "It does not work"}[report.state]
    text = Text(f"{sign} {said}", style=f"bold {color}")
    text.append(
        f": {count} of {len(report.probes)} probes are ok, {report.seconds:.1f} s, {report.endpoint}", style="not bold"
    )
    return text
