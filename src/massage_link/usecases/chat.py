"""Chat: a room a booking, and messages that are numbered without gaps."""

from __future__ import annotations

from contextlib import suppress

from appwrite.query import Query

from massage_link.domain.booking import Booking
from massage_link.domain.chat import (
    SYSTEM_SENDER,
    ChatMessage,
    ChatRoom,
    MessageKind,
    RoomStatus,
    checked_body,
    message,
)
from massage_link.domain.ids import checked_id
from massage_link.domain.rows import Row, to_wire_time
from massage_link.domain.tables import CHAT_MESSAGES, CHAT_ROOMS, Table
from massage_link.errors import (
    Conflict,
    IdempotencyMismatch,
    MassageLinkError,
    NoAnswer,
    NotAllowed,
    NotAppwrite,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    RoomFrozen,
    ServerError,
    StatusError,
    TransportError,
    UnexpectedAnswer,
)
from massage_link.usecases.lookups import admitted
from massage_link.usecases.ports import Ports, create_derived, find
from massage_link.wire.call import Flow, Sleep
from massage_link.wire.rows import create_row, list_rows, patch_row, read_by

__all__ = ["ensure_room", "get_room", "newest_number", "refuse_stranger", "room_readers", "send_message"]

#: The system message with which every room begins has this client id.
_OPENED = "opened"
_ATTEMPTS = 20
#: Unclear answers to one message before the caller is told; with the same client id it can be sent again.
_MAX_DOUBTS = 3
_PAUSE = 0.02


def get_room(ports: Ports, booking_id: str) -> Flow[ChatRoom]:
    """The room of a booking.

    Raises:
        NotFound: none is open (yet), or none that the credential may see.

    """
    room = yield from find(ports, CHAT_ROOMS, booking_id)
    if room is None:
        raise NotFound(f"booking {booking_id!r} has no chat room that this credential may see.")
    return room


def ensure_room(ports: Ports, booking_id: str) -> Flow[ChatRoom | None]:
    """The room of a booking, opened now if it is not there; None for a draft.

    The room's id is the booking's and its first message is number 1, so a repeat changes nothing. The message is
    written first: a room that exists has its first message.

    Raises:
        NotFound: there is no such booking.

    """
    known = yield from find(ports, CHAT_ROOMS, booking_id)
    if known is not None:
        return known
    booking = yield from admitted(ports, booking_id)
    if booking is None:
        return None
    first = _first_message(ports, booking)
    yield from create_derived(ports, CHAT_MESSAGES, first, room_readers(CHAT_MESSAGES, booking))
    room = ChatRoom(
        id=booking.id,
        customer_id=booking.customer_id,
        therapist_id=booking.therapist_id,
        service=booking.service,
        message_count=1,
        last_message=first.preview,
        last_sender_id=first.sender_id,
        last_message_at=first.sent_at,
    )
    return (yield from create_derived(ports, CHAT_ROOMS, room, room_readers(CHAT_ROOMS, booking)))


def _first_message(ports: Ports, booking: Booking) -> ChatMessage:
    place = f", {booking.area}" if booking.area else ""
    body = f"{booking.service}, {booking.duration_minutes} minutes, {booking.starts_at:%Y-%m-%d %H:%M} UTC{place}"
    return message(
        booking.id,
        1,
        sender_id=SYSTEM_SENDER,
        client_id=_OPENED,
        body=body,
        sent_at=ports.now(),
        kind=MessageKind.SYSTEM,
    )


def room_readers(table: Table[Row], people: Booking | ChatRoom) -> list[str]:
    """Ids of the users who may read a row of a conversation."""
    return table.user_readers(customer_id=people.customer_id, therapist_id=people.therapist_id)


def _sent_as(ports: Ports, room_id: str, client_id: str) -> Flow[ChatMessage | None]:
    queries = [Query.equal("roomId", [room_id]), Query.equal("clientId", [client_id]), Query.limit(1)]
    rows = yield from list_rows(ports.address(CHAT_MESSAGES), ChatMessage, queries)
    return rows[0] if rows else None


def send_message(
    ports: Ports, booking_id: str, *, sender_id: str, body: str, client_id: str | None = None
) -> Flow[ChatMessage]:
    """Send a message into a booking's room; the room is opened first if it is not yet.

    Args:
        ports: surroundings.
        booking_id: id of the booking, which is the room's.
        sender_id: the booking's customer or therapist.
        body: plain text, 1 to 5,000 characters.
        client_id: the sender's own id for it, at most 36 characters; sending again with the same one changes nothing.

    Raises:
        InvalidMessage: the text can not be sent.
        NotAllowed: the sender does not take part in this conversation.
        RoomFrozen: the conversation is closed.
        IdempotencyMismatch: the client id was used in this room for another message.
        NotFound: there is no such booking, or it is a draft.
        OutcomeUnknown: no clear answer came; sending again with the client id that the message names is safe.

    """
    checked_body(body)
    client_id = ports.new_id() if client_id is None else checked_id("client_id", client_id)
    room = yield from ensure_room(ports, booking_id)
    if room is None:
        raise NotFound(f"booking {booking_id!r} is a draft that has not been admitted yet; it has no chat.")
    refuse_stranger(room, sender_id)
    _refuse_frozen(room)
    sent = yield from _send_numbered(ports, room, sender_id=sender_id, body=body, client_id=client_id)
    # The room's preview is no reason to report a message that was sent as failed: the next message repairs it.
    with suppress(TransportError, StatusError, UnexpectedAnswer):
        yield from _show_in_room(ports, room, sent)
    return sent


def _send_numbered(ports: Ports, room: ChatRoom, *, sender_id: str, body: str, client_id: str) -> Flow[ChatMessage]:
    """Create the message under the next free number."""
    # The room row is a projection and may lag, so its count is where to begin, never more than what exists.
    n = room.message_count + 1
    failure: MassageLinkError | None = None
    limited: RateLimited | None = None
    doubts: list[MassageLinkError] = []
    readers = read_by(room_readers(CHAT_MESSAGES, room))
    try:
        for attempt in range(_ATTEMPTS):
            new = message(room.id, n, sender_id=sender_id, client_id=client_id, body=body, sent_at=ports.now())
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
            earlier = yield from _sent_as(ports, room.id, client_id)
            if earlier is not None:
                return _same_message(earlier, new)
            if limited is not None:
                raise limited
            if len(doubts) == _MAX_DOUBTS:
                raise doubts[-1]
            yield from Sleep(ports.jitter(_PAUSE * min(attempt, 10)))
            n = (yield from newest_number(ports, room.id)) + 1
    except (TransportError, StatusError, UnexpectedAnswer) as error:
        if not doubts:
            raise
        # The error at hand may be of a later call, which says nothing about the message.
        raise OutcomeUnknown(
            f"the message was sent without a clear answer ({error}); send it again with client_id {client_id!r}, "
            "which sends it at most once."
        ) from error
    raise Conflict(
        f"room {room.id} took {_ATTEMPTS} other messages while this one was being sent; send it again.",
        status=409,
        type="row_already_exists",
    ) from failure


def _same_message(earlier: ChatMessage, new: ChatMessage) -> ChatMessage:
    if (earlier.sender_id, earlier.body) != (new.sender_id, new.body):
        raise IdempotencyMismatch(
            f"client_id {new.client_id!r} was used in room {new.room_id} for another message (number {earlier.n}); "
            "use a new one for a new message."
        )
    return earlier


def refuse_stranger(room: ChatRoom, user_id: str) -> None:
    """NotAllowed for a user who does not take part in the conversation."""
    if user_id not in room.participants:
        raise NotAllowed(f"user {user_id} does not take part in the conversation about booking {room.id}.")


def _refuse_frozen(room: ChatRoom) -> None:
    if room.status is RoomStatus.FROZEN:
        raise RoomFrozen(f"the conversation about booking {room.id} is closed.")


def newest_number(ports: Ports, room_id: str) -> Flow[int]:
    """The number of a room's last message; 0 for none."""
    queries = [Query.equal("roomId", [room_id]), Query.order_desc("n"), Query.limit(1)]
    rows = yield from list_rows(ports.address(CHAT_MESSAGES), ChatMessage, queries)
    return rows[0].n if rows else 0


def _show_in_room(ports: Ports, room: ChatRoom, sent: ChatMessage) -> Flow[None]:
    """Bring the room's preview up to this message, unless it shows a later one."""
    changes = {
        "messageCount": sent.n,
        "lastMessage": sent.preview,
        "lastSenderId": sent.sender_id,
        "lastMessageAt": to_wire_time(sent.sent_at),
    }
    current: ChatRoom | None = room
    for _ in range(_ATTEMPTS):
        if current is None or current.message_count >= sent.n or current.updated_at is None:
            return
        stamp = to_wire_time(current.updated_at)
        try:
            yield from patch_row(ports.address(CHAT_ROOMS), ChatRoom, room.id, changes, unless_changed=stamp)
        except Conflict:
            current = yield from find(ports, CHAT_ROOMS, room.id)
        else:
            return
