"""What a room says of its booking, and when it freezes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from massage_link.domain.booking import Booking, BookingEvent, BookingEventType, Role, Status
from massage_link.domain.chat import MessageKind
from massage_link.domain.lines import event_client_id, freeze_time, line, opening_line

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
AFTER = timedelta(hours=48)


def booking(**changes: Any) -> Booking:
    """A request for tomorrow."""
    facts: dict[str, Any] = {
        "id": "b1",
        "customer_id": "c1",
        "therapist_id": "t1",
        "service": "Swedish",
        "starts_at": NOW + timedelta(days=1),
        "ends_at": NOW + timedelta(days=1, hours=1),
        "timezone": "Europe/Berlin",
        "duration_minutes": 60,
        "price_minor": 9_500,
        "currency": "EUR",
        "status": Status.PENDING,
    }
    return Booking(**{**facts, **changes})


def event(kind: str, role: Role = Role.THERAPIST, **changes: Any) -> BookingEvent:
    """An event of booking ``b1``, as far as a line looks at it."""
    facts: dict[str, Any] = {
        "id": "b1_4",
        "booking_id": "b1",
        "version": 4,
        "command_id": "c",
        "type": BookingEventType(kind),
        "actor": "somebody",
        "actor_role": role,
        "from_status": Status.ACCEPTED,
        "to_status": Status.ACCEPTED,
        "at": NOW,
    }
    return BookingEvent(**{**facts, **changes})


@pytest.mark.parametrize(
    ("kind", "role", "text"),
    [
        ("accepted", Role.THERAPIST, "Accepted by the therapist."),
        ("declined", Role.THERAPIST, "Declined by the therapist."),
        ("expired", Role.SYSTEM, "Expired: nobody answered in time."),
        ("cancelled", Role.CUSTOMER, "Cancelled by the customer."),
        ("started", Role.OPS, "Started by the platform."),
        ("completed", Role.THERAPIST, "Completed by the therapist."),
        ("no_show", Role.THERAPIST, "Noted as a no-show by the therapist."),
        ("rescheduled", Role.CUSTOMER, "Moved by the customer."),
    ],
)
def test_each_change_has_its_words(kind: str, role: Role, text: str) -> None:
    assert line(event(kind, role), 7).body == text


def test_a_line_is_the_platform_s_and_its_client_id_names_the_change() -> None:
    told = line(event("accepted"), 7)
    assert (told.id, told.n, told.room_id) == ("b1_7", 7, "b1")
    assert (told.sender_id, told.kind, told.client_id) == ("system", MessageKind.SYSTEM, event_client_id(4))
    assert told.sent_at == NOW


def test_it_says_from_when_to_when_a_booking_was_moved() -> None:
    moved = {"fromStartsAt": "2026-11-24T09:00:00.000+00:00", "toStartsAt": "2026-11-25T10:30:00.000+00:00"}
    told = line(event("rescheduled", Role.CUSTOMER, to_status=Status.PENDING, data=json.dumps(moved)), 2)
    assert told.body == (
        "Moved by the customer from 2026-11-24 09:00 UTC to 2026-11-25 10:30 UTC.\n"
        "The therapist has to accept it again."
    )


def test_a_reason_stands_as_it_was_written() -> None:
    assert line(event("cancelled", reason="<b>Grippe</b> 🤒"), 2).body == (
        "Cancelled by the therapist: <b>Grippe</b> 🤒"
    )


def test_it_names_the_fee_or_that_there_is_none() -> None:
    owed = {"feeMinor": 4_753, "currency": "EUR"}
    assert line(event("cancelled", Role.CUSTOMER, data=json.dumps(owed)), 2).body.endswith("\nFee: 47.53 EUR.")
    waived = line(event("cancelled", Role.OPS, reason="goodwill", data='{"feeWaived": true}'), 2)
    assert waived.body == "Cancelled by the platform: goodwill\nThe fee was waived."


def test_a_room_opens_with_what_it_is_about() -> None:
    about = booking(service="Thai", duration_minutes=90, area="Berlin-Mitte")
    told = opening_line(about, NOW)
    assert (told.n, told.client_id) == (1, "opened")
    assert told.body == f"Thai, 90 minutes, {about.starts_at:%Y-%m-%d %H:%M} UTC, Berlin-Mitte"


@pytest.mark.parametrize("status", Status)
def test_it_freezes_after_the_end_or_after_it_was_decided_that_there_is_none(status: Status) -> None:
    changed_at = datetime(2026, 11, 1, tzinfo=UTC)
    about = booking(status=status)
    nothing_came_of_it = status in {Status.DECLINED, Status.EXPIRED, Status.CANCELLED}
    assert freeze_time(about, changed_at, AFTER) == (changed_at if nothing_came_of_it else about.ends_at) + AFTER
