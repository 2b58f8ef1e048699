"""What a use case is given from outside: where the tables are, a clock, ids, chance."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from appwrite.query import Query

from massage_link.domain.chat import FREEZE_AFTER
from massage_link.domain.ids import BOOKING_ID_LENGTH, checked_text
from massage_link.domain.rows import Row
from massage_link.domain.tables import DATABASE, Table
from massage_link.errors import Conflict, MassageLinkError, ServerError, TransportError
from massage_link.wire.call import Flow, Sleep
from massage_link.wire.rows import TableAddress, create_row, list_rows, read_by, with_ids

__all__ = ["Ports", "create_derived", "find"]

R = TypeVar("R", bound=Row)
_ATTEMPTS = 5
_FIRST_PAUSE = 0.05


def _now() -> datetime:
    # Milliseconds are what the wire keeps: an instant that is written and read back stays equal.
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _new_id() -> str:
    return secrets.token_hex(BOOKING_ID_LENGTH // 2)


@dataclass(frozen=True, slots=True)
class Ports:
    """A use case's surroundings.

    Attributes:
        database: id of the database.
        now: the clock; aware instants.
        new_id: a new id of 28 lower-case hex digits.
        jitter: a random number of seconds between zero and its argument.
        freeze_after: how long after a booking's end its chat room freezes.

    """

    database: str = DATABASE
    now: Callable[[], datetime] = _now
    new_id: Callable[[], str] = _new_id
    jitter: Callable[[float], float] = lambda most: random.uniform(0, most)  # noqa: S311 - waiting times, not secrets
    freeze_after: timedelta = FREEZE_AFTER

    def address(self, table: Table[Row]) -> TableAddress:
        """Where a table is."""
        return TableAddress(self.database, table.id)


def find(ports: Ports, table: Table[R], row_id: str) -> Flow[R | None]:
    """The row with this id, or None when there is none or none that the credential may read.

    Raises:
        InvalidInput: the id is not a text.

    """
    wanted = [with_ids([checked_text("an id", row_id)]), Query.limit(1)]
    rows = yield from list_rows(ports.address(table), table.model, wanted)
    return rows[0] if rows else None


def create_derived(ports: Ports, table: Table[R], row: R, readers: list[str]) -> Flow[R]:
    """Create a row whose id is derived from what it is about: if it is there already, that one is as good.

    Args:
        ports: surroundings.
        table, row: what to create.
        readers: ids of the users who may read it.

    """
    failure: MassageLinkError | None = None
    for attempt in range(_ATTEMPTS):
        try:
            return (yield from create_row(ports.address(table), table.model, row.id, row.columns(), read_by(readers)))
        except (Conflict, TransportError, ServerError) as error:
            failure = error
        existing = yield from find(ports, table, row.id)
        if existing is not None:
            return existing
        yield from Sleep(ports.jitter(_FIRST_PAUSE * 2**attempt))
    assert failure is not None
    raise failure
