"""Small facts that everything else needs: ids, time stamps, the project's version, text folding."""

from __future__ import annotations

import re
import secrets
import time
import unicodedata
from datetime import UTC, datetime, timedelta

VERSION = "1.9.6"  # the Appwrite release whose behaviour the recorded exchanges fix
ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,35}\Z")
KEY_PATTERN = ID_PATTERN


def unique_id() -> str:
    """Twenty hex digits that grow with time, as `ID.unique()` gives."""
    micros = time.time_ns() // 1000
    return f"{micros // 1_000_000:08x}{micros % 1_000_000:05x}{secrets.token_hex(4)[:7]}"


def is_id(value: object) -> bool:
    """Whether `value` may name a document: at most 36 of a-zA-Z0-9._- and no leading special character."""
    return isinstance(value, str) and ID_PATTERN.match(value) is not None


def stamp(moment: datetime) -> str:
    """`moment` as Appwrite writes it: ISO 8601, milliseconds, `+00:00`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


class Clock:
    """The server's idea of now: the system's clock, moved or stopped through the control plane."""

    def __init__(self) -> None:
        self.offset = timedelta()
        self.frozen: datetime | None = None
        self._floor = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """The present; never before a moment that `tick` has put behind us."""
        return max(self.frozen or datetime.now(UTC) + self.offset, self._floor)

    def tick(self) -> str:
        """The present moment's stamp, which no later stamp will equal.

        Stamps have milliseconds and this server is quick: without it, what is written right after an operation
        was staged could bear the same stamp and would not count as later.
        """
        moment = self.now()
        self._floor = moment.replace(microsecond=moment.microsecond // 1000 * 1000) + timedelta(milliseconds=1)
        return stamp(moment)

    def forget_ticks(self) -> None:
        """Let the present go back behind what `tick` has passed: after the clock was set."""
        self._floor = datetime.min.replace(tzinfo=UTC)

    def stamp(self) -> str:
        """The present as Appwrite writes it."""
        return stamp(self.now())


class _Weights(dict[int, str]):
    """Character weights of utf8mb4_general_ci, worked out per code point when first met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if code > 0xFFFF:
            weight = "\ufffd"  # the collation gives all of them one weight: any emoji equals any other
        elif char in "йЙ":
            weight = "Й"
        elif char == "ß":
            weight = "S"
        else:
            base = unicodedata.normalize("NFD", char)[0]
            upper = base.upper()
            weight = upper if len(upper) == 1 else base
        self[code] = weight
        return weight


_WEIGHTS = _Weights()


def weigh(text: str) -> str:
    """`text` so that two strings are equal exactly when the collation finds them equal, trailing blanks apart."""
    return text.upper() if text.isascii() else text.translate(_WEIGHTS)


def fold(text: str) -> str:
    """Like `weigh`, without trailing blanks: the form in which ids and text columns are compared and indexed."""
    return weigh(text).rstrip(" ")
