"""Chat: a room per booking, numbered messages, read marks."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from massage_link.domain.ids import message_id
from massage_link.domain.rows import BookingId, Name, Row, UserId, UtcDatetime
from massage_link.errors import InvalidMessage

__all__ = [
    "FREEZE_AFTER",
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

#: How long after the end of a booking its room freezes, unless the settings say otherwise.
FREEZE_AFTER = timedelta(hours=48)

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
    """What a message is: something that a person says, a line of the platform, or a change to an earlier message."""

    USER = "user"
    SYSTEM = "system"
    EDIT = "edit"
    DELETE = "delete"


_Number = Annotated[int, Field(ge=1, le=10**7)]
_Count = Annotated[int, Field(ge=0, le=10**7)]


class ChatRoom(Row):
    """The conversation about one booking, a projection of its messages. The row id is the booking id.

    Attributes:
        message_count: the number of its last message, system lines and changes included.
        last_user_n: the number of the last message that a person wrote.
        freezes_at: when it freezes, as far as is known; None for a room that has not been looked at since there is one.
        ops_freeze_at: when ops said that it freezes, which goes before the rule; None when they said nothing.

    """

    customer_id: UserId
    therapist_id: UserId
    service: Name = ""
    status: RoomStatus = RoomStatus.OPEN
    message_count: _Count = 0
    last_user_n: _Count = 0
    last_message: Annotated[str, Field(max_length=_PREVIEW)] = ""
    last_sender_id: Annotated[str, Field(max_length=36)] = ""
    last_message_at: UtcDatetime | None = None
    freezes_at: UtcDatetime | None = None
    ops_freeze_at: UtcDatetime | None = None

    @property
    def booking_id(self) -> str:
        """The booking that it is about."""
        return self.id

    @property
    def participants(self) -> tuple[str, str]:
        """User ids of customer and therapist."""
        return self.customer_id, self.therapist_id

    def showing(self, sent: ChatMessage) -> ChatRoom:
        """The room once it shows this message; one that shows a later one already keeps to that."""
        changes: dict[str, Any] = {}
        if sent.n > self.message_count:
            changes = {
                "message_count": sent.n,
                "last_message": sent.preview,
                "last_sender_id": sent.sender_id,
                "last_message_at": sent.sent_at,
            }
        if sent.kind is MessageKind.USER and sent.n > self.last_user_n:
            changes["last_user_n"] = sent.n
        return self.model_copy(update=changes)

    def freezing(self, by_rule: datetime, now: datetime) -> ChatRoom:
        """The room once it is known when it freezes by the rule; it is frozen if that, or what ops said, is over."""
        at = self.ops_freeze_at or by_rule
        status = RoomStatus.FROZEN if at <= now else RoomStatus.OPEN
        return self.model_copy(update={"freezes_at": at, "status": status})

    def set_by_ops(self, at: datetime, now: datetime) -> ChatRoom:
        """The room once ops have said when it freezes: now, or later."""
        return self.model_copy(update={"ops_freeze_at": at}).freezing(at, now)


class ChatMessage(Row):
    """The n-th message of a room, n from 1 and dense; the row id is ``{roomId}_{n}``.

    Attributes:
        client_id: the sender's own id for it, unique in the room: sending again changes nothing. That of a system line
            is ``opened``, or ``event:{version}`` for the change of the booking that it tells of.
        body: plain text, never markup. Of an edit the new text.
        refers_to: of an edit or deletion, the number of the message that it changes; None for all others.

    """

    room_id: BookingId
    n: _Number
    sender_id: UserId
    client_id: Annotated[str, Field(max_length=36)]
    kind: MessageKind = MessageKind.USER
    body: Annotated[str, Field(max_length=MAX_BODY)]
    sent_at: UtcDatetime
    refers_to: _Number | None = None

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
    refers_to: int | None = None,
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
        refers_to=refers_to,
    )
