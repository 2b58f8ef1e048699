"""The room's row is rebuilt from what it shows, and freezes when its time has come."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from imaginary import NOW, Fate, ImaginaryAppwrite, ports, run, wish
from massage_link.client.flow import Request
from massage_link.domain.booking import Booking
from massage_link.domain.chat import ChatRoom, RoomStatus
from massage_link.domain.states import Command
from massage_link.errors import InvalidInput, NotFound, RoomFrozen, Unauthorized
from massage_link.usecases.bookings import request_booking
from massage_link.usecases.chat import ensure_room, send_message
from massage_link.usecases.ports import Ports
from massage_link.usecases.rooms import freeze_due, freeze_room, refresh_room, reopen_room
from massage_link.usecases.transitions import Wanted, acting, transition

OURS: Ports = ports()
TWO_DAYS = timedelta(days=2)


@pytest.fixture
def server() -> ImaginaryAppwrite:
    """A server where nothing goes wrong yet."""
    return ImaginaryAppwrite()


@pytest.fixture
def booking(server: ImaginaryAppwrite) -> Booking:
    """A booking whose room is open."""
    return booked(server)


def booked(server: ImaginaryAppwrite, **changes: Any) -> Booking:
    """A new booking with a room."""
    booking = run(server, request_booking(OURS, wish(**changes)))
    run(server, ensure_room(OURS, booking.id))
    return booking


def at(moment: datetime) -> Ports:
    """The same surroundings at another time."""
    return replace(OURS, now=lambda: moment)


def move(server: ImaginaryAppwrite, booking: Booking, command: Command, ours: Ports = OURS, **wanted: Any) -> Booking:
    """A change by ops."""
    return run(server, transition(ours, booking.id, Wanted(command, **wanted), actor=acting(None)))


def row(server: ImaginaryAppwrite, booking: Booking) -> dict[str, Any]:
    """The room's row."""
    return server.rows("chat_rooms")[booking.id]


def writes(server: ImaginaryAppwrite, since: int) -> list[str]:
    """What was written since so many requests."""
    return [each for each in server.requests[since:] if not each.startswith("GET")]


# --- rebuilt ----------------------------------------------------------------------------------------------------------
def test_a_row_that_shows_what_is_there_is_not_written(server: ImaginaryAppwrite, booking: Booking) -> None:
    run(server, send_message(OURS, booking.id, sender_id="carla", body="Hello"))
    before, shown = len(server.requests), dict(row(server, booking))
    room = run(server, refresh_room(OURS, booking.id))
    assert isinstance(room, ChatRoom)
    assert writes(server, before) == []
    assert row(server, booking) == shown


def test_a_row_that_is_wrong_in_everything_is_put_right(server: ImaginaryAppwrite, booking: Booking) -> None:
    run(server, send_message(OURS, booking.id, sender_id="carla", body="Hello"))
    move(server, booking, Command.ACCEPT)
    right = dict(row(server, booking))
    wrong = {"messageCount": 99, "lastUserN": 98, "lastMessage": "?", "lastSenderId": "?", "freezesAt": None}
    row(server, booking).update(wrong)
    room = run(server, refresh_room(OURS, booking.id))
    assert room is not None
    assert (room.message_count, room.last_user_n, room.last_message) == (3, 2, "Accepted by the platform.")
    assert {name: row(server, booking)[name] for name in wrong} == {name: right[name] for name in wrong}


def test_a_message_that_comes_between_is_not_overwritten(server: ImaginaryAppwrite, booking: Booking) -> None:
    row(server, booking)["messageCount"] = 0
    server.between(
        len(server.requests) + 4, lambda: run(server, send_message(OURS, booking.id, sender_id="theo", body="later"))
    )
    room = run(server, refresh_room(OURS, booking.id))
    assert room is not None
    assert (room.message_count, room.last_user_n, room.last_message) == (2, 2, "later")


def test_where_there_is_no_room_there_is_nothing_to_rebuild(server: ImaginaryAppwrite) -> None:
    assert run(server, refresh_room(OURS, "f" * 28)) is None


# --- freezing by the clock --------------------------------------------------------------------------------------------
def test_a_room_freezes_two_days_after_the_end(server: ImaginaryAppwrite, booking: Booking) -> None:
    end = booking.ends_at + TWO_DAYS
    assert run(server, freeze_due(at(end - timedelta(milliseconds=1)))) == 0
    before = len(server.requests)
    assert run(server, freeze_due(at(end))) == 1
    assert len(writes(server, before)) == 1
    assert row(server, booking)["status"] == "frozen"
    before = len(server.requests)
    assert run(server, freeze_due(at(end))) == 0
    assert len(server.requests) == before + 1
    with pytest.raises(RoomFrozen, match="is closed"):
        run(server, send_message(OURS, booking.id, sender_id="carla", body="One more"))


@pytest.mark.parametrize("command", [Command.DECLINE, Command.CANCEL])
def test_one_that_did_not_come_about_freezes_two_days_after_that_was_decided(
    server: ImaginaryAppwrite, booking: Booking, command: Command
) -> None:
    move(server, booking, command)
    assert run(server, freeze_due(at(NOW + TWO_DAYS - timedelta(seconds=1)))) == 0
    assert run(server, freeze_due(at(NOW + TWO_DAYS))) == 1


def test_the_time_is_a_setting(server: ImaginaryAppwrite, booking: Booking) -> None:
    soon = replace(OURS, freeze_after=timedelta(hours=1))
    run(server, refresh_room(soon, booking.id))
    assert run(server, freeze_due(replace(soon, now=lambda: booking.ends_at + timedelta(hours=1)))) == 1


def test_it_moves_with_the_booking(server: ImaginaryAppwrite, booking: Booking) -> None:
    moved = move(server, booking, Command.RESCHEDULE, starts_at=booking.starts_at + timedelta(days=7))
    assert run(server, freeze_due(at(booking.ends_at + TWO_DAYS))) == 0
    assert run(server, freeze_due(at(moved.ends_at + TWO_DAYS))) == 1


def test_a_row_that_lags_behind_its_booking_freezes_nothing_early(server: ImaginaryAppwrite, booking: Booking) -> None:
    early = row(server, booking)["freezesAt"]
    moved = move(server, booking, Command.RESCHEDULE, starts_at=booking.starts_at + timedelta(days=7))
    row(server, booking)["freezesAt"] = early
    assert run(server, freeze_due(at(booking.ends_at + TWO_DAYS))) == 0
    assert row(server, booking)["status"] == "open"
    assert datetime.fromisoformat(row(server, booking)["freezesAt"]) == moved.ends_at + TWO_DAYS


def test_a_booking_that_is_moved_later_opens_its_room_again(server: ImaginaryAppwrite, booking: Booking) -> None:
    """Nobody started it: two days after its end ops agree with both on another day."""
    end = booking.ends_at + TWO_DAYS
    move(server, booking, Command.ACCEPT)
    run(server, freeze_due(at(end)))
    move(server, booking, Command.RESCHEDULE, at(end), starts_at=end.replace(minute=0) + timedelta(days=7))
    assert row(server, booking)["status"] == "open"


def test_no_more_are_frozen_at_once_than_asked_for(server: ImaginaryAppwrite) -> None:
    for day in range(5):
        booked(server, starts_at=NOW + timedelta(days=1 + day), ends_at=NOW + timedelta(days=1 + day, hours=1))
    late = at(NOW + timedelta(days=30))
    assert [run(server, freeze_due(late, limit=2)) for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.parametrize("limit", [0, -1, 5_001, True, "many", None])
def test_a_limit_is_a_number(server: ImaginaryAppwrite, limit: Any) -> None:
    with pytest.raises(InvalidInput, match="limit is a number"):
        run(server, freeze_due(OURS, limit=limit))


def test_one_that_cannot_be_frozen_keeps_no_other_from_it(server: ImaginaryAppwrite, booking: Booking) -> None:
    other = booked(server, therapist_id="thea")

    def deny(request: Request) -> None:
        if request.method == "PATCH" and booking.id in request.url:
            raise Unauthorized("not this one", status=401, type="user_unauthorized")

    server.before_each = deny
    with pytest.raises(Unauthorized):
        run(server, freeze_due(at(booking.ends_at + TWO_DAYS)))
    assert [row(server, each)["status"] for each in (booking, other)] == ["open", "frozen"]


def test_a_room_is_frozen_although_somebody_writes_at_that_moment(server: ImaginaryAppwrite, booking: Booking) -> None:
    late = at(booking.ends_at + TWO_DAYS)
    server.fates = iter([Fate.REFUSED])
    assert run(server, freeze_due(late)) == 1


# --- what ops say -----------------------------------------------------------------------------------------------------
def test_ops_open_a_room_again_for_as_long_as_they_say(server: ImaginaryAppwrite, booking: Booking) -> None:
    end = booking.ends_at + TWO_DAYS
    run(server, freeze_due(at(end)))
    until = end + timedelta(hours=3)
    room = run(server, reopen_room(at(end), booking.id, until=until))
    assert (room.status, room.freezes_at) == (RoomStatus.OPEN, until)
    run(server, send_message(at(end), booking.id, sender_id="carla", body="My scarf?"))
    assert run(server, freeze_due(at(until - timedelta(seconds=1)))) == 0
    run(server, refresh_room(at(until - timedelta(seconds=1)), booking.id))
    assert row(server, booking)["status"] == "open"
    assert run(server, freeze_due(at(until))) == 1


def test_opened_again_it_stays_open_for_as_long_as_after_an_end(server: ImaginaryAppwrite, booking: Booking) -> None:
    end = booking.ends_at + TWO_DAYS
    run(server, freeze_due(at(end)))
    assert run(server, reopen_room(at(end), booking.id)).freezes_at == end + TWO_DAYS


def test_a_room_that_ops_closed_stays_closed(server: ImaginaryAppwrite, booking: Booking) -> None:
    assert run(server, freeze_room(OURS, booking.id)).status is RoomStatus.FROZEN
    move(server, booking, Command.ACCEPT)  # its line is written all the same
    run(server, refresh_room(OURS, booking.id))
    assert (row(server, booking)["status"], row(server, booking)["messageCount"]) == ("frozen", 2)
    assert run(server, reopen_room(OURS, booking.id)).status is RoomStatus.OPEN


@pytest.mark.parametrize("until", [NOW, NOW.replace(tzinfo=None) + TWO_DAYS, "tomorrow"])
def test_until_lies_ahead(server: ImaginaryAppwrite, booking: Booking, until: Any) -> None:
    with pytest.raises(InvalidInput, match="until is an instant to come"):
        run(server, reopen_room(OURS, booking.id, until=until))


def test_there_has_to_be_a_room(server: ImaginaryAppwrite) -> None:
    for work in (freeze_room, reopen_room):
        with pytest.raises(NotFound, match="no chat room"):
            run(server, work(OURS, "f" * 28))
