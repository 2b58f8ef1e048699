"""Therapists: their public catalogue, and the terms that only they and ops see."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from massage_link.domain.calendar import Availability, Service, parse_availability, parse_services
from massage_link.domain.policy import CancellationPolicy, parse_policy
from massage_link.domain.rows import Name, Row, ShortText
from massage_link.errors import InvalidInput

__all__ = ["Therapist", "TherapistTerms"]


class Therapist(Row):
    """What everybody may know of a therapist. The row id is the user id.

    Attributes:
        timezone: IANA zone of the hours.
        hours: `Availability` as JSON text.
        services: a list of `Service` as JSON text.
        policy: `CancellationPolicy` as JSON text; empty for none.

    """

    name: Name
    timezone: ShortText
    hours: Annotated[str, Field(max_length=4_000)] = "{}"
    services: Annotated[str, Field(max_length=8_000)] = "[]"
    policy: Annotated[str, Field(max_length=1_000)] = ""
    active: bool = True

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the hours."""
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InvalidInput(f"therapist {self.id} has the time zone {self.timezone!r}, which is none.") from None

    @property
    def availability(self) -> Availability:
        """When they can be booked; InvalidInput when the row is malformed."""
        return parse_availability(self.hours)

    @property
    def offers(self) -> tuple[Service, ...]:
        """What they offer; InvalidInput when the row is malformed."""
        return parse_services(self.services)

    @property
    def cancellation_policy(self) -> CancellationPolicy | None:
        """What a cancellation costs; InvalidInput when the row is malformed."""
        return parse_policy(self.policy)

    def service(self, name: str) -> Service:
        """The service of this name.

        Raises:
            InvalidInput: they do not offer it; the message lists what they do.

        """
        for each in self.offers:
            if each.name == name:
                return each
        offered = ", ".join(each.name for each in self.offers) or "nothing"
        raise InvalidInput(f"{self.name} does not offer {name!r}; on offer: {offered}.")


class TherapistTerms(Row):
    """What is agreed with one therapist; absent means the defaults. The row id is the user id."""

    commission_bps: Annotated[int, Field(ge=0, le=10_000)] | None = None
    payout: Annotated[str, Field(max_length=1_000)] = ""
