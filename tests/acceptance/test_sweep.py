"""The sweeper does what events and people left undone, and one thing that cannot be done keeps it from no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from appwrite.query import Query

from cases import HOUR, NOW, START, Run
from faults import COMMIT, Faults, error_body
from marketplace import Market
from massage_link import Status
from massage_link.domain.chat import FREEZE_AFTER, RoomStatus
from massage_link.domain.draft import Draft
from massage_link.domain.ids import entry_id, message_id
from massage_link.domain.rows import Row
from massage_link.domain.states import Command
from massage_link.domain.sweeping import STATE_ID, Pass, Stage, SweepState
from massage_link.domain.system import SystemState
from massage_link.domain.tables import (
    BOOKING_EVENTS,
    BOOKING_TERMS,
    BOOKINGS,
    CHAT_MESSAGES,
    CHAT_ROOMS,
    COMMISSION_ENTRIES,
    COMMISSIONS,
    SYSTEM_STATE,
    Table,
)
from massage_link.errors import Unauthorized
from massage_link.usecases import sweep as sweeping
from massage_link.usecases import sweep_state
from massage_link.usecases.chat import send_message
from massage_link.usecases.lookups import find_booking
from massage_link.usecases.ports import create_derived
from massage_link.usecases.sweep import BUDGET, SweepReport, sweep
from massage_link.usecases.sweep_state import TakenOverError, claim, last_sweep
from massage_link.wire.call import Call, nothing, path
from massage_link.wire.rows import create_row, update_row
from steps import Steps

pytestmark = pytest.mark.emulator_only

DENIED = {"status": 401, "body": error_body(401, "user_unauthorized")}
LATER = NOW + timedelta(hours=25)


def requested(market: Market, count: int = 1) -> list[Run]:
    """So many requests that nobody has answered."""
    runs = [Run(market.link, market) for _ in range(count)]
    for run in runs:
        run.made()
    return runs


def drafted(market: Market, count: int = 1, **columns: object) -> list[Run]:
    """So many rows that clients have written and no event has told of."""
    runs = [Run(market.link, market) for _ in range(count)]
    for run in runs:
        run.draft(**columns)
    return runs


def swept(run: Run, *, now: datetime = NOW, budget: timedelta = BUDGET) -> SweepReport:
    """One sweep, now or at another moment."""
    return run.link.run(sweep(run.ports(now), budget=budget))


def status_of(run: Run) -> str | None:
    """Of its booking or draft."""
    row = run.link.run(find_booking(run.ports(), run.booking_id))
    return None if row is None else row.status


def test_rooms_and_commissions_that_no_event_has_made_are_made(market: Market, faults: Faults) -> None:
    run, other = requested(market, 2)
    report = swept(run)
    assert (report.checked, report.failed, report.complete) == (2, (), True)
    for table in (CHAT_ROOMS, COMMISSIONS):
        assert {row.id for row in market.rows(table)} == {run.booking_id, other.booking_id}


def test_drafts_that_no_event_has_told_of_are_admitted_or_declined(market: Market, faults: Faults) -> None:
    honest, forged = drafted(market)[0], drafted(market, priceMinor=1)[0]
    report = swept(honest)
    assert (report.admitted, report.declined) == (1, 1)
    assert (status_of(honest), status_of(forged)) == (Status.PENDING, Status.DECLINED)
    again = swept(honest)
    assert (again.admitted, again.declined) == (0, 0)


def test_a_booking_that_cannot_be_expired_keeps_no_other_from_it(market: Market, faults: Faults) -> None:
    runs = requested(market, 3)
    for run in runs:
        market.link.run(sweep(run.ports()))  # their commissions are on the books, so each expiry is one commit
    faults.plant(COMMIT, DENIED)
    swept(runs[0], now=LATER)
    assert sorted(str(status_of(run)) for run in runs) == ["expired", "expired", "pending"]
    assert swept(runs[0], now=LATER).expired == 1
    assert {status_of(run) for run in runs} == {Status.EXPIRED}


def test_a_draft_that_cannot_be_decided_is_left_to_the_next_run(market: Market, faults: Faults) -> None:
    runs = drafted(market, 3)
    faults.plant(COMMIT, DENIED)
    report = swept(runs[0])
    assert (report.admitted, len(report.failed)) == (2, 1)
    again = swept(runs[0])
    assert (again.admitted, again.failed) == (1, ())
    assert {status_of(run) for run in runs} == {Status.PENDING}


def test_a_run_that_has_no_more_time_leaves_the_rest_to_the_next(market: Market, faults: Faults) -> None:
    runs = drafted(market, 3)
    report = swept(runs[0], budget=timedelta(seconds=-1))
    assert (report.admitted, report.complete) == (0, False)
    assert swept(runs[0]).admitted == 3


def test_what_is_taken_by_another_is_declined(market: Market, faults: Faults) -> None:
    first, second = drafted(market, 2)
    rival = {"therapistId": first.therapist, "startsAt": START.isoformat()}
    address = market.link.ports.address(BOOKINGS)
    market.link.send(update_row(address, Draft, second.booking_id, rival))
    report = swept(first)
    assert (report.admitted, report.declined) == (1, 1)
    assert sorted(str(status_of(run)) for run in (first, second)) == ["declined", "pending"]


# --- everything that can be missing -----------------------------------------------------------------------------------
def whole(market: Market, *moves: Command, **changes: object) -> Run:
    """A booking of which nothing is missing."""
    run = Run(market.link, market)
    run.made(*moves, **changes)
    market.link.run(sweep(run.ports()))
    return run


def changed(market: Market, table: Table[Row], row_id: str, **columns: object) -> None:
    """Write over a row what nobody of ours would."""
    market.link.send(update_row(market.link.ports.address(table), table.model, row_id, columns))


def what_is_there(market: Market) -> dict[str, dict[str, dict[str, object]]]:
    """All rows but the sweeper's own, without the server's stamps."""
    contents = market.contents()
    del contents["system_state"]
    stamps = {"$updatedAt", "$createdAt", "$sequence"}
    return {
        table: {row_id: {k: v for k, v in row.items() if k not in stamps} for row_id, row in rows.items()}
        for table, rows in contents.items()
    }


def lose_room_and_lines(market: Market, booking_id: str) -> None:
    """All that a room is."""
    market.remove(CHAT_ROOMS, booking_id)
    market.remove(CHAT_MESSAGES, *(message_id(booking_id, n) for n in (1, 2, 3)))


def lose_ledger(market: Market, booking_id: str) -> None:
    """The commission with its entries."""
    market.remove(COMMISSIONS, booking_id)
    market.remove(COMMISSION_ENTRIES, entry_id(booking_id, 1), entry_id(booking_id, 2))


_YEARS_OFF = "2051-01-01T00:00:00.000+00:00"
LOSSES: Mapping[str, tuple[Callable[[Market, str], None], dict[str, int]]] = {
    "the room": (lambda market, it: market.remove(CHAT_ROOMS, it), {"rooms": 1}),
    "the room and its lines": (lose_room_and_lines, {"rooms": 1, "lines": 2}),
    "the line of a later event": (lambda market, it: market.remove(CHAT_MESSAGES, message_id(it, 3)), {"lines": 1}),
    "the commission": (lose_ledger, {"commissions": 1}),
    "the commission but not its entries": (lambda market, it: market.remove(COMMISSIONS, it), {"commissions": 1}),
    "what the room shows": (
        lambda market, it: changed(market, CHAT_ROOMS, it, messageCount=1, lastMessage="old"),
        {"stale_rooms": 1},
    ),
    "when the room freezes": (
        lambda market, it: changed(market, CHAT_ROOMS, it, freezesAt=_YEARS_OFF),
        {"stale_rooms": 1},
    ),
    "what the commission shows": (
        lambda market, it: changed(market, COMMISSIONS, it, status="pending", balanceMinor=0),
        {"stale_commissions": 1},
    ),
    "that the commission has later entries": (
        lambda market, it: changed(market, COMMISSIONS, it, entries=1),
        {"stale_commissions": 1},
    ),
}
_COUNTS = ("rooms", "lines", "commissions", "stale_rooms", "stale_commissions", "expired", "frozen", "drafts")


def counts(report: SweepReport) -> dict[str, int]:
    """What it put right."""
    return {name: getattr(report, name) for name in _COUNTS if getattr(report, name)}


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_lost_is_found_by_a_dry_run_and_put_back_by_a_sweep(market: Market, faults: Faults, loss: str) -> None:
    run = whole(market, Command.ACCEPT, Command.COMPLETE)
    before = what_is_there(market)
    lose, expected = LOSSES[loss]
    lose(market, run.booking_id)
    lacking = market.contents()
    assert counts(market.link.run(sweep(run.ports(), dry_run=True))) == expected
    assert market.contents() == lacking
    report = swept(run)
    assert (counts(report), report.failed, report.complete) == (expected, (), True)
    assert what_is_there(market) == before
    assert counts(swept(run)) == {}


def test_messages_that_their_room_does_not_show_are_shown(market: Market, faults: Faults) -> None:
    run = whole(market)
    market.link.run(send_message(run.ports(), run.booking_id, sender_id=run.customer, body="Hello", client_id="m"))
    before = what_is_there(market)
    changed(market, CHAT_ROOMS, run.booking_id, messageCount=1, lastUserN=0, lastMessage="", lastSenderId="system")
    assert counts(swept(run)) == {"stale_rooms": 1}
    assert what_is_there(market) == before


def test_a_booking_that_ended_while_nobody_looked_gets_its_commission_as_it_ended(
    market: Market, faults: Faults
) -> None:
    run = whole(market, Command.ACCEPT, Command.COMPLETE)
    told = market.link.commissions.get(run.booking_id)
    lose_ledger(market, run.booking_id)
    swept(run)
    assert market.link.commissions.get(run.booking_id).columns() == told.columns()


def test_rooms_whose_time_has_come_are_frozen_however_old_their_bookings_are(market: Market, faults: Faults) -> None:
    runs = [whole(market, Command.ACCEPT, Command.COMPLETE) for _ in range(3)]
    later = START + HOUR + FREEZE_AFTER
    assert counts(swept(runs[0], now=later - timedelta(milliseconds=1))) == {}
    assert counts(market.link.run(sweep(runs[0].ports(later), dry_run=True))) == {"frozen": 3}
    assert counts(swept(runs[0], now=later)) == {"frozen": 3}
    assert {row.status for row in market.rows(CHAT_ROOMS)} == {RoomStatus.FROZEN}
    assert counts(swept(runs[0], now=later)) == {}


def test_more_overdue_requests_than_one_look_shows_expire_in_one_sweep(
    market: Market, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "_DUE_PAGE", 2)
    runs = requested(market, 5)
    assert counts(market.link.run(sweep(runs[0].ports(LATER), dry_run=True)))["expired"] == 5
    faults.plant(COMMIT, DENIED)
    report = swept(runs[0], now=LATER)
    assert report.expired == 4
    assert len(report.failed) == 1
    assert swept(runs[0], now=LATER).expired == 1


# --- who sweeps, and from where ---------------------------------------------------------------------------------------
def test_a_second_sweeper_leaves_while_the_first_is_at_work(market: Market, faults: Faults) -> None:
    (run,) = requested(market)
    held = market.link.run(claim(run.ports(), "first"))
    assert held is not None
    before = market.contents()
    report = swept(run)
    assert (report.elsewhere, report.complete, counts(report)) == (True, False, {})
    assert market.contents() == before
    market.link.run(held.save(held.state, release=True))
    assert counts(swept(run)) == {"rooms": 1, "commissions": 1}


def test_a_lease_that_ran_out_is_taken_over_and_who_lost_it_writes_nothing_down(
    market: Market, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = requested(market)
    with monkeypatch.context() as patch:
        patch.setattr(sweep_state, "LEASE", timedelta(0))
        dead = market.link.run(claim(run.ports(), "dead"))
    assert dead is not None
    assert counts(swept(run)) == {"rooms": 1, "commissions": 1}
    known = market.contents()["system_state"]
    with pytest.raises(TakenOverError):
        market.link.run(dead.save(dead.state))
    assert market.contents()["system_state"] == known


def test_a_sweeper_that_is_overtaken_says_so_and_leaves_what_is_remembered_alone(
    market: Market, faults: Faults
) -> None:
    (run,) = requested(market)
    state = {"value": SweepState(failed={"x": NOW}).model_dump_json()}

    def taken_over(number: int) -> None:
        if number == 20:
            market.link.send(update_row(run.ports().address(SYSTEM_STATE), SystemState, STATE_ID, state))

    with market.server.link(transport=Steps(before=taken_over)) as slow:
        report = slow.run(sweep(run.ports()))
    assert (report.elsewhere, report.complete, report.rooms) == (True, False, 1)
    assert market.rows(SYSTEM_STATE)[0].value == state["value"]


def test_two_sweepers_at_once_make_everything_once(market: Market, faults: Faults) -> None:
    runs = requested(market, 4)
    alone = [market.server.link() for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        # Without the lease: each holds it by the same name.
        reports = list(pool.map(lambda link: link.run(sweep(runs[0].ports(), holder="same")), alone))
    for link in alone:
        link.close()
    assert any(report.complete for report in reports)
    swept(runs[0])
    market.check()
    assert len(market.rows(CHAT_ROOMS)) == len(market.rows(COMMISSIONS)) == len(market.rows(CHAT_MESSAGES)) == 4


def test_a_run_goes_on_where_the_one_before_had_no_more_time(
    market: Market, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pages_of(monkeypatch, 2)
    runs = requested(market, 7)
    clock = iter(range(10_000))  # each look at the clock takes a second
    seen = 0
    for _ in range(20):
        ports = replace(runs[0].ports(), now=lambda: NOW + timedelta(seconds=next(clock)))
        report = market.link.run(sweep(ports, budget=timedelta(seconds=12)))
        seen += report.rooms
        if report.complete:
            break
        assert report.rooms < 7
        assert market.link.run(last_sweep(ports)).current is not None
    assert (seen, report.complete) == (7, True)
    assert market.link.run(last_sweep(ports)).current is None
    market.check()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_drafts_are_found_on_every_page_although_they_move_on_while_they_are_decided(
    market: Market, faults: Faults, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    _pages_of(monkeypatch, size)
    runs = drafted(market, 7)
    assert swept(runs[0]).admitted == 7
    assert {status_of(run) for run in runs} == {Status.PENDING}


def test_drafts_of_one_instant_are_found_however_small_the_pages_are(
    market: Market, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pages_of(monkeypatch, 2)
    runs = drafted(market, 7)
    same = {"$updatedAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:00:00Z")}
    for run in runs:
        market.link.send(update_row(market.link.ports.address(BOOKINGS), Draft, run.booking_id, same))
    report = market.link.run(sweep(runs[0].ports(), dry_run=True))
    assert report.drafts == 7


def test_a_place_whose_row_is_gone_by_now_is_found_by_its_time(
    market: Market, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pages_of(monkeypatch, 2)
    runs = requested(market, 3)
    events = market.rows(BOOKING_EVENTS, Query.order_asc("$createdAt"))
    at = events[1].created_at
    assert at is not None
    place = Pass(since=at - HOUR, begun=at + HOUR, stage=Stage.EVENTS, after="gone_1", at=at)
    changed_state(market, SweepState(current=place))
    report = swept(runs[0])
    assert (report.rooms, report.complete) == (2, True)


def test_what_was_dealt_with_is_not_looked_at_again(market: Market, faults: Faults) -> None:
    (run,) = requested(market)
    assert swept(run).checked == 1
    changed_state(market, SweepState(watermark=datetime.now(UTC) + timedelta(seconds=100)))
    assert swept(run).checked == 1, "a row may become visible so long after its stamp"
    changed_state(market, SweepState(watermark=datetime.now(UTC) + timedelta(minutes=3)))
    assert swept(run).checked == 0
    assert market.link.run(sweep(run.ports(), since=datetime.now(UTC) - HOUR)).checked == 1


def test_a_later_since_passes_over_nothing(market: Market, faults: Faults) -> None:
    (run,) = requested(market)
    changed_state(market, SweepState(watermark=datetime.now(UTC) - HOUR))
    assert market.link.run(sweep(run.ports(), since=datetime.now(UTC) + HOUR)).rooms == 1


def test_what_cannot_be_dealt_with_is_tried_again_for_a_week(market: Market, faults: Faults) -> None:
    run = whole(market)
    market.remove(COMMISSIONS, run.booking_id)
    market.remove(COMMISSION_ENTRIES, entry_id(run.booking_id, 1))
    market.remove(BOOKING_TERMS, run.booking_id)
    assert swept(run).failed == (run.booking_id,)
    state = market.link.run(last_sweep(run.ports()))
    assert list(state.failed) == [run.booking_id]
    assert state.watermark is not None
    late = state.model_copy(update={"watermark": datetime.now(UTC) + HOUR})
    changed_state(market, late)
    assert swept(run).failed == (run.booking_id,), "although no event of it is looked at any more"
    changed_state(market, late.model_copy(update={"failed": {run.booking_id: datetime.now(UTC) - timedelta(days=8)}}))
    assert swept(run).failed == ()
    assert market.link.run(last_sweep(run.ports())).failed == {}


def test_with_too_many_failures_to_remember_the_watermark_stays(
    market: Market, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "MOST_FAILED", 1)
    runs = requested(market, 2)
    market.remove(BOOKING_TERMS, *(run.booking_id for run in runs))
    assert len(swept(runs[0]).failed) == 2
    state = market.link.run(last_sweep(runs[0].ports()))
    assert (state.watermark, len(state.failed)) == (None, 1)


def test_no_row_that_fails_is_forgotten_however_many_do(market: Market, faults: Faults) -> None:
    runs = drafted(market, 23)
    faults.plant(COMMIT, DENIED, times=None)
    report = swept(runs[0])
    assert (len(report.failed), report.complete) == (20, True)
    faults.clear()
    assert swept(runs[0]).admitted == 23
    assert {status_of(run) for run in runs} == {Status.PENDING}


def test_a_booking_that_its_author_overwrote_long_after_it_was_made_is_made_anew(
    market: Market, faults: Faults
) -> None:
    run = drafted(market)[0]
    assert swept(run).admitted == 1
    before = what_is_there(market)
    changed_state(market, SweepState(watermark=datetime.now(UTC) + timedelta(minutes=3)))
    assert swept(run).admitted == 0
    rows = path("tablesdb", market.server.database, "tables", "bookings", "rows", run.booking_id)
    mine = [f'{right}("user:{run.customer}")' for right in ("read", "update", "delete")]
    later = {"$updatedAt": (datetime.now(UTC) + timedelta(minutes=2)).isoformat(timespec="milliseconds")}
    market.link.send(Call("PATCH", rows, nothing, {"data": {"priceMinor": 1, **later}, "permissions": mine}))
    report = swept(run)
    assert (report.admitted, report.failed) == (1, ())
    assert what_is_there(market) == before


@pytest.mark.parametrize("value", ["", "no JSON", '{"since": "2026-01-01", "until": "2026-01-02"}', '{"lease": 7}'])
def test_a_memory_that_cannot_be_read_is_begun_anew(market: Market, faults: Faults, value: str) -> None:
    (run,) = requested(market)
    row = SystemState(id=STATE_ID, value=value)
    market.link.send(create_row(run.ports().address(SYSTEM_STATE), SystemState, STATE_ID, row.columns(), []))
    report = swept(run)
    assert (report.rooms, report.complete) == (1, True)
    assert market.link.run(last_sweep(run.ports())).report["rooms"] == 1


def test_a_sweep_that_fails_lets_go_of_the_lease(market: Market, faults: Faults) -> None:
    (run,) = requested(market)
    events = {"method": "GET", "path": f"/v1/tablesdb/{market.server.database}/tables/booking_events/rows"}
    faults.plant(events, DENIED)
    with pytest.raises(Unauthorized):
        swept(run)
    assert swept(run).rooms == 1


def test_with_nothing_to_do_it_costs_few_calls(market: Market, faults: Faults) -> None:
    run = whole(market)
    changed_state(market, SweepState(watermark=datetime.now(UTC) + timedelta(minutes=3)))
    steps = Steps()
    with market.server.link(transport=steps) as counted:
        report = counted.run(sweep(run.ports()))
    assert (report.checked, report.repaired) == (0, 0)
    assert len(steps.sent) <= 10


def test_how_far_it_is_only_grows_and_ends_at_one(
    market: Market, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pages_of(monkeypatch, 2)
    runs = requested(market, 5)
    told: list[float] = []
    market.link.run(sweep(runs[0].ports(), progress=told.append))
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 6


def changed_state(market: Market, state: SweepState) -> None:
    """What the sweeper remembers from now on."""
    address = market.link.ports.address(SYSTEM_STATE)
    row = market.link.run(create_derived(market.link.ports, SYSTEM_STATE, SystemState(id=STATE_ID), []))
    market.link.send(update_row(address, SystemState, row.id, {"value": state.model_dump_json()}))


def _pages_of(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    small = {stage: replace(stream, page=size) for stage, stream in sweeping._STREAMS.items()}
    monkeypatch.setattr(sweeping, "_STREAMS", small)
