"""Therapists: their public catalogue, and the terms that only they and ops see."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from massage_link.domain.rows import Name, Row, ShortText

__all__ = ["Therapist", "TherapistTerms"]

_Minutes = Annotated[int, Field(ge=0, le=24 * 60)]


class Therapist(Row):
    """What everybody may know of a therapist. The row id is the user id.

    Attributes:
        timezone: IANA zone of the hours.
        hours: weekly hours as JSON text.
        services: services with prices and durations as JSON text.
        buffer_minutes: time kept free before and after each booking.

    """

    name: Name
    timezone: ShortText
    hours: Annotated[str, Field(max_length=4_000)] = "{}"
    services: Annotated[str, Field(max_length=8_000)] = "[]"
    buffer_minutes: _Minutes = 0
    active: bool = True


class TherapistTerms(Row):
    """What is agreed with one therapist; absent means the defaults. The row id is the user id."""

    commission_bps: Annotated[int, Field(ge=0, le=10_000)] | None = None
    payout: Annotated[str, Field(max_length=1_000)] = ""
