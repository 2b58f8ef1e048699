"""Chat: a room a booking, and messages that are numbered without gaps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from massage_link.domain.chat import ChatMessage, ChatRoom, RoomStatus, checked_body, message
from massage_link.domain.ids import checked_id
from massage_link.domain.lines import freeze_time, opening_line
from massage_link.domain.tables import CHAT_MESSAGES, CHAT_ROOMS
from massage_link.errors import NotAllowed, NotFound, RoomFrozen, StatusError, TransportError, UnexpectedAnswer
from massage_link.usecases.lookups import admitted
from massage_link.usecases.ports import Ports, create_derived, find
from massage_link.usecases.posting import post, room_readers, show_in_room
from massage_link.wire.call import Flow

__all__ = ["ensure_room", "get_room", "posted", "refuse_frozen", "refuse_stranger", "send_message", "shown"]


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
    first = opening_line(booking, ports.now())
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
        freezes_at=freeze_time(booking, ports.now(), ports.freeze_after),
    )
    return (yield from create_derived(ports, CHAT_ROOMS, room, room_readers(CHAT_ROOMS, booking)))


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
    refuse_frozen(room)

    def write(n: int) -> ChatMessage:
        return message(booking_id, n, sender_id=sender_id, client_id=client_id, body=body, sent_at=ports.now())

    return (yield from posted(ports, room, write))


def posted(ports: Ports, room: ChatRoom, write: Callable[[int], ChatMessage]) -> Flow[ChatMessage]:
    """Post a message and show it in the room. Arguments and errors as `massage_link.usecases.posting.post`."""
    # The room row is a projection and may lag, so its count is where to begin, never more than what exists.
    return (yield from shown(ports, room, (yield from post(ports, room, room.message_count + 1, write))))


def shown(ports: Ports, room: ChatRoom, sent: ChatMessage) -> Flow[ChatMessage]:
    """The message, once the room shows it, or cannot: that is no reason to report one that was sent as failed."""
    with suppress(TransportError, StatusError, UnexpectedAnswer):  # the next message, or the sweeper, repairs it
        yield from show_in_room(ports, room, sent)
    return sent


def refuse_stranger(room: ChatRoom, user_id: str) -> None:
    """NotAllowed for a user who does not take part in the conversation."""
    if user_id not in room.participants:
        raise NotAllowed(f"user {user_id} does not take part in the conversation about booking {room.id}.")


def refuse_frozen(room: ChatRoom) -> None:
    """RoomFrozen for a conversation that is closed."""
    if room.status is RoomStatus.FROZEN:
        raise RoomFrozen(f"the conversation about booking {room.id} is closed.")
