"""What is on the desk, and what keys make of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from massage_link.domain.booking import Booking, Status
from massage_link.domain.draft import Draft
from massage_link.domain.states import Command
from massage_link.worker.desk import Answer, Desk, Quit
from worker_world import NOW, booking, change, said


def desk(*requests: Booking) -> Desk:
    """A desk on which these requests have come in this order."""
    desk = Desk()
    desk.begin([], NOW)
    for each in requests:
        desk.arrived(change(each), NOW)
    return desk


def request(booking_id: str, *, hours: int = 24, **facts: Any) -> Booking:
    return booking(booking_id, expires_at=NOW + timedelta(hours=hours), **facts)


def press(desk: Desk, *keys: str) -> Any:
    """What the last of these keys wants."""
    return [desk.press(key, NOW) for key in keys][-1]


def test_the_request_that_expires_first_is_on_top() -> None:
    some = desk(request("b1", hours=3), request("b2", hours=1), request("b3", hours=2))
    assert [each.id for each in some.in_order()] == ["b2", "b3", "b1"]


def test_a_new_request_rings_and_nothing_else_does() -> None:
    some = Desk()
    assert some.arrived(change(request("b1")), NOW)
    assert not some.arrived(change(request("b1")), NOW)
    assert not some.arrived(change(said(1)), NOW)
    assert not some.arrived(change(request("b2", status=Status.ACCEPTED, version=2)), NOW)
    assert not some.arrived(change(request("b3", hours=0)), NOW)


def test_a_request_that_was_moved_rings_again() -> None:
    some = desk(request("b1"))
    assert some.arrived(change(request("b1", version=2)), NOW)
    assert some.requests["b1"].version == 2


def test_an_answered_request_goes() -> None:
    some = desk(request("b1"))
    some.arrived(change(request("b1", version=2, status=Status.CANCELLED)), NOW)
    assert some.requests == {}


def test_an_expired_request_goes_by_itself() -> None:
    some = desk(request("b1", hours=1), request("b2", hours=2))
    some.tick(NOW + timedelta(hours=1))
    assert [*some.requests] == ["b2"]


def test_requests_that_are_open_at_the_start_are_there() -> None:
    some = Desk()
    some.begin([request("b1"), request("b2")], NOW)
    assert {*some.requests} == {"b1", "b2"}


def test_a_list_read_at_the_start_does_not_bring_back_what_was_answered_meanwhile() -> None:
    some = Desk()
    some.arrived(change(request("b1", version=2, status=Status.ACCEPTED)), NOW)
    some.begin([request("b1"), request("b2")], NOW)
    assert [*some.requests] == ["b2"]


def test_a_draft_is_counted_until_it_becomes_a_booking() -> None:
    some = desk()
    some.arrived(change(Draft(id="b1", service="Thai", therapist_id="ana"), watch="drafts"), NOW)
    assert [*some.drafts] == ["b1"]
    some.arrived(change(request("b1")), NOW)
    assert some.drafts == {}
    assert [*some.requests] == ["b1"]


# --- selecting --------------------------------------------------------------------------------------------------------
def test_the_first_request_on_an_empty_desk_is_selected() -> None:
    assert desk(request("b1"), request("b2")).selected == "b1"


def test_arrows_and_letters_move_the_selection_and_stop_at_the_ends() -> None:
    some = desk(request("b1", hours=1), request("b2", hours=2), request("b3", hours=3))
    for key, selected in [("down", "b2"), ("j", "b3"), ("down", "b3"), ("k", "b2"), ("up", "b1"), ("up", "b1")]:
        press(some, key)
        assert some.selected == selected


def test_the_selection_follows_the_request_and_not_the_place() -> None:
    some = desk(request("b2", hours=2), request("b3", hours=3))
    some.arrived(change(request("b1", hours=1)), NOW)
    answer = press(some, "a")
    assert (answer.booking.id, answer.command) == ("b2", Command.ACCEPT)


def test_when_the_selected_request_goes_a_key_hits_nothing() -> None:
    some = desk(request("b1", hours=1), request("b2", hours=2))
    some.arrived(change(request("b1", version=2, status=Status.CANCELLED)), NOW)
    assert press(some, "a") is None
    assert press(some, "d") is None
    assert "Select a request first" in some.lines[-1][1]
    assert press(some, "down", "a").booking.id == "b2"


def test_a_key_pressed_at_the_moment_of_expiry_hits_nothing() -> None:
    some = desk(request("b1", hours=1), request("b2", hours=2))
    assert some.press("a", NOW + timedelta(hours=1)) is None


@given(st.lists(st.sampled_from(["up", "down", "j", "k", "a", "d", "enter", "escape", "x", "backspace"]), max_size=30))
def test_whatever_is_pressed_only_open_requests_are_answered_and_each_once(keys: list[str]) -> None:
    some = desk(*(request(f"b{n}", hours=n) for n in range(1, 4)))
    orders = [order for key in keys if (order := some.press(key, NOW)) is not None]
    asked = [order.booking.id for order in orders if isinstance(order, Answer)]
    assert len(asked) == len(orders) == len(set(asked))
    assert set(asked) <= {"b1", "b2", "b3"}
    assert some.selected in {"b1", "b2", "b3"}


# --- answering --------------------------------------------------------------------------------------------------------
def test_a_second_press_while_the_answer_is_under_way_does_nothing() -> None:
    some = desk(request("b1"))
    assert press(some, "a") == Answer(request("b1"), Command.ACCEPT)
    assert press(some, "a") is None
    assert press(some, "d") is None
    assert some.reason is None


def test_an_answer_that_failed_can_be_given_again() -> None:
    some = desk(request("b1"))
    press(some, "a")
    some.answered(request("b1"), None, NOW)
    assert press(some, "a") == Answer(request("b1"), Command.ACCEPT)


def test_an_answered_request_leaves_without_waiting_for_the_event() -> None:
    some = desk(request("b1"))
    press(some, "a")
    some.answered(request("b1"), request("b1", version=2, status=Status.ACCEPTED), NOW)
    assert some.requests == {}
    assert some.selected is None


def test_an_answer_that_came_too_late_shows_the_request_as_it_is_now() -> None:
    some = desk(request("b1"))
    press(some, "a")
    some.answered(request("b1"), request("b1", version=2), NOW)
    assert press(some, "a") == Answer(request("b1", version=2), Command.ACCEPT)


def test_declining_asks_for_a_reason() -> None:
    some = desk(request("b1"))
    keys = ["d", *"Ill, a", "d", *["backspace"] * 4, "enter"]
    assert press(some, *keys) == Answer(request("b1"), Command.DECLINE, "Ill")
    assert some.reason is None


def test_a_reason_may_be_empty() -> None:
    assert press(desk(request("b1")), "d", "enter") == Answer(request("b1"), Command.DECLINE, "")


def test_escape_keeps_the_request() -> None:
    some = desk(request("b1"))
    assert press(some, "d", "x", "escape") is None
    assert some.reason is None
    assert [*some.requests] == ["b1"]


def test_a_reason_has_at_most_as_many_characters_as_a_booking_takes() -> None:
    answer = press(desk(request("b1")), "d", *("x" * 600), "enter")
    assert len(answer.reason) == 500


def test_a_request_that_changes_while_its_reason_is_typed_is_not_declined() -> None:
    for later in (request("b1", version=2), request("b1", version=2, status=Status.CANCELLED)):
        some = desk(request("b1"))
        press(some, "d", "x")
        some.arrived(change(later), NOW)
        assert some.reason is None
        assert press(some, "enter") is None


def test_q_leaves_but_is_a_letter_in_a_reason() -> None:
    some = desk(request("b1"))
    assert press(some, "q") == Quit()
    assert press(some, "d", "q", "enter").reason == "q"


def test_keys_on_an_empty_desk_do_nothing() -> None:
    some = desk()
    assert [press(some, key) for key in ("up", "down", "a", "d", "enter", "escape", "x")] == [None] * 7
    assert [*some.lines] == []
