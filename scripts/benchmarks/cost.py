"""What a month of bookings costs: executions of functions and requests, counted on the embedded server.

One booking is taken the whole way (requested, accepted, two messages, completed) in each of the ways in which it can be
made, and what that costs is counted, not estimated: executions as the server lists them; requests as they are sent.
The sweeper runs every minute, whatever happens. A month has 730 hours.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from massage_link import Booking, MassageLink
from massage_link.domain.people import Therapist
from massage_link.domain.sweeping import STATE_ID, SweepState
from massage_link.domain.system import SystemState
from massage_link.domain.tables import BOOKINGS, SYSTEM_STATE, THERAPISTS
from massage_link.errors import NotFound
from massage_link.schema import functions_of
from massage_link.testing import Emulator, running_emulator
from massage_link.usecases.chat import ensure_room
from massage_link.usecases.commissions import ensure_commission
from massage_link.usecases.ports import create_derived
from massage_link.usecases.sweep import sweep
from massage_link.wire.call import Call, raw_json
from massage_link.wire.users import create_user

FUNCTIONS = Path(__file__).parents[2] / "functions"
SWEEPS = 730 * 60
CUSTOMER, THERAPIST, SERVICE = "zoe", "mara", "Deep tissue"
WAYS = {
    "backend": "a backend with an API key makes every step",
    "commands": "signed-in users make every step through the function `commands`",
    "direct": "a client writes the booking row itself; the rest through `commands`",
}


class Counted(httpx.HTTPTransport):
    """Counts the requests that pass."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Count one, and pass it on."""
        self.count += 1
        return super().handle_request(request)


def main() -> int:
    """Print what `--bookings` of them cost a month."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bookings", type=int, default=1_000, help="bookings a month (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    ways = {way: measured(way) for way in WAYS}
    inside = inside_functions()
    if arguments.json:
        told = {"bookings": arguments.bookings, "sweeps": SWEEPS, "one_booking": ways, "inside_functions": inside}
        print(json.dumps(told, indent=2))
    else:
        print(described(arguments.bookings, ways, inside))
    return 0


# --- one booking ------------------------------------------------------------------------------------------------------
def measured(way: str) -> dict[str, Any]:
    """Executions by function, and requests of the clients, that one booking costs."""
    counted = Counted()
    with running_emulator(functions=FUNCTIONS, direct_write=way == "direct") as server, server.link() as link:
        prepare(link)
        before = executions(link, direct=way == "direct")
        with MassageLink(server.endpoint, server.project_id, api_key=server.api_key, transport=counted) as spent:
            for user_id in (CUSTOMER, THERAPIST):
                spent.as_user(user_id).bookings.list()  # signing in belongs to the session, not to the booking
            counted.count = 0
            take(spent, server, way)
        settled(link, lambda: both_ran(link, direct=way == "direct"))
        steady = [executions(link, direct=way == "direct")]
        settled(link, lambda: unchanged(steady, link, direct=way == "direct"))
        spent_on = steady[-1] - before
        spent_on.pop("sweep", None)  # it is counted by the clock
    return {"executions": dict(spent_on), "requests": counted.count}


def prepare(link: MassageLink) -> None:
    """Two users; one of them has a catalogue."""
    for user_id in (CUSTOMER, THERAPIST):
        link.send(create_user(user_id, f"{user_id}@example.com", "correct horse battery", user_id.title()))
    service = {"name": SERVICE, "minutes": 60, "priceMinor": 9_505, "currency": "EUR"}
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    hours = {"weekly": {day: [["00:00", "24:00"]] for day in days}}
    facts = {"name": "Mara", "timezone": "Europe/Berlin", "hours": json.dumps(hours), "services": json.dumps([service])}
    link.run(create_derived(link.ports, THERAPISTS, Therapist(id=THERAPIST, **facts), []))


def take(link: MassageLink, server: Emulator, way: str) -> None:
    """The whole way of a booking: its first step by a key, by a command, or by writing the row; then the others."""
    customer, therapist = (link, link) if way == "backend" else (link.as_user(CUSTOMER), link.as_user(THERAPIST))
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
    if way == "direct":
        booking_id = write_row(customer, server, start)
    else:
        wish: dict[str, Any] = {"customer_id": CUSTOMER, "therapist_id": THERAPIST, "service": SERVICE}
        booking_id = customer.bookings.request(**wish, starts_at=start).id
    by = THERAPIST if way == "backend" else None
    therapist.bookings.accept(booking_id, by=by)
    for sender, name in ((customer, CUSTOMER), (therapist, THERAPIST)):
        sender.chat.send(booking_id, "Hello", sender_id=by and name, client_id=f"hello-{name}")
    therapist.bookings.complete(booking_id, by=by)


def write_row(customer: MassageLink, server: Emulator, start: datetime) -> str:
    """The customer's own client writes the row, and it is admitted."""
    data = {"customerId": CUSTOMER, "therapistId": THERAPIST, "service": SERVICE, "startsAt": start.isoformat()}
    rows = f"/tablesdb/{customer.ports.database}/tables/{BOOKINGS.id}/rows"
    customer.send(Call("POST", rows, raw_json, {"rowId": "direct", "data": data}))
    with server.link() as watching:
        settled(watching, lambda: admitted(watching))
    return "direct"


def admitted(link: MassageLink) -> bool:
    """Whether the row that was written has become a booking."""
    try:
        return isinstance(link.bookings.get("direct"), Booking)
    except NotFound:
        return False


def executions(link: MassageLink, *, direct: bool) -> Counter[str]:
    """How often each function has run so far."""
    counted: Counter[str] = Counter()
    for function in functions_of(direct_write=direct):
        address = f"/functions/{function.id}/executions"
        counted[function.id] = int(link.send(Call("GET", address, raw_json))["total"])
    return counted


def both_ran(link: MassageLink, *, direct: bool) -> bool:
    """Whether the two functions have run that every booking starts."""
    counted = executions(link, direct=direct)
    return min(counted["create_chat_room"], counted["compute_commission"]) > 0


def settled(link: MassageLink, holds: Callable[[], bool]) -> None:
    """Wait for it, a minute at most."""
    until = time.monotonic() + 60
    while not holds():
        if time.monotonic() > until:
            sys.exit(f"the functions of {link.endpoint} did not finish")
        time.sleep(0.05)


def unchanged(seen: list[Counter[str]], link: MassageLink, *, direct: bool) -> bool:
    """Whether two seconds went by without another execution."""
    time.sleep(2)
    seen.append(executions(link, direct=direct))
    return seen[-1] == seen[-2]


# --- inside of functions ----------------------------------------------------------------------------------------------
def inside_functions() -> dict[str, int]:
    """Requests that one execution makes itself, counted by running its use case here."""
    counted = Counted()
    with running_emulator() as server:
        with server.link() as link:
            prepare(link)
        with MassageLink(server.endpoint, server.project_id, api_key=server.api_key, transport=counted) as link:
            start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
            wish: dict[str, Any] = {"customer_id": CUSTOMER, "therapist_id": THERAPIST, "service": SERVICE}
            booking = link.bookings.request(**wish, starts_at=start)
            steps: dict[str, Callable[[], Any]] = {
                "create_chat_room": lambda: link.run(ensure_room(link.ports, booking.id)),
                "compute_commission": lambda: link.run(ensure_commission(link.ports, booking.id)),
                "sweep": lambda: link.run(sweep(link.ports)),
            }
            # As long after the last change as no sweep in this script could wait.
            later = SweepState(watermark=datetime.now(UTC) + timedelta(hours=1))
            state = SystemState(id=STATE_ID, value=later.model_dump_json())
            link.run(create_derived(link.ports, SYSTEM_STATE, state, []))
            return {function: spent_by(counted, step) for function, step in steps.items()}


def spent_by(counted: Counted, step: Callable[[], Any]) -> int:
    """Requests of one step."""
    before = counted.count
    step()
    return counted.count - before


# --- for people -------------------------------------------------------------------------------------------------------
def described(bookings: int, ways: dict[str, dict[str, Any]], inside: dict[str, int]) -> str:
    """One booking, and a month of them."""
    lines = []
    for way, spent in ways.items():
        executed = sum(spent["executions"].values())
        each = ", ".join(f"{function} {count}" for function, count in sorted(spent["executions"].items()) if count)
        lines += [
            f"{way}: {WAYS[way]}",
            f"  one booking: {spent['requests']} requests, {executed} executions ({each})",
            f"  {bookings:,} a month: {bookings * spent['requests']:,} requests, {bookings * executed:,} executions",
        ]
    lines.append(
        f"the sweeper: {SWEEPS:,} executions a month, {inside['sweep']} requests each when there is nothing to do"
    )
    counts = ", ".join(f"{function} {count}" for function, count in inside.items() if function != "sweep")
    lines.append(f"inside one execution: {counts} requests")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
