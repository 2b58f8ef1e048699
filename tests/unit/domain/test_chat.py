"""Chat: what can be said, and how it is numbered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from massage_link.domain.chat import MAX_BODY, ChatRoom, MessageKind, checked_body, message
from massage_link.errors import InvalidMessage

AT = datetime(2026, 7, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize("body", ["hi", "😀" * MAX_BODY, "שלום", "line\nbreak", " padded ", "<b>not markup</b>"])
def test_a_text_is_sent_as_it_is(body: str) -> None:
    assert checked_body(body) == body


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "needs some text"),
        (" \n\t", "needs some text"),
        (None, "needs some text"),
        (b"hi", "needs some text"),
        ("x" * (MAX_BODY + 1), "at most 5,000 characters, this one has 5,001"),
        ("\udc00", "half of a surrogate pair"),
    ],
)
def test_what_cannot_be_sent_is_refused(body: Any, said: str) -> None:
    with pytest.raises(InvalidMessage, match=said):
        checked_body(body)


def test_a_message_is_numbered_within_its_room() -> None:
    said = message("room", 7, sender_id="anna", client_id="c7", body="hello", sent_at=AT)
    assert (said.id, said.room_id, said.n) == ("room_7", "room", 7)
    assert (said.sender_id, said.client_id, said.kind, said.sent_at) == ("anna", "c7", MessageKind.USER, AT)


def test_the_preview_is_what_the_room_can_hold() -> None:
    said = message("room", 1, sender_id="anna", client_id="c", body="é" * 300, sent_at=AT)
    assert said.preview == "é" * 200
    room = ChatRoom(id="room", customer_id="anna", therapist_id="tom", last_message=said.preview)
    assert room.participants == ("anna", "tom")
    assert room.booking_id == "room"
