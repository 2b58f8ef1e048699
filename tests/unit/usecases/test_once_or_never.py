"""Whatever becomes of each request: the work is done once or never, and what the caller is told is true."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fates import FATES, THOROUGHLY, Fates, check_truth, moved, told
from imaginary import Fate, ImaginaryAppwrite, ports, run, wish
from massage_link.domain.states import Command
from massage_link.errors import MassageLinkError, OutcomeUnknown, SlotTaken, StaleBooking
from massage_link.usecases.bookings import request_booking
from massage_link.usecases.chat import ensure_room, send_message
from massage_link.usecases.commissions import ensure_commission
from massage_link.usecases.lookups import get_booking
from massage_link.usecases.system_lines import ensure_lines


def check_lines(server: ImaginaryAppwrite, booking_id: str, events: int) -> None:
    """A line for each change at most, and after the sweeper's work exactly one."""
    for sweeps in range(2):
        told = sorted(row["clientId"] for row in server.rows("chat_messages").values())
        wanted = [f"event:{version}" for version in range(2, 2 + events)]
        assert set(told) <= {*wanted, "opened"}
        assert len(told) == len(set(told))
        assert not sweeps or set(wanted) <= set(told)
        assert sorted(row["n"] for row in server.rows("chat_messages").values()) == list(range(1, 1 + len(told)))
        run(server, ensure_lines(ports(), run(server, get_booking(ports(), booking_id))))


@THOROUGHLY
@given(FATES, st.sampled_from([None, "key"]))
def test_a_request_is_booked_once_or_never(fates: Fates, key: str | None) -> None:
    server = ImaginaryAppwrite()
    result, error = told(server, request_booking(ports(), wish(), idempotency_key=key), fates)
    bookings = server.rows("bookings")
    check_truth(len(bookings), result, error)
    for table, rows in (("booking_terms", 1), ("booking_places", 1), ("booking_events", 1), ("slots", 12)):
        assert len(server.rows(table)) == rows * len(bookings)
    assert len(server.rows("booking_keys")) == (len(bookings) if key else 0)


@THOROUGHLY
@given(FATES)
def test_a_request_that_is_repeated_with_its_key_is_booked_once(fates: Fates) -> None:
    server, ours = ImaginaryAppwrite(), ports()
    told(server, request_booking(ours, wish(), idempotency_key="key"), fates)
    booking = run(server, request_booking(ours, wish(), idempotency_key="key"))
    assert set(server.rows("bookings")) == {booking.id}


@THOROUGHLY
@given(FATES)
def test_a_request_for_a_time_that_is_taken_is_never_booked(fates: Fates) -> None:
    server, ours = ImaginaryAppwrite(), ports()
    first = run(server, request_booking(ours, wish()))
    result, error = told(server, request_booking(ours, wish(customer_id="cora")), fates)
    assert result is None
    if not fates.writes and not fates.reads:
        assert isinstance(error, SlotTaken)
    assert set(server.rows("bookings")) == {first.id}


@THOROUGHLY
@given(FATES, st.sampled_from([Command.ACCEPT, Command.DECLINE, Command.CANCEL]))
def test_a_booking_is_moved_once_or_never(fates: Fates, command: Command) -> None:
    server, ours = ImaginaryAppwrite(), ports()
    booking = run(server, request_booking(ours, wish()))
    result, error = told(server, moved(ours, booking.id, command), fates)
    events = len(server.rows("booking_events")) - 1
    if not isinstance(error, OutcomeUnknown):
        check_truth(events, result, error)
    stored = server.rows("bookings")[booking.id]
    assert stored["version"] == 1 + events
    assert events in {0, 1}
    check_lines(server, booking.id, events)
    ended = events and command is not Command.ACCEPT
    assert len(server.rows("slots")) == (0 if ended else 12)
    commissions = list(server.rows("commissions").values())
    assert len(server.rows("commission_entries")) == len(commissions) + bool(ended)
    if ended:
        assert [row["status"] for row in commissions] == ["void"]


@THOROUGHLY
@given(FATES, st.integers(0, 12))
def test_of_two_who_move_a_booking_only_one_is_told_that_it_did(fates: Fates, after: int) -> None:
    """A rival declines while we accept: between two requests of ours, whichever."""
    server, ours = ImaginaryAppwrite(), ports()
    booking = run(server, request_booking(ours, wish()))
    rival: list[object] = []

    def decline() -> None:
        with suppress(MassageLinkError):  # we were first
            rival.append(run(server, moved(ports(), booking.id, Command.DECLINE)))

    server.between(len(server.requests) + after, decline)
    result, error = told(server, moved(ours, booking.id, Command.ACCEPT), fates)
    status = server.rows("bookings")[booking.id]["status"]
    if result is not None:
        assert (status, rival) == ("accepted", [])
    elif isinstance(error, StaleBooking):
        assert (status, error.current.status) == ("declined", "declined")
    elif not isinstance(error, OutcomeUnknown):
        assert status == ("declined" if rival else "pending"), error


@THOROUGHLY
@given(FATES)
def test_a_commission_is_written_once_or_never(fates: Fates) -> None:
    server, ours = ImaginaryAppwrite(), ports()
    booking = run(server, request_booking(ours, wish()))
    result, error = told(server, ensure_commission(ours, booking.id), fates)
    check_truth(len(server.rows("commissions")), result, error)
    assert len(server.rows("commission_entries")) == len(server.rows("commissions"))


@THOROUGHLY
@given(FATES, st.sampled_from([None, "phone-1"]))
def test_a_message_is_sent_once_or_never(fates: Fates, client_id: str | None) -> None:
    server, ours = ImaginaryAppwrite(), ports()
    booking = run(server, request_booking(ours, wish()))
    run(server, ensure_room(ours, booking.id))
    flow = send_message(ours, booking.id, sender_id="carla", body="Hello", client_id=client_id)
    result, error = told(server, flow, fates)
    sent = [row for row in server.rows("chat_messages").values() if row["senderId"] == "carla"]
    check_truth(len(sent), result, error)
    assert sorted(row["n"] for row in server.rows("chat_messages").values()) == list(range(1, 2 + len(sent)))


@THOROUGHLY
@given(FATES)
def test_a_room_is_opened_with_its_first_message_or_not_at_all(fates: Fates) -> None:
    server, ours = ImaginaryAppwrite(), ports()
    booking = run(server, request_booking(ours, wish()))
    result, _ = told(server, ensure_room(ours, booking.id), fates)
    rooms, messages = server.rows("chat_rooms"), server.rows("chat_messages")
    assert len(rooms) <= len(messages) <= 1
    assert result is None or len(rooms) == 1


@pytest.mark.parametrize("delay", range(8))
def test_a_commit_that_comes_between_two_looks_is_not_taken_for_somebody_else_s(delay: int) -> None:
    """The slots are read before the event: whoever holds them has an event by then, and so have we."""
    server = ImaginaryAppwrite()
    result, error = told(server, request_booking(ports(), wish()), Fates([Fate.FINE, Fate.FINE, Fate.LATE], [], delay))
    assert error is None
    assert set(server.rows("bookings")) == {result.id}


def test_a_refusal_after_an_unclear_commit_is_called_unknown() -> None:
    server = ImaginaryAppwrite()
    fates = Fates([Fate.FINE, Fate.FINE, Fate.LATE, Fate.DENIED], [], 100)
    result, error = told(server, request_booking(ports(), wish()), fates)
    assert result is None
    assert isinstance(error, OutcomeUnknown)
    assert "may still be under way" in str(error)
    assert len(server.rows("bookings")) == 1
