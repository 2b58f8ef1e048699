"""Edit or delete what one has said: a new message that names the old one, never a silent rewrite."""

from __future__ import annotations

from appwrite.query import Query

from massage_link.domain.chat import ChatMessage, ChatRoom, MessageKind, checked_body, message
from massage_link.domain.conversation import AMEND_WITHIN
from massage_link.domain.ids import checked_id, message_id
from massage_link.domain.tables import CHAT_MESSAGES
from massage_link.errors import InvalidInput, NotAllowed, NotFound, TooLate
from massage_link.usecases.chat import get_room, posted, refuse_frozen, refuse_stranger, shown
from massage_link.usecases.ports import Ports, find
from massage_link.usecases.posting import same_message, sent_as
from massage_link.wire.call import Flow
from massage_link.wire.rows import list_rows

__all__ = ["delete_message", "edit_message"]


def edit_message(
    ports: Ports, booking_id: str, n: int, *, sender_id: str, body: str, client_id: str | None = None
) -> Flow[ChatMessage]:
    """Give one's own message another text; the result is the message that says so.

    Args:
        ports: surroundings.
        booking_id: which room.
        n: number of the message.
        sender_id: who sent it.
        body: the new text.
        client_id: the sender's own id for the change; repeating it with the same one changes nothing.

    Raises:
        InvalidMessage: the text can not be sent.
        NotAllowed: the message is somebody else's, or none that a person wrote.
        TooLate: it was sent more than fifteen minutes ago.
        RoomFrozen: the conversation is closed.
        NotFound: there is no such room or message, or it was deleted.

    """
    checked_body(body)
    return (yield from _amend(ports, booking_id, n, sender_id, MessageKind.EDIT, body, client_id))


def delete_message(
    ports: Ports, booking_id: str, n: int, *, sender_id: str, client_id: str | None = None
) -> Flow[ChatMessage]:
    """Take one's own message back; the result is the message that says so. Arguments and errors as `edit_message`."""
    body = f"deleted message {n}"
    return (yield from _amend(ports, booking_id, n, sender_id, MessageKind.DELETE, body, client_id))


def _amend(
    ports: Ports, booking_id: str, n: int, sender_id: str, kind: MessageKind, body: str, client_id: str | None
) -> Flow[ChatMessage]:
    if type(n) is not int or n < 1:
        raise InvalidInput(f"n is the number of a message, from 1, not {n!r}.")
    own_id = ports.new_id() if client_id is None else checked_id("client_id", client_id)
    room = yield from get_room(ports, booking_id)
    refuse_stranger(room, sender_id)

    def write(number: int) -> ChatMessage:
        return message(
            room.id,
            number,
            sender_id=sender_id,
            client_id=own_id,
            body=body,
            sent_at=ports.now(),
            kind=kind,
            refers_to=n,
        )

    earlier = None if client_id is None else (yield from sent_as(ports, room.id, own_id))
    if earlier is not None:
        return (yield from shown(ports, room, same_message(earlier, write(earlier.n))))
    refuse_frozen(room)
    yield from _refuse_unless_own(ports, room, n, sender_id)
    return (yield from posted(ports, room, write))


def _refuse_unless_own(ports: Ports, room: ChatRoom, n: int, sender_id: str) -> Flow[None]:
    target = yield from find(ports, CHAT_MESSAGES, message_id(room.id, n))
    if target is None:
        raise NotFound(f"room {room.id} has no message {n}.")
    if target.kind is not MessageKind.USER:
        raise NotAllowed(f"message {n} of room {room.id} is none that a person wrote, so nobody can change it.")
    if target.sender_id != sender_id:
        raise NotAllowed(f"message {n} of room {room.id} was sent by {target.sender_id}, and only they may change it.")
    if ports.now() - target.sent_at > AMEND_WITHIN:
        minutes = AMEND_WITHIN.seconds // 60
        raise TooLate(
            f"message {n} of room {room.id} was sent over {minutes} minutes ago and can not be changed any more."
        )
    queries = [
        Query.equal("roomId", [room.id]),
        Query.greater_than("n", n),
        Query.equal("kind", [MessageKind.DELETE.value]),
        Query.equal("refersTo", [n]),
        Query.limit(1),
    ]
    if (yield from list_rows(ports.address(CHAT_MESSAGES), ChatMessage, queries)):
        raise NotFound(f"message {n} of room {room.id} was deleted.")
