"""When a therapist works: weekly hours in their own time zone, exceptions, blocked time, notice and horizon.

Hours are local ("09:00" means nine on the clock on the wall), everything that comes out is in UTC. Where clocks change:

* a time that the clock jumps over (02:30 when it goes from 2 to 3) means the moment of the jump: an opening that begins
  or ends in the gap begins or ends there;
* a time that happens twice means the first when an opening begins and the second when it ends, so an opening across the
  change is as long as it really is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from massage_link.domain.money import MAX_MINOR, Money, currency_exponent
from massage_link.domain.rows import UtcDatetime
from massage_link.domain.slots import LONGEST, buckets
from massage_link.errors import InvalidInput

__all__ = [
    "Availability",
    "BlockedTime",
    "FreeSlot",
    "Opening",
    "Service",
    "Weekday",
    "free_slots",
    "instant",
    "openings",
    "parse_availability",
    "parse_services",
    "refusal",
]

Weekday: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")


def _clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError(f'{text!r} is not a time of day such as "09:30" (up to "24:00")')
    return text


#: A local time of day, "00:00" to "24:00".
_Clock = Annotated[str, AfterValidator(_clock)]
_Span: TypeAlias = tuple[_Clock, _Clock]


def _ordered(spans: list[_Span]) -> list[_Span]:
    ends = [each for span in spans for each in span]
    if ends != sorted(ends) or any(start == end for start, end in spans):
        raise ValueError(f"spans of a day follow one another, each with its end after its start: {spans}")
    return spans


_Day = Annotated[list[_Span], AfterValidator(_ordered)]


class _Facts(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class BlockedTime(_Facts):
    """Time that a therapist keeps for themselves, as instants."""

    start: UtcDatetime
    end: UtcDatetime

    @model_validator(mode="after")
    def _in_order(self) -> BlockedTime:
        if self.end <= self.start:
            raise ValueError("blocked time ends after it starts")
        return self


class Availability(_Facts):
    """When a therapist can be booked; stored as JSON in the catalogue.

    Attributes:
        weekly: spans of local time a weekday, such as ``{"mon": [["09:00", "12:30"], ["13:30", "18:00"]]}``.
        exceptions: spans for single local dates instead of the weekly ones; ``[]`` closes the day.
        blocked: time that cannot be booked although it lies within the hours.
        notice_minutes: how long before its start a booking has to be made.
        horizon_days: how far ahead bookings are taken.
        step_minutes: distance of the starts that are offered, a multiple of five.

    """

    weekly: dict[Weekday, _Day] = Field(default_factory=dict)
    exceptions: dict[date, _Day] = Field(default_factory=dict)
    blocked: tuple[BlockedTime, ...] = ()
    notice_minutes: Annotated[int, Field(ge=0, le=60 * 24 * 60)] = 0
    horizon_days: Annotated[int, Field(ge=1, le=730)] = 90
    step_minutes: Annotated[int, Field(ge=5, le=24 * 60, multiple_of=5)] = 15

    def day(self, day: date) -> list[_Span]:
        """The spans of a local date."""
        if day in self.exceptions:
            return self.exceptions[day]
        return self.weekly.get(_WEEKDAYS[day.weekday()], [])


class Service(_Facts):
    """One thing that a therapist offers.

    Attributes:
        name: as it is booked.
        minutes: how long it lasts.
        price_minor, currency: what it costs.
        buffer_minutes: time kept free before and after it.

    """

    name: Annotated[str, Field(min_length=1, max_length=128)]
    minutes: Annotated[int, Field(ge=5, le=480)]
    price_minor: Annotated[int, Field(ge=0, le=MAX_MINOR)]
    currency: str
    buffer_minutes: Annotated[int, Field(ge=0, le=120)] = 0

    @model_validator(mode="after")
    def _bookable(self) -> Service:
        currency_exponent(self.currency)
        if self.duration + 2 * self.buffer > LONGEST:
            raise ValueError(f"with its buffers a service lasts at most {LONGEST}")
        return self

    @property
    def price(self) -> Money:
        """What it costs."""
        return Money(self.price_minor, self.currency)

    @property
    def duration(self) -> timedelta:
        """How long it lasts."""
        return timedelta(minutes=self.minutes)

    @property
    def buffer(self) -> timedelta:
        """Time kept free before and after it."""
        return timedelta(minutes=self.buffer_minutes)


@dataclass(frozen=True, slots=True)
class Opening:
    """Time within the hours, UTC. Offered starts are counted from each of `grids`, where a span begins, to the next."""

    start: datetime
    end: datetime
    grids: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class FreeSlot:
    """A time at which a service can be booked, UTC."""

    starts_at: datetime
    ends_at: datetime


def parse_availability(text: str) -> Availability:
    """The availability that a catalogue row holds as JSON.

    Raises:
        InvalidInput: it is malformed; the message names where.

    """
    try:
        return Availability.model_validate_json(text)
    except ValidationError as error:
        raise InvalidInput(f"the therapist's hours are malformed: {_first_fault(error)}.") from None


def parse_services(text: str) -> tuple[Service, ...]:
    """The services that a catalogue row holds as JSON.

    Raises:
        InvalidInput: they are malformed; the message names where.

    """
    try:
        return _SERVICES.validate_json(text)
    except ValidationError as error:
        raise InvalidInput(f"the therapist's services are malformed: {_first_fault(error)}.") from None


_SERVICES = TypeAdapter(tuple[Service, ...])


def _first_fault(error: ValidationError) -> str:
    fault: Any = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in fault['loc']) or 'text'}: {fault['msg']}"


def instant(day: date, clock: str, zone: ZoneInfo, *, fold: int = 0) -> datetime:
    """The instant, UTC, at which clocks in the zone show this time on this day; see the module for gaps and folds."""
    hour, minute = int(clock[:2]), int(clock[3:])
    if hour == 24:
        day, hour = day + timedelta(days=1), 0
    local = datetime.combine(day, time(hour, minute), zone)
    # Before and after the change a skipped time reads differently, an existing one the same; a repeated one the other
    # way round. Python: fold=0 uses the offset before the change.
    before, after = local.replace(fold=0), local.replace(fold=1)
    if before.utcoffset() == after.utcoffset():
        return local.astimezone(UTC)
    skipped = before.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) != local.replace(tzinfo=None, fold=0)
    if skipped:
        return _jump(before.astimezone(UTC), after.astimezone(UTC), zone)
    return local.replace(fold=fold).astimezone(UTC)


def _jump(late: datetime, early: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the clock jumps, which lies between the two readings of a skipped time."""
    offset = early.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)


def openings(availability: Availability, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[Opening]:
    """The therapist's hours between two instants, ascending, without blocked time; consecutive ones are joined."""
    day, last = start.astimezone(zone).date() - timedelta(days=1), end.astimezone(zone).date()
    joined: Opening | None = None
    # A day more, because clocks may go back over midnight: the next day has begun before this one is at its end.
    while day <= last + timedelta(days=1):
        for opens, closes in availability.day(day):
            begins, ends = instant(day, opens, zone), instant(day, closes, zone, fold=1)
            if day > last and begins >= end:
                break
            if joined is not None and begins <= joined.end:
                joined = Opening(joined.start, max(joined.end, ends), (*joined.grids, begins))
                continue
            if joined is not None:
                yield from _without(joined, availability.blocked)
            joined = Opening(begins, ends, (begins,))
        day += timedelta(days=1)
    if joined is not None:
        yield from _without(joined, availability.blocked)


def _without(opening: Opening, blocked: tuple[BlockedTime, ...]) -> Iterator[Opening]:
    start = opening.start
    for each in sorted(blocked, key=lambda block: block.start):
        if each.end <= start or each.start >= opening.end:
            continue
        if each.start > start:
            yield Opening(start, each.start, opening.grids)
        start = max(start, each.end)
    if start < opening.end:
        yield Opening(start, opening.end, opening.grids)


def free_slots(
    availability: Availability,
    zone: ZoneInfo,
    service: Service,
    *,
    start: datetime,
    end: datetime,
    now: datetime,
    taken: AbstractSet[int],
) -> Iterator[FreeSlot]:
    """The times between `start` and `end` at which a service can begin, ascending.

    Args:
        availability: hours, notice, horizon.
        zone: the therapist's time zone.
        service: what is to be booked.
        start, end: the first possible beginning, and the instant before which it lies.
        now: the present.
        taken: numbers of the five-minute slots that are held.

    """
    first = max(start, now + timedelta(minutes=availability.notice_minutes))
    last = min(end, now + timedelta(days=availability.horizon_days))
    # What begins before `last` may end after it, on a day of its own.
    for opening in openings(availability, zone, first, last + service.duration):
        for begin in _starts(opening, service.duration, timedelta(minutes=availability.step_minutes)):
            finish = begin + service.duration
            if first <= begin < last and taken.isdisjoint(buckets(begin, finish, service.buffer)):
                yield FreeSlot(begin, finish)


def _starts(opening: Opening, duration: timedelta, step: timedelta) -> Iterator[datetime]:
    """The beginnings on the grids of an opening from which so long a service ends within it, ascending."""
    for grid, until in zip(opening.grids, (*opening.grids[1:], opening.end), strict=True):
        steps = max(0, -((grid - opening.start) // step))  # to the first one in the opening, rounded up
        begin = grid + steps * step
        while begin < until and begin + duration <= opening.end:
            yield begin
            begin += step


def refusal(
    availability: Availability, zone: ZoneInfo, *, starts_at: datetime, ends_at: datetime, now: datetime
) -> str | None:
    """Why a time cannot be booked, as a clause, or None when it can (other bookings aside)."""
    if starts_at < now + timedelta(minutes=availability.notice_minutes):
        return f"bookings are made at least {availability.notice_minutes} minutes ahead"
    if starts_at >= now + timedelta(days=availability.horizon_days):
        return f"bookings are taken up to {availability.horizon_days} days ahead"
    for opening in openings(availability, zone, starts_at, ends_at):
        if opening.start <= starts_at and ends_at <= opening.end:
            return None
    local = starts_at.astimezone(zone)
    return f"{local:%A %Y-%m-%d %H:%M} ({zone.key}) for {ends_at - starts_at} is outside the therapist's hours"
