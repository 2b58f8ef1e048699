"""The line by which a change of a booking shows in its room: written in the change's own transaction, or right after.

Numbers race with people who write. A change never waits for them for long: after two attempts it goes through without
its line, which is then written like any other message; by `ensure_lines`, the sweeper does what a crash left undone.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from appwrite.query import Query

from massage_link.domain.booking import Booking, BookingEvent
from massage_link.domain.chat import ChatMessage, ChatRoom
from massage_link.domain.ids import event_id
from massage_link.domain.lines import event_client_id, freeze_time, line
from massage_link.domain.tables import BOOKING_EVENTS, CHAT_MESSAGES, CHAT_ROOMS
from massage_link.errors import MassageLinkError
from massage_link.usecases.chat import ensure_room
from massage_link.usecases.ports import Ports, find
from massage_link.usecases.posting import change_room, newest_number, post, room_readers, sent_as, show_in_room
from massage_link.wire.call import Flow
from massage_link.wire.rows import IDS_PER_QUERY, list_rows, read_by, with_ids
from massage_link.wire.transactions import Operation, create

__all__ = ["LineOfChange", "ensure_lines"]

#: Attempts of a change that take its line along. The others (`commit_once` makes five) cannot fail because of chat.
_ATTEMPTS_WITH_LINE = 2


@dataclass
class LineOfChange:
    """The line of one change, on its way into the room.

    Args:
        booking: as the change leaves it.
        event: the change.

    """

    ports: Ports
    booking: Booking
    event: BookingEvent
    _attempts: int = field(default=0, init=False)

    def staged(self) -> Flow[ChatMessage | None]:
        """The line as the next attempt may take it along, under a number that is free now; None to go without it."""
        self._attempts += 1
        if self._attempts > _ATTEMPTS_WITH_LINE:
            return None
        # Whatever is the matter with the chat, it refuses no change of a booking.
        with suppress(MassageLinkError):
            newest = yield from newest_number(self.ports, self.booking.id)
            if newest == 0 and (yield from ensure_room(self.ports, self.booking.id)) is not None:
                newest = yield from newest_number(self.ports, self.booking.id)
            return line(self.event, newest + 1) if newest else None
        return None

    def operations(self, staged: ChatMessage | None) -> list[Operation]:
        """What it adds to the change's transaction."""
        if staged is None:
            return []
        readers = read_by(room_readers(CHAT_MESSAGES, self.booking))
        return [create(self.ports.address(CHAT_MESSAGES), staged.id, staged.columns(), readers)]

    def finish(self, written: ChatMessage | None) -> Flow[None]:
        """After the change: write the line unless it went along, and bring the room's row up to it.

        The change is done, so nothing that goes wrong here is told to the caller; the sweeper mends it.

        Args:
            written: the line, when it is known to have gone along; None looks.

        """
        with suppress(MassageLinkError):
            if written is None:
                yield from ensure_lines(self.ports, self.booking)
                written = yield from sent_as(self.ports, self.booking.id, event_client_id(self.event.version))
            room = yield from find(self.ports, CHAT_ROOMS, self.booking.id)
            if room is None:
                room = yield from ensure_room(self.ports, self.booking.id)
            yield from change_room(self.ports, room, partial(self._shown, written))

    def _shown(self, written: ChatMessage | None, room: ChatRoom) -> Flow[ChatRoom]:
        yield from ()
        by_rule = freeze_time(self.booking, self.event.at, self.ports.freeze_after)
        return (room if written is None else room.showing(written)).freezing(by_rule, self.ports.now())


def ensure_lines(ports: Ports, booking: Booking) -> Flow[int]:
    """Write the lines that a booking's room lacks; the result is how many.

    A line's client id is derived from the version of the booking that it tells of, so a repeat writes nothing. Changes
    are told in their order; what people wrote meanwhile stands before them. A booking that was only requested costs no
    call: the room's first message is its line.

    Raises:
        NotFound: there is no such booking.

    """
    written = 0
    versions = range(2, booking.version + 1)
    for first in range(0, len(versions), IDS_PER_QUERY):
        batch = versions[first : first + IDS_PER_QUERY]
        told = yield from _told(ports, booking.id, batch)
        missing = [version for version in batch if event_client_id(version) not in told]
        written += yield from _tell(ports, booking, missing)
    return written


def _told(ports: Ports, room_id: str, versions: Iterable[int]) -> Flow[set[str]]:
    wanted = [event_client_id(version) for version in versions]
    queries = [Query.equal("roomId", [room_id]), Query.equal("clientId", wanted), Query.limit(IDS_PER_QUERY)]
    rows = yield from list_rows(ports.address(CHAT_MESSAGES), ChatMessage, queries)
    return {row.client_id for row in rows}


def _tell(ports: Ports, booking: Booking, versions: list[int]) -> Flow[int]:
    if not versions:
        return 0
    room = yield from ensure_room(ports, booking.id)
    if room is None:
        return 0
    queries = [with_ids(event_id(booking.id, version) for version in versions), Query.limit(IDS_PER_QUERY)]
    events = yield from list_rows(ports.address(BOOKING_EVENTS), BookingEvent, queries)
    written = 0
    for event in sorted(events, key=lambda each: each.version):
        newest = yield from newest_number(ports, booking.id)
        sent = yield from post(ports, booking, newest + 1, partial(line, event))
        room = (yield from show_in_room(ports, room, sent)) or room
        written += 1
    return written
