"""Dates as PHP reads them, as far as one meets them: ISO 8601, plain dates, `@unix`, `now`, `yesterday`, zone letters.

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
    r"(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
    r"\s*(Z|z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{1,2})?\Z"
)
_LONG_YEAR = re.compile(r"1(\d{3})(\d)-(\d{2})-(\d{2})\Z")
_UNIX = re.compile(r"@(-?\d+)(?:\.(\d+))?\Z")
_RELATIVE = re.compile(r"([+-]?\d+)\s*(second|sec|minute|min|hour|day|week|fortnight)s?(\s+ago)?\Z")
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
    match = _RELATIVE.match(lower)
    if match:
        sign = -1 if match[3] else 1
        return now + timedelta(seconds=sign * int(match[1]) * _UNITS[match[2]])
    if len(text) == 1 and text.isalpha() and lower != "j":
        return _in_military_zone(now, lower)
    raise DateError(text)


def _from_iso(match: re.Match[str]) -> datetime:
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    hour, minute, second = (int(match[n] or 0) for n in (4, 5, 6))
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour <= 24 and minute <= 59 and second <= 59):
        raise DateError(match[0])
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
