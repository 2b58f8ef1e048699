"""Changes in words, as JSON, and without what steers a terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.domain.booking import Booking, Status
from massage_link.domain.commission import Commission, CommissionStatus
from massage_link.domain.draft import Draft
from massage_link.domain.rows import Row
from massage_link.worker.describing import as_json, countdown, described, plain, price, when
from worker_world import NOW, booking, change, said

COMMISSION = Commission(
    id="b1",
    therapist_id="ana",
    gross_minor=9_505,
    rate_bps=3_000,
    commission_minor=2_852,
    net_minor=6_653,
    currency="EUR",
    status=CommissionStatus.DUE,
)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            booking(area="Berlin-Mitte"),
            "request: Deep tissue, Wed 25 Nov 12:00-13:00, Berlin-Mitte, Mia Keller, 95.05 EUR [b1]",
        ),
        (
            booking(status=Status.CANCELLED, status_reason="Ill", customer_name=""),
            "cancelled: Deep tissue, Wed 25 Nov 12:00-13:00, mia (Ill) [b1]",
        ),
        (booking(status=Status.NO_SHOW), "no show: Deep tissue, Wed 25 Nov 12:00-13:00, Mia Keller [b1]"),
        (said(1, body="Is there\nparking?"), "message from mia: Is there parking? [b1]"),
        (Draft(id="b2", service="Thai", therapist_id="ana"), "incoming, being checked: Thai for ana [b2]"),
        (COMMISSION, "commission: 28.52 EUR of 95.05 EUR, due [b1]"),
        (Row(id="x1"), "bookings/x1/None"),
    ],
)
def test_a_change_is_one_line(row: Row, words: str) -> None:
    assert described(change(row)) == words


def test_a_long_message_is_cut() -> None:
    assert described(change(said(1, body="x" * 500))) == f"message from mia: {'x' * 99}… [b1]"


@given(st.text(max_size=60))
def test_no_text_of_a_customer_can_steer_the_terminal(text: str) -> None:
    line = described(change(booking(service=text, customer_name=text, status_reason=text, area=text)))
    assert line.isprintable() or not set(line) & {chr(code) for code in (*range(32), *range(127, 160))}
    assert "\u202e" not in line
    assert "\n" not in plain(text)


def test_times_are_those_of_the_place() -> None:
    assert when(booking(timezone="Asia/Tokyo")) == "Wed 25 Nov 21:00-22:00"
    assert when(booking(timezone="No/Where")) == "Wed 25 Nov 12:00-13:00"


def test_an_amount_of_no_known_currency_is_shown_as_it_is() -> None:
    assert (price(9_505, "EUR"), price(9_505, "JPY"), price(5, "???")) == ("95.05 EUR", "9,505 JPY", "5 ???")


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        (timedelta(hours=23, minutes=59, seconds=41), "23:59:41"),
        (timedelta(minutes=4, seconds=5), "4:05"),
        (timedelta(seconds=59, milliseconds=999), "0:59"),
        (timedelta(seconds=-1), "0:00"),
        (timedelta(hours=30), "30:00:00"),
    ],
)
def test_the_time_that_is_left(left: timedelta, shown: str) -> None:
    assert countdown(NOW + left, NOW) == shown


def test_no_limit_shows_no_time() -> None:
    assert countdown(None, NOW) == ""


def test_a_change_is_one_json_object_in_one_ascii_line() -> None:
    row = booking(customer_name="Zoë\n\u2028")
    line = as_json(change(row))
    assert line.isascii()
    assert len(line.splitlines()) == 1
    facts = json.loads(line)
    assert Booking.model_validate(facts.pop("row")) == row
    received = facts.pop("received_at")
    assert datetime.fromisoformat(received) == NOW
    assert datetime.fromisoformat(facts.pop("server_timestamp")).tzinfo == UTC
    assert facts == {
        "id": "bookings/b1/1",
        "kind": "created",
        "table": "bookings",
        "watch": "bookings",
        "row_id": "b1",
        "version": 1,
        "source": "live",
    }
