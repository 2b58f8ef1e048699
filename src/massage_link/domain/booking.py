"""The rows that make up a booking."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from massage_link.domain.commission import Rounding
from massage_link.domain.money import Money
from massage_link.domain.policy import CancellationPolicy, parse_policy
from massage_link.domain.rows import BookingId, Code, Minor, Name, Row, ShortText, UserId, UtcDatetime
from massage_link.domain.slots import buckets

__all__ = [
    "Booking",
    "BookingEvent",
    "BookingEventType",
    "BookingKey",
    "BookingPlace",
    "BookingTerms",
    "Role",
    "Slot",
    "Status",
]

Version = Annotated[int, Field(ge=1, le=10**7)]
_Minutes = Annotated[int, Field(ge=0, le=24 * 60)]
_Reason = Annotated[str, Field(max_length=500)]


class Status(StrEnum):
    """Where a booking stands; `massage_link.domain.states` says what may follow."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    NO_SHOW = "no_show"


class Role(StrEnum):
    """In what part somebody acts on a booking."""

    CUSTOMER = "customer"
    THERAPIST = "therapist"
    OPS = "ops"
    SYSTEM = "system"


class BookingEventType(StrEnum):
    """What happened to a booking."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    STARTED = "started"
    COMPLETED = "completed"
    NO_SHOW = "no_show"
    RESCHEDULED = "rescheduled"


class Booking(Row):
    """A booking as customer and therapist see it.

    Attributes:
        starts_at, ends_at: instants, UTC; `timezone` (IANA) is where the massage takes place, for display.
        duration_minutes, buffer_minutes: length, and the time kept free before and after.
        area: coarse place ("Berlin-Mitte"); the exact address is a `BookingPlace`.
        price_minor, currency: what the customer pays, in minor units; `price` is both as `Money`.
        version: 1 when requested, one more with each change; equals the number of its events.
        expires_at: until when the therapist may answer; None once answered.

    """

    customer_id: UserId
    therapist_id: UserId
    service: Name
    starts_at: UtcDatetime
    ends_at: UtcDatetime
    timezone: ShortText
    duration_minutes: _Minutes
    buffer_minutes: _Minutes = 0
    area: Name = ""
    price_minor: Minor
    currency: Code
    status: Status
    status_reason: _Reason = ""
    version: Version = 1
    expires_at: UtcDatetime | None = None
    responded_at: UtcDatetime | None = None
    customer_name: Name = ""
    therapist_name: Name = ""
    note: Annotated[str, Field(max_length=2_000)] = ""
    cancellation_policy: Annotated[str, Field(max_length=1_000)] = ""
    canary: bool = False

    @property
    def price(self) -> Money:
        """What the customer pays."""
        return Money(self.price_minor, self.currency)

    @property
    def buffer(self) -> timedelta:
        """Time kept free before and after."""
        return timedelta(minutes=self.buffer_minutes)

    @property
    def policy(self) -> CancellationPolicy | None:
        """What a cancellation costs, as agreed; None when nothing was."""
        return parse_policy(self.cancellation_policy)

    @property
    def free_until(self) -> datetime | None:
        """Until when the customer may cancel it free of charge once accepted; None when that never costs anything."""
        policy = self.policy
        if policy is None or policy.fee_bps == 0:
            return None
        return self.starts_at - timedelta(hours=policy.free_until_hours)

    @property
    def buckets(self) -> range:
        """Numbers of the five-minute slots that it holds while it is live."""
        return buckets(self.starts_at, self.ends_at, self.buffer)


class BookingKey(Row):
    """Which booking an idempotency key made."""

    booking_id: BookingId
    request_hash: ShortText


class BookingTerms(Row):
    """What was agreed with the therapist when the booking was made, frozen. The row id is the booking id."""

    commission_bps: Annotated[int, Field(ge=0, le=10_000)]
    rounding: Rounding = Rounding.HALF_UP


class BookingPlace(Row):
    """The exact address; the therapist may read it once the booking is accepted. The row id is the booking id."""

    address: Annotated[str, Field(max_length=500)] = ""


class BookingEvent(Row):
    """One append-only line of a booking's history. The row id is ``{bookingId}_{version}``.

    Attributes:
        command_id: id of the command that caused it: by this a caller recognises its own write.
        actor: id of the user who acted; "ops" or "system" when no user did.
        from_status: None for the request.
        data: further facts as JSON text; `facts` is the parsed form.

    """

    booking_id: BookingId
    version: Version
    command_id: Annotated[str, Field(max_length=36)]
    type: BookingEventType
    actor: UserId
    actor_role: Role
    from_status: Status | None = None
    to_status: Status
    reason: _Reason = ""
    at: UtcDatetime
    data: Annotated[str, Field(max_length=4_000)] = "{}"

    @property
    def facts(self) -> dict[str, Any]:
        """The further facts of the event."""
        facts: dict[str, Any] = json.loads(self.data)
        return facts

    @property
    def fee(self) -> Money | None:
        """What the customer owes since then instead of the price; None when there is no fee."""
        facts = self.facts
        return Money(facts["feeMinor"], facts["currency"]) if "feeMinor" in facts else None


class Slot(Row):
    """Five minutes of a therapist's time that a booking holds."""

    therapist_id: UserId
    booking_id: BookingId
