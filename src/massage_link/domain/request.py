"""From what a customer asks for to the rows that a booking begins with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from massage_link.domain.booking import (
    Booking,
    BookingEvent,
    BookingEventType,
    BookingPlace,
    BookingTerms,
    Role,
    Slot,
    Status,
)
from massage_link.domain.commission import DEFAULT_COMMISSION_BPS
from massage_link.domain.ids import checked_id, event_id, slot_id
from massage_link.domain.money import MAX_MINOR, Money
from massage_link.domain.policy import CancellationPolicy
from massage_link.domain.slots import LONGEST, MAX_SLOTS, buckets
from massage_link.domain.states import ANSWER_WITHIN, Actor, answer_by, checked_reason
from massage_link.errors import InvalidBooking, InvalidInput

__all__ = ["ANSWER_WITHIN", "BookingRequest", "NewBooking", "new_booking"]

#: Who acts when no user does: in events, and as the sender of messages.
_RESERVED = frozenset({"ops", "system"})
_TEXTS = {
    "service": 128,
    "area": 128,
    "address": 500,
    "note": 2_000,
    "customer_name": 128,
    "therapist_name": 128,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingRequest:
    """What a customer asks for.

    Args:
        customer_id, therapist_id: Appwrite user ids.
        service: what is booked, at most 128 characters.
        starts_at, ends_at: aware instants on whole minutes, in the future, end after start.
        price: what the customer pays, zero or more.
        timezone: IANA zone in which it takes place.
        area: coarse place, shown to the therapist at once; `address`: exact place, shown once accepted.
        note: for the therapist, at most 2,000 characters.
        customer_name, therapist_name: for display.
        buffer: time kept free before and after, whole minutes.
        cancellation_policy: as agreed, frozen on the booking; None for none.
        canary: made by a health check; left out of ledger, statements and analytics.

    """

    customer_id: str
    therapist_id: str
    service: str
    starts_at: datetime
    ends_at: datetime
    price: Money
    timezone: str = "UTC"
    area: str = ""
    address: str = ""
    note: str = ""
    customer_name: str = ""
    therapist_name: str = ""
    buffer: timedelta = timedelta(0)
    cancellation_policy: CancellationPolicy | None = None
    canary: bool = False

    def __post_init__(self) -> None:
        # In UTC from here on: between two times of one zone, Python computes on the clock on the wall, so an hour over
        # a change of clocks would count as none or two.
        for name in ("starts_at", "ends_at"):
            value = getattr(self, name)
            if isinstance(value, datetime) and value.tzinfo is not None:
                object.__setattr__(self, name, _utc(value))

    def check_form(self) -> None:
        """Refuse what can never be a booking, whenever it is asked for.

        Raises:
            InvalidBooking: with what is wrong and what is asked for.

        """
        self._check_people()
        self._check_times()
        self._check_texts()
        if not isinstance(self.cancellation_policy, CancellationPolicy | None):
            raise InvalidBooking(f"cancellation_policy is a CancellationPolicy, not {self.cancellation_policy!r}.")
        if not isinstance(self.canary, bool):
            raise InvalidBooking(f"canary is True or False, not {self.canary!r}.")
        if not isinstance(self.price, Money):
            raise InvalidBooking(f'price is Money, such as Money(9500, "EUR"), not {self.price!r}.')
        if not 0 <= self.price.minor <= MAX_MINOR:
            raise InvalidBooking(f"price {self.price} is out of range: 0 to {Money(MAX_MINOR, self.price.currency)}.")

    def check(self, now: datetime) -> None:
        """Refuse what can not be booked at this moment.

        Raises:
            InvalidBooking: with what is wrong and what is asked for.

        """
        self.check_form()
        if self.starts_at <= now:
            raise InvalidBooking(f"starts_at {self.starts_at.isoformat()} is in the past (it is {now.isoformat()}).")

    def _check_people(self) -> None:
        try:
            checked_id("customer_id", self.customer_id)
            checked_id("therapist_id", self.therapist_id)
        except InvalidInput as error:
            raise InvalidBooking(str(error)) from None
        for name in ("customer_id", "therapist_id"):
            # A user may choose their own id when they register: nobody is to write or act under these.
            if getattr(self, name).lower() in _RESERVED:
                raise InvalidBooking(f"{name} is {getattr(self, name)!r}, the name by which we ourselves act.")
        # Ids are compared without case by the server.
        if self.customer_id.lower() == self.therapist_id.lower():
            raise InvalidBooking(f"customer and therapist are the same user ({self.customer_id}).")

    def _check_times(self) -> None:
        for name in ("starts_at", "ends_at"):
            value = getattr(self, name)
            if not isinstance(value, datetime) or value.tzinfo is None:
                raise InvalidBooking(f"{name} is a datetime with a time zone, not {value!r}.")
            if value.second or value.microsecond:
                raise InvalidBooking(f"{name} {value.isoformat()} is not on a whole minute.")
        if self.ends_at <= self.starts_at:
            raise InvalidBooking(
                f"ends_at {self.ends_at.isoformat()} is not after starts_at {self.starts_at.isoformat()}."
            )
        whole = isinstance(self.buffer, timedelta) and not self.buffer % timedelta(minutes=1)
        if not whole or self.buffer < timedelta(0):
            raise InvalidBooking(f"buffer is zero or more whole minutes, a timedelta, not {self.buffer!r}.")
        try:
            slots = len(self.buckets)
        except OverflowError:
            raise InvalidBooking("the booking lies beyond the calendar.") from None
        if slots > MAX_SLOTS:
            raise InvalidBooking(f"a booking with its buffers lasts at most {LONGEST}, this one is longer.")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
            raise InvalidBooking(f'timezone {self.timezone!r} is not an IANA zone such as "Europe/Berlin".') from None

    def _check_texts(self) -> None:
        for name, longest in _TEXTS.items():
            text = getattr(self, name)
            if not isinstance(text, str):
                raise InvalidBooking(f"{name} is a text, not {text!r}.")
            if len(text) > longest:
                raise InvalidBooking(f"{name} has at most {longest:,} characters, this one has {len(text):,}.")
            if any("\ud800" <= sign <= "\udfff" for sign in text):
                raise InvalidBooking(f"{name} holds half of a surrogate pair, which is no character.")
        if not self.service.strip():
            raise InvalidBooking("service is empty; name what is booked.")

    @property
    def buckets(self) -> range:
        """Numbers of the slots that it needs."""
        return buckets(self.starts_at, self.ends_at, self.buffer)


@dataclass(frozen=True, slots=True)
class NewBooking:
    """The rows that a booking begins with; they are written in one transaction or not at all."""

    booking: Booking
    terms: BookingTerms
    place: BookingPlace
    event: BookingEvent
    slots: tuple[Slot, ...]


def new_booking(
    request: BookingRequest,
    *,
    booking_id: str,
    command_id: str,
    now: datetime,
    actor: Actor | None = None,
    commission_bps: int = DEFAULT_COMMISSION_BPS,
    exception: str = "",
) -> NewBooking:
    """The rows of a new, pending booking.

    Args:
        request: what is asked for.
        booking_id: id of the booking, at most 28 characters of lower-case hex.
        command_id: id of this command; it is written into the event.
        now: the instant, aware.
        actor: who asks; the customer unless it is said.
        commission_bps: the platform's share in basis points, frozen here.
        exception: why it is taken outside the therapist's hours; kept in the event.

    Raises:
        InvalidBooking: the request can not be booked.
        InvalidInput: the reason of the exception is too long.

    """
    request.check(now)
    actor = actor or Actor(request.customer_id, Role.CUSTOMER)
    return NewBooking(
        booking=_booking(request, booking_id, now),
        terms=BookingTerms(id=booking_id, commission_bps=commission_bps),
        place=BookingPlace(id=booking_id, address=request.address),
        event=BookingEvent(
            id=event_id(booking_id, 1),
            booking_id=booking_id,
            version=1,
            command_id=command_id,
            type=BookingEventType.REQUESTED,
            actor=actor.id,
            actor_role=actor.role,
            to_status=Status.PENDING,
            reason=checked_reason(exception),
            at=now,
        ),
        slots=tuple(
            Slot(id=slot_id(request.therapist_id, bucket), therapist_id=request.therapist_id, booking_id=booking_id)
            for bucket in request.buckets
        ),
    )


def _booking(request: BookingRequest, booking_id: str, now: datetime) -> Booking:
    return Booking(
        id=booking_id,
        customer_id=request.customer_id,
        therapist_id=request.therapist_id,
        service=request.service,
        starts_at=request.starts_at,
        ends_at=request.ends_at,
        timezone=request.timezone,
        duration_minutes=_minutes(request.ends_at - request.starts_at),
        buffer_minutes=_minutes(request.buffer),
        area=request.area,
        price_minor=request.price.minor,
        currency=request.price.currency,
        status=Status.PENDING,
        expires_at=answer_by(now, request.starts_at),
        customer_name=request.customer_name,
        therapist_name=request.therapist_name,
        note=request.note,
        cancellation_policy=request.cancellation_policy.text() if request.cancellation_policy else "",
        canary=request.canary,
    )


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidBooking(f"{value.isoformat()} lies beyond the calendar.") from None


def _minutes(duration: timedelta) -> int:
    return int(duration.total_seconds()) // 60
