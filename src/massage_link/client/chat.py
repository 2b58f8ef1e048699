"""``link.chat``: rooms and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appwrite.query import Query

from massage_link.client.operation import AsyncResource, Pages, Resource, SyncResource, listing, operation
from massage_link.client.paging import DEFAULT_PAGE, only, pages_of
from massage_link.client.watched import Watch, watched, watching
from massage_link.domain.chat import ChatMessage, ChatRead, ChatRoom
from massage_link.domain.ids import checked_text
from massage_link.domain.tables import CHAT_MESSAGES, CHAT_ROOMS
from massage_link.errors import InvalidInput
from massage_link.usecases.chat import get_room, send_message
from massage_link.usecases.read_marks import mark_read
from massage_link.wire.call import Flow

if TYPE_CHECKING:
    from datetime import datetime

    from massage_link.realtime import Checkpoint, Policy

__all__ = ["AsyncChat", "Chat", "ChatOperations"]


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
        if sender_id is None:
            raise InvalidInput("sender_id is missing: with an API key, say who sends the message.")
        return send_message(self._ports, booking_id, sender_id=sender_id, body=body, client_id=client_id)

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
        if user_id is None:
            raise InvalidInput("user_id is missing: with an API key, say who has read it.")
        return mark_read(self._ports, booking_id, user_id=user_id, n=n)

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


class Chat(ChatOperations, SyncResource):
    """Conversations, blocking."""


class AsyncChat(ChatOperations, AsyncResource):
    """Conversations, awaited."""
