"""Dates as PHP reads them, as far as one meets them: ISO 8601, other plain dates, `@unix`, words, zone letters.

The real server hands a datetime column's text to PHP's parser, which takes far more than ISO 8601; what this
module does not know it refuses, as the server refuses what PHP cannot read.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol

from .kernel import stamp


class Clockwork(Protocol):
    """Something that knows what time it is."""

    def now(self) -> datetime:
        """The present, with a time zone."""
        ...


class DateError(ValueError):
    """No date, or one that the server refuses."""


_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[Tt ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,9}))?)?)?"
    r"\s*(Z|z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{1,2})?\Z"
)
_LONG_YEAR = re.compile(r"1(\d{3})(\d)-(\d{2})-(\d{2})\Z")
_UNIX = re.compile(r"@(-?\d+)(?:\.(\d+))?\Z")
_UNITS = {
    "second": 1,
    "sec": 1,
    "minute": 60,
    "min": 60,
    "hour": 3600,
    "day": 86400,
    "week": 604800,
    "fortnight": 1209600,
}
_WORDS = {"yesterday": -1, "today": 0, "midnight": 0, "tomorrow": 1}


def parse_date(value: object, clock: Clockwork) -> str:
    """`value` in the server's form, converted to UTC, microseconds cut. Raises DateError."""
    if not isinstance(value, str):
        raise DateError(f"not a text: {value!r}")
    try:
        moment = _read(value.strip(), clock.now().astimezone(UTC))
        return stamp(moment)
    except (ValueError, OverflowError) as error:
        raise DateError(str(error)) from error


def _read(text: str, now: datetime) -> datetime:
    lower = text.lower()
    if lower in ("", "now"):
        return now
    if lower in _WORDS:
        return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=_WORDS[lower])
    if lower == "noon":
        return now.replace(hour=12, minute=0, second=0, microsecond=0)
    match = _ISO.match(text)
    if match:
        return _from_iso(match)
    match = _UNIX.match(text)
    if match:
        return datetime.fromtimestamp(int(match[1]), UTC)
    match = _LONG_YEAR.match(text)
    if match:  # PHP reads "10000-01-01" as the time 10:00 on 2000-01-01
        return datetime(2000, 1, 1, 10, 0, tzinfo=UTC)
    moment = _wordy(lower, now)
    if moment is not None:
        return moment
    if len(text) == 1 and text.isalpha() and lower != "j":
        return _in_military_zone(now, lower)
    raise DateError(text)


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY_NAME = r"(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs(?:day)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_TIME = r"(?:[ t]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?\s*(?P<zone>z|utc|gmt|[+-]\d{2}:?\d{2})?)?"
_WORDY = [
    re.compile(form + r"\Z")
    for form in (
        r"(?P<day>\d{1,2})[.-](?P<month>\d{1,2})[.-](?P<year>\d{4})" + _TIME,
        r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})" + _TIME,
        r"(?P<year>\d{4})/(?P<month>\d{1,2})/(?P<day>\d{1,2})" + _TIME,
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})" + _TIME,
        r"(?P<year>\d{4})-(?P<month>\d{2})",
        rf"(?:{_DAY_NAME},?\s+)?{_DAY}[ .-]+{_MONTH}[ ,.-]+(?P<year>\d{{4}}){_TIME}",
        rf"{_MONTH}[ .-]+{_DAY}[ ,.-]+(?P<year>\d{{4}}){_TIME}",
        r"(?P<hour>[01]\d|2[0-3])(?P<minute>[0-5]\d)",
        r"t?(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?",
    )
]
_WEEKDAY = re.compile(rf"(?:(?P<which>next|last|this)\s+)?(?P<name>{_DAY_NAME})\Z")
_STEP = re.compile(
    r"(?P<which>next|last|[+-]?\d+)\s*(?P<unit>second|sec|minute|min|hour|day|week|fortnight|month|year)s?(?P<ago>\s+ago)?\Z"
)


def _wordy(lower: str, now: datetime) -> datetime | None:
    """Other spellings than ISO: `1.2.2026`, `5 January 2026`, `10:30`, `next monday`; None for none of these."""
    for form in _WORDY:
        match = form.match(lower)
        if match:
            return _from_parts(match.groupdict(), now)
    match = _WEEKDAY.match(lower)
    if match:
        return _on_weekday(match["which"], _DAYS.index(match["name"][:3]), now)
    match = _STEP.match(lower)
    if match is None:
        return None
    steps = {"next": 1, "last": -1}.get(match["which"]) or int(match["which"])
    return _stepped(match["unit"], -steps if match["ago"] else steps, now)


def _from_parts(parts: dict[str, str | None], now: datetime) -> datetime:
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    if hour > 24 or minute > 59 or second > 59:
        raise DateError(str(parts))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    month = parts.get("month")
    if month is not None:
        number = int(month) if month.isdigit() else _MONTHS.index(month[:3]) + 1
        day = int(parts.get("day") or 1)
        if not (1 <= number <= 12 and 1 <= day <= 31):
            raise DateError(str(parts))
        zone = parts.get("zone")
        start = datetime(int(parts["year"] or 0), number, 1, tzinfo=_zone(zone.upper() if zone else None))
        midnight = start + timedelta(days=day - 1)
    return midnight + timedelta(hours=hour, minutes=minute, seconds=second)


def _on_weekday(which: str | None, weekday: int, now: datetime) -> datetime:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    ahead = (weekday - midnight.weekday()) % 7
    if which == "next" and ahead == 0:
        ahead = 7
    if which == "last":
        ahead = ahead - 7 if ahead else -7
    return midnight + timedelta(days=ahead)


def _stepped(unit: str, steps: int, now: datetime) -> datetime:
    if unit in _UNITS:
        return now + timedelta(seconds=steps * _UNITS[unit])
    months = now.year * 12 + now.month - 1 + steps * (12 if unit == "year" else 1)
    return now.replace(year=months // 12, month=months % 12 + 1, day=1) + timedelta(days=now.day - 1)


def _from_iso(match: re.Match[str]) -> datetime:
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    hour, minute, second = (int(match[n] or 0) for n in (4, 5, 6))
    if month > 12 or day > 31 or hour > 24 or minute > 59 or second > 60 or not (year or month):
        raise DateError(match[0])
    year, month = (year, month) if month else (year - 1, 12)
    milliseconds = int((match[7] or "0").ljust(3, "0")[:3])
    start = datetime(year, month, 1, tzinfo=_zone(match[8]))
    # Day 30 of February is the second of March: PHP counts on.
    return start + timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second, milliseconds=milliseconds)


def _zone(text: str | None) -> timezone:
    if not text or text in ("Z", "z", "UTC", "GMT"):
        return UTC
    digits = text[1:].replace(":", "")
    hours, minutes = (int(digits[:-2]), int(digits[-2:])) if len(digits) > 2 else (int(digits), 0)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def _in_military_zone(now: datetime, letter: str) -> datetime:
    """A lone letter is a time zone to PHP: the present wall-clock time, in that zone."""
    if letter == "z":
        hours = 0
    elif letter <= "m":
        hours = ord(letter) - ord("a") + 1 - (letter > "j")
    else:
        hours = -(ord(letter) - ord("n") + 1)
    return now.replace(tzinfo=timezone(timedelta(hours=hours)))
