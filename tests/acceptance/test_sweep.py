"""The sweeper does what events and people left undone, and one thing that cannot be done keeps it from no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cases import NOW, START, Run
from faults import COMMIT, Faults, error_body
from marketplace import Market
from massage_link import Status
from massage_link.domain.draft import Draft
from massage_link.domain.tables import BOOKINGS, CHAT_ROOMS, COMMISSIONS
from massage_link.usecases.lookups import find_booking
from massage_link.usecases.sweep import BUDGET, SweepReport, sweep
from massage_link.wire.rows import update_row

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


def test_a_row_that_keeps_failing_is_tried_by_each_run_and_keeps_none_of_them_from_going_on(
    market: Market, faults: Faults
) -> None:
    stubborn = drafted(market)[0]
    faults.plant(COMMIT, DENIED, times=None)
    report = swept(stubborn)
    assert (report.failed, report.complete) == ((stubborn.booking_id,), True)
    # From now on its creation lies before what a run looks through, and so would that of whatever came after it.
    much_later = datetime.fromisoformat(report.until) + timedelta(hours=1)
    for _ in range(2):
        report = swept(stubborn, now=much_later)
        assert report.failed == (stubborn.booking_id,)
        assert datetime.fromisoformat(report.until) == much_later
        assert swept(stubborn, now=much_later, budget=timedelta(seconds=-1)).failed == (stubborn.booking_id,)
    faults.clear()
    report = swept(stubborn, now=much_later)
    assert (report.failed, report.admitted) == ((), 1)


def test_a_row_that_has_failed_for_a_week_is_given_up(market: Market, faults: Faults) -> None:
    stubborn = drafted(market)[0]
    faults.plant(COMMIT, DENIED, times=None)
    assert swept(stubborn).failed == (stubborn.booking_id,)
    assert swept(stubborn, now=datetime.now(UTC) + timedelta(days=8)).failed == ()


def test_no_row_that_fails_is_forgotten_however_many_do(market: Market, faults: Faults) -> None:
    runs = drafted(market, 23)
    faults.plant(COMMIT, DENIED, times=None)
    report = swept(runs[0])
    assert (len(report.failed), report.complete) == (20, True)
    faults.clear()
    ends = datetime.now(UTC) + timedelta(hours=1)
    assert swept(runs[0], now=ends).admitted + swept(runs[0], now=ends).admitted == 23
    assert {status_of(run) for run in runs} == {Status.PENDING}
