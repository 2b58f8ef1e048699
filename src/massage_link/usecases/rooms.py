"""The room's row, rebuilt from what it shows; and rooms that freeze when their time has come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from appwrite.query import Query

from massage_link.domain.booking import Booking, BookingEvent
from massage_link.domain.chat import ChatRoom, MessageKind, RoomStatus
from massage_link.domain.ids import event_id
from massage_link.domain.lines import ended_by_its_change, freeze_time
from massage_link.domain.rows import to_wire_time
from massage_link.domain.tables import BOOKING_EVENTS, CHAT_ROOMS
from massage_link.errors import InvalidInput, MassageLinkError
from massage_link.usecases.chat import get_room
from massage_link.usecases.lookups import find_booking
from massage_link.usecases.ports import Ports, find
from massage_link.usecases.posting import change_room, newest_message
from massage_link.usecases.system_lines import ensure_lines
from massage_link.wire.call import Flow
from massage_link.wire.rows import list_rows

__all__ = ["catch_up", "freeze_due", "freeze_room", "refresh_room", "reopen_room"]

_LARGEST_PAGE = 5_000


def refresh_room(ports: Ports, booking_id: str) -> Flow[ChatRoom | None]:
    """Rebuild what a room's row shows (last message, counts, when it freezes) from the messages and the booking.

    Written only if something of it is otherwise and nobody has changed the row meanwhile; else it looks again.

    Returns:
        The row as it is now; None when there is no room.

    """
    room = yield from find(ports, CHAT_ROOMS, booking_id)

    def rebuilt(current: ChatRoom) -> Flow[ChatRoom]:
        # A message that is posted after these looks shows itself, and changes the row, so that this is done again.
        newest = yield from newest_message(ports, booking_id)
        by_user = newest
        if newest is not None and newest.kind is not MessageKind.USER:
            by_user = yield from newest_message(ports, booking_id, kind=MessageKind.USER)
        blank = current.model_copy(update={"message_count": 0, "last_user_n": 0})
        for sent in filter(None, (by_user, newest)):
            blank = blank.showing(sent)
        by_rule = yield from _freeze_time(ports, booking_id)
        return blank if by_rule is None else blank.freezing(by_rule, ports.now())

    return (yield from change_room(ports, room, rebuilt))


def catch_up(ports: Ports, booking: Booking) -> Flow[None]:
    """Do what follows a change of a booking in its room, where somebody stopped before it; a repeat changes nothing."""
    yield from ensure_lines(ports, booking)
    yield from refresh_room(ports, booking.id)


def freeze_due(ports: Ports, limit: int = 100) -> Flow[int]:
    """Freeze rooms whose time has come, at most `limit`; the result is how many.

    A room's row may lag behind its booking (one that was moved to a later day, say): what it says is only where to
    look, and a room whose time has not come gets the right one instead. One that cannot be dealt with keeps no other
    from it: its error is raised when all were tried.

    Raises:
        InvalidInput: the limit is none.

    """
    if type(limit) is not int or not 1 <= limit <= _LARGEST_PAGE:
        raise InvalidInput(f"limit is a number from 1 to {_LARGEST_PAGE:,}, not {limit!r}.")
    queries = [
        Query.equal("status", [RoomStatus.OPEN.value]),
        Query.less_than_equal("freezesAt", to_wire_time(ports.now())),
        Query.order_asc("freezesAt"),
        Query.limit(limit),
    ]
    due: Sequence[ChatRoom] = yield from list_rows(ports.address(CHAT_ROOMS), ChatRoom, queries)
    frozen, failure = 0, None
    for room in due:
        try:
            after = yield from change_room(ports, room, lambda current: _frozen_if_due(ports, current))
            frozen += after is not None and after.status is RoomStatus.FROZEN
        except MassageLinkError as error:
            failure = error
    if failure is not None:
        raise failure
    return frozen


def freeze_room(ports: Ports, booking_id: str) -> Flow[ChatRoom]:
    """Close a conversation now, whatever the booking's end: an act of ops.

    Raises:
        NotFound: there is no such room.

    """
    return (yield from _set_by_ops(ports, booking_id, ports.now()))


def reopen_room(ports: Ports, booking_id: str, *, until: datetime | None = None) -> Flow[ChatRoom]:
    """Open a conversation again, or keep it open longer: an act of ops.

    Args:
        ports: surroundings.
        booking_id: which room.
        until: when it freezes; None takes as long as after the end of a booking.

    Raises:
        NotFound: there is no such room.
        InvalidInput: that is past, or no instant.

    """
    now = ports.now()
    if until is not None and (not isinstance(until, datetime) or until.tzinfo is None or until <= now):
        raise InvalidInput(f"until is an instant to come, a datetime with a time zone, not {until!r}.")
    return (yield from _set_by_ops(ports, booking_id, until or now + ports.freeze_after))


def _set_by_ops(ports: Ports, booking_id: str, at: datetime) -> Flow[ChatRoom]:
    room = yield from get_room(ports, booking_id)

    def told(current: ChatRoom) -> Flow[ChatRoom]:
        yield from ()
        return current.set_by_ops(at, ports.now())

    return (yield from change_room(ports, room, told)) or room


def _frozen_if_due(ports: Ports, room: ChatRoom) -> Flow[ChatRoom]:
    by_rule = yield from _freeze_time(ports, room.id)
    return room if by_rule is None else room.freezing(by_rule, ports.now())


def _freeze_time(ports: Ports, booking_id: str) -> Flow[datetime | None]:
    """When the rule freezes the room of a booking; None when nothing is known of the booking."""
    booking = yield from find_booking(ports, booking_id)
    if not isinstance(booking, Booking):
        return None
    changed_at = ports.now()
    if ended_by_its_change(booking):
        event: BookingEvent | None = yield from find(ports, BOOKING_EVENTS, event_id(booking.id, booking.version))
        changed_at = changed_at if event is None else event.at
    return freeze_time(booking, changed_at, ports.freeze_after)
