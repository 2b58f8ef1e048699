"""A booking from its own history: what its events make of what it began with.

In direct-write mode a booking may have to be made anew, see `massage_link.usecases.restoring`. So the first event of an
admitted booking keeps what it began with, and the later ones say how it went on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from massage_link.domain.booking import Booking, BookingEvent, BookingEventType, Role, Status
from massage_link.domain.states import answer_by

__all__ = ["began_with", "beginning", "replayed"]

_BEGINNING = "booking"
#: What an event's data holds, in characters.
_ROOM = 4_000


def beginning(booking: Booking) -> str:
    """The data of the first event, from which the booking can be made anew.

    The customer's note is left out where it leaves no room: one of 2,000 characters, most of which JSON has to escape.
    """
    columns = booking.columns()
    text = _data(columns)
    return text if len(text) <= _ROOM else _data({**columns, "note": ""})


def _data(columns: Mapping[str, Any]) -> str:
    return json.dumps({_BEGINNING: columns}, ensure_ascii=False, sort_keys=True)


def began_with(event: BookingEvent) -> Booking | None:
    """The booking with which its first event began; None for one that says nothing of it."""
    columns = event.facts.get(_BEGINNING)
    return Booking.model_validate({**columns, "$id": event.booking_id}) if columns else None


def replayed(events: Sequence[BookingEvent]) -> Booking | None:
    """What a booking's events make of it.

    Args:
        events: all that it has, ascending by version.

    Returns:
        The booking, without the server's stamps and permissions; None when the first event does not say what it began
        with, as none does that was not admitted.

    """
    booking = began_with(events[0]) if events else None
    for event in events[1:]:
        if booking is not None:
            booking = booking.model_copy(update=_changes(booking, event))
    return booking


def _changes(booking: Booking, event: BookingEvent) -> dict[str, Any]:
    """What `massage_link.domain.states.decide` changed when it wrote the event."""
    changes: dict[str, Any] = {
        "status": event.to_status,
        "status_reason": event.reason,
        "version": event.version,
        "expires_at": None,
    }
    answered = event.type in {BookingEventType.ACCEPTED, BookingEventType.DECLINED}
    if answered and event.actor_role is not Role.SYSTEM:
        changes["responded_at"] = event.at
    if "toStartsAt" in event.facts:
        begin = datetime.fromisoformat(event.facts["toStartsAt"])
        changes |= {"starts_at": begin, "ends_at": begin + (booking.ends_at - booking.starts_at)}
        if event.to_status is Status.PENDING:
            changes |= {"expires_at": answer_by(event.at, begin), "responded_at": None}
    if event.facts.get("policyWaived"):
        changes["cancellation_policy"] = ""
    return changes
