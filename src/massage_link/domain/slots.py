"""Five-minute slots: the rows whose uniqueness makes a double booking impossible.

A booking holds every slot that it touches, its buffers included: from the slot in which it begins to the one in which
it ends. Two bookings that touch one slot collide, so bookings that do not begin on a five-minute mark keep up to five
minutes more distance than they need, and never less.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["LONGEST", "MAX_SLOTS", "SLOT", "bucket_start", "buckets"]

#: Length of a slot.
SLOT = timedelta(minutes=5)
#: Appwrite takes at most 100 rows in one bulk operation (`APP_LIMIT_DATABASE_BATCH`).
MAX_SLOTS = 100
#: What a booking with its buffers may last at most, whenever it begins.
LONGEST = (MAX_SLOTS - 1) * SLOT
_SECONDS = int(SLOT.total_seconds())


def buckets(starts_at: datetime, ends_at: datetime, buffer: timedelta = timedelta(0)) -> range:
    """Numbers of the slots that a booking holds, ascending (seconds since 1970 divided by 300).

    Args:
        starts_at: beginning, aware.
        ends_at: end (exclusive), aware, after the beginning.
        buffer: time kept free before and after.

    """
    # In UTC, because Python adds and subtracts on the clock on the wall, which jumps where a zone's clocks change.
    begin, end = starts_at.astimezone(UTC) - buffer, ends_at.astimezone(UTC) + buffer
    first = int(begin.timestamp() // _SECONDS)
    last = -int(-end.timestamp() // _SECONDS)  # rounded up
    return range(first, last)


def bucket_start(bucket: int) -> datetime:
    """The instant, UTC, at which a slot begins."""
    return datetime.fromtimestamp(bucket * _SECONDS, UTC)
