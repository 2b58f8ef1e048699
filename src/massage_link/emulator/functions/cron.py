"""Five-field cron expressions, as a function's ``schedule`` has them. Pure; times are UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_NAMES = {
    name: number
    for names, start in (("jan feb mar apr may jun jul aug sep oct nov dec", 1), ("sun mon tue wed thu fri sat", 0))
    for number, name in enumerate(names.split(), start)
}
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_PART = re.compile(r"(\*|[a-z0-9]+(?:-[a-z0-9]+)?)(?:/(\d+))?\Z")
_SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_HORIZON = timedelta(days=366 * 8)  # 29 February comes round within eight years


class CronError(ValueError):
    """The text is no cron expression, or names a moment that never comes."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression; :meth:`after` says when it is due next."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    @classmethod
    def parse(cls, text: str) -> Cron:
        """The expression in ``text``. Raises CronError."""
        fields = _SHORTHANDS.get(text.strip().lower(), text).lower().split()
        if len(fields) != len(_RANGES):
            raise CronError(f"{text!r} has {len(fields)} fields, not 5")
        sets = [_values(field, low, high) for field, (low, high) in zip(fields, _RANGES, strict=True)]
        weekdays = frozenset(day % 7 for day in sets[4])
        cron = cls(sets[0], sets[1], sets[2], sets[3], weekdays, fields[2] in "*?", fields[4] in "*?")
        cron.after(datetime(2026, 1, 1, tzinfo=UTC))
        return cron

    def after(self, moment: datetime) -> datetime:
        """The first whole minute after ``moment`` at which the expression is due. Raises CronError if there is none."""
        found = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        end = moment + _HORIZON
        while found < end:
            if found.month not in self.months or not self._on_day(found):
                found = found.replace(hour=0, minute=0) + timedelta(days=1)
            elif found.hour not in self.hours:
                found = found.replace(minute=0) + timedelta(hours=1)
            elif found.minute not in self.minutes:
                found += timedelta(minutes=1)
            else:
                return found
        raise CronError("the expression is never due")

    def _on_day(self, moment: datetime) -> bool:
        on_day, on_weekday = moment.day in self.days, (moment.isoweekday() % 7) in self.weekdays
        if self.any_day or self.any_weekday:
            return on_day and on_weekday
        return on_day or on_weekday  # both restricted: cron takes either


def _values(field: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        found.update(_part("*" if part == "?" else part, low, high))
    return frozenset(found)


def _part(part: str, low: int, high: int) -> range:
    match = _PART.match(part)
    if match is None:
        raise CronError(f"{part!r} is not understood")
    span, step = match.group(1), int(match.group(2) or 1)
    if span == "*":
        first, last = low, high
    else:
        start, dash, end = span.partition("-")
        first = _number(start)
        last = _number(end) if dash else (high if match.group(2) else first)
    if step < 1 or not low <= first <= last <= high:
        raise CronError(f"{part!r} is out of range")
    return range(first, last + 1, step)


def _number(text: str) -> int:
    if text.isdigit():
        return int(text)
    if text not in _NAMES:
        raise CronError(f"{text!r} is no number")
    return _NAMES[text]
