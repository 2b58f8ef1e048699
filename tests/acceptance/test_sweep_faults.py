"""Events to functions are lost, fail, come twice, late and in any order, and clients die: one sweep makes up for it."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from appwrite.query import Query

from deployed import FUNCTIONS
from emulator_live import until
from marketplace import Market, Server
from massage_link import Booking, CommissionStatus, MassageLink
from massage_link.client.paging import pages_of
from massage_link.domain.lines import OPENED, event_client_id
from massage_link.domain.states import LIVE
from massage_link.domain.tables import BOOKINGS, CHAT_MESSAGES, CHAT_ROOMS, COMMISSION_ENTRIES, COMMISSIONS, DATABASE
from massage_link.testing import running_emulator
from massage_link.usecases.reconciliation import check_ledger
from massage_link.usecases.sweep import sweep
from massage_link.wire.call import Call, nothing, path
from steps import Crash, Steps, at, crash

pytestmark = pytest.mark.emulator_only

PLANTED = {
    "lose": 0.3,
    "fail": 0.1,
    "duplicate": 0.3,
    "reorder": 0.3,
    "delay": 0.2,
    "delaySeconds": 0.01,
    "seed": 11,
}
_ABREAST = 4


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Tables and functions, but for the sweeper, which here runs when it is told to."""
    with running_emulator(functions=FUNCTIONS) as emulator:
        with emulator.link() as link:
            link.send(Call("DELETE", path("functions", "sweep"), nothing))
        yield Server(emulator.endpoint, emulator.project_id, emulator.api_key, DATABASE, emulator)


def control(server: Server, method: str, place: str, body: object = None) -> Any:
    """A call of the control plane."""
    assert server.emulator is not None
    return server.emulator.control(method, place, body)


# --- what happens -----------------------------------------------------------------------------------------------------
def live_through(server: Server, number: int) -> None:
    """A booking that goes some way, by clients of which one in three dies somewhere in a move."""
    dice = random.Random(number)  # noqa: S311 - histories, not secrets
    with server.link() as link:
        booking = link.bookings.request(**Market(server, link).wish(starts_at=_start(number)))
    for move in dice.choice([(), (), ("chat",), ("decline",), ("accept", "chat"), ("accept", "complete"), ("cancel",)]):
        dies = dice.random() < 1 / 3
        hook = at(dice.randrange(3, 25) if dies else -1, crash)
        with server.link(transport=Steps(before=hook)) as mortal:
            try:
                _move(mortal, booking, move)
            except Crash:
                return


def _start(number: int) -> datetime:
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return noon + timedelta(days=2 + number)


def _move(link: MassageLink, booking: Booking, move: str) -> None:
    if move == "chat":
        link.chat.send(booking.id, "Hello", sender_id=booking.customer_id)
    else:
        getattr(link.bookings, move)(booking.id)


# --- what is there ----------------------------------------------------------------------------------------------------
def every(link: MassageLink, table: Any, *queries: str) -> list[Any]:
    """All rows of a table, however many."""
    pages = pages_of(link.ports, table, [*queries, Query.order_asc("$createdAt")], page_size=1_000)
    rows: list[Any] = []
    while True:
        page = link.run(pages.page(rows[-1] if rows else None))
        rows += page
        if len(page) < pages.size:
            return rows


def assert_whole(link: MassageLink, count: int) -> None:
    """Exactly one room, one commission and one set of system lines a booking, and books that agree."""
    bookings = {row.id: row for row in every(link, BOOKINGS)}
    assert len(bookings) == count
    rooms = {row.id: row for row in every(link, CHAT_ROOMS)}
    commissions = {row.id: row for row in every(link, COMMISSIONS)}
    assert set(rooms) == set(commissions) == set(bookings)
    accruals = Counter(row.booking_id for row in every(link, COMMISSION_ENTRIES) if row.n == 1)
    assert accruals == dict.fromkeys(bookings, 1)
    lines: defaultdict[str, list[str]] = defaultdict(list)
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for message in every(link, CHAT_MESSAGES):
        numbers[message.room_id].append(message.n)
        if message.sender_id == "system":
            lines[message.room_id].append(message.client_id)
    for booking in bookings.values():
        told = [OPENED, *map(event_client_id, range(2, booking.version + 1))]
        assert sorted(lines[booking.id]) == sorted(told)
        assert sorted(numbers[booking.id]) == list(range(1, rooms[booking.id].message_count + 1))
        assert (commissions[booking.id].status is CommissionStatus.PENDING) == (booking.status in LIVE)
    books = link.run(check_ledger(link.ports, full=True))
    assert (books.ok, books.bookings, set(books.difference.values())) == (True, count, {0})


@pytest.mark.parametrize("count", [40, pytest.param(500, marks=pytest.mark.long)])
async def test_after_one_sweep_every_booking_has_everything_once(server: Server, count: int) -> None:
    with server.link() as link:
        Market(server, link).empty()
        control(server, "POST", "functions/faults", PLANTED)
        with ThreadPoolExecutor(_ABREAST) as pool:
            list(pool.map(lambda number: live_through(server, number), range(count)))
        await until(lambda: control(server, "GET", "functions")["pending"] == 0, 300)
        met = control(server, "GET", "functions")["met"]
        assert all(met[name] > 0 for name in ("lost", "failed", "duplicated", "reordered", "delayed")), met
        with pytest.raises(AssertionError):
            assert_whole(link, count)  # else nothing was planted
        report = link.run(sweep(link.ports, budget=None))
        assert (report.complete, report.failed) == (True, ())
        assert min(report.rooms, report.commissions) > 0
        assert_whole(link, count)
        again = link.run(sweep(link.ports, budget=None))
        assert again.repaired == 0
        assert again.checked >= count


async def test_a_sweep_amid_late_and_doubled_events_makes_nothing_twice(server: Server) -> None:
    with server.link() as link:
        Market(server, link).empty()
        late = {**PLANTED, "lose": 0.0, "duplicate": 1.0, "delay": 1.0, "delaySeconds": 0.03}
        control(server, "POST", "functions/faults", late)
        with ThreadPoolExecutor(_ABREAST) as pool:
            list(pool.map(lambda number: live_through(server, number), range(20)))
        assert control(server, "GET", "functions")["pending"] > 0
        report = link.run(sweep(link.ports, budget=None))
        assert (report.complete, report.failed) == (True, ())
        assert_whole(link, 20)
        await until(lambda: control(server, "GET", "functions")["pending"] == 0, 300)
        assert_whole(link, 20)
