"""Numbered rows in order: holds back what came too early and knows which rows to ask for.

Within a scope the numbers have no gaps and a row never changes. So a row that follows the last delivered one is
delivered; one that is further ahead is held, and the missing ones are named in `SequenceLedger.wanted`; one that is
behind is a repetition.

A scope that the ledger does not know (new since the start, or forgotten) begins with its first number, or right after
the last row that is *settled*: stamped before the consumer's start, or before the horizon up to which everything has
been delivered. The rows below the one that arrived are asked for until a settled one turns up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from massage_link.errors import UnexpectedAnswer
from massage_link.realtime.ledger import Accepted, Arrival, Mark, drop, integer_of, stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from massage_link.realtime.source import Numbered, RawRow

_REMEMBERED = 1000  # numbers that were passed over last and are delivered should they turn up after all
_LOOK_BACK = 20  # rows asked for at once below the first one seen of an unknown scope


@dataclass(slots=True)
class _Scope:
    next: int | None  # the number to deliver next; None while it is not known where to begin
    stamp: datetime  # of the row delivered last
    highest: int = 0  # the greatest number known to exist
    held: dict[int, tuple[RawRow, Arrival]] = field(default_factory=dict)
    floor: datetime | None = None  # the earliest stamp among rows that arrived and are not delivered
    absent_since: float | None = None  # when asking began to bring nothing
    skipped: set[int] = field(default_factory=set)

    def lowest(self) -> int:
        return min(self.held, default=self.highest + 1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row to be fetched by id."""

    scope: str
    number: int
    row_id: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """Numbers that stayed unreadable for longer than the window and were passed over."""

    scope: str
    first: int
    last: int


class SequenceLedger:
    """Immutable rows, every one of them in order.

    Args:
        identity: where scope and number are found.
        capacity: how many scopes are remembered beyond those that a read-back may list again.
        held: how many rows may wait at a time; further ones are fetched when their turn has come.

    """

    def __init__(self, identity: Numbered, *, capacity: int = 50_000, held: int = 10_000) -> None:
        self._identity = identity
        self._capacity = capacity
        self._max_held = held
        self._held = 0
        self._scopes: dict[str, _Scope] = {}  # in the order of the last delivery, the oldest first
        self._open: dict[str, _Scope] = {}  # those in which a row is missing

    def __len__(self) -> int:
        return len(self._scopes)

    @property
    def has_gaps(self) -> bool:
        """True when rows are missing."""
        return bool(self._open)

    @property
    def floor(self) -> datetime | None:
        """See `Ledger.floor`."""
        return min((scope.floor for scope in self._open.values() if scope.floor is not None), default=None)

    def mark_of(self, row: RawRow) -> Mark:
        """See `Ledger.mark_of`."""
        scope = row.get(self._identity.scope)
        number = integer_of(row, self._identity.number)
        if not isinstance(scope, str) or number is None or number < self._identity.first:
            raise UnexpectedAnswer(
                f"row {row.get('$id')!r} has no valid {self._identity.scope} and {self._identity.number}"
            )
        return Mark(scope, number, "", stamp_of(row))

    def know(self, mark: Mark) -> None:
        """See `Ledger.know`."""
        number = mark.version or 0
        scope = self._scopes.pop(mark.key, None) or _Scope(next=None, stamp=mark.stamp)
        scope.next = max(scope.next or 0, number + 1)
        scope.highest = max(scope.highest, number)
        scope.stamp = max(scope.stamp, mark.stamp)
        self._scopes[mark.key] = scope

    def offer(self, row: RawRow, arrival: Arrival) -> list[Accepted]:
        """See `Ledger.offer`."""
        mark = self.mark_of(row)
        number = mark.version or 0
        scope = self._scopes.get(mark.key)
        if scope is None:
            scope = self._scopes[mark.key] = _Scope(next=None, stamp=mark.stamp)
        if number == self._identity.first and scope.next is None:
            scope.next = number
        if scope.next is not None and number < scope.next:
            return self._late(scope, mark, row, arrival)
        self._hold(scope, mark, row, arrival)
        return self._drain(mark.key, scope)

    def wanted(self, limit: int = 100) -> list[Wanted]:
        """The rows to fetch now, the lowest numbers of each scope first; at most `limit`."""
        result: list[Wanted] = []
        for name, scope in self._open.items():
            missing = self._missing(scope, limit - len(result))
            result += [Wanted(name, number, self._identity.row_id(name, number)) for number in missing]
            if len(result) == limit:
                break
        return result

    def fetched(
        self, asked: Sequence[Wanted], rows: Iterable[RawRow], arrival: Arrival, *, settled: datetime, now: float
    ) -> list[Accepted]:
        """What may be delivered now that the answer to `asked` is here.

        Args:
            asked: what was asked for.
            rows: what was found of it.
            arrival: how it came.
            settled: rows stamped before this have been delivered, or precede the consumer's start.
            now: a monotonic time in seconds.

        """
        found: dict[str, dict[int, tuple[Mark, RawRow]]] = {wanted.scope: {} for wanted in asked}
        for row in rows:
            mark = self.mark_of(row)
            if mark.key in found:
                found[mark.key][mark.version or 0] = (mark, row)
        accepted: list[Accepted] = []
        for name, here in found.items():
            scope = self._open.get(name)
            if scope is None:
                continue  # it was filled while the answer was under way
            self._locate(scope, here, settled)
            for number, (mark, row) in here.items():
                if scope.next is None or number >= scope.next:
                    self._hold(scope, mark, row, arrival)
            got = self._drain(name, scope)
            scope.absent_since = None if got or here else (scope.absent_since or now)
            accepted += got
        return accepted

    def give_up(self, *, before: float) -> tuple[list[Accepted], list[Skipped]]:
        """Pass over numbers that have been asked for in vain since before the monotonic time `before`.

        Returns what may be delivered then, and what was passed over. Should such a row turn up later, it is delivered
        then: out of order, but not lost.
        """
        accepted: list[Accepted] = []
        skipped: list[Skipped] = []
        for name, scope in [*self._open.items()]:
            if scope.absent_since is None or scope.absent_since > before:
                continue
            first = scope.next if scope.next is not None else max(self._identity.first, scope.lowest() - _LOOK_BACK)
            last = scope.lowest() - 1
            scope.skipped.update(range(max(first, last + 1 - _REMEMBERED), last + 1))
            scope.next, scope.absent_since = last + 1, None
            skipped.append(Skipped(name, first, last))
            accepted += self._drain(name, scope)
        return accepted, skipped

    def forget(self, horizon: datetime) -> None:
        """See `Ledger.forget`. A scope in which a row is missing is not forgotten."""
        forgettable: list[str] = []
        surplus = len(self._scopes) - self._capacity
        for name, scope in self._scopes.items() if surplus > 0 else ():
            if len(forgettable) == surplus:
                break
            if scope.stamp < horizon and name not in self._open:
                forgettable.append(name)
        drop(self._scopes, forgettable)

    def _missing(self, scope: _Scope, limit: int) -> list[int]:
        lowest = scope.lowest()
        if scope.next is None:
            return [*range(max(self._identity.first, lowest - _LOOK_BACK), lowest)][-limit:]
        missing: list[int] = []
        for number in range(scope.next, scope.highest + 1):
            if len(missing) == limit:
                break
            if number not in scope.held:
                missing.append(number)
        return missing

    def _locate(self, scope: _Scope, found: dict[int, tuple[Mark, RawRow]], settled: datetime) -> None:
        """Find where an unknown scope begins: after its last settled row, or with its first number."""
        if scope.next is not None:
            return
        old = [number for number, (mark, _) in found.items() if mark.stamp < settled]
        if old:
            scope.next = max(old) + 1
        elif self._identity.first in found:
            scope.next = self._identity.first
        for number in [number for number in scope.held if scope.next is not None and number < scope.next]:
            del scope.held[number]  # it came again while the answer was under way
            self._held -= 1

    def _late(self, scope: _Scope, mark: Mark, row: RawRow, arrival: Arrival) -> list[Accepted]:
        number = mark.version or 0
        if number not in scope.skipped:
            return []
        scope.skipped.discard(number)
        current = Mark(mark.key, (scope.next or 1) - 1, "", scope.stamp)
        return [Accepted(row, current, str(number), first_sight=True, arrival=arrival)]

    def _hold(self, scope: _Scope, mark: Mark, row: RawRow, arrival: Arrival) -> None:
        number = mark.version or 0
        scope.highest = max(scope.highest, number)
        scope.floor = min(scope.floor or mark.stamp, mark.stamp)
        if number in scope.held:
            return
        if self._held < self._max_held or number == scope.next or not scope.held:
            scope.held[number] = row, arrival
            self._held += 1

    def _drain(self, name: str, scope: _Scope) -> list[Accepted]:
        accepted: list[Accepted] = []
        while scope.next is not None and scope.next in scope.held:
            row, arrival = scope.held.pop(scope.next)
            self._held -= 1
            mark = Mark(name, scope.next, "", stamp_of(row))
            scope.stamp = max(scope.stamp, mark.stamp)
            accepted.append(Accepted(row, mark, str(scope.next), first_sight=True, arrival=arrival))
            scope.next += 1
        if accepted:
            scope.absent_since = None
            self._scopes[name] = self._scopes.pop(name)
        if scope.next is not None and scope.next > scope.highest:
            self._open.pop(name, None)
            scope.floor = None
        else:
            self._open[name] = scope
        return accepted
