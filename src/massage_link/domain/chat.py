"""Chat: a room per booking, numbered messages, read marks."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from massage_link.domain.ids import message_id
from massage_link.domain.rows import BookingId, Name, Row, UserId, UtcDatetime
from massage_link.errors import InvalidMessage

__all__ = [
    "MAX_BODY",
    "SYSTEM_SENDER",
    "ChatMessage",
    "ChatRead",
    "ChatRoom",
    "MessageKind",
    "RoomStatus",
    "checked_body",
    "message",
]

#: Longest message, in characters.
MAX_BODY = 5_000
#: Sender of the lines that no person wrote.
SYSTEM_SENDER = "system"
_PREVIEW = 200


class RoomStatus(StrEnum):
    """Whether a room takes messages."""

    OPEN = "open"
    FROZEN = "frozen"


class MessageKind(StrEnum):
    """Who a message is from."""

    USER = "user"
    SYSTEM = "system"


_Number = Annotated[int, Field(ge=1, le=10**7)]
_Count = Annotated[int, Field(ge=0, le=10**7)]


class ChatRoom(Row):
    """The conversation about one booking, a projection of its messages. The row id is the booking id."""

    customer_id: UserId
    therapist_id: UserId
    service: Name = ""
    status: RoomStatus = RoomStatus.OPEN
    message_count: _Count = 0
    last_message: Annotated[str, Field(max_length=_PREVIEW)] = ""
    last_sender_id: Annotated[str, Field(max_length=36)] = ""
    last_message_at: UtcDatetime | None = None

    @property
    def booking_id(self) -> str:
        """The booking that it is about."""
        return self.id

    @property
    def participants(self) -> tuple[str, str]:
        """User ids of customer and therapist."""
        return self.customer_id, self.therapist_id


class ChatMessage(Row):
    """The n-th message of a room, n from 1 and dense; the row id is ``{roomId}_{n}``.

    Attributes:
        client_id: the sender's own id for it, unique in the room: sending again changes nothing.
        body: plain text, never markup.

    """

    room_id: BookingId
    n: _Number
    sender_id: UserId
    client_id: Annotated[str, Field(max_length=36)]
    kind: MessageKind = MessageKind.USER
    body: Annotated[str, Field(max_length=MAX_BODY)]
    sent_at: UtcDatetime

    @property
    def preview(self) -> str:
        """Its beginning, as the room shows it."""
        # The room is updated, and in an update the server obeys a text that is a JSON object with a method. A blank
        # that nobody sees makes it no JSON.
        return ("\u200b" + self.body if self.body.lstrip().startswith("{") else self.body)[:_PREVIEW]


class ChatRead(Row):
    """Up to which message a participant has read a room."""

    room_id: BookingId
    user_id: UserId
    n: _Count


def checked_body(body: str) -> str:
    """The text, when it can be sent.

    Raises:
        InvalidMessage: it is empty, too long or no text.

    """
    if not isinstance(body, str) or not body.strip():
        raise InvalidMessage("a message needs some text.")
    if len(body) > MAX_BODY:
        raise InvalidMessage(f"a message has at most {MAX_BODY:,} characters, this one has {len(body):,}.")
    if any("\ud800" <= sign <= "\udfff" for sign in body):
        raise InvalidMessage("the message holds half of a surrogate pair, which is no character.")
    return body


def message(
    room_id: str,
    n: int,
    *,
    sender_id: str,
    client_id: str,
    body: str,
    sent_at: UtcDatetime,
    kind: MessageKind = MessageKind.USER,
) -> ChatMessage:
    """The n-th message of a room."""
    return ChatMessage(
        id=message_id(room_id, n),
        room_id=room_id,
        n=n,
        sender_id=sender_id,
        client_id=client_id,
        kind=kind,
        body=body,
        sent_at=sent_at,
    )
