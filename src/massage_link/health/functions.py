"""Probes of the functions: are they there, do they fail, and does the one that runs by the clock run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from massage_link.domain.rows import to_wire_time
from massage_link.domain.tables import SYSTEM_STATE
from massage_link.errors import NotFound
from massage_link.health.report import Finding, State
from massage_link.health.surroundings import Asked, Surroundings
from massage_link.schema import ADMIT_BOOKING, Difference, Kind, compare_functions, functions_of
from massage_link.wire.control import list_functions
from massage_link.wire.probing import failed_executions
from massage_link.wire.rows import list_raw_rows, with_ids

if TYPE_CHECKING:
    from massage_link.client.link import AsyncMassageLink

__all__ = ["FUNCTIONS", "SWEEPER"]

_SPAN = timedelta(hours=1)
_MOST_COUNTED = 100
#: It runs each minute; one run may be late, two are not.
_SWEPT_WITHIN = timedelta(minutes=3)
_SWEPT_AT_MOST = timedelta(minutes=15)
_SWEEP = "sweep"


async def _functions(surroundings: Surroundings) -> Finding:
    link = surroundings.link
    wanted = functions_of(direct_write=await surroundings.is_direct_write())
    definitions = [function.definition() for function in wanted]
    there = await link.send(list_functions())
    differences = [each for each in compare_functions(definitions, there, known=[ADMIT_BOOKING.id]) if each.matters]
    present = [function.id for function in wanted if function.id in {each["$id"] for each in there}]
    failures = await asyncio.gather(*(_failed(link, function_id) for function_id in present))
    failed = [sentence for sentence in failures if sentence]
    if differences:
        told = " ".join([*(f"{each}." for each in differences[:5]), *failed])
        state = State.DOWN if any(map(_is_fatal, differences)) else State.DEGRADED
        actions = dict.fromkeys(each.action for each in differences)
        return Finding(state, told, f"{'; '.join(list(actions)[:2])}.")
    if failed:
        action = (
            "Read the execution's errors in the console, under Functions, and deploy a function that is mended. "
            "The sweeper makes up for what was missed."
        )
        return Finding(State.DEGRADED, " ".join(failed), action)
    return Finding(State.OK, f"{len(wanted)} functions are deployed and active; none failed in the last hour.")


def _is_fatal(difference: Difference) -> bool:
    """Whether the function does not run at all. One whose newest build failed runs as it was before."""
    if difference.kind is Kind.MISSING or difference.fact == "deploymentId":
        return True
    return difference.fact == "enabled"


async def _failed(link: AsyncMassageLink, function_id: str) -> str:
    since = to_wire_time(link.ports.now() - _SPAN)
    try:
        executions = await link.send(failed_executions(function_id, since, _MOST_COUNTED))
    except NotFound:
        return ""  # deleted meanwhile
    if not executions:
        return ""
    newest = executions[0]
    count = f"at least {len(executions)}" if len(executions) == _MOST_COUNTED else len(executions)
    return (
        f"Function {function_id} failed {count} times in the last hour, the last time at "
        f"{newest['$createdAt']} with status {newest['responseStatusCode']} (execution {newest['$id']})."
    )


async def _sweeper(surroundings: Surroundings) -> Finding:
    link = surroundings.link
    try:
        page = await link.send(list_raw_rows(link.ports.address(SYSTEM_STATE), [with_ids([_SWEEP])]))
    except NotFound:
        return Finding(State.UNKNOWN, "There is no table system_state.", "Run `massage-link schema push`.")
    return judged_sweeper(page.rows, page.server_time)


def judged_sweeper(rows: Sequence[dict[str, Any]], server_time: datetime) -> Finding:
    """What follows from the sweeper's own row.

    Args:
        rows: the row, or none.
        server_time: now, by the clock that stamped the row.

    """
    see = f"See that the function {_SWEEP} is deployed, its schedule on, and read its executions"
    if not rows:
        found = "The sweeper has not run yet."
        return Finding(
            State.DEGRADED, found, f"It runs each minute. {see}, if this stays; `massage-link sweep` runs it."
        )
    age = max(server_time - datetime.fromisoformat(rows[0]["$updatedAt"]), timedelta(0))
    report = json.loads(rows[0]["value"])
    found = f"The sweeper last ran {_spoken(age)} ago."
    if age > _SWEPT_WITHIN:
        state = State.DOWN if age > _SWEPT_AT_MOST else State.DEGRADED
        return Finding(state, found, f"{see}. `massage-link sweep` does its work meanwhile.")
    if report.get("failed"):
        found += f" It could not deal with {len(report['failed'])} bookings: {', '.join(report['failed'][:5])}."
        return Finding(State.DEGRADED, found, "Read the log of its executions; `massage-link sweep` tries again.")
    if report.get("complete") is False:
        found += " It ran out of time, and goes on from there."
        return Finding(State.DEGRADED, found, "If this stays, run `massage-link sweep` by hand until it is complete.")
    return Finding(State.OK, found)


def _spoken(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


FUNCTIONS = Asked(
    "functions",
    "Rooms and commissions come with the sweeper's delay only; what users ask for themselves is not done at all.",
    _functions,
    needs=("credentials",),
)
SWEEPER = Asked(
    "sweeper",
    "Requests that nobody answers do not expire, and what an event that never came left undone stays undone.",
    _sweeper,
    needs=("credentials",),
)
