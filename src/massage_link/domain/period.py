"""Spans of whole days in somebody's time zone: a year, a month, a week, a day, or from one day to another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from massage_link.domain.calendar import instant
from massage_link.domain.rows import to_wire_time
from massage_link.errors import InvalidInput

__all__ = ["Period", "zone_of"]

_DAY = timedelta(days=1)
_FORMS = '"2026", "2026-11", "2026-W48", "2026-11-23" or "2026-11-01..2026-11-15"'


@dataclass(frozen=True, slots=True)
class Period:
    """From the midnight before its first day to the midnight after its last, as the clocks on the wall show it.

    A day on which the clocks are changed is an hour shorter or longer; periods that follow each other meet exactly.

    Attributes:
        name: how it was asked for.
        start, end: instants, UTC; the end is not included.
        timezone: IANA name of the zone whose midnights they are.

    """

    name: str
    start: datetime
    end: datetime
    timezone: str

    @classmethod
    def parse(cls, text: str, timezone: str = "UTC") -> Period:
        """A period from its name.

        Args:
            text: ``"2026"``, ``"2026-11"``, ``"2026-W48"`` (the ISO week), ``"2026-11-23"``, or the first and the last
                day, ``"2026-11-01..2026-11-15"``.
            timezone: IANA name.

        Raises:
            InvalidInput: it is none, or there is no such zone.

        """
        zone = zone_of(timezone)
        try:
            first, after = _days(text)
            start, end = (instant(day, "00:00", zone) for day in (first, after))
        except (ValueError, TypeError, OverflowError):
            raise InvalidInput(f"a period is {_FORMS}, not {text!r}.") from None
        return cls(text, start, end, timezone)

    def local(self, moment: datetime) -> datetime:
        """An instant by the clocks of the period's zone."""
        return moment.astimezone(zone_of(self.timezone))

    def as_json(self) -> dict[str, str]:
        """As JSON values."""
        return {
            "name": self.name,
            "start": to_wire_time(self.start),
            "end": to_wire_time(self.end),
            "timezone": self.timezone,
        }


def zone_of(name: str) -> ZoneInfo:
    """The zone of this IANA name.

    Raises:
        InvalidInput: there is none.

    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise InvalidInput(f'{name!r} is not an IANA time zone; write it like "Europe/Berlin".') from None


def _days(text: str) -> tuple[date, date]:
    """The first day, and the day after the last."""
    if re.fullmatch(r"[0-9]{4}", text):
        year = int(text)
        return date(year, 1, 1), date(year + 1, 1, 1)
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}", text):
        year, month = map(int, text.split("-"))
        first = date(year, month, 1)
        return first, date(year + month // 12, month % 12 + 1, 1)
    if week := re.fullmatch(r"([0-9]{4})-W([0-9]{2})", text):
        monday = date.fromisocalendar(int(week[1]), int(week[2]), 1)
        return monday, monday + 7 * _DAY
    begin, dots, end = text.partition("..")
    first, last = _day(begin), _day(end if dots else begin)
    if last < first:
        raise ValueError(text)
    return first, last + _DAY


def _day(text: str) -> date:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(text)
    return date.fromisoformat(text)
