"""When a request may be accepted without asking anybody; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from massage_link.domain.booking import Booking
from massage_link.domain.calendar import instant
from massage_link.errors import InvalidInput

__all__ = ["Hours", "Rules"]

_HOURS = re.compile(r"((?:[01][0-9]|2[0-3]):[0-5][0-9])-((?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)")


@dataclass(frozen=True, slots=True)
class Hours:
    """A span of local time, every day; one that ends before it begins goes over midnight.

    Attributes:
        opens, closes: times of day such as "09:00"; `closes` may be "24:00".

    """

    opens: str
    closes: str

    @classmethod
    def parse(cls, text: str) -> Hours:
        """Hours from a text such as ``09:00-18:00``.

        Raises:
            InvalidInput: it is none.

        """
        found = _HOURS.fullmatch(text.strip())
        if found is None or found[1] == found[2]:
            raise InvalidInput(f'{text!r} are no hours; write them like "09:00-18:00".')
        return cls(found[1], found[2])

    def hold(self, booking: Booking) -> bool:
        """Whether the booking lies within them, by the clocks of where it takes place."""
        try:
            zone = ZoneInfo(booking.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return False
        over_midnight = timedelta(days=self.closes < self.opens)
        today = booking.starts_at.astimezone(zone).date()
        for day in (today - over_midnight, today):
            begins, ends = instant(day, self.opens, zone), instant(day + over_midnight, self.closes, zone, fold=1)
            if begins <= booking.starts_at and booking.ends_at <= ends:
                return True
        return False

    def __str__(self) -> str:
        return f"{self.opens}-{self.closes}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What a request has to fulfil to be accepted at once; the default accepts every one.

    Attributes:
        services: names of services, compared without case; empty for any.
        hours: the booking lies within these; None for any time.
        gap: time that has to be free between the booking and its accepted neighbours; None asks for none.

    Raises:
        InvalidInput: a gap below zero or above a day.

    """

    services: frozenset[str] = frozenset()
    hours: Hours | None = None
    gap: timedelta | None = None

    def __post_init__(self) -> None:
        if self.gap is not None and not timedelta(0) <= self.gap <= timedelta(days=1):
            raise InvalidInput(f"a gap is between no time and a day, not {self.gap}.")

    def objection(self, booking: Booking, neighbours: Iterable[Booking]) -> str | None:
        """Why the request is left to a human, as a clause, or None when it may be accepted.

        Args:
            booking: the request.
            neighbours: the therapist's accepted bookings around it, see `reach`.

        """
        if self.services and booking.service.casefold() not in {name.casefold() for name in self.services}:
            return f"{booking.service!r} is not among the services to accept"
        if self.hours is not None and not self.hours.hold(booking):
            return f"it is not within {self.hours} ({booking.timezone})"
        for each in neighbours if self.gap is not None else ():
            between = max(each.starts_at - booking.ends_at, booking.starts_at - each.ends_at)
            if each.id != booking.id and between < (self.gap or timedelta(0)):
                return f"booking {each.id} is {max(0, between // timedelta(minutes=1))} minutes away"
        return None
