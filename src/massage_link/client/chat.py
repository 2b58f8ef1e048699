"""``link.chat``: rooms and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appwrite.query import Query

from massage_link.client.credentials import MintedJwt
from massage_link.client.operation import AsyncResource, Pages, Resource, SyncResource, listing, operation
from massage_link.client.paging import DEFAULT_PAGE, only, pages_of
from massage_link.client.reading import EVERY, AsyncReading, Reading
from massage_link.client.watched import Watch, watched, watching
from massage_link.domain.chat import ChatMessage, ChatRead, ChatRoom
from massage_link.domain.conversation import Conversation, fold
from massage_link.domain.ids import checked_text
from massage_link.domain.tables import CHAT_MESSAGES, CHAT_READS, CHAT_ROOMS
from massage_link.errors import InvalidInput, NotAllowed
from massage_link.usecases.amending import delete_message, edit_message
from massage_link.usecases.chat import get_room, send_message
from massage_link.usecases.presence import Presence, appear, present
from massage_link.usecases.read_marks import mark_read
from massage_link.usecases.rooms import freeze_room, reopen_room
from massage_link.usecases.unread import Unread, unread_in, unread_in_all
from massage_link.wire.call import Flow
from massage_link.wire.rows import list_rows
from massage_link.wire.users import account

if TYPE_CHECKING:
    from datetime import datetime

    from massage_link.realtime import Checkpoint, Policy

__all__ = ["AsyncChat", "Chat", "ChatOperations"]

#: Most messages that `conversation` reads.
_MOST = 5_000


class ChatOperations(Resource):
    """What can be done in conversations, defined once. A room has the id of its booking."""

    @operation
    def send(
        self, booking_id: str, body: str, *, sender_id: str | None = None, client_id: str | None = None
    ) -> Flow[ChatMessage]:
        """Send a message into a booking's room; a signed-in user sends it through the `commands` function.

        Args:
            booking_id: which booking.
            body: plain text, 1 to 5,000 characters.
            sender_id: the booking's customer or therapist; a signed-in user is the sender.
            client_id: your own id for the message; sending again with the same one changes nothing.

        Raises:
            InvalidMessage: the text can not be sent.
            NotAllowed: the sender does not take part.
            RoomFrozen: the conversation is closed.
            IdempotencyMismatch: the client id was used in this room for another message.
            NotFound: there is no such booking.
            OutcomeUnknown: no clear answer came; sending again with the client id that the message names is safe.

        """
        if not self.link.acts_with_key:
            asked = {
                "bookingId": booking_id,
                "body": body,
                "senderId": sender_id,
                "clientId": client_id or self._ports.new_id(),
            }
            return self._remote("chat.send", asked, ChatMessage.model_validate)
        sender = _said("sender_id", sender_id, "who sends the message")
        return send_message(self._ports, booking_id, sender_id=sender, body=body, client_id=client_id)

    @operation
    def edit(
        self, booking_id: str, n: int, body: str, *, sender_id: str | None = None, client_id: str | None = None
    ) -> Flow[ChatMessage]:
        """Give one's own message another text, within fifteen minutes; the result is the new message that says so.

        Args:
            booking_id: which room.
            n: number of the message.
            body: its new text.
            sender_id: who sent it; a signed-in user is the sender.
            client_id: your own id for the change; repeating it with the same one changes nothing.

        Raises:
            InvalidMessage: the text can not be sent.
            NotAllowed: the message is somebody else's, or none that a person wrote.
            TooLate: it was sent more than fifteen minutes ago.
            RoomFrozen: the conversation is closed.
            NotFound: there is no such room or message, or it was deleted.

        """
        if not self.link.acts_with_key:
            asked = self._amending(booking_id, n, sender_id, client_id)
            return self._remote("chat.edit", {**asked, "body": body}, ChatMessage.model_validate)
        sender = _said("sender_id", sender_id, "who sent the message")
        return edit_message(self._ports, booking_id, n, sender_id=sender, body=body, client_id=client_id)

    @operation
    def delete(
        self, booking_id: str, n: int, *, sender_id: str | None = None, client_id: str | None = None
    ) -> Flow[ChatMessage]:
        """Take one's own message back, within fifteen minutes; the result is the new message that says so.

        The text stays in the table, where both sides could have read it. Arguments and errors as `edit`.
        """
        if not self.link.acts_with_key:
            asked = self._amending(booking_id, n, sender_id, client_id)
            return self._remote("chat.delete", asked, ChatMessage.model_validate)
        sender = _said("sender_id", sender_id, "who sent the message")
        return delete_message(self._ports, booking_id, n, sender_id=sender, client_id=client_id)

    def _amending(self, booking_id: str, n: int, sender_id: str | None, client_id: str | None) -> dict[str, Any]:
        return {
            "bookingId": booking_id,
            "n": n,
            "senderId": sender_id,
            "clientId": client_id or self._ports.new_id(),
        }

    @operation
    def mark_read(self, booking_id: str, n: int, *, user_id: str | None = None) -> Flow[ChatRead]:
        """Note that a participant has read a room up to message `n`; a mark never goes back.

        Args:
            booking_id: which room.
            n: number of the last message that was read.
            user_id: who read it; a signed-in user is the reader.

        Raises:
            NotFound: there is no such room.
            NotAllowed: the user does not take part.
            InvalidInput: there is no message of that number.

        """
        if not self.link.acts_with_key:
            asked = {"bookingId": booking_id, "n": n, "userId": user_id}
            return self._remote("chat.mark_read", asked, ChatRead.model_validate)
        return mark_read(self._ports, booking_id, user_id=_said("user_id", user_id, "who has read it"), n=n)

    @operation
    def unread(self, booking_id: str, *, user_id: str | None = None) -> Flow[int]:
        """How many messages of the other side a participant has not read in a room.

        What counts is what a person said above the read mark and has not taken back; the platform's lines do not.

        Args:
            booking_id: which room.
            user_id: who reads; a signed-in user is the reader.

        Raises:
            NotFound: there is no such room, or none that the credential may see.
            NotAllowed: the user does not take part.

        """
        reader = yield from self._reader(user_id)
        return (yield from unread_in(self._ports, booking_id, user_id=reader))

    @operation
    def unread_total(self, *, user_id: str | None = None) -> Flow[Unread]:
        """The same over all rooms of a participant: the total, and how many in each room that has any."""
        reader = yield from self._reader(user_id)
        return (yield from unread_in_all(self._ports, user_id=reader))

    def _reader(self, user_id: str | None) -> Flow[str]:
        """Who reads: with a key whoever is named, or else the signed-in user."""
        if self.link.acts_with_key:
            return _said("user_id", user_id, "who reads")
        self.link.require_user("chat.unread")
        credential = self.link.credential
        own = credential.user_id if isinstance(credential, MintedJwt) else (yield from account()).id
        if user_id not in {None, own}:
            raise NotAllowed(f"userId is {user_id}, and you are {own}: a user acts for themselves.")
        return own

    @operation
    def appear(self, booking_id: str, *, typing: bool = False, user_id: str | None = None) -> Flow[Presence | None]:
        """Say that somebody has a room open, and whether they are typing: for two minutes, or 15 seconds of typing.

        Args:
            booking_id: which room.
            typing: whether they are writing something.
            user_id: who; a signed-in user says it of themselves.

        Returns:
            What the other side can see now; None on a server that has no presences (before Appwrite 1.9.5).

        Raises:
            NotFound: there is no such room.
            NotAllowed: the user does not take part.

        """
        if not self.link.acts_with_key:
            asked = {"bookingId": booking_id, "typing": typing, "userId": user_id}
            return self._remote("chat.appear", asked, _presence)
        return appear(self._ports, booking_id, user_id=_said("user_id", user_id, "who is there"), typing=typing)

    @operation
    def present(self, booking_id: str) -> Flow[list[Presence]]:
        """Who has a room open now, and who is typing; nobody on a server that has no presences.

        Raises:
            NotFound: there is no such room, or none that the credential may see.

        """
        return present(self._ports, booking_id)

    @operation
    def freeze(self, booking_id: str) -> Flow[ChatRoom]:
        """Close a conversation now: for ops, with a key or the label. Nothing can be written to it any more.

        Raises:
            NotFound: there is no such room.
            NotAllowed: the user is not of ops.

        """
        if not self.link.acts_with_key:
            return self._remote("chat.freeze", {"bookingId": booking_id}, ChatRoom.model_validate)
        return freeze_room(self._ports, booking_id)

    @operation
    def reopen(self, booking_id: str, *, until: datetime | None = None) -> Flow[ChatRoom]:
        """Open a conversation again, or keep it open longer: for ops, with a key or the label.

        Args:
            booking_id: which room.
            until: when it freezes; None goes by the rule again (48 hours after the booking's end, or what is set), or,
                when that is over, takes as long from now.

        Raises:
            NotFound: there is no such room.
            NotAllowed: the user is not of ops.
            InvalidInput: `until` is past, or has no time zone.

        """
        if not self.link.acts_with_key:
            return self._remote("chat.reopen", {"bookingId": booking_id, "until": until}, ChatRoom.model_validate)
        return reopen_room(self._ports, booking_id, until=until)

    @operation
    def room(self, booking_id: str) -> Flow[ChatRoom]:
        """The room of a booking.

        Raises:
            NotFound: none is open (yet), or none that the credential may see.

        """
        return get_room(self._ports, booking_id)

    @listing
    def rooms(
        self, *, customer_id: str | None = None, therapist_id: str | None = None, limit: int | None = None
    ) -> Pages[ChatRoom]:
        """The rooms that the credential may see, of this customer or therapist if one is named, newest first."""
        queries = [Query.order_desc("$createdAt"), *only(customer_id=customer_id, therapist_id=therapist_id)]
        return pages_of(self._ports, CHAT_ROOMS, queries, limit=limit)

    @listing
    def messages(
        self,
        booking_id: str,
        *,
        after: int = 0,
        newest_first: bool = False,
        limit: int | None = None,
        page_size: int = DEFAULT_PAGE,
    ) -> Pages[ChatMessage]:
        """The messages of a room, by number.

        Args:
            booking_id: which room.
            after: only messages with a greater number.
            newest_first: the last message first.
            limit: at most so many.
            page_size: rows a request.

        """
        if type(after) is not int:
            raise InvalidInput(f"after is the number of a message, not {after!r}.")
        queries = [
            Query.equal("roomId", [checked_text("booking_id", booking_id)]),
            Query.greater_than("n", after),
            Query.order_desc("n") if newest_first else Query.order_asc("n"),
        ]
        return pages_of(self._ports, CHAT_MESSAGES, queries, page_size=page_size, limit=limit)

    @operation
    def conversation(self, booking_id: str, *, last: int = 200) -> Flow[Conversation]:
        """A room as people read it: its last messages, with edits and deletions folded in.

        Args:
            booking_id: which room.
            last: how many messages to read, at most 5,000; edits and deletions are among them.

        """
        if type(last) is not int or not 1 <= last <= _MOST:
            raise InvalidInput(f"last is a number of messages from 1 to {_MOST:,}, not {last!r}.")
        queries = [
            Query.equal("roomId", [checked_text("booking_id", booking_id)]),
            Query.order_desc("n"),
            Query.limit(last),
        ]
        return fold((yield from list_rows(self._ports.address(CHAT_MESSAGES), ChatMessage, queries)))

    @listing
    def reads(self, booking_id: str) -> Pages[ChatRead]:
        """Up to which message each participant has read a room; who has read nothing has no mark."""
        return pages_of(self._ports, CHAT_READS, [Query.equal("roomId", [checked_text("booking_id", booking_id)])])

    @watched
    def watch(
        self,
        *,
        booking_id: str | None = None,
        checkpoint: Checkpoint | None = None,
        since: datetime | None = None,
        policy: Policy | None = None,
    ) -> Watch[ChatMessage]:
        """Messages as they are sent, every one, in order: of one room, or of all that the user takes part in.

        Arguments and errors as `link.bookings.watch`.
        """
        return Watch(lambda link: [watching().messages(link, booking_id=booking_id)], checkpoint, since, policy)

    @watched
    def watch_reads(
        self,
        *,
        booking_id: str | None = None,
        checkpoint: Checkpoint | None = None,
        since: datetime | None = None,
        policy: Policy | None = None,
    ) -> Watch[ChatRead]:
        """Read marks as they move, each never back: of one room, or of all that the user takes part in.

        Arguments and errors as `link.bookings.watch`.
        """
        return Watch(lambda link: [watching().reads(link, booking_id=booking_id)], checkpoint, since, policy)


class Chat(ChatOperations, SyncResource):
    """Conversations, blocking."""

    def reading(self, *, user_id: str | None = None, every: float = EVERY) -> Reading:
        """Note what was read as often as you like; one mark a room is written every so many seconds.

        Args:
            user_id: who reads; a signed-in user is the reader.
            every: seconds between two writes of one room's mark.

        """
        return Reading(lambda booking_id, n: self.mark_read(booking_id, n, user_id=user_id), every)


class AsyncChat(ChatOperations, AsyncResource):
    """Conversations, awaited."""

    def reading(self, *, user_id: str | None = None, every: float = EVERY) -> AsyncReading:
        """See `Chat.reading`."""
        return AsyncReading(lambda booking_id, n: self.mark_read(booking_id, n, user_id=user_id), every)


def _said(name: str, value: str | None, what: str) -> str:
    if value is None:
        raise InvalidInput(f"{name} is missing: with an API key, say {what}.")
    return value


def _presence(facts: Any) -> Presence | None:
    return None if facts is None else Presence.from_json(facts)
