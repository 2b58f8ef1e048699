"""A conversation as people read it: the messages with their edits and deletions folded in. The raw facts stay.

An edit or deletion is a message of its own, later in the room, that names the one it changes. The trusted path lets
only the sender write it, and only for a while; whoever folds takes no other's for one either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from massage_link.domain.chat import ChatMessage, MessageKind

__all__ = ["AMEND_WITHIN", "Conversation", "Entry", "count_unread", "fold"]

#: How long after sending it a message may be edited or deleted by its sender.
AMEND_WITHIN = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message, or one line of the platform, as it reads now.

    Attributes:
        n: its number; numbers between those of entries belong to edits and deletions.
        sender_id: who wrote it; ``system`` for a line of the platform.
        body: its text now; empty once it was deleted. Plain text, never markup.
        sent_at: when it was sent first.
        edited_at: when it was edited last; None if it never was.
        deleted_at: when it was deleted; None if it was not.
        amended_by: number of the message that changed it last; None if none did.

    """

    n: int
    sender_id: str
    kind: MessageKind
    body: str
    sent_at: datetime
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    amended_by: int | None = None


@dataclass(frozen=True)
class Conversation:
    """The entries of a room, in order. Iterating gives them; `newest` is the number up to which it was read.

    Attributes:
        newest: number of the last message that was folded in, edits and deletions included; 0 for none.

    """

    newest: int = 0
    _entries: dict[int, Entry] = field(default_factory=dict, repr=False)
    #: Changes that have come before what they change: messages are read backwards as well.
    _waiting: tuple[ChatMessage, ...] = field(default=(), repr=False)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries[n] for n in sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, n: int) -> Entry | None:
        """The entry of this number; None when it is not here, or an edit or deletion."""
        return self._entries.get(n)

    def adding(self, *messages: ChatMessage) -> Conversation:
        """The conversation with these messages too, whatever their order; what it knows already changes nothing."""
        entries, newest = dict(self._entries), self.newest
        changes: list[ChatMessage] = list(self._waiting)
        for each in messages:
            newest = max(newest, each.n)
            if each.kind in {MessageKind.EDIT, MessageKind.DELETE}:
                changes.append(each)
            else:
                entries.setdefault(each.n, Entry(each.n, each.sender_id, each.kind, each.body, each.sent_at))
        waiting = []
        for change in sorted(changes, key=lambda each: each.n):
            target = entries.get(change.refers_to or 0)
            if target is None:
                waiting.append(change)
            elif (target.kind, target.sender_id) == (MessageKind.USER, change.sender_id):
                entries[target.n] = _changed(target, change)
        return Conversation(newest, entries, tuple(waiting))


def fold(messages: Iterable[ChatMessage]) -> Conversation:
    """The conversation that these messages make, whatever their order."""
    return Conversation().adding(*messages)


def _changed(entry: Entry, change: ChatMessage) -> Entry:
    """The entry after a change, which may come before an earlier one: the result is the same in whatever order."""
    by = entry.amended_by
    if change.kind is MessageKind.DELETE:
        if entry.deleted_at is not None and by is not None and by < change.n:
            return entry
        return replace(entry, body="", edited_at=None, deleted_at=change.sent_at, amended_by=change.n)
    if entry.deleted_at is not None or (by is not None and by > change.n):
        return entry  # what is gone does not come back
    return replace(entry, body=change.body, edited_at=change.sent_at, amended_by=change.n)


def count_unread(later: Iterable[tuple[int, MessageKind, int | None]]) -> int:
    """How many messages of others are unread.

    What counts is what somebody said and has not taken back; edits do not count, nor do lines of the platform, since
    they tell of changes that the booking itself shows.

    Args:
        later: number, kind and what it refers to of the others' messages above the read mark.

    """
    said, taken_back = set(), set()
    for n, kind, refers_to in later:
        if kind is MessageKind.USER:
            said.add(n)
        elif kind is MessageKind.DELETE and refers_to is not None:
            taken_back.add(refers_to)
    return len(said - taken_back)
