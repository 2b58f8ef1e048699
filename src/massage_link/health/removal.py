"""The end of every check: what it wrote is removed, and what an earlier one left behind."""

from __future__ import annotations

from massage_link.health.report import Finding, State
from massage_link.health.surroundings import BY_THEN, Asked, Surroundings
from massage_link.usecases.canary import LEFTOVER_AFTER, remove_canaries, remove_canary

__all__ = ["REMOVAL"]


async def _removal(surroundings: Surroundings) -> Finding:
    if not surroundings.is_noted:
        return Finding(State.OK, "Nothing was written.")
    link, canary = surroundings.link, surroundings.canary
    rows = await link.run(remove_canary(link.ports, canary, with_rows=surroundings.deep))
    left = await link.run(remove_canaries(link.ports, LEFTOVER_AFTER))
    found = f"All {rows} rows of the canary are gone, and its users with them."
    return Finding(State.OK, f"{found} {left} earlier runs had left theirs; they are gone too." if left else found)


REMOVAL = Asked(
    "removal",
    "Rows of a canary stay until the next check or sweep removes them; no total counts them.",
    _removal,
    seconds=3.0,
    until=BY_THEN["removal"],
)
