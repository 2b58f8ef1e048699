"""Presences: absent without an error where the server has none, and told when something else is wrong."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from imaginary import NOW, ImaginaryAppwrite, ports, run, wish
from massage_link.client.flow import Request
from massage_link.domain.booking import Booking
from massage_link.errors import NotAllowed, NotAppwrite, NotFound, RowNotFound
from massage_link.usecases.bookings import request_booking
from massage_link.usecases.chat import ensure_room
from massage_link.usecases.ports import Ports
from massage_link.usecases.presence import ONLINE_FOR, TYPING_FOR, Presence, appear, present

OURS: Ports = ports()


class Presences:
    """The part of a server that the imagined one lacks: answers to ``/presences``."""

    def __init__(self, server: ImaginaryAppwrite, error: Exception | None = None) -> None:
        self.server, self.error = server, error
        self.put: list[dict[str, object]] = []
        server.other = self.answer

    def answer(self, request: Request) -> object:
        """A presence, or the list of them."""
        if self.error is not None:
            raise self.error
        if request.method == "PUT":
            self.put.append(json.loads(request.content or b"{}"))
            return self.put[-1]
        return {"total": len(self.put), "presences": self.put}


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


@pytest.mark.parametrize(("typing", "status", "lasts"), [(True, "typing", TYPING_FOR), (False, "online", ONLINE_FOR)])
def test_it_is_readable_by_the_two_people_and_ends_by_itself(
    server: ImaginaryAppwrite, booking: Booking, typing: bool, status: str, lasts: timedelta
) -> None:
    presences = Presences(server)
    said = run(server, appear(OURS, booking.id, user_id="carla", typing=typing))
    assert said == Presence("carla", typing, NOW + lasts)
    (body,) = presences.put
    assert (body["userId"], body["status"], body["metadata"]) == ("carla", status, {"room": booking.id})
    assert body["permissions"] == ['read("user:carla")', 'read("user:theo")']
    assert run(server, present(OURS, booking.id)) == [said]


def test_who_is_in_another_room_is_not_here(server: ImaginaryAppwrite, booking: Booking) -> None:
    presences = Presences(server)
    presences.put += [
        {"userId": "carla", "status": "online", "metadata": {"room": "another"}},
        {"userId": "theo", "status": "away", "metadata": []},  # said by another program: PHP's empty object
    ]
    assert run(server, present(OURS, booking.id)) == []


@pytest.mark.parametrize(
    "error",
    [
        NotAppwrite("a page", status=404),
        RowNotFound("no route", status=404, type="general_route_not_found"),
    ],
)
def test_a_server_that_has_none_is_no_error(server: ImaginaryAppwrite, booking: Booking, error: Exception) -> None:
    Presences(server, error)
    assert run(server, appear(OURS, booking.id, user_id="carla")) is None
    assert run(server, present(OURS, booking.id)) == []


@pytest.mark.parametrize(
    "error",
    [
        NotAppwrite("a proxy's page", status=200),
        RowNotFound("no such user", status=404, type="user_not_found"),
    ],
)
def test_what_else_is_wrong_is_told(server: ImaginaryAppwrite, booking: Booking, error: Exception) -> None:
    Presences(server, error)
    with pytest.raises(type(error)):
        run(server, appear(OURS, booking.id, user_id="carla"))


def test_only_participants_of_a_room_that_is_there_appear(server: ImaginaryAppwrite, booking: Booking) -> None:
    with pytest.raises(NotAllowed):
        run(server, appear(OURS, booking.id, user_id="eve"))
    with pytest.raises(NotFound):
        run(server, appear(OURS, "f" * 28, user_id="carla"))


def test_it_survives_the_way_through_json() -> None:
    for said in (Presence("carla", typing=True, until=NOW), Presence("carla", typing=False)):
        assert Presence.from_json(json.loads(json.dumps(said.as_json()))) == said
