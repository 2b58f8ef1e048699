"""Post a message under the next free number of its room, once, and show it in the room's row."""

from __future__ import annotations

from collections.abc import Callable

from appwrite.query import Query

from massage_link.domain.booking import Booking
from massage_link.domain.chat import ChatMessage, ChatRoom, MessageKind
from massage_link.domain.rows import Row
from massage_link.domain.tables import CHAT_MESSAGES, CHAT_ROOMS, Table
from massage_link.errors import (
    Conflict,
    IdempotencyMismatch,
    MassageLinkError,
    NoAnswer,
    NotAppwrite,
    OutcomeUnknown,
    RateLimited,
    ServerError,
    StatusError,
    TransportError,
    UnexpectedAnswer,
)
from massage_link.usecases.ports import Ports, find
from massage_link.wire.call import Flow, Sleep
from massage_link.wire.rows import create_row, list_rows, patch_row, read_by

__all__ = [
    "change_room",
    "newest_message",
    "newest_number",
    "post",
    "room_readers",
    "same_message",
    "sent_as",
    "show_in_room",
]

_ATTEMPTS = 20
#: Unclear answers to one message before the caller is told; with the same client id it can be sent again.
_MAX_DOUBTS = 3
_PAUSE = 0.02


def room_readers(table: Table[Row], people: Booking | ChatRoom) -> list[str]:
    """Ids of the users who may read a row of a conversation."""
    return table.user_readers(customer_id=people.customer_id, therapist_id=people.therapist_id)


def newest_message(ports: Ports, room_id: str, *, kind: MessageKind | None = None) -> Flow[ChatMessage | None]:
    """The last message of a room, or the last one of a kind; None for none."""
    kinds = [] if kind is None else [Query.equal("kind", [kind.value])]
    queries = [Query.equal("roomId", [room_id]), *kinds, Query.order_desc("n"), Query.limit(1)]
    rows = yield from list_rows(ports.address(CHAT_MESSAGES), ChatMessage, queries)
    return rows[0] if rows else None


def newest_number(ports: Ports, room_id: str) -> Flow[int]:
    """The number of a room's last message; 0 for none."""
    newest = yield from newest_message(ports, room_id)
    return 0 if newest is None else newest.n


def sent_as(ports: Ports, room_id: str, client_id: str) -> Flow[ChatMessage | None]:
    """The message of a room that has this client id, if there is one."""
    queries = [Query.equal("roomId", [room_id]), Query.equal("clientId", [client_id]), Query.limit(1)]
    rows = yield from list_rows(ports.address(CHAT_MESSAGES), ChatMessage, queries)
    return rows[0] if rows else None


def post(
    ports: Ports, people: Booking | ChatRoom, first: int, write: Callable[[int], ChatMessage]
) -> Flow[ChatMessage]:
    """Create a message under the next free number.

    Args:
        ports: surroundings.
        people: who may read it.
        first: where to begin; never more than the number after the last.
        write: the message, when it has this number; always with the same client id.

    Raises:
        IdempotencyMismatch: its client id was used in this room for another message.
        OutcomeUnknown: no clear answer came; sending again with the client id that the message names is safe.
        Conflict: the room is too busy.

    """
    n = first
    failure: MassageLinkError | None = None
    limited: RateLimited | None = None
    doubts: list[MassageLinkError] = []
    readers = read_by(room_readers(CHAT_MESSAGES, people))
    new = write(n)
    try:
        for attempt in range(_ATTEMPTS):
            new = write(n)
            try:
                return (
                    yield from create_row(ports.address(CHAT_MESSAGES), ChatMessage, new.id, new.columns(), readers)
                )
            except Conflict as error:
                failure = error  # the number is taken by another message, or this one was sent before
            except RateLimited as error:
                limited = error  # the limit holds, but an attempt before it may have been let through
            except (NoAnswer, ServerError, NotAppwrite, UnexpectedAnswer) as error:
                doubts.append(error)
            earlier = yield from sent_as(ports, new.room_id, new.client_id)
            if earlier is not None:
                return same_message(earlier, new)
            if limited is not None:
                raise limited
            if len(doubts) == _MAX_DOUBTS:
                raise doubts[-1]
            yield from Sleep(ports.jitter(_PAUSE * min(attempt, 10)))
            n = (yield from newest_number(ports, new.room_id)) + 1
    except (TransportError, StatusError, UnexpectedAnswer) as error:
        if not doubts:
            raise
        # The error at hand may be of a later call, which says nothing about the message.
        raise OutcomeUnknown(
            f"the message was sent without a clear answer ({error}); send it again with client_id {new.client_id!r}, "
            "which sends it at most once."
        ) from error
    raise Conflict(
        f"room {new.room_id} took {_ATTEMPTS} other messages while this one was being sent; send it again.",
        status=409,
        type="row_already_exists",
    ) from failure


def same_message(earlier: ChatMessage, new: ChatMessage) -> ChatMessage:
    """The message that was sent before with this client id, when it is the same; IdempotencyMismatch if it is not."""
    # A system line's client id names what it tells of; another version of this package may have worded it otherwise.
    of_platform = earlier.kind is new.kind is MessageKind.SYSTEM
    facts = [(each.sender_id, each.kind, each.body, each.refers_to) for each in (earlier, new)]
    if not of_platform and facts[0] != facts[1]:
        raise IdempotencyMismatch(
            f"client_id {new.client_id!r} was used in room {new.room_id} for another message (number {earlier.n}); "
            "use a new one for a new message."
        )
    return earlier


# --- the room's row -------------------------------------------------------------------------------------------------
def show_in_room(ports: Ports, room: ChatRoom, sent: ChatMessage) -> Flow[ChatRoom | None]:
    """Bring the room's row up to this message, unless it shows a later one."""

    def shown(current: ChatRoom) -> Flow[ChatRoom]:
        yield from ()
        return current.showing(sent)

    return (yield from change_room(ports, room, shown))


def change_room(
    ports: Ports, room: ChatRoom | None, wanted: Callable[[ChatRoom], Flow[ChatRoom]]
) -> Flow[ChatRoom | None]:
    """Write what is to be otherwise in a room's row, unless it was changed since: then look again.

    Two people who write at once refuse each other nothing: who comes second reads what the first has written.

    Args:
        ports: surroundings.
        room: as it was read; None changes nothing.
        wanted: the row as it is to be; asked anew for each attempt.

    Returns:
        The row as it is now; None when there is none (any more).

    """
    failure: Conflict | None = None
    for attempt in range(_ATTEMPTS):
        if room is None or room.updated_at is None:
            return room
        target = yield from wanted(room)
        before = room.columns()
        changes = {name: value for name, value in target.columns().items() if before[name] != value}
        if not changes:
            return room
        stamp = room.updated_at.isoformat(timespec="milliseconds")
        try:
            return (yield from patch_row(ports.address(CHAT_ROOMS), ChatRoom, room.id, changes, unless_changed=stamp))
        except Conflict as error:
            failure = error
        yield from Sleep(ports.jitter(_PAUSE * min(attempt, 10)))
        room = yield from find(ports, CHAT_ROOMS, room.id)
    assert failure is not None
    raise failure
