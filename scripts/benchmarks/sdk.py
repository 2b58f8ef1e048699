"""How fast the SDK is, beside raw httpx making the same calls and the official Python SDK, on one embedded server.

Reading one booking by its id, creating a row, and reading a page of 100 typed bookings: the three take turns call by
call, so whatever slows the machine slows all of them; shown are medians. Raw httpx sends the very requests that ours
sends (one row is read by list, as ours must) and parses the bodies as JSON. Also the time that `import massage_link`
takes. `--json` prints one object. Exit 1 when ours takes more than 1.3 × raw httpx, or is not ahead of the official
SDK, or imports in more than 0.2 s.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from operator import truediv
from statistics import median
from typing import Any
from urllib.parse import urlencode

import httpx
from appwrite.client import Client
from appwrite.query import Query
from appwrite.services.tables_db import TablesDB

from massage_link import Booking, ChatMessage, MassageLink, Status
from massage_link.domain.chat import message
from massage_link.domain.tables import BOOKINGS, CHAT_MESSAGES
from massage_link.testing import Emulator, running_emulator
from massage_link.wire.rows import create_row, read_by, with_ids

_ROWS = 100
_WARM_UP, _CALLS = 40, 600
_ALLOWED, _IMPORT_ALLOWED = 1.3, 0.2
_START = datetime(2030, 1, 1, 9, 0, tzinfo=UTC)
_READERS = read_by(["carla", "theo"])
_NEWEST = [Query.order_desc("startsAt"), Query.equal("therapistId", ["theo"]), Query.limit(_ROWS)]
_ONE = f"{7:028x}"
_numbers = count(1)

Call = Callable[[], object]


def booking(number: int) -> Booking:
    """One of the bookings that are read."""
    start = _START + timedelta(hours=2 * number)
    return Booking(
        id=f"{number:028x}",
        customer_id="carla",
        therapist_id="theo",
        service="Deep tissue massage",
        starts_at=start,
        ends_at=start + timedelta(minutes=60),
        timezone="Europe/Berlin",
        duration_minutes=60,
        area="Berlin-Mitte",
        price_minor=9_505,
        currency="EUR",
        status=Status.ACCEPTED,
        version=2,
        responded_at=start - timedelta(days=1),
        customer_name="Carla",
        therapist_name="Theo",
        note="Second courtyard, please ring twice.",
    )


def new_message() -> ChatMessage:
    """A row that is not there yet."""
    number = next(_numbers)
    return message(f"{0:028x}", number, sender_id="carla", client_id=f"c{number}", body="See you soon!", sent_at=_START)


def seed(emulator: Emulator) -> float:
    """Store the bookings through the control plane; gives the seconds that it took."""
    began = time.perf_counter()
    rows = [{"$id": each.id, "$permissions": _READERS, **each.columns()} for each in map(booking, range(_ROWS))]
    emulator.control("POST", "seed", {"databaseId": "massage_link", "tableId": BOOKINGS.id, "rows": rows})
    return time.perf_counter() - began


# --- the three --------------------------------------------------------------------------------------------------------
def ours(link: MassageLink) -> dict[str, Call]:
    """The SDK."""
    messages = link.ports.address(CHAT_MESSAGES)

    def create() -> object:
        row = new_message()
        return link.send(create_row(messages, ChatMessage, row.id, row.columns(), _READERS))

    return {
        "get by id": lambda: link.bookings.get(_ONE),
        "create": create,
        "list 100 typed rows": lambda: list(link.bookings.list(therapist_id="theo", limit=_ROWS)),
    }


def raw(http: httpx.Client) -> dict[str, Call]:
    """Raw httpx: addresses are made beforehand."""
    tables = "/tablesdb/massage_link/tables"
    one, page = (
        f"{tables}/{BOOKINGS.id}/rows?{urlencode([('queries[]', query) for query in queries])}"
        for queries in ([with_ids([_ONE]), Query.limit(1)], _NEWEST)
    )

    def create() -> object:
        row = new_message()
        body = {"rowId": row.id, "data": row.columns(), "permissions": _READERS}
        return http.post(f"{tables}/{CHAT_MESSAGES.id}/rows", json=body).raise_for_status().json()

    return {
        "get by id": lambda: http.get(one).raise_for_status().json()["rows"][0],
        "create": create,
        "list 100 typed rows": lambda: http.get(page).raise_for_status().json()["rows"],
    }


def official(tables: TablesDB) -> dict[str, Call]:
    """The official Python SDK."""

    def create() -> object:
        row = new_message()
        return tables.create_row("massage_link", CHAT_MESSAGES.id, row.id, row.columns(), _READERS)

    return {
        "get by id": lambda: tables.get_row("massage_link", BOOKINGS.id, _ONE),
        "create": create,
        "list 100 typed rows": lambda: tables.list_rows("massage_link", BOOKINGS.id, _NEWEST),
    }


# --- measuring --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Line:
    """One kind of call: median times in milliseconds, and how many times the others' time ours is.

    The ratios are medians, too, of calls that were made next to each other: what slows one slows the other.
    """

    name: str
    ours: float
    raw: float
    official: float
    over_raw: float
    over_official: float

    @property
    def passed(self) -> bool:
        """Whether it is as fast as promised."""
        return self.over_raw <= _ALLOWED and self.over_official < 1


def timed(call: Call) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def measured(name: str, contestants: Mapping[str, Mapping[str, Call]]) -> Line:
    """Medians of one kind of call: each contestant makes one, in turns that begin with another each time."""
    times: dict[str, list[float]] = {who: [] for who in contestants}
    order = list(contestants)
    for number in range(_WARM_UP + _CALLS):
        order.append(order.pop(0))
        for who in order:
            seconds = timed(contestants[who][name])
            if number >= _WARM_UP:
                times[who].append(seconds)
    medians = {who: median(found) * 1_000 for who, found in times.items()}
    ratios = {who: median(map(truediv, times["ours"], times[who])) for who in ("raw", "official")}
    return Line(name, **medians, over_raw=ratios["raw"], over_official=ratios["official"])


def import_seconds(statement: str) -> float:
    """Seconds that an import takes in a new interpreter, as `-X importtime` counts them: the least of five."""
    found = []
    for _ in range(5):
        command = [sys.executable, "-X", "importtime", "-c", statement]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        # Lines are "import time: self | cumulative | module" in microseconds; what is imported by the statement itself
        # is not indented, and Python's own start comes before.
        lines = [line.removeprefix("import time:").split("|") for line in told.splitlines()[1:]]
        found.append(sum(int(each[1]) for each in lines if each[2].removeprefix(" ").startswith("massage_link")))
    return min(found) / 1e6


def run() -> dict[str, Any]:
    """All measurements."""
    with running_emulator() as emulator, emulator.link() as link:
        seconds = seed(emulator)
        headers = {"X-Appwrite-Project": emulator.project_id, "X-Appwrite-Key": emulator.api_key}
        client = Client().set_endpoint(emulator.endpoint).set_project(emulator.project_id).set_key(emulator.api_key)
        with (
            httpx.Client(base_url=emulator.endpoint, headers=headers) as http,
            redirect_stderr(io.StringIO()),  # the official SDK warns of the server's version on every call
        ):
            contestants = {"ours": ours(link), "raw": raw(http), "official": official(TablesDB(client))}
            lines = [measured(name, contestants) for name in contestants["ours"]]
    return {
        "lines": lines,
        "import_seconds": import_seconds("import massage_link"),
        "import_links_seconds": import_seconds("from massage_link import MassageLink"),
        "seeding_seconds": seconds,
    }


def shown(found: Mapping[str, Any]) -> str:
    """The result as a table."""
    head = f"{'ms a call (median)':24}{'ours':>9}{'raw httpx':>11}{'official':>10}{'/ raw':>8}{'/ official':>12}"
    rows = [
        f"{each.name:24}{each.ours:>9.3f}{each.raw:>11.3f}{each.official:>10.3f}"
        f"{each.over_raw:>8.2f}{each.over_official:>12.2f}{'' if each.passed else '   TOO SLOW'}"
        for each in found["lines"]
    ]
    return "\n".join(
        [
            head,
            *rows,
            f"allowed: {_ALLOWED} × raw httpx, less than 1 × the official SDK",
            f"import massage_link: {found['import_seconds']:.3f} s (allowed: {_IMPORT_ALLOWED})",
            f"from massage_link import MassageLink: {found['import_links_seconds']:.3f} s",
            f"seeding took {found['seeding_seconds']:.2f} s",
        ]
    )


def as_json(found: Mapping[str, Any]) -> str:
    """The result as one object."""
    lines = {
        each.name: {
            "ours_ms": round(each.ours, 3),
            "raw_ms": round(each.raw, 3),
            "official_ms": round(each.official, 3),
            "over_raw": round(each.over_raw, 3),
            "over_official": round(each.over_official, 3),
        }
        for each in found["lines"]
    }
    return json.dumps({**found, "lines": lines})


def main() -> int:
    """0, or 1 when something is slower than promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    found = run()
    print(as_json(found) if parser.parse_args().json else shown(found))
    fast = all(each.passed for each in found["lines"]) and found["import_seconds"] <= _IMPORT_ALLOWED
    return 0 if fast else 1


if __name__ == "__main__":
    sys.exit(main())
