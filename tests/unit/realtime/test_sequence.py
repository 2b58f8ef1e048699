from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from massage_link.errors import UnexpectedAnswer
from massage_link.realtime import Numbered
from massage_link.realtime.ledger import Accepted, Arrival, Mark
from massage_link.realtime.sequence import SequenceLedger, Skipped

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONG_AGO = NOON - timedelta(days=1)
LIVE = Arrival(live=True, at=NOON)
FETCHED = Arrival(live=False, at=NOON)
IDENTITY = Numbered(scope="room", number="n")


def row(n: int, *, room: str = "r", at: datetime = NOON) -> dict[str, Any]:
    return {"$id": f"{room}_{n}", "$updatedAt": (at + timedelta(seconds=n)).isoformat(), "room": room, "n": n}


def numbers(accepted: list[Accepted]) -> list[int]:
    return [one.row["n"] for one in accepted]


def offered(ledger: SequenceLedger, *wanted: int) -> list[int]:
    """What is accepted when these numbers arrive."""
    return [n for number in wanted for n in numbers(ledger.offer(row(number), LIVE))]


def fetch(
    ledger: SequenceLedger, *, exist: range, settled: datetime, now: float = 0.0, at: datetime = NOON
) -> list[int]:
    """Fetch what is wanted, of which `exist` exists; returns what is accepted."""
    asked = ledger.wanted()
    rows = [row(one.number, room=one.scope, at=at) for one in asked if one.number in exist]
    return numbers(ledger.fetched(asked, rows, FETCHED, settled=settled, now=now))


def test_numbers_in_order_pass_at_once() -> None:
    ledger = SequenceLedger(IDENTITY)
    assert offered(ledger, 1, 2, 3) == [1, 2, 3]
    assert not ledger.has_gaps
    assert ledger.wanted() == []


def test_what_comes_too_early_waits_and_the_missing_ones_are_named() -> None:
    ledger = SequenceLedger(IDENTITY)
    assert offered(ledger, 1, 4, 5) == [1]
    assert [one.row_id for one in ledger.wanted()] == ["r_2", "r_3"]
    assert offered(ledger, 3, 2) == [2, 3, 4, 5]
    assert not ledger.has_gaps


def test_a_repetition_is_not_accepted() -> None:
    ledger = SequenceLedger(IDENTITY)
    assert offered(ledger, 1, 1, 3, 3, 2, 2, 3) == [1, 2, 3]


def test_what_waited_keeps_the_way_by_which_it_came() -> None:
    ledger = SequenceLedger(IDENTITY)
    ledger.know(Mark("r", 1, "", NOON))
    ledger.offer(row(3), LIVE)
    accepted = ledger.fetched(ledger.wanted(), [row(2)], FETCHED, settled=LONG_AGO, now=0.0)
    assert [one.arrival.live for one in accepted] == [False, True]


def test_an_unknown_scope_begins_after_its_last_settled_row() -> None:
    ledger = SequenceLedger(IDENTITY)
    assert offered(ledger, 30) == []
    settled = NOON + timedelta(seconds=27)  # rows stamped before: 26 and less; 27 itself is not settled
    assert fetch(ledger, exist=range(1, 30), settled=settled) == [27, 28, 29, 30]


def test_an_unknown_scope_is_followed_back_to_its_beginning() -> None:
    ledger = SequenceLedger(IDENTITY)
    offered(ledger, 50)
    got = []
    while ledger.has_gaps:
        got += fetch(ledger, exist=range(1, 51), settled=LONG_AGO)
    assert got == [*range(1, 51)]


def test_a_row_that_comes_again_while_its_scope_is_located_is_not_kept() -> None:
    ledger = SequenceLedger(IDENTITY)
    offered(ledger, 5)
    asked = ledger.wanted()
    offered(ledger, 2)
    found = [row(one.number) for one in asked]
    settled = NOON + timedelta(seconds=5)
    assert numbers(ledger.fetched(asked, found, FETCHED, settled=settled, now=0.0)) == [5]
    assert ledger._held == 0


def test_an_answer_that_comes_after_the_gap_was_filled_changes_nothing() -> None:
    ledger = SequenceLedger(IDENTITY)
    offered(ledger, 1, 3)
    asked = ledger.wanted()
    assert offered(ledger, 2) == [2, 3]
    assert ledger.fetched(asked, [row(2)], FETCHED, settled=LONG_AGO, now=0.0) == []


def test_a_row_of_another_scope_in_an_answer_is_ignored() -> None:
    ledger = SequenceLedger(IDENTITY)
    offered(ledger, 1, 3)
    assert ledger.fetched(ledger.wanted(), [row(1, room="other")], FETCHED, settled=LONG_AGO, now=0.0) == []


def test_at_most_a_hundred_rows_are_wanted_at_a_time_from_several_scopes() -> None:
    ledger = SequenceLedger(IDENTITY)
    for room in ("r", "s"):
        ledger.know(Mark(room, 1, "", NOON))
        ledger.offer(row(80, room=room), LIVE)
    wanted = ledger.wanted(limit=100)
    assert [sum(one.scope == room for one in wanted) for room in ("r", "s")] == [78, 22]


def test_what_exceeds_the_room_for_waiting_rows_is_fetched_later() -> None:
    ledger = SequenceLedger(IDENTITY, held=2)
    assert offered(ledger, 1, *range(3, 8)) == [1]
    assert ledger._held == 2
    assert offered(ledger, 2) == [2, 3, 4]
    assert [one.number for one in ledger.wanted()] == [5, 6, 7]
    got = []
    while ledger.has_gaps:
        got += fetch(ledger, exist=range(1, 8), settled=LONG_AGO)
    assert got == [5, 6, 7]


def test_the_floor_is_the_earliest_stamp_of_what_waits() -> None:
    ledger = SequenceLedger(IDENTITY, held=1)
    assert ledger.floor is None
    offered(ledger, 1, 4, 3)
    assert ledger.floor == NOON + timedelta(seconds=3)
    offered(ledger, 2)
    assert ledger.floor is not None  # 4 is held, or has to be fetched
    fetch(ledger, exist=range(1, 5), settled=LONG_AGO)
    assert ledger.floor is None


def test_numbers_that_stay_absent_are_passed_over_in_the_end() -> None:
    ledger = SequenceLedger(IDENTITY)
    offered(ledger, 1, 4)
    fetch(ledger, exist=range(0), settled=LONG_AGO, now=10.0)
    assert ledger.give_up(before=9.0) == ([], [])
    accepted, skipped = ledger.give_up(before=10.0)
    assert (numbers(accepted), skipped) == ([4], [Skipped("r", 2, 3)])
    assert not ledger.has_gaps


def test_asking_in_vain_counts_from_the_first_time() -> None:
    ledger = SequenceLedger(IDENTITY)
    offered(ledger, 1, 3)
    fetch(ledger, exist=range(0), settled=LONG_AGO, now=10.0)
    fetch(ledger, exist=range(0), settled=LONG_AGO, now=20.0)
    assert numbers(ledger.give_up(before=10.0)[0]) == [3]


def test_a_passed_over_number_is_delivered_once_when_it_turns_up() -> None:
    ledger = SequenceLedger(IDENTITY)
    offered(ledger, 1, 3)
    fetch(ledger, exist=range(0), settled=LONG_AGO, now=0.0)
    ledger.give_up(before=0.0)
    assert offered(ledger, 2, 2) == [2]
    assert offered(ledger, 4) == [4]


def test_an_unknown_scope_whose_past_stays_unreadable_begins_with_what_arrived() -> None:
    ledger = SequenceLedger(IDENTITY)
    offered(ledger, 7, 8)
    fetch(ledger, exist=range(0), settled=LONG_AGO, now=0.0)
    accepted, skipped = ledger.give_up(before=0.0)
    assert (numbers(accepted), skipped) == ([7, 8], [Skipped("r", 1, 6)])


def test_an_older_mark_does_not_move_a_scope_back() -> None:
    ledger = SequenceLedger(IDENTITY)
    ledger.know(Mark("r", 5, "", NOON))
    ledger.know(Mark("r", 3, "", NOON))
    assert offered(ledger, 4, 5, 6) == [6]


def test_a_quiet_scope_is_forgotten_beyond_the_capacity_and_one_with_a_gap_is_not() -> None:
    ledger = SequenceLedger(IDENTITY, capacity=0)
    offered(ledger, 1)
    ledger.offer(row(1, room="gap"), LIVE)
    ledger.offer(row(3, room="gap"), LIVE)
    ledger.offer(row(1, room="young", at=NOON + timedelta(days=2)), LIVE)
    ledger.forget(NOON + timedelta(days=1))
    assert len(ledger) == 2
    assert numbers(ledger.offer(row(2, room="gap"), LIVE)) == [2, 3]


def test_a_forgotten_scope_goes_on_where_it_was() -> None:
    ledger = SequenceLedger(IDENTITY, capacity=0)
    offered(ledger, 1, 2)
    horizon = NOON + timedelta(days=1)
    ledger.forget(horizon)
    late = row(4, at=horizon)
    assert ledger.offer(late, LIVE) == []
    asked = ledger.wanted()
    found = [row(1), row(2), row(3, at=horizon)]
    assert numbers(ledger.fetched(asked, found, FETCHED, settled=horizon, now=0.0)) == [3, 4]


@pytest.mark.parametrize("broken", [{"room": None}, {"n": None}, {"n": "1"}, {"n": True}, {"n": 0}, {"$updatedAt": ""}])
def test_a_row_without_its_marks_is_an_unexpected_answer(broken: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedAnswer):
        SequenceLedger(IDENTITY).offer({**row(1), **broken}, LIVE)
