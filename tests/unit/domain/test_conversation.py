"""Folding: edits and deletions in whatever order, by whomever; and what counts as unread."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.domain.chat import ChatMessage, MessageKind, message
from massage_link.domain.conversation import Conversation, count_unread, fold

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
USER, SYSTEM, EDIT, DELETE = MessageKind.USER, MessageKind.SYSTEM, MessageKind.EDIT, MessageKind.DELETE


def said(n: int, body: str = "", *, by: str = "ann", kind: MessageKind = USER, of: int | None = None) -> ChatMessage:
    """The n-th message, sent n minutes after the first."""
    at = NOW + timedelta(minutes=n)
    return message(
        "b1", n, sender_id=by, client_id=f"c{n}", body=body or f"text {n}", sent_at=at, kind=kind, refers_to=of
    )


def shown(conversation: Conversation) -> list[tuple[int, str]]:
    """Number and text of each entry."""
    return [(entry.n, entry.body) for entry in conversation]


def test_edits_and_deletions_are_no_entries_of_their_own() -> None:
    talk = fold([said(1, kind=SYSTEM, by="system"), said(2), said(3, by="tom"), said(4, "two", kind=EDIT, of=2)])
    assert shown(talk) == [(1, "text 1"), (2, "two"), (3, "text 3")]
    assert (talk.newest, len(talk)) == (4, 3)
    entry = talk.entry(2)
    assert entry is not None
    assert (entry.sent_at, entry.edited_at) == (NOW + timedelta(minutes=2), NOW + timedelta(minutes=4))
    assert talk.entry(4) is None


def test_what_was_deleted_keeps_its_place_and_loses_its_text() -> None:
    talk = fold([said(1), said(2, kind=DELETE, of=1), said(3)])
    assert shown(talk) == [(1, ""), (3, "text 3")]
    entry = talk.entry(1)
    assert entry is not None
    assert entry.deleted_at == NOW + timedelta(minutes=2)


@pytest.mark.parametrize("kind", [EDIT, DELETE])
def test_only_the_sender_s_own_changes_count(kind: MessageKind) -> None:
    assert shown(fold([said(1), said(2, "forged", by="tom", kind=kind, of=1)])) == [(1, "text 1")]


@pytest.mark.parametrize("target", [said(1, kind=SYSTEM, by="system"), said(1, "new", kind=EDIT, of=7)])
def test_only_what_a_person_said_can_be_changed(target: ChatMessage) -> None:
    forged = said(2, "forged", by=target.sender_id, kind=EDIT, of=1)
    assert "forged" not in dict(shown(fold([target, forged]))).values()


HISTORY = [said(1), said(2, "a", kind=EDIT, of=1), said(3, "b", kind=EDIT, of=1), said(4, kind=DELETE, of=1)]


@pytest.mark.parametrize("length", [3, 4])
def test_in_whatever_order_it_comes_the_result_is_the_same(length: int) -> None:
    expected = list(fold(HISTORY[:length]))
    for order in permutations(HISTORY[:length]):
        at_once = fold(order)
        one_by_one = Conversation()
        for each in order:
            one_by_one = one_by_one.adding(each)
        assert list(at_once) == list(one_by_one) == expected


_ANYTHING = st.lists(
    st.tuples(st.sampled_from(["ann", "tom"]), st.sampled_from([USER, EDIT, DELETE]), st.integers(1, 12)), max_size=12
)


@given(_ANYTHING, st.randoms(use_true_random=False))
def test_pages_can_be_read_backwards_twice_and_torn_apart(
    drawn: list[tuple[str, MessageKind, int]], random: object
) -> None:
    history = [
        said(n, by=by, kind=kind, of=None if kind is USER else of) for n, (by, kind, of) in enumerate(drawn, start=1)
    ]
    shuffled = [*history, *history]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    torn = Conversation()
    while shuffled:
        torn, shuffled = torn.adding(*shuffled[:3]), shuffled[3:]
    assert list(torn) == list(fold(history))
    assert torn.newest == len(history)


def test_a_conversation_of_which_only_the_end_was_read_keeps_the_changes_to_what_is_to_come() -> None:
    end = fold([said(3, "edited", kind=EDIT, of=1), said(4)])
    assert shown(end) == [(4, "text 4")]
    assert shown(end.adding(said(1))) == [(1, "edited"), (4, "text 4")]


def test_unread_is_what_was_said_and_not_taken_back() -> None:
    later = [(4, USER, None), (5, USER, None), (6, EDIT, 4), (7, DELETE, 5), (8, SYSTEM, None), (9, DELETE, 2)]
    assert count_unread(later) == 1
    assert count_unread([]) == 0
