"""Every change of a booking has its line in the room, and chat refuses no change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from imaginary import NOW, Fate, ImaginaryAppwrite, ports, run, wish
from massage_link.client.flow import Request
from massage_link.domain.booking import Booking
from massage_link.domain.states import Command
from massage_link.errors import Unauthorized
from massage_link.usecases.bookings import request_booking
from massage_link.usecases.chat import ensure_room, send_message
from massage_link.usecases.lookups import get_booking
from massage_link.usecases.ports import Ports
from massage_link.usecases.system_lines import ensure_lines
from massage_link.usecases.transitions import Wanted, acting, transition

OURS: Ports = ports()


@pytest.fixture
def server() -> ImaginaryAppwrite:
    """A server where nothing goes wrong yet."""
    return ImaginaryAppwrite()


@pytest.fixture
def booking(server: ImaginaryAppwrite) -> Booking:
    """A request whose room is not open yet."""
    return run(server, request_booking(OURS, wish()))


def move(server: ImaginaryAppwrite, booking: Booking, command: Command = Command.ACCEPT, **wanted: Any) -> Booking:
    """A change by ops."""
    return run(server, transition(OURS, booking.id, Wanted(command, **wanted), actor=acting(None)))


def lines(server: ImaginaryAppwrite) -> list[tuple[int, str]]:
    """Number and client id of every message, in order."""
    return sorted((row["n"], row["clientId"]) for row in server.rows("chat_messages").values())


def forget(server: ImaginaryAppwrite, client_id: str) -> None:
    """Remove a line that an event should have left."""
    rows = server.rows("chat_messages")
    del rows[next(row_id for row_id, row in rows.items() if row["clientId"] == client_id)]


def test_a_change_opens_the_room_and_takes_its_line_along(server: ImaginaryAppwrite, booking: Booking) -> None:
    move(server, booking)
    assert lines(server) == [(1, "opened"), (2, "event:2")]
    posts = [request for request in server.requests if request.startswith("POST") and "chat_messages" in request]
    assert len(posts) == 1  # the opening line; the other went with the transaction
    room = server.rows("chat_rooms")[booking.id]
    assert (room["messageCount"], room["lastMessage"], room["lastUserN"]) == (2, "Accepted by the platform.", 0)


def test_every_change_has_its_line_in_order(server: ImaginaryAppwrite, booking: Booking) -> None:
    move(server, booking)
    run(server, send_message(OURS, booking.id, sender_id="carla", body="See you!"))
    move(server, booking, Command.RESCHEDULE, starts_at=booking.starts_at + timedelta(hours=1))
    move(server, booking, Command.START)
    move(server, booking, Command.COMPLETE)
    told = [client_id for _, client_id in lines(server)]
    assert [told[0], told[1], *told[3:]] == ["opened", "event:2", "event:3", "event:4", "event:5"]
    assert run(server, ensure_lines(OURS, run(server, get_booking(OURS, booking.id)))) == 0


def chatty(server: ImaginaryAppwrite, booking: Booking, times: int) -> list[int]:
    """Somebody writes right before each of the next commits; the numbers that they got."""
    numbers: list[int] = []

    def write(request: Request) -> None:
        if request.method == "PATCH" and "/transactions/" in request.url and len(numbers) < times:
            numbers.append(len(numbers))  # at once: the message's own requests come through here as well
            numbers[-1] = run(server, send_message(OURS, booking.id, sender_id="carla", body="Hello?")).n

    server.before_each = write
    return numbers


@pytest.mark.parametrize("times", [1, 2, 3, 20])
def test_people_who_write_at_once_refuse_no_change(server: ImaginaryAppwrite, booking: Booking, times: int) -> None:
    run(server, ensure_room(OURS, booking.id))
    numbers, before = chatty(server, booking, times), len(server.requests)
    assert move(server, booking).version == 2
    told = lines(server)
    assert [n for n, _ in told] == list(range(1, len(told) + 1))
    assert told[-1][1] == "event:2"
    assert len(numbers) == min(times, 3)  # two attempts with the line, and one that cannot fail because of it
    commits = [each for each in server.requests[before:] if each.startswith("PATCH") and "/transactions/" in each]
    assert len(commits) == min(times, 2) + 1


def test_a_chat_that_cannot_be_read_or_written_refuses_no_change(server: ImaginaryAppwrite, booking: Booking) -> None:
    def deny(request: Request) -> None:
        if "/tables/chat_" in request.url:
            raise Unauthorized("no chat today", status=401, type="user_unauthorized")

    server.before_each = deny
    assert move(server, booking).version == 2
    assert lines(server) == []
    server.before_each = lambda _: None
    assert run(server, ensure_lines(OURS, run(server, get_booking(OURS, booking.id)))) == 1
    assert lines(server) == [(1, "opened"), (2, "event:2")]


@pytest.mark.parametrize("fate", [Fate.FAILED, Fate.LOST, Fate.DONE_BUT_LOST, Fate.DONE_BUT_REFUSED, Fate.LATE])
def test_an_unclear_commit_leaves_one_line(server: ImaginaryAppwrite, booking: Booking, fate: Fate) -> None:
    run(server, ensure_room(OURS, booking.id))
    server.fates = iter([Fate.FINE, Fate.FINE, fate])
    assert move(server, booking).version == 2
    server.settle()
    assert lines(server) == [(1, "opened"), (2, "event:2")]


def test_the_sweeper_writes_what_is_missing_once(server: ImaginaryAppwrite, booking: Booking) -> None:
    move(server, booking)
    move(server, booking, Command.CANCEL, reason="ill")
    forget(server, "event:3")
    forget(server, "event:2")
    current = run(server, get_booking(OURS, booking.id))
    assert run(server, ensure_lines(OURS, current)) == 2
    assert lines(server) == [(1, "opened"), (2, "event:2"), (3, "event:3")]
    assert run(server, ensure_lines(OURS, current)) == 0
    assert server.rows("chat_messages")[f"{booking.id}_3"]["body"] == "Cancelled by the platform: ill"


def test_lines_of_a_booking_that_was_only_requested_cost_no_call(server: ImaginaryAppwrite, booking: Booking) -> None:
    before = len(server.requests)
    assert run(server, ensure_lines(OURS, booking)) == 0
    assert len(server.requests) == before


def test_a_sender_cannot_take_the_client_id_of_a_line(server: ImaginaryAppwrite, booking: Booking) -> None:
    with pytest.raises(ValueError, match="is not an id"):
        run(server, send_message(OURS, booking.id, sender_id="carla", body="mine", client_id="event:2"))


def test_a_line_that_was_worded_otherwise_is_the_same_line(server: ImaginaryAppwrite, booking: Booking) -> None:
    """Another version of this package may have written it, between the look and the write."""
    move(server, booking)
    server.rows("chat_messages")[f"{booking.id}_2"]["body"] = "Angenommen."
    raised: list[Request] = []

    def hide(request: Request) -> None:
        if "event" in request.url and not raised:
            raised.append(request)
            server.rows("hidden")["row"] = server.rows("chat_messages").pop(f"{booking.id}_2")
        elif raised and "hidden" in server.tables:
            server.rows("chat_messages")[f"{booking.id}_2"] = server.tables.pop("hidden")["row"]

    server.before_each = hide
    assert run(server, ensure_lines(OURS, run(server, get_booking(OURS, booking.id)))) == 1
    assert lines(server) == [(1, "opened"), (2, "event:2")]


def test_the_imagined_clock_is_that_of_the_lines(server: ImaginaryAppwrite, booking: Booking) -> None:
    move(server, booking)
    assert server.rows("chat_messages")[f"{booking.id}_2"]["sentAt"].startswith(f"{NOW:%Y-%m-%dT%H:%M}")


def test_a_refused_change_leaves_no_line(server: ImaginaryAppwrite, booking: Booking) -> None:
    run(server, ensure_room(OURS, booking.id))
    server.fates = iter([Fate.FINE, Fate.FINE, Fate.DENIED])
    with pytest.raises(Unauthorized):
        move(server, booking)
    assert lines(server) == [(1, "opened")]
