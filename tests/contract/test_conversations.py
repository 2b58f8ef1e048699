"""Conversations through the SDK: edits and deletions, unread counts, who is there, closing; by key and as users."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from appwrite.query import Query

from faults import Faults
from marketplace import LinkMaker, Person, all_of, gathered
from massage_link import AsyncMassageLink, Booking
from massage_link.domain.chat import MessageKind, RoomStatus
from massage_link.domain.tables import CHAT_MESSAGES, CHAT_READS, CHAT_ROOMS
from massage_link.errors import (
    IdempotencyMismatch,
    InvalidInput,
    InvalidMessage,
    MassageLinkError,
    NotAllowed,
    NotFound,
    RoomFrozen,
    TooLate,
)
from massage_link.usecases.ports import Ports
from massage_link.wire.rows import create_row, update_row
from salon import Salon


@dataclass(frozen=True)
class Talk:
    """Two people and a booking of theirs, each acting in one way: the key for them, or they themselves."""

    key: AsyncMassageLink
    salon: Salon
    booking: Booking
    by_key: bool

    def _link(self, person: Person) -> AsyncMassageLink:
        return self.key if self.by_key else self.key.as_user(person.id)

    def _as(self, person: Person, name: str) -> dict[str, Any]:
        return {name: person.id} if self.by_key else {}

    @property
    def ann(self) -> Person:
        """The customer."""
        return self.salon.people.customer

    @property
    def tom(self) -> Person:
        """The therapist."""
        return self.salon.people.therapist

    @property
    def stranger(self) -> Person:
        """Somebody else's therapist."""
        return self.salon.people.other_therapist

    async def send(self, who: Person, body: str, **more: Any) -> int:
        """Send; the number of the message."""
        sent = await self._link(who).chat.send(self.booking.id, body, **self._as(who, "sender_id"), **more)
        return sent.n

    async def edit(self, who: Person, n: int, body: str, **more: Any) -> Any:
        """Edit."""
        return await self._link(who).chat.edit(self.booking.id, n, body, **self._as(who, "sender_id"), **more)

    async def delete(self, who: Person, n: int, **more: Any) -> Any:
        """Take back."""
        return await self._link(who).chat.delete(self.booking.id, n, **self._as(who, "sender_id"), **more)

    async def read(self, who: Person, n: int) -> None:
        """Read up to a message."""
        await self._link(who).chat.mark_read(self.booking.id, n, **self._as(who, "user_id"))

    async def unread(self, who: Person) -> tuple[int, int]:
        """Unread in the room, and the room's part in all."""
        chat, me = self._link(who).chat, self._as(who, "user_id")
        total = await chat.unread_total(**me)
        assert total.total == sum(total.rooms.values())
        return await chat.unread(self.booking.id, **me), total.rooms.get(self.booking.id, 0)

    async def appear(self, who: Person, **more: Any) -> Any:
        """Be there."""
        return await self._link(who).chat.appear(self.booking.id, **self._as(who, "user_id"), **more)

    async def refusal(self, work: Any) -> type[MassageLinkError]:
        """Which error it raises."""
        with pytest.raises(MassageLinkError) as refused:
            await work
        return type(refused.value)


@pytest.fixture(params=["by key", "as users"])
async def talk(request: pytest.FixtureRequest, desks: LinkMaker, salon: Salon) -> Talk:
    """A booking whose two people talk."""
    key = desks()
    booking = await key.bookings.request(**salon.wish())
    return Talk(key, salon, booking, request.param == "by key")


async def _told(talk: Talk) -> list[tuple[int, str, bool]]:
    entries = await talk.key.chat.conversation(talk.booking.id)
    return [(each.n, each.body, each.edited_at is not None) for each in entries][1:]


# --- edits and deletions ----------------------------------------------------------------------------------------------
async def test_an_edit_is_a_new_fact_and_the_conversation_shows_the_new_text(talk: Talk) -> None:
    n = await talk.send(talk.ann, "Is there a lfit?")
    edit = await talk.edit(talk.ann, n, "Is there a lift?")
    assert (edit.n, edit.kind, edit.refers_to, edit.sender_id) == (n + 1, MessageKind.EDIT, n, talk.ann.id)
    assert await _told(talk) == [(n, "Is there a lift?", True)]
    raw = [each.body async for each in talk.key.chat.messages(talk.booking.id, after=1)]
    assert raw == ["Is there a lfit?", "Is there a lift?"]


async def test_what_was_deleted_shows_no_text_any_more(talk: Talk) -> None:
    n = await talk.send(talk.ann, "wrong room")
    deletion = await talk.delete(talk.ann, n)
    assert (deletion.kind, deletion.refers_to, deletion.body) == (MessageKind.DELETE, n, f"deleted message {n}")
    assert await _told(talk) == [(n, "", False)]
    assert (await talk.key.chat.room(talk.booking.id)).last_message == f"deleted message {n}"
    assert await talk.refusal(talk.edit(talk.ann, n, "again")) is NotFound
    assert await talk.refusal(talk.delete(talk.ann, n)) is NotFound


async def test_a_change_that_is_repeated_is_made_once(talk: Talk) -> None:
    n = await talk.send(talk.ann, "one")
    first = await talk.edit(talk.ann, n, "two", client_id="edit-1")
    assert await talk.edit(talk.ann, n, "two", client_id="edit-1") == first
    assert await talk.refusal(talk.edit(talk.ann, n, "three", client_id="edit-1")) is IdempotencyMismatch
    gone = await talk.delete(talk.ann, n, client_id="delete-1")
    assert await talk.delete(talk.ann, n, client_id="delete-1") == gone
    numbers = [each.n async for each in talk.key.chat.messages(talk.booking.id)]
    assert numbers == list(range(1, gone.n + 1))


async def test_what_is_not_one_s_own_cannot_be_changed(talk: Talk) -> None:
    n = await talk.send(talk.ann, "mine")
    assert await talk.refusal(talk.edit(talk.tom, n, "yours")) is NotAllowed
    assert await talk.refusal(talk.delete(talk.tom, n)) is NotAllowed
    assert await talk.refusal(talk.edit(talk.ann, 1, "the platform's")) is NotAllowed
    edit = await talk.edit(talk.ann, n, "mine, again")
    assert await talk.refusal(talk.edit(talk.ann, edit.n, "an edit of an edit")) is NotAllowed
    assert await talk.refusal(talk.edit(talk.ann, edit.n + 1, "not there")) is NotFound
    assert await talk.refusal(talk.delete(talk.ann, 0)) is InvalidInput
    assert await talk.refusal(talk.edit(talk.stranger, n, "psst")) is (NotAllowed if talk.by_key else NotFound)
    assert await _told(talk) == [(n, "mine, again", True)]


@pytest.mark.parametrize("body", ["", " \n", "x" * 5_001])
async def test_an_edit_needs_a_text_that_can_be_sent(talk: Talk, body: str) -> None:
    n = await talk.send(talk.ann, "one")
    assert await talk.refusal(talk.edit(talk.ann, n, body)) is InvalidMessage
    assert await talk.refusal(talk.send(talk.ann, body)) is InvalidMessage
    assert await _told(talk) == [(n, "one", False)]


async def test_after_a_quarter_of_an_hour_it_stays_as_it_was_said(talk: Talk) -> None:
    n = await talk.send(talk.ann, "one")
    old = (datetime.now(UTC) - timedelta(minutes=15, seconds=5)).isoformat(timespec="milliseconds")
    messages = talk.key.ports.address(CHAT_MESSAGES)
    await talk.key.send(update_row(messages, CHAT_MESSAGES.model, f"{talk.booking.id}_{n}", {"sentAt": old}))
    assert await talk.refusal(talk.edit(talk.ann, n, "two")) is TooLate
    assert await talk.refusal(talk.delete(talk.ann, n)) is TooLate


async def test_two_who_write_and_edit_at_once_are_numbered_without_gaps(talk: Talk) -> None:
    mine, theirs = await talk.send(talk.ann, "a"), await talk.send(talk.tom, "b")
    work = [talk.edit(talk.ann, mine, f"a{number}") for number in range(4)]
    work += [talk.send(talk.tom, f"c{number}") for number in range(4)]
    done = await gathered(*work, talk.delete(talk.tom, theirs))
    assert not [each for each in done if isinstance(each, BaseException)]
    assert [each.n async for each in talk.key.chat.messages(talk.booking.id)] == list(range(1, 13))


# --- unread -----------------------------------------------------------------------------------------------------------
async def test_unread_is_what_the_other_said_above_the_mark(talk: Talk) -> None:
    assert (await talk.send(talk.ann, "one"), await talk.send(talk.ann, "two")) == (2, 3)
    await talk.send(talk.tom, "three")
    assert await talk.unread(talk.tom) == (2, 2)
    assert await talk.unread(talk.ann) == (1, 1)
    await talk.read(talk.tom, 2)
    assert await talk.unread(talk.tom) == (1, 1)
    await talk.read(talk.tom, 4)
    assert await talk.unread(talk.tom) == (0, 0)


async def test_lines_edits_and_what_was_taken_back_are_not_unread(talk: Talk) -> None:
    kept, gone = await talk.send(talk.ann, "kept"), await talk.send(talk.ann, "gone")
    await talk.edit(talk.ann, kept, "kept, and edited")
    await talk.delete(talk.ann, gone)
    await talk.key.bookings.accept(talk.booking.id)
    assert await talk.unread(talk.tom) == (1, 1)
    await talk.read(talk.tom, kept)
    assert await talk.unread(talk.tom) == (0, 0)


async def test_a_stranger_counts_nothing(talk: Talk) -> None:
    await talk.send(talk.ann, "one")
    assert await talk.refusal(talk.unread(talk.stranger)) is (NotAllowed if talk.by_key else NotFound)


async def test_read_marks_are_seen_by_both(talk: Talk) -> None:
    n = await talk.send(talk.ann, "one")
    await talk.read(talk.tom, n)
    for person in (talk.ann, talk.tom):
        marks = await all_of(talk.key.as_user(person.id).chat.reads(talk.booking.id))
        assert [(mark.user_id, mark.n) for mark in marks] == [(talk.tom.id, n)]


# --- who is there -----------------------------------------------------------------------------------------------------
async def test_the_other_side_sees_who_is_there_and_who_is_typing(talk: Talk) -> None:
    await talk.send(talk.ann, "hello")
    said = await talk.appear(talk.ann, typing=True)
    assert (said.user_id, said.typing) == (talk.ann.id, True)
    assert said.until > datetime.now(UTC)
    seen = await talk.key.as_user(talk.tom.id).chat.present(talk.booking.id)
    assert [(each.user_id, each.typing) for each in seen] == [(talk.ann.id, True)]
    await talk.appear(talk.ann)
    await talk.appear(talk.tom)
    seen = await talk.key.as_user(talk.ann.id).chat.present(talk.booking.id)
    assert {(each.user_id, each.typing) for each in seen} == {(talk.ann.id, False), (talk.tom.id, False)}


async def test_who_goes_to_another_room_has_left_this_one(talk: Talk) -> None:
    await talk.send(talk.ann, "hello")
    other = await talk.key.bookings.request(**talk.salon.wish())
    await talk.key.chat.send(other.id, "hello", sender_id=talk.ann.id)
    await talk.appear(talk.ann)
    await talk.key.chat.appear(other.id, user_id=talk.ann.id)
    assert [each.user_id for each in await talk.key.chat.present(talk.booking.id)] == []
    assert [each.user_id for each in await talk.key.chat.present(other.id)] == [talk.ann.id]


@pytest.mark.emulator_only
async def test_a_server_without_presences_says_that_nobody_is_there(talk: Talk) -> None:
    assert talk.salon.server.emulator is not None
    faults = Faults(talk.salon.server.emulator)
    await talk.send(talk.ann, "hello")
    missing = {"message": "Route not found.", "code": 404, "type": "general_route_not_found", "version": "1.9.4"}
    for where in ({"method": "PUT", "path": "/v1/presences/*"}, {"method": "GET", "path": "/v1/presences"}):
        faults.plant(where, {"status": 404, "body": missing}, times=None)
    assert await talk.appear(talk.ann) is None
    assert await talk.key.as_user(talk.tom.id).chat.present(talk.booking.id) == []
    assert faults.met() == 2
    faults.clear()


# --- closing ----------------------------------------------------------------------------------------------------------
async def test_nothing_is_written_into_a_closed_conversation_until_ops_open_it(talk: Talk) -> None:
    n = await talk.send(talk.ann, "hello")
    ops = talk.key if talk.by_key else talk.key.as_user(talk.salon.people.ops.id)
    assert (await ops.chat.freeze(talk.booking.id)).status is RoomStatus.FROZEN
    for work in (talk.send(talk.ann, "more"), talk.edit(talk.ann, n, "more"), talk.delete(talk.ann, n)):
        assert await talk.refusal(work) is RoomFrozen
    await talk.read(talk.tom, n)  # reading goes on
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    room = await ops.chat.reopen(talk.booking.id, until=until)
    assert (room.status, room.freezes_at) == (RoomStatus.OPEN, until)
    assert await talk.send(talk.ann, "more") == n + 1
    past = datetime.now(UTC) - timedelta(hours=1)
    assert await talk.refusal(ops.chat.reopen(talk.booking.id, until=past)) is InvalidInput


async def test_a_closed_conversation_still_tells_what_becomes_of_the_booking(talk: Talk) -> None:
    await talk.key.chat.send(talk.booking.id, "hello", sender_id=talk.ann.id)
    await talk.key.chat.freeze(talk.booking.id)
    await talk.key.bookings.accept(talk.booking.id)
    entries = list(await talk.key.chat.conversation(talk.booking.id))
    assert [each.body for each in entries[1:]] == ["hello", "Accepted by the platform."]
    assert (await talk.key.chat.room(talk.booking.id)).status is RoomStatus.FROZEN


@pytest.mark.parametrize("last", [0, 5_001, True, "all"])
async def test_how_much_of_a_conversation_is_read_is_a_number(talk: Talk, last: Any) -> None:
    assert await talk.refusal(talk.key.chat.conversation(talk.booking.id, last=last)) is InvalidInput


# --- nobody goes past the trusted path --------------------------------------------------------------------------------
def _rows_of(talk: Talk) -> dict[str, list[dict[str, Any]]]:
    """The raw rows of the conversation; functions may be writing those of others meanwhile."""
    tables = (CHAT_ROOMS, CHAT_MESSAGES, CHAT_READS)
    return {
        table.id: [
            row for row in talk.salon.market.raw_rows(table) if talk.booking.id in {row["$id"], row.get("roomId")}
        ]
        for table in tables
    }


async def test_a_user_has_no_way_to_write_a_message_a_mark_or_a_room_by_hand(talk: Talk) -> None:
    n = await talk.send(talk.ann, "hello")
    await talk.read(talk.ann, n)
    tables = f"/tablesdb/{talk.salon.server.database}/tables"
    before = _rows_of(talk)
    forged = {
        "roomId": talk.booking.id, "n": n + 1, "senderId": talk.tom.id, "clientId": "forged",
        "kind": "user", "body": "forged", "sentAt": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    async with talk.salon.client(talk.ann) as http:

        async def refused(method: str, path: str, body: dict[str, Any]) -> None:
            answer: httpx.Response = await http.request(method, f"{tables}/{path}", json=body)
            assert answer.status_code in {401, 404}, (method, path, answer.text)

        row_id = f"{talk.booking.id}_{n + 1}"
        await refused("POST", "chat_messages/rows", {"rowId": row_id, "data": forged})
        await refused("PUT", f"chat_messages/rows/{row_id}", {"data": forged})
        await refused("PATCH", f"chat_messages/rows/{talk.booking.id}_{n}", {"data": {"body": "rewritten"}})
        await refused("DELETE", f"chat_messages/rows/{talk.booking.id}_{n}", {})
        await refused("PATCH", f"chat_rooms/rows/{talk.booking.id}", {"data": {"status": "open", "messageCount": 0}})
        for mark in _rows_of(talk)[CHAT_READS.id]:
            await refused("PATCH", f"chat_reads/rows/{mark['$id']}", {"data": {"n": 0}})
    assert _rows_of(talk) == before


async def test_a_forged_edit_changes_nothing_for_who_folds(talk: Talk) -> None:
    """Written by hand with a key: even then only the sender's own edits count."""
    n = await talk.send(talk.ann, "mine")
    forged = {
        "roomId": talk.booking.id, "n": n + 1, "senderId": talk.tom.id, "clientId": "forged", "refersTo": n,
        "kind": "edit", "body": "forged", "sentAt": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    address = Ports(database=talk.salon.server.database).address(CHAT_MESSAGES)
    await talk.key.send(create_row(address, CHAT_MESSAGES.model, f"{talk.booking.id}_{n + 1}", forged, []))
    assert await _told(talk) == [(n, "mine", False)]
    assert talk.salon.market.rows(CHAT_MESSAGES, Query.equal("clientId", ["forged"]))
