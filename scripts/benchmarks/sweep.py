"""How long a sweep takes over 1,000, 10,000 and 100,000 bookings: with 1 % missing, and with nothing to do.

The tables are seeded through the embedded server's control plane: bookings of the last six days with rooms, lines,
commissions and entries, but for one in a hundred, which lacks its room, its commission or the line of its latest
change; and as many that lack something and are of the last hour. Measured are sweeps

* with nothing to do: everything is older than the watermark. That has to be flat: with 100,000 bookings it takes at
  most twice as long as with 1,000 (medians of fifteen, in turns), or the exit code is 1;
* over the change: the last hour is newer than the watermark;
* over all: the first sweep, which looks at every booking.

Then nothing may be missing any more, or the exit code is 1, too. `--json` prints one object. Ends within 240 s.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import httpx
from cost import Counted

from massage_link import MassageLink, Money
from massage_link.domain.booking import Role
from massage_link.domain.chat import FREEZE_AFTER, ChatRoom
from massage_link.domain.entries import accrual, computed
from massage_link.domain.lines import freeze_time, line, opening_line
from massage_link.domain.request import new_booking
from massage_link.domain.rows import Row, to_wire_time
from massage_link.domain.states import Actor, Command, decide
from massage_link.domain.sweeping import STATE_ID, SweepReport, SweepState
from massage_link.domain.system import SystemState
from massage_link.domain.tables import (
    BOOKING_EVENTS,
    BOOKING_TERMS,
    BOOKINGS,
    CHAT_MESSAGES,
    CHAT_ROOMS,
    COMMISSION_ENTRIES,
    COMMISSIONS,
    DATABASE,
    SYSTEM_STATE,
    Table,
)
from massage_link.domain.wish import BookingWish
from massage_link.testing import Emulator, running_emulator
from massage_link.usecases.ports import create_derived
from massage_link.usecases.sweep import sweep
from massage_link.wire.rows import read_by, update_row

SIZES = (1_000, 10_000, 100_000)
_NOW = datetime.now(UTC).replace(microsecond=0)
_SPAN = timedelta(days=6)
_LATELY = timedelta(hours=1)
_EVERY = 100  # one in so many lacks something
_BATCH = 5_000  # rows of one seeding call
_IDLE_SWEEPS = 15
_WARM_UP = 3
#: Seconds after which a sweep is cut short, which counts as a fault.
_BEGAN, _END = time.perf_counter(), 220.0
_ALLOWED_GROWTH = 2.0
_CUSTOMER, _THERAPIST = "zoe", "mara"
#: What a booking that lacks something lacks, in turns; the line is that of its acceptance.
_LACKS: tuple[frozenset[str], ...] = (
    frozenset({CHAT_ROOMS.id, CHAT_MESSAGES.id, "line"}),
    frozenset({COMMISSIONS.id, COMMISSION_ENTRIES.id}),
    frozenset({"line"}),
)


@dataclass(frozen=True)
class Swept:
    """One sweep: its report, and what it took."""

    report: SweepReport
    seconds: float
    requests: int


@dataclass(frozen=True)
class Place:
    """A server with so many bookings, a link to it whose requests are counted, and how long the seeding took."""

    number: int
    link: MassageLink
    counted: Counted
    seeding: float

    def remember(self, state: SweepState) -> None:
        """Let this be what the sweeper remembers."""
        ports = self.link.ports
        self.link.run(create_derived(ports, SYSTEM_STATE, SystemState(id=STATE_ID), []))
        value = {"value": state.model_dump_json()}
        self.link.send(update_row(ports.address(SYSTEM_STATE), SystemState, STATE_ID, value))

    def swept(self) -> Swept:
        """One sweep."""
        before, began = self.counted.count, time.perf_counter()
        left = timedelta(seconds=max(_END - (began - _BEGAN), 0))
        report = self.link.run(sweep(self.link.ports, budget=left))
        return Swept(report, time.perf_counter() - began, self.counted.count - before)


# --- seeding ----------------------------------------------------------------------------------------------------------
#: What stands in a template for a booking's id, and for the stamps of its rows.
_ID, _AT = "@id@", "@at@"
_Template = list[tuple[str, str]]


def whole(*, accepted: bool) -> _Template:
    """The rows of a booking of which nothing is missing: table (of the acceptance's line "line"), JSON text."""
    starts_at = _NOW.replace(minute=0, second=0) + timedelta(days=30)
    wish = BookingWish(
        customer_id=_CUSTOMER,
        therapist_id=_THERAPIST,
        service="Deep tissue",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=1),
        price=Money(9_505, "EUR"),
    )
    new = new_booking(wish.completed(None), booking_id=_ID, command_id="c", now=_NOW, actor=None, commission_bps=3_000)
    moved = decide(new.booking, Command.ACCEPT, Actor(_THERAPIST, Role.THERAPIST), now=_NOW, command_id="a")
    booking = moved.booking if accepted else new.booking
    commission = computed(booking, 3_000)
    opening, acceptance = opening_line(new.booking, _NOW), line(moved.event, 2)
    room = ChatRoom(
        id=_ID,
        customer_id=_CUSTOMER,
        therapist_id=_THERAPIST,
        service=wish.service,
        freezes_at=freeze_time(booking, _NOW, FREEZE_AFTER),
    ).showing(opening)
    rows: list[tuple[Table[Any], Row]] = [
        (BOOKINGS, booking),
        (BOOKING_EVENTS, new.event),
        (CHAT_ROOMS, room.showing(acceptance) if accepted else room),
        (CHAT_MESSAGES, opening),
        (COMMISSIONS, commission),
        (COMMISSION_ENTRIES, accrual(commission, _NOW)),
    ]
    found = [(table.id, _text(table, row)) for table, row in rows]
    if accepted:
        found.append((BOOKING_EVENTS.id, _text(BOOKING_EVENTS, moved.event)))
        found.append(("line", _text(CHAT_MESSAGES, acceptance)))
        found.append((BOOKING_TERMS.id, _text(BOOKING_TERMS, new.terms)))
    return found


def _text(table: Table[Any], row: Row) -> str:
    readers = read_by(table.user_readers(customer_id=_CUSTOMER, therapist_id=_THERAPIST))
    stamps = {"$createdAt": _AT, "$updatedAt": _AT}
    return json.dumps({**row.columns(), "$id": row.id, "$permissions": readers, **stamps})


def rows_of(number: int) -> Iterator[tuple[str, str]]:
    """The rows of so many bookings, and of one in a hundred more, which are of the last hour and lack something.

    One in four is accepted, and has two events and two lines; terms, which no sweep reads but to compute a commission
    that is missing, are there for these alone.
    """
    requested, accepted = whole(accepted=False), whole(accepted=True)
    for n in range(number + number // _EVERY):
        late = n >= number
        at = _NOW - _LATELY / 2 if late else _NOW - _SPAN + n * (_SPAN - 2 * _LATELY) / number
        lacks = _LACKS[(n if late else n // _EVERY) % 3] if late or n % _EVERY == 0 else frozenset()
        booking_id, stamp = f"{n:028x}", to_wire_time(at)
        for table, text in accepted if late or n % 4 == 0 else requested:
            if table not in lacks:
                row = text.replace(_ID, booking_id).replace(_AT, stamp)
                yield CHAT_MESSAGES.id if table == "line" else table, row


def seed(server: Emulator, number: int) -> float:
    """Put so many bookings into the tables; gives the seconds that it took."""
    began = time.perf_counter()
    waiting: defaultdict[str, list[str]] = defaultdict(list)
    headers = {"X-Emulator-Token": server.control_token}
    with httpx.Client(headers=headers, timeout=60, trust_env=False) as http:
        address = f"{server.endpoint.removesuffix('/v1')}/_emulator/seed"

        def insert(table: str) -> None:
            head = json.dumps({"databaseId": DATABASE, "tableId": table})[:-1]
            body = f'{head}, "rows": [{", ".join(waiting.pop(table))}]}}'
            http.post(address, content=body, headers={"Content-Type": "application/json"}).raise_for_status()

        for table, row in rows_of(number):
            waiting[table].append(row)
            if len(waiting[table]) == _BATCH:
                insert(table)
        for table in list(waiting):
            insert(table)
    return time.perf_counter() - began


# --- measuring --------------------------------------------------------------------------------------------------------
@contextmanager
def opened(number: int) -> Iterator[Place]:
    """A server of its own, with so many bookings."""
    counted = Counted()
    with (
        running_emulator() as server,
        MassageLink(server.endpoint, server.project_id, api_key=server.api_key, transport=counted) as link,
    ):
        yield Place(number, link, counted, seed(server, number))


def with_nothing_to_do(places: Sequence[Place]) -> list[list[Swept]]:
    """Sweeps of each place, in turns, so that whatever else the machine does slows all of them."""
    for place in places:
        place.remember(SweepState(watermark=_NOW))
    rounds = [[place.swept() for place in places] for _ in range(_WARM_UP + _IDLE_SWEEPS)]
    return [list(swept) for swept in zip(*rounds[_WARM_UP:], strict=True)]


def measured(place: Place, idle: Sequence[Swept]) -> dict[str, Any]:
    """The other sweeps, beside those with nothing to do."""
    place.remember(SweepState(watermark=_NOW - _LATELY))
    change = place.swept()
    place.remember(SweepState())
    everything = place.swept()
    place.remember(SweepState(watermark=_NOW - _LATELY))
    after = place.swept()
    return {
        "bookings": place.number,
        "seeding_seconds": round(place.seeding, 2),
        "nothing_to_do": {
            "seconds": round(median(each.seconds for each in idle), 4),
            "requests": idle[-1].requests,
        },
        "change": _told(change),
        "all": _told(everything),
        "faults": _faults(place.number, [*idle, after], change, everything),
    }


def _told(swept: Swept) -> dict[str, Any]:
    report = swept.report
    return {
        "seconds": round(swept.seconds, 3),
        "requests": swept.requests,
        "checked": report.checked,
        # Where the room was missing, so was the line of the acceptance.
        "lacking": report.commissions + report.lines,
        "rooms": report.rooms,
    }


def _faults(number: int, idle: Sequence[Swept], *busy: Swept) -> list[str]:
    """What is not as it was seeded to be."""
    lacking = number // _EVERY
    found = [f"a sweep with nothing to do: {each.report}" for each in idle if each.report.repaired]
    return found + [
        f"of {lacking} bookings that lacked something, a sweep repaired: {each.report}"
        for each in busy
        if each.report.commissions + each.report.lines != lacking or not each.report.complete
    ]


def run() -> dict[str, Any]:
    """All sizes, each on a server of its own."""
    with ExitStack() as stack:
        places = [stack.enter_context(opened(number)) for number in SIZES]
        idle = with_nothing_to_do(places)
        sizes = [measured(place, swept) for place, swept in zip(places, idle, strict=True)]
    first, last = (size["nothing_to_do"]["seconds"] for size in (sizes[0], sizes[-1]))
    return {"sizes": sizes, "growth": round(last / first, 2), "allowed_growth": _ALLOWED_GROWTH}


def show(result: Mapping[str, Any]) -> str:
    """The result as a table."""
    lines = [f"{'bookings':>9}{'nothing to do':>22}{'over the change':>30}{'over all':>30}{'seeding':>11}"]
    for size in result["sizes"]:
        idle = size["nothing_to_do"]
        cells = [f"{idle['seconds'] * 1000:.0f} ms, {idle['requests']:.0f} requests"]
        for name in ("change", "all"):
            part = size[name]
            cells.append(f"{part['seconds']:.2f} s, {part['lacking']:,} of {part['checked']:,}")
        lines.append(f"{size['bookings']:>9,}{cells[0]:>22}{cells[1]:>30}{cells[2]:>30}{size['seeding_seconds']:>9} s")
    lines.append("over the change, over all: seconds; bookings that lacked something, of those that were looked at")
    growth, allowed = result["growth"], result["allowed_growth"]
    lines.append(f"nothing to do, {SIZES[-1]:,} bookings / {SIZES[0]:,}: {growth} (allowed: {allowed})")
    return "\n".join([*lines, *(fault for size in result["sizes"] for fault in size["faults"])])


def main() -> int:
    """0, or 1 when a sweep with nothing to do is not flat, or one left something undone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    result = run()
    print(json.dumps(result) if arguments.json else show(result))
    return int(result["growth"] > _ALLOWED_GROWTH or any(size["faults"] for size in result["sizes"]))


if __name__ == "__main__":
    sys.exit(main())
