"""Canaries: what a health check writes to see whether everything works, and how it all disappears again.

A run notes itself in `system_state` before it writes anything else. Everything that it writes is found from that note:
its users are named after the run, every id that it makes begins with the run, and all else has ids that are derived
from those. So what a run leaves that was killed is found with one look at a small table, whose rows nobody else can
write, and no row of anybody else's can be taken for a canary's.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from appwrite.query import Query

from massage_link.domain.ids import BOOKING_ID_LENGTH, booking_key_id
from massage_link.domain.rows import Row, to_wire_time
from massage_link.domain.system import SystemState
from massage_link.domain.tables import (
    BOOKING_EVENTS,
    BOOKING_KEYS,
    BOOKING_PLACES,
    BOOKING_TERMS,
    BOOKINGS,
    CHAT_MESSAGES,
    CHAT_READS,
    CHAT_ROOMS,
    COMMISSION_ENTRIES,
    COMMISSIONS,
    SLOTS,
    SYSTEM_STATE,
    Table,
)
from massage_link.errors import RowNotFound, Unauthorized
from massage_link.usecases.ports import Ports, create_derived
from massage_link.wire.call import Flow, Sleep
from massage_link.wire.rows import delete_rows, list_rows, update_row, with_ids
from massage_link.wire.users import create_account, delete_user

__all__ = ["LEFTOVER_AFTER", "Canary", "hire", "new_canary", "note_canary", "remove_canaries", "remove_canary"]

#: A run lasts some seconds; what is older than this was left behind.
LEFTOVER_AFTER = timedelta(minutes=5)
_RUN_LENGTH = 16
_NOTE = re.compile(rf"canary-([0-9a-f]{{{_RUN_LENGTH}}})")
_MOST_BOOKINGS = 20
_PAGE = 100
#: A function that was reading the booking when it was deleted may still write what belongs to it: so long it is given.
_AFTERMATH = 0.3
#: Tables whose row ids begin with a booking's. The bookings themselves come last: as long as they are there, a function
#: that comes late does nothing new.
_DERIVED: tuple[Table[Row], ...] = (
    COMMISSION_ENTRIES,
    COMMISSIONS,
    CHAT_MESSAGES,
    CHAT_ROOMS,
    BOOKING_EVENTS,
    BOOKING_PLACES,
    BOOKING_TERMS,
    BOOKINGS,
)
_ROWS_ARE_GONE = '{"rows": "removed"}'


@dataclass(frozen=True, slots=True)
class Canary:
    """One run of a health check. Its people are users of its own, so it holds no real therapist's time.

    Attributes:
        run: sixteen random hex digits.

    """

    run: str

    @property
    def note_id(self) -> str:
        """Id of the row of `system_state` that says that the run exists."""
        return f"canary-{self.run}"

    @property
    def customer_id(self) -> str:
        """Id of the user who books."""
        return f"{self.note_id}-c"

    @property
    def therapist_id(self) -> str:
        """Id of the user who is booked; not in the catalogue."""
        return f"{self.note_id}-t"

    @property
    def people(self) -> tuple[str, str]:
        """Both."""
        return self.customer_id, self.therapist_id

    def ports(self, ports: Ports) -> Ports:
        """The same surroundings, where every new id begins with the run."""
        return replace(ports, new_id=lambda: self.run + secrets.token_hex((BOOKING_ID_LENGTH - _RUN_LENGTH) // 2))

    def idempotency_key(self, number: int) -> str:
        """Key of its n-th booking; numbers from 0."""
        if not 0 <= number < _MOST_BOOKINGS:
            raise ValueError(f"a canary makes at most {_MOST_BOOKINGS} bookings")
        return f"canary-{number}"


def new_canary() -> Canary:
    """A run that nobody else has."""
    return Canary(secrets.token_hex(_RUN_LENGTH // 2))


def note_canary(ports: Ports, canary: Canary) -> Flow[None]:
    """Note that the run exists: before anything else of it is written."""
    note = SystemState(id=canary.note_id, value='{"rows": "written"}')
    yield from create_derived(ports, SYSTEM_STATE, note, [])


def hire(people: Iterable[str]) -> Flow[None]:
    """Create these of a run's people, who can not sign in: a key acts for them through short JWTs."""
    for user_id in people:
        yield from create_account(user_id, "massage-link canary")


def remove_canary(ports: Ports, canary: Canary, *, with_rows: bool = True) -> Flow[int]:
    """Remove everything that a run wrote: rows, users, and at last its note. Safe to repeat.

    Args:
        ports: surroundings.
        canary: the run.
        with_rows: False for a run that made no booking.

    Returns:
        How many rows there were.

    Raises:
        Unauthorized: the key may remove no users; the rows are gone, and the note says so.

    """
    removed = 0
    if with_rows:
        removed = yield from _remove_rows(ports, canary)
        yield from Sleep(_AFTERMATH)
        removed += yield from _remove_rows(ports, canary)
    yield from _forget(ports, canary)
    return removed


def remove_canaries(ports: Ports, older_than: timedelta) -> Flow[int]:
    """Remove what runs that were killed left behind.

    A key without the scope users.write, such as the sweeper's, removes the rows and leaves the users to the next check.

    Args:
        ports: surroundings.
        older_than: only runs that began so long ago; see `LEFTOVER_AFTER`.

    Returns:
        How many runs were removed.

    """
    begun_by = to_wire_time(ports.now() - older_than)
    queries = [
        Query.greater_than_equal("$id", "canary-"),
        Query.less_than("$id", "canary-g"),
        Query.less_than_equal("$createdAt", begun_by),
        Query.limit(_PAGE),
    ]
    notes = yield from list_rows(ports.address(SYSTEM_STATE), SystemState, queries)
    removed = 0
    for note in notes:
        found = _NOTE.fullmatch(note.id)
        if found is None:
            continue
        canary = Canary(found[1])
        with suppress(Unauthorized):
            if note.value == _ROWS_ARE_GONE:
                yield from _forget(ports, canary)
            else:
                yield from remove_canary(ports, canary)
            removed += 1
    return removed


def _forget(ports: Ports, canary: Canary) -> Flow[None]:
    """Remove the users and the note. Where the key may not, the note stays and says that the rows are gone."""
    try:
        for user_id in canary.people:
            with suppress(RowNotFound):
                yield from delete_user(user_id)
    except Unauthorized:
        yield from update_row(ports.address(SYSTEM_STATE), SystemState, canary.note_id, {"value": _ROWS_ARE_GONE})
        raise
    yield from delete_rows(ports.address(SYSTEM_STATE), [with_ids([canary.note_id])])


def _remove_rows(ports: Ports, canary: Canary) -> Flow[int]:
    removed = 0
    for table, queries in _rows_of(canary):
        removed += yield from delete_rows(ports.address(table), queries)
    return removed


def _rows_of(canary: Canary) -> Iterator[tuple[Table[Row], list[str]]]:
    """Every table in which the run may have rows, and the queries that find them and nobody else's."""
    yield SLOTS, [Query.equal("therapistId", [canary.therapist_id])]
    yield CHAT_READS, [Query.equal("userId", list(canary.people))]
    for table in _DERIVED:
        # Hex digits follow the run, and "g" is behind them all.
        yield table, [Query.greater_than_equal("$id", canary.run), Query.less_than("$id", f"{canary.run}g")]
    keys = [booking_key_id(canary.customer_id, canary.idempotency_key(number)) for number in range(_MOST_BOOKINGS)]
    yield BOOKING_KEYS, [with_ids(keys)]
