"""Up to which message a participant has read a room."""

from __future__ import annotations

from massage_link.domain.chat import ChatRead
from massage_link.domain.ids import read_mark_id
from massage_link.domain.rows import to_wire_time
from massage_link.domain.tables import CHAT_READS
from massage_link.errors import Conflict, InvalidInput
from massage_link.usecases.chat import get_room, refuse_stranger
from massage_link.usecases.ports import Ports, create_derived, find
from massage_link.usecases.posting import newest_number, room_readers
from massage_link.wire.call import Flow, Sleep
from massage_link.wire.rows import patch_row

__all__ = ["mark_read"]

_ATTEMPTS = 10
_PAUSE = 0.02


def mark_read(ports: Ports, booking_id: str, *, user_id: str, n: int) -> Flow[ChatRead]:
    """Note that a participant has read a room up to message `n`; a mark never goes back.

    Raises:
        NotFound: there is no such room.
        NotAllowed: the user does not take part in this conversation.
        InvalidInput: there is no message of that number.

    """
    room = yield from get_room(ports, booking_id)
    refuse_stranger(room, user_id)
    newest = yield from newest_number(ports, room.id)
    if type(n) is not int or not 0 <= n <= newest:
        raise InvalidInput(f"room {room.id} has messages 1 to {newest}, so it cannot be read up to {n!r}.")
    wanted = ChatRead(id=read_mark_id(room.id, user_id), room_id=room.id, user_id=user_id, n=n)
    mark = yield from create_derived(ports, CHAT_READS, wanted, room_readers(CHAT_READS, room))
    failure: Conflict | None = None
    for attempt in range(_ATTEMPTS):
        if mark.n >= n or mark.updated_at is None:
            return mark
        stamp = to_wire_time(mark.updated_at)
        try:
            return (yield from patch_row(ports.address(CHAT_READS), ChatRead, mark.id, {"n": n}, unless_changed=stamp))
        except Conflict as error:
            failure = error
        yield from Sleep(ports.jitter(_PAUSE * min(attempt, 10)))
        mark = (yield from find(ports, CHAT_READS, mark.id)) or wanted
    assert failure is not None
    raise failure
