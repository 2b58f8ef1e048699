"""How much of what others said a participant has not read yet, in one room and in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from appwrite.query import Query
from pydantic import BaseModel, Field

from massage_link.domain.chat import ChatRead, ChatRoom, MessageKind
from massage_link.domain.conversation import count_unread
from massage_link.domain.ids import checked_id, read_mark_id
from massage_link.domain.rows import Row
from massage_link.domain.tables import CHAT_MESSAGES, CHAT_READS, CHAT_ROOMS, Table
from massage_link.usecases.chat import get_room, refuse_stranger
from massage_link.usecases.ports import Ports, find
from massage_link.wire.call import Flow
from massage_link.wire.rows import list_rows

__all__ = ["Unread", "unread_in", "unread_in_all"]

R = TypeVar("R", bound=Row)
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Unread:
    """Messages of others that somebody has not read.

    Attributes:
        total: in all rooms together.
        rooms: by room, those with any.

    """

    total: int
    rooms: Mapping[str, int]


class _Later(BaseModel):
    """As much of a message as is needed to count it."""

    id: str = Field(alias="$id")
    n: int
    kind: MessageKind
    refers_to: int | None = Field(default=None, alias="refersTo")


def unread_in(ports: Ports, booking_id: str, *, user_id: str) -> Flow[int]:
    """How many messages of the other side a participant has not read; see `count_unread` for what counts.

    Raises:
        NotFound: there is no such room, or none that the credential may see.
        NotAllowed: the user does not take part in this conversation.

    """
    room = yield from get_room(ports, booking_id)
    refuse_stranger(room, user_id)
    mark = yield from find(ports, CHAT_READS, read_mark_id(room.id, user_id))
    return (yield from _above(ports, room.id, user_id, 0 if mark is None else mark.n))


def unread_in_all(ports: Ports, *, user_id: str) -> Flow[Unread]:
    """The same for all rooms of a participant. Only those in which a person wrote something new are looked into."""
    checked_id("user_id", user_id)
    takes_part = [Query.equal("customerId", [user_id]), Query.equal("therapistId", [user_id])]
    rooms: list[ChatRoom] = yield from _all(ports, CHAT_ROOMS, [Query.or_queries(takes_part)])
    marks: list[ChatRead] = yield from _all(ports, CHAT_READS, [Query.equal("userId", [user_id])])
    read = {mark.room_id: mark.n for mark in marks}
    counts: dict[str, int] = {}
    for room in rooms:
        if room.last_user_n > read.get(room.id, 0):
            counts[room.id] = yield from _above(ports, room.id, user_id, read.get(room.id, 0))
    return Unread(sum(counts.values()), {room_id: count for room_id, count in counts.items() if count})


def _above(ports: Ports, room_id: str, user_id: str, mark: int) -> Flow[int]:
    later: list[_Later] = []
    while True:
        queries = [
            Query.equal("roomId", [room_id]),
            Query.greater_than("n", later[-1].n if later else mark),
            Query.equal("kind", [MessageKind.USER.value, MessageKind.DELETE.value]),
            Query.not_equal("senderId", [user_id]),
            Query.order_asc("n"),
            Query.limit(_PAGE),
            Query.select(["n", "kind", "refersTo"]),
        ]
        page = yield from list_rows(ports.address(CHAT_MESSAGES), _Later, queries)
        later += page
        if len(page) < _PAGE:
            return count_unread((each.n, each.kind, each.refers_to) for each in later)


def _all(ports: Ports, table: Table[R], narrowed: Sequence[str]) -> Flow[list[R]]:
    rows: list[R] = []
    while True:
        cursor = [Query.cursor_after(rows[-1].id)] if rows else []
        page = yield from list_rows(ports.address(table), table.model, [*narrowed, Query.limit(_PAGE), *cursor])
        rows += page
        if len(page) < _PAGE:
            return rows
