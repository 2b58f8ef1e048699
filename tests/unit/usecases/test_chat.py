"""Sending: what is sent is reported as sent, and a lagging room leads to no gap."""

from __future__ import annotations

import pytest

from imaginary import Fate, ImaginaryAppwrite, ports, run, wish
from massage_link.domain.booking import Booking
from massage_link.errors import Conflict, OutcomeUnknown
from massage_link.usecases.bookings import request_booking
from massage_link.usecases.chat import ensure_room, send_message
from massage_link.usecases.ports import Ports

OURS: Ports = ports()


@pytest.fixture
def server() -> ImaginaryAppwrite:
    """A server where nothing goes wrong yet."""
    return ImaginaryAppwrite()


@pytest.fixture
def booking(server: ImaginaryAppwrite) -> Booking:
    """A booking whose room is open."""
    booking = run(server, request_booking(OURS, wish()))
    run(server, ensure_room(OURS, booking.id))
    return booking


@pytest.mark.parametrize("fate", [Fate.DENIED, Fate.FAILED, Fate.LOST, Fate.UNREACHED, Fate.DONE_BUT_LOST])
def test_a_preview_that_can_not_be_written_does_not_fail_a_message_that_was_sent(
    server: ImaginaryAppwrite, booking: Booking, fate: Fate
) -> None:
    server.fates = iter([Fate.FINE, *[fate] * 10])
    sent = run(server, send_message(OURS, booking.id, sender_id="carla", body="Hello"))
    assert server.rows("chat_messages")[sent.id]["body"] == "Hello"


def test_a_preview_that_lags_behind_is_mended_by_the_next_message(server: ImaginaryAppwrite, booking: Booking) -> None:
    server.fates = iter([Fate.FINE, Fate.DENIED])
    run(server, send_message(OURS, booking.id, sender_id="carla", body="one"))
    assert server.rows("chat_rooms")[booking.id]["messageCount"] == 1
    second = run(server, send_message(OURS, booking.id, sender_id="theo", body="two"))
    assert second.n == 3
    room = server.rows("chat_rooms")[booking.id]
    assert (room["messageCount"], room["lastMessage"]) == (3, "two")


def test_a_preview_never_goes_back_to_an_earlier_message(server: ImaginaryAppwrite, booking: Booking) -> None:
    """Somebody else's message is sent and shown between ours and its preview."""
    later: list[int] = []
    server.between(
        len(server.requests) + 2,
        lambda: later.append(run(server, send_message(OURS, booking.id, sender_id="theo", body="later")).n),
    )
    sent = run(server, send_message(OURS, booking.id, sender_id="carla", body="earlier"))
    assert ([sent.n], later) == ([2], [3])
    room = server.rows("chat_rooms")[booking.id]
    assert (room["messageCount"], room["lastMessage"]) == (3, "later")


def test_an_outcome_that_is_unknown_names_the_client_id_to_send_again_with(
    server: ImaginaryAppwrite, booking: Booking
) -> None:
    server.fates = iter([Fate.DONE_BUT_LOST])
    server.reading = iter([Fate.FINE, *[Fate.FAILED] * 3])
    with pytest.raises(OutcomeUnknown, match="client_id 'phone-1'") as unknown:
        run(server, send_message(OURS, booking.id, sender_id="carla", body="Hello", client_id="phone-1"))
    assert unknown.value.__cause__ is not None
    again = run(server, send_message(OURS, booking.id, sender_id="carla", body="Hello", client_id="phone-1"))
    assert [row["n"] for row in server.rows("chat_messages").values()] == [1, again.n]


def test_a_room_that_is_too_busy_says_so(server: ImaginaryAppwrite, booking: Booking) -> None:
    server.fates = iter([Fate.REFUSED] * 20)
    with pytest.raises(Conflict, match="send it again"):
        run(server, send_message(OURS, booking.id, sender_id="carla", body="Hello"))
    assert len(server.rows("chat_messages")) == 1
