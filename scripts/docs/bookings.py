"""Write the generated parts of docs/bookings.md: python scripts/docs/bookings.py [--check]."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from massage_link.domain.booking import Role, Status
from massage_link.domain.commission import CommissionStatus
from massage_link.domain.states import LIVE, TRANSITIONS, Command, Transition
from massage_link.domain.tables import TABLES

PAGE = Path(__file__).parents[2] / "docs" / "bookings.md"
_ORDER = (Role.CUSTOMER, Role.THERAPIST, Role.OPS, Role.SYSTEM)
_WHEN = {
    "until_expiry": "until it expires",
    "after_expiry": "once it has expired",
    "from_start": "from its start on",
}
_COMMISSION = {CommissionStatus.VOID: "commission void", CommissionStatus.DUE: "commission due"}


def states() -> str:
    """The state machine as a table, one row an arrow."""
    return _table(("command", "from", "to", "who", "when", "effects"), (_row(arrow) for arrow in TRANSITIONS))


def _row(arrow: Transition) -> tuple[str, ...]:
    when = [text for name, text in _WHEN.items() if getattr(arrow, name)]
    who = ", ".join(role.value for role in _ORDER if role in arrow.who)
    return arrow.command.value, arrow.source.value, arrow.target.value, who, "; ".join(when), "; ".join(_effects(arrow))


def _effects(arrow: Transition) -> Iterable[str]:
    if arrow.releases_slots:
        yield "time becomes free"
    if arrow.reveals_place:
        yield "therapist sees the address"
    if arrow.command is Command.RESCHEDULE:
        yield "time moves"
        if arrow.source is not arrow.target:
            yield "therapist sees the address no more"
    if arrow.commission is not None:
        yield _COMMISSION[arrow.commission] + (", or a fee" if _may_cost(arrow) else "")


def _may_cost(arrow: Transition) -> bool:
    late = arrow.command is Command.CANCEL and arrow.source is Status.ACCEPTED and Role.CUSTOMER in arrow.who
    return late or arrow.command is Command.NO_SHOW


def readers() -> str:
    """Who may read the rows of each table, as a table."""
    return _table(("table", "readers"), ((f"`{each.id}`", ", ".join(sorted(each.readers))) for each in TABLES))


def live() -> str:
    """The states in which a booking holds its time."""
    return ", ".join(f"`{status.value}`" for status in sorted(LIVE))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell or '·' for cell in line)} |" for line in lines)


def page() -> str:
    """The page with fresh generated parts."""
    text = PAGE.read_text("utf-8")
    for name, part in (("states", states()), ("live", live()), ("readers", readers())):
        marked = re.compile(f"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        assert marked.search(text), f"no place is marked for {name}"
        text = marked.sub(lambda found, part=part: f"{found[1]}{part}\n{found[2]}", text)  # type: ignore[misc]
    return text


def main() -> int:
    """0; with --check, 1 when the page is stale."""
    if "--check" in sys.argv[1:]:
        return 0 if page() == PAGE.read_text("utf-8") else 1
    PAGE.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
