from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from massage_link.errors import UnexpectedAnswer
from massage_link.realtime import Mutable
from massage_link.realtime.ledger import Arrival, VersionLedger, digest_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ARRIVAL = Arrival(live=True, at=NOON)


def row(version: int | None = None, *, row_id: str = "a", second: int = 0, **columns: Any) -> dict[str, Any]:
    stamp = (NOON + timedelta(seconds=second)).isoformat()
    return {"$id": row_id, "$updatedAt": stamp, "version": version, **columns}


def accepted(ledger: VersionLedger, *rows: dict[str, Any]) -> list[Any]:
    """For each row, whether it was accepted."""
    return [bool(ledger.offer(one, ARRIVAL)) for one in rows]


def test_versions_are_accepted_while_they_increase() -> None:
    ledger = VersionLedger(Mutable())
    assert accepted(ledger, row(1), row(1), row(4), row(3), row(5)) == [True, False, True, False, True]


def test_the_stamp_does_not_matter_where_there_is_a_version() -> None:
    ledger = VersionLedger(Mutable())
    assert accepted(ledger, row(1, second=5), row(2, second=0), row(2, second=9)) == [True, True, False]


def test_only_the_first_state_of_a_row_is_its_first_sight() -> None:
    ledger = VersionLedger(Mutable())
    [first] = ledger.offer(row(3), ARRIVAL)
    [second] = ledger.offer(row(4), ARRIVAL)
    assert (first.first_sight, second.first_sight) == (True, False)
    assert (first.token, second.token) == ("3", "4")


def test_without_a_version_other_content_is_accepted_unless_it_is_older() -> None:
    ledger = VersionLedger(Mutable(None))
    states = [row(title="x"), row(title="x", second=1), row(title="y", second=1), row(title="z", second=0)]
    assert accepted(ledger, *states) == [True, False, True, False]


def test_among_equal_stamps_the_content_that_is_read_back_stands() -> None:
    ledger = VersionLedger(Mutable(None))
    assert accepted(ledger, row(title="x"), row(title="y"), row(title="x"), row(title="y")) == [True] * 4


def test_a_null_version_falls_back_to_content_until_there_is_one() -> None:
    ledger = VersionLedger(Mutable())
    states = [row(None, title="x"), row(None, title="x", second=1), row(1, second=1), row(1, second=2)]
    assert accepted(ledger, *states) == [True, False, True, False]


def test_states_without_a_version_have_different_tokens_even_when_the_content_returns() -> None:
    ledger = VersionLedger(Mutable(None))
    states = [row(title="x"), row(title="y", second=1), row(title="x", second=2)]
    assert len({one.token for state in states for one in ledger.offer(state, ARRIVAL)}) == 3


def test_the_same_content_has_the_same_digest_in_events_and_lists() -> None:
    event = {"$id": "a", "$collection": "rooms", "price": 5, "note": None, "tags": ["x"]}
    listed = {"$id": "a", "$databaseId": "db", "$tableId": "rooms", "price": 5.0, "tags": ["x"]}
    assert digest_of(event) == digest_of(listed)
    assert digest_of(event) != digest_of({**event, "price": 5.5})


def test_only_what_is_older_than_the_horizon_is_forgotten_and_only_beyond_the_capacity() -> None:
    ledger = VersionLedger(Mutable(), capacity=2)
    accepted(ledger, *(row(1, row_id=f"r{n}", second=n) for n in range(5)))
    ledger.forget(NOON + timedelta(seconds=2))
    assert accepted(ledger, *(row(1, row_id=f"r{n}", second=n) for n in range(5))) == [True, True, False, False, False]


def test_within_the_capacity_nothing_is_forgotten() -> None:
    ledger = VersionLedger(Mutable(), capacity=5)
    accepted(ledger, *(row(1, row_id=f"r{n}") for n in range(5)))
    ledger.forget(NOON + timedelta(days=1))
    assert len(ledger) == 5


def test_a_rewritten_row_is_remembered_by_its_newer_stamp() -> None:
    ledger = VersionLedger(Mutable(), capacity=0)
    accepted(ledger, row(1), row(1, second=9))
    ledger.forget(NOON + timedelta(seconds=5))
    assert accepted(ledger, row(1, second=9)) == [False]


@pytest.mark.parametrize("broken", [{"$id": None}, {"$id": ""}, {"$updatedAt": None}, {"$updatedAt": "soon"}])
def test_a_row_without_its_marks_is_an_unexpected_answer(broken: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedAnswer):
        VersionLedger(Mutable()).offer({**row(1), **broken}, ARRIVAL)
