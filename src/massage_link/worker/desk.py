"""What a therapist has before them: requests, a selection, a reason being typed, the latest lines. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from massage_link.domain.booking import Booking
from massage_link.domain.draft import Draft
from massage_link.domain.states import Command
from massage_link.realtime import Change
from massage_link.worker.describing import described, plain
from massage_link.worker.opening import is_open

__all__ = ["Answer", "Desk", "Order", "Quit", "Reason"]

_LINES = 200
_MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """The user wants this request answered."""

    booking: Booking
    command: Command
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Quit:
    """The user wants to leave."""


Order: TypeAlias = Answer | Quit


@dataclass(slots=True)
class Reason:
    """The reason for declining, as far as it is typed."""

    booking: Booking
    text: str = ""


class Desk:
    """The state of the screen; `massage_link.worker.screen` draws it.

    The selection follows a request, not a place: rows that come and go never put another request under a finger that
    is about to press a key. When the selected request goes, nothing is selected until an arrow key is pressed.

    Attributes:
        requests: those that wait for an answer, by id.
        drafts: rows that are being checked, by id.
        selected: id of the selected request; None for none.
        answering: ids of requests whose answer is under way.
        reason: being typed; None when no request is being declined.
        lines: the latest lines, each with its time, the newest last.

    """

    def __init__(self) -> None:
        self.requests: dict[str, Booking] = {}
        self.drafts: dict[str, Draft] = {}
        self.selected: str | None = None
        self.answering: set[str] = set()
        self.reason: Reason | None = None
        self.lines: deque[tuple[datetime, str]] = deque(maxlen=_LINES)
        self._versions: dict[str, int] | None = {}  # what has come before `begin`; None afterwards

    # --- what happens -------------------------------------------------------------------------------------------------
    def begin(self, requests: Iterable[Booking], now: datetime) -> None:
        """The requests that are open at the start, read while changes may have come already."""
        seen, self._versions = self._versions or {}, None
        for booking in requests:
            if booking.version > seen.get(booking.id, 0):
                self._place(booking, now)

    def arrived(self, change: Change[Any], now: datetime) -> bool:
        """A change has come; True when it is a request that was not there before."""
        self.lines.append((now, described(change)))
        row = change.row
        if isinstance(row, Draft):
            self.drafts[row.id] = row
            return False
        if not isinstance(row, Booking):
            return False
        self.drafts.pop(row.id, None)
        if self._versions is not None:
            self._versions[row.id] = row.version
        return self._place(row, now)

    def say(self, text: str, now: datetime) -> None:
        """One more line."""
        self.lines.append((now, plain(text)))

    def tick(self, now: datetime) -> None:
        """Time passes: what has expired goes."""
        for booking in [*self.requests.values()]:
            if not is_open(booking, now):
                self._remove(booking.id)

    def answered(self, asked: Booking, current: Booking | None, now: datetime) -> None:
        """An answer has been given, or refused; `current` is the booking as it is now, as far as that is known."""
        self.answering.discard(asked.id)
        if current is not None:
            self._place(current, now)

    def in_order(self) -> list[Booking]:
        """The requests, the one that expires first on top."""
        return sorted(self.requests.values(), key=lambda each: (each.expires_at or each.starts_at, each.id))

    def _place(self, booking: Booking, now: datetime) -> bool:
        known = self.requests.get(booking.id)
        if known is not None and known.version >= booking.version:
            return False
        if not is_open(booking, now):
            self._remove(booking.id)
            return False
        if not self.requests:
            self.selected = booking.id
        self.requests[booking.id] = booking
        if self.reason is not None and self.reason.booking.id == booking.id:
            self.reason = None  # what is being declined has changed
        return True

    def _remove(self, booking_id: str) -> None:
        self.requests.pop(booking_id, None)
        self.answering.discard(booking_id)
        if self.selected == booking_id:
            self.selected = None
        if self.reason is not None and self.reason.booking.id == booking_id:
            self.reason = None

    # --- what the user presses ----------------------------------------------------------------------------------------
    def press(self, key: str, now: datetime) -> Order | None:
        """A key: ``up``, ``down``, ``enter``, ``escape``, ``backspace``, or the character. Says what is wanted."""
        self.tick(now)
        if self.reason is not None:
            return self._type(self.reason, key)
        if key in {"up", "k", "down", "j"}:
            self._move(1 if key in {"down", "j"} else -1)
        elif key in {"a", "d"}:
            return self._answer(key, now)
        elif key == "q":
            return Quit()
        return None

    def _move(self, step: int) -> None:
        ids = [booking.id for booking in self.in_order()]
        if not ids:
            return
        if self.selected is None:
            self.selected = ids[0 if step > 0 else -1]
        else:
            self.selected = ids[min(max(ids.index(self.selected) + step, 0), len(ids) - 1)]

    def _answer(self, key: str, now: datetime) -> Order | None:
        booking = self.requests.get(self.selected or "")
        if booking is None:
            if self.requests:
                self.say("Select a request first, with the arrow keys.", now)
            return None
        if booking.id in self.answering:
            return None
        if key == "d":
            self.reason = Reason(booking)
            return None
        self.answering.add(booking.id)
        return Answer(booking, Command.ACCEPT)

    def _type(self, reason: Reason, key: str) -> Order | None:
        if key == "escape":
            self.reason = None
        elif key == "enter":
            self.reason = None
            self.answering.add(reason.booking.id)
            return Answer(reason.booking, Command.DECLINE, reason.text.strip())
        elif key == "backspace":
            reason.text = reason.text[:-1]
        elif len(key) == 1:
            reason.text = (reason.text + plain(key))[:_MAX_REASON]
        return None
