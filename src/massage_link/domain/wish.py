"""What somebody wants to book, before the therapist's catalogue has filled in the rest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from massage_link.domain.calendar import Service, refusal
from massage_link.domain.ids import checked_id
from massage_link.domain.money import Money
from massage_link.domain.people import Therapist
from massage_link.domain.policy import CancellationPolicy
from massage_link.domain.request import BookingRequest
from massage_link.errors import InvalidBooking, InvalidInput, NotAvailable

__all__ = ["BookingWish", "check_available"]

#: What nobody else can say: None is as wrong as any other value that does not fit.
_ASKED = {"customer_id", "therapist_id", "service", "starts_at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingWish:
    """What somebody wants to book. What is None comes from the therapist's catalogue.

    Args:
        customer_id, therapist_id: Appwrite user ids.
        service: what is booked.
        starts_at: the beginning, an aware instant.
        ends_at, price, timezone, therapist_name, buffer, cancellation_policy: None takes the catalogue's.
        area, address, note, customer_name, canary: as in `BookingRequest`.

    """

    customer_id: str
    therapist_id: str
    service: str
    starts_at: datetime
    ends_at: datetime | None = None
    price: Money | None = None
    timezone: str | None = None
    area: str = ""
    address: str = ""
    note: str = ""
    customer_name: str = ""
    therapist_name: str | None = None
    buffer: timedelta | None = None
    cancellation_policy: CancellationPolicy | None = None
    canary: bool = False

    def fingerprint(self) -> str:
        """64 hex digits that are the same for the same wish, by which a repeat is told from a different one."""
        facts = {each.name: _canonical(getattr(self, each.name)) for each in fields(self)}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def check_people(self) -> None:
        """Refuse ids that nobody can have, before anything is looked up by them.

        Raises:
            InvalidBooking: customer or therapist has such an id.

        """
        try:
            checked_id("customer_id", self.customer_id)
            checked_id("therapist_id", self.therapist_id)
        except InvalidInput as error:
            raise InvalidBooking(str(error)) from None

    def completed(self, therapist: Therapist | None) -> BookingRequest:
        """The request, with what the catalogue says in the places that were left open.

        Args:
            therapist: the therapist's row in the catalogue; None when there is none.

        Raises:
            InvalidBooking: something is missing that no catalogue says, or the service is not on offer.

        """
        service = None if therapist is None else self._offered(therapist)
        if self.price is None and service is None:
            raise InvalidBooking(f"therapist {self.therapist_id} has no catalogue: give the price of the booking.")
        if self.ends_at is None and service is None:
            raise InvalidBooking(f"therapist {self.therapist_id} has no catalogue: give ends_at, the booking's end.")
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        filled = {name: value for name, value in given.items() if value is not None or name in _ASKED}
        if therapist is not None:
            filled["therapist_id"] = therapist.id  # as the server spells it, which compares ids without case
        return BookingRequest(**(self._from_catalogue(therapist, service) | filled))

    def _offered(self, therapist: Therapist) -> Service | None:
        if not therapist.active:
            raise NotAvailable(f"{therapist.name} is not taking bookings.")
        try:
            return therapist.service(self.service)
        except InvalidInput as error:
            raise InvalidBooking(str(error)) from None

    def _end_of(self, service: Service) -> datetime:
        if not isinstance(self.starts_at, datetime) or self.starts_at.tzinfo is None:
            raise InvalidBooking(f"starts_at is a datetime with a time zone, not {self.starts_at!r}.")
        try:
            # In UTC: Python adds on the clock on the wall, which jumps where a zone's clocks change.
            return self.starts_at.astimezone(UTC) + service.duration
        except OverflowError:
            raise InvalidBooking(f"starts_at {self.starts_at.isoformat()} lies beyond the calendar.") from None

    def _from_catalogue(self, therapist: Therapist | None, service: Service | None) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        if therapist is not None:
            facts |= {
                "timezone": therapist.timezone,
                "therapist_name": therapist.name,
                "cancellation_policy": therapist.cancellation_policy,
            }
        if service is not None:
            facts |= {"price": service.price, "buffer": service.buffer}
            facts["ends_at"] = self._end_of(service)
        return facts


def check_available(request: BookingRequest, therapist: Therapist, now: datetime) -> None:
    """Refuse a time at which the therapist does not take bookings (other bookings aside).

    Raises:
        NotAvailable: with the reason.

    """
    reason = refusal(
        therapist.availability, therapist.zone, starts_at=request.starts_at, ends_at=request.ends_at, now=now
    )
    if reason is not None:
        raise NotAvailable(f"{therapist.name} cannot be booked then: {reason}.")


def _canonical(value: Any) -> Any:
    match value:
        case datetime():
            return value.timestamp() if value.tzinfo else value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Money():
            return [value.minor, value.currency]
        case CancellationPolicy():
            return value.text()
        case None | str() | bool() | int():
            return value
    return repr(value)  # not a booking; what comes next says so
