"""The lines by which a room tells what became of its booking: texts of the platform, with the facts of an event.

What people wrote (a reason) stands in them as they wrote it: text, never markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from massage_link.domain.booking import Booking, BookingEvent, BookingEventType, Status
from massage_link.domain.chat import SYSTEM_SENDER, ChatMessage, MessageKind, message
from massage_link.domain.money import Money
from massage_link.domain.states import LIVE

__all__ = ["OPENED", "ended_by_its_change", "event_client_id", "freeze_time", "line", "opening_line"]

#: Client id of the message with which every room begins.
OPENED = "opened"
_DONE: Mapping[BookingEventType, str] = {
    BookingEventType.ACCEPTED: "Accepted",
    BookingEventType.DECLINED: "Declined",
    BookingEventType.CANCELLED: "Cancelled",
    BookingEventType.STARTED: "Started",
    BookingEventType.COMPLETED: "Completed",
    BookingEventType.NO_SHOW: "Noted as a no-show",
    BookingEventType.RESCHEDULED: "Moved",
}
#: States in which it has ended with the appointment.
_TAKEN_PLACE = frozenset({Status.COMPLETED, Status.NO_SHOW})


def event_client_id(version: int) -> str:
    """Client id of the line that tells of a change; no sender can choose it, because theirs hold no colon."""
    return f"event:{version}"


def opening_line(booking: Booking, now: datetime) -> ChatMessage:
    """The first message of a booking's room: what it is about."""
    place = f", {booking.area}" if booking.area else ""
    body = f"{booking.service}, {booking.duration_minutes} minutes, {_shown(booking.starts_at)}{place}"
    return _system_message(booking.id, 1, OPENED, body, now)


def line(event: BookingEvent, n: int) -> ChatMessage:
    """The n-th message of a room, when it tells of this event."""
    return _system_message(event.booking_id, n, event_client_id(event.version), _text(event), event.at)


def freeze_time(booking: Booking, changed_at: datetime, after: timedelta) -> datetime:
    """When the room of a booking freezes.

    Args:
        booking: as it is.
        changed_at: when it came into its state.
        after: how long after its end; the end of one that did not take place is when that was decided.

    """
    return (changed_at if ended_by_its_change(booking) else booking.ends_at) + after


def ended_by_its_change(booking: Booking) -> bool:
    """Whether the appointment does not take place, so that its end is when that was decided."""
    return booking.status not in LIVE | _TAKEN_PLACE


def _system_message(room_id: str, n: int, client_id: str, body: str, at: datetime) -> ChatMessage:
    return message(
        room_id, n, sender_id=SYSTEM_SENDER, client_id=client_id, body=body, sent_at=at, kind=MessageKind.SYSTEM
    )


def _text(event: BookingEvent) -> str:
    if event.type is BookingEventType.EXPIRED:
        return "Expired: nobody answered in time."
    text = f"{_DONE.get(event.type, event.type.capitalize())} by {_who(event)}{_times(event)}"
    text += f": {event.reason}" if event.reason else "."
    return "\n".join([text, *_consequences(event)])


def _who(event: BookingEvent) -> str:
    return {"customer": "the customer", "therapist": "the therapist"}.get(event.actor_role, "the platform")


def _times(event: BookingEvent) -> str:
    facts = event.facts
    if "fromStartsAt" not in facts:
        return ""
    before, after = (_shown(datetime.fromisoformat(facts[name])) for name in ("fromStartsAt", "toStartsAt"))
    return f" from {before} to {after}"


def _consequences(event: BookingEvent) -> list[str]:
    facts, told = event.facts, []
    if (event.from_status, event.to_status) == (Status.ACCEPTED, Status.PENDING):
        told.append("The therapist has to accept it again.")
    if "feeMinor" in facts:
        told.append(f"Fee: {Money(facts['feeMinor'], facts['currency'])}.")
    if facts.get("feeWaived"):
        told.append("The fee was waived.")
    return told


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
