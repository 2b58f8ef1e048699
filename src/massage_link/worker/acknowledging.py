"""Acknowledging out of order: a checkpoint for changes that several handlers deal with at the same time.

The subscriber acknowledges in the order in which it hands out. Here each acknowledgement waits as a `Ticket` until the
change has really been dealt with, and a source's high water moves only past changes that all have been. So whatever was
begun and not finished, or parked, comes again with the next start. Changes of one key are dealt with one after another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from massage_link.realtime.checkpoint import Checkpoint, Progress
from massage_link.realtime.ledger import Mark

__all__ = ["LateCheckpoint", "Ticket"]


@dataclass(eq=False, slots=True)
class Ticket:
    """One change that was handed out and is not acknowledged yet.

    Attributes:
        source: name of its source.
        mark: what will be remembered of it.
        advance: high water and horizon to be noted once this ticket and all before it are settled.

    """

    source: str
    mark: Mark
    advance: tuple[datetime, datetime] | None = field(default=None, repr=False)


class LateCheckpoint:
    """A `Checkpoint` in front of another one, which hears of each acknowledgement when it is due.

    Args:
        inner: where progress is kept.
        prefix: put before the sources' names, so that one file may serve several consumers in turn.
        numbered: the sources of numbered rows. There a later number stands for all before it, so it is not
            acknowledged while an earlier one of its scope is not. Elsewhere a later version replaces an earlier one.

    """

    def __init__(self, inner: Checkpoint, *, prefix: str = "", numbered: Collection[str] = ()) -> None:
        self._inner = inner
        self._prefix = prefix
        self._numbered = frozenset(numbered)
        self._lines: defaultdict[str, list[Ticket]] = defaultdict(list)  # in the order of handing out
        self._last: Ticket | None = None
        self._is_open = False

    # --- the subscriber's side ----------------------------------------------------------------------------------------
    def open(self) -> None:
        """See `Checkpoint.open`; a second time is harmless."""
        if not self._is_open:
            self._inner.open()
            self._is_open = True

    def load(self, source: str) -> Progress | None:
        """See `Checkpoint.load`."""
        return self._inner.load(self._prefix + source)

    def begin(self, source: str, progress: Progress) -> None:
        """See `Checkpoint.begin`."""
        self._inner.begin(self._prefix + source, progress)

    def acknowledge(self, source: str, mark: Mark) -> None:
        """Write a ticket; `take` gives it to whoever deals with the change."""
        self._last = Ticket(source, mark)
        self._lines[source].append(self._last)

    def advance(self, source: str, high_water: datetime, forgettable: datetime) -> None:
        """See `Checkpoint.advance`; noted once every ticket that was written before is settled."""
        line = self._lines[source]
        if line:
            line[-1].advance = high_water, forgettable
        else:
            self._inner.advance(self._prefix + source, high_water, forgettable)

    def close(self) -> None:
        """See `Checkpoint.close`. Open tickets are forgotten: their changes come again."""
        self._lines.clear()
        if self._is_open:
            self._is_open = False
            self._inner.close()

    # --- the handlers' side -------------------------------------------------------------------------------------------
    def take(self) -> Ticket:
        """The ticket that was written last."""
        ticket, self._last = self._last, None
        assert ticket is not None, "acknowledge first"
        return ticket

    def done(self, ticket: Ticket) -> None:
        """The change has been dealt with. What is never said to be done (parked, interrupted) comes again."""
        line = self._lines[ticket.source]
        earlier = [each for each in line[: line.index(ticket)] if each.mark.key == ticket.mark.key]
        if earlier and ticket.source in self._numbered:
            return
        self._inner.acknowledge(self._prefix + ticket.source, ticket.mark)
        for each in (*earlier, ticket):
            self._settle(each)

    def _settle(self, ticket: Ticket) -> None:
        line = self._lines[ticket.source]
        place = line.index(ticket)
        del line[place]
        if ticket.advance is None:
            return
        if place > 0:
            line[place - 1].advance = ticket.advance
        else:
            self._inner.advance(self._prefix + ticket.source, *ticket.advance)
