"""From an accepted row to the change that a consumer receives, and what a subscriber counts; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from massage_link.realtime.source import Change, Numbered

if TYPE_CHECKING:
    from massage_link.realtime.cursor import Cursor
    from massage_link.realtime.ledger import Accepted
    from massage_link.realtime.source import Source

R = TypeVar("R")


@dataclass(slots=True)
class Statistics:
    """What a subscriber has seen so far; counts.

    Attributes:
        connections: subscriptions that the server confirmed.
        events: row events that came through the socket.
        delivered: changes put into the queue.
        replayed: those among them that the socket had not brought (filled gaps).
        dropped: events let go because the consumer was too slow; they are read back.
        undecodable: rows that could not be made into their type; each is logged.
        skipped: numbers that stayed unreadable beyond the window and were passed over; each is logged.
        read_backs: complete ones.

    """

    connections: int = 0
    events: int = 0
    delivered: int = 0
    replayed: int = 0
    dropped: int = 0
    undecodable: int = 0
    skipped: int = 0
    read_backs: int = 0


def change_of(source: Source[R], cursor: Cursor, accepted: Accepted) -> Change[R]:
    """The change that tells of an accepted row. Raises whatever the source's `decode` does."""
    row = source.decode(accepted.row)
    row_id = str(accepted.row["$id"])
    return Change(
        id=f"{source.table}/{row_id}/{accepted.token}",
        kind="created" if cursor.is_created(accepted) else "updated",
        row=row,
        table=source.table,
        row_id=row_id,
        version=_version_of(source, accepted),
        live=accepted.arrival.live,
        received_at=accepted.arrival.at,
        server_timestamp=_instant(accepted.arrival.server_timestamp) or accepted.mark.stamp,
        watch=source.name,
    )


def _version_of(source: Source[Any], accepted: Accepted) -> int | None:
    if isinstance(source.identity, Numbered):
        return int(accepted.token)
    return accepted.mark.version


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
