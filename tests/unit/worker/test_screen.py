"""The screen: what is drawn, at any size, whatever customers write."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from massage_link.domain.booking import Booking
from massage_link.domain.draft import Draft
from massage_link.realtime import ConnectionState
from massage_link.realtime.state import StateName
from massage_link.worker.desk import Desk
from massage_link.worker.screen import Header, draw
from worker_world import NOW, booking, change, said


def shown(desk: Desk, header: Header | None = None, *, width: int = 110, height: int = 24, now: datetime = NOW) -> str:
    console = Console(width=width, height=height, force_terminal=True, color_system=None, legacy_windows=False)
    header = header or Header("Ana Berg", ConnectionState("live", NOW))
    with console.capture() as captured:
        console.print(draw(desk, header, now, height=height), height=height)
    return captured.get()


def desk(*requests: Booking) -> Desk:
    desk = Desk()
    for each in requests:
        desk.arrived(change(each), NOW)
    return desk


def test_a_request_is_shown_with_all_that_one_decides_by() -> None:
    text = shown(desk(booking(area="Berlin-Mitte", note="Please bring oil.")))
    for fact in ("24:00:00", "Wed 25 Nov 12:00-13:00", "Deep tissue", "Berlin-Mitte", "Mia Keller", "95.05 EUR"):
        assert fact in text
    assert "Please bring oil." in text
    assert "booking b1, 60 minutes" in text
    assert "Ana Berg · 1 request " in text
    assert "● live" in text
    assert "a accept" in text


def test_an_empty_desk_says_so() -> None:
    text = shown(desk())
    assert "No request waits for an answer." in text
    assert "0 requests" in text


def test_the_countdown_goes_on() -> None:
    text = shown(desk(booking()), now=NOW + timedelta(hours=23, minutes=55, seconds=1))
    assert " 4:59 " in text


def test_the_selected_request_is_marked() -> None:
    some = desk(booking("b1", service="Thai"), booking("b2", service="Shiatsu"))
    some.press("down", NOW)
    lines = shown(some).splitlines()
    assert [("▸" in line) for line in lines if "Thai" in line or "Shiatsu" in line][:2] == [False, True]


def test_more_requests_than_lines_scroll_with_the_selection() -> None:
    some = desk(
        *(booking(f"b{n:02}", service=f"Service {n:02}", expires_at=NOW + timedelta(hours=n + 1)) for n in range(40))
    )
    assert "Service 00" in shown(some)
    some.lines.clear()
    for _ in range(39):
        some.press("down", NOW)
    text = shown(some)
    assert "Service 39" in text
    assert "Service 00" not in text


def test_a_request_being_answered_says_so() -> None:
    some = desk(booking())
    some.press("a", NOW)
    assert "answering…" in shown(some)


def test_the_reason_is_shown_as_it_is_typed() -> None:
    some = desk(booking())
    for key in ("d", *"no time"):
        some.press(key, NOW)
    text = shown(some)
    assert "Reason for declining, said to Mia Keller: no time" in text
    assert "Esc keeps the request" in text


def test_the_latest_lines_are_shown_with_their_time() -> None:
    some = desk(booking())
    some.arrived(change(said(1, body="Is there parking?")), NOW)
    assert "12:00:00  message from mia: Is there parking?" in shown(some)


def test_drafts_are_counted_and_therapists_named_for_a_dispatcher() -> None:
    some = desk(booking(therapist_name="Ana Berg"))
    some.arrived(change(Draft(id="b9")), NOW)
    text = shown(some, Header("Ops", shows_therapists=True))
    assert "1 request, 1 being checked" in text
    assert "therapist" in text
    assert text.count("Ana Berg") == 1


@pytest.mark.parametrize("name", ["connecting", "catching up", "live", "reconnecting", "closed"])
def test_the_connection_is_shown(name: StateName) -> None:
    state = ConnectionState(name, NOW, reason="the server\x1b[2J is away")
    text = shown(desk(), Header("Ana", state))
    assert f"● {name}: the server [2J is away" in text


@given(text=st.text(max_size=200), width=st.integers(40, 200), height=st.integers(8, 60))
def test_whatever_is_written_and_however_small_the_terminal_it_is_drawn_within(
    text: str, width: int, height: int
) -> None:
    some = desk(booking(service=text[:128], customer_name=text[:128], area=text[:128], note=text))
    some.arrived(change(said(1, body=text or "x")), NOW)
    drawn = shown(some, Header(text), width=width, height=height)
    assert len(drawn.split("\n")) <= height + 1
    assert not set(drawn) & {chr(code) for code in (*range(10), *range(11, 32), *range(127, 160))}
