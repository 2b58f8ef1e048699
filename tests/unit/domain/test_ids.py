"""Derived ids: the same facts give the same row, and Appwrite takes every one of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.domain.ids import (
    BOOKING_ID_LENGTH,
    booking_key_id,
    checked_id,
    entry_id,
    event_id,
    message_id,
    read_mark_id,
    slot_id,
)
from massage_link.errors import InvalidInput

DERIVED = re.compile(r"[0-9a-f][0-9a-f_]{0,35}")
BOOKING_IDS = st.text("0123456789abcdef", min_size=1, max_size=BOOKING_ID_LENGTH)
USER_IDS = st.text("abcXYZ019._-", min_size=1, max_size=36)
#: The last slot of the year 9999.
LAST_BUCKET = int(datetime(9999, 12, 31, 23, 55, tzinfo=UTC).timestamp()) // 300
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@given(BOOKING_IDS, st.integers(1, 9_999_999))
def test_ids_of_events_messages_and_entries_are_short_lower_case_hex(booking_id: str, n: int) -> None:
    for derived in (event_id(booking_id, n), message_id(booking_id, n), entry_id(booking_id, n)):
        assert DERIVED.fullmatch(derived)
        assert derived == f"{booking_id}_{n}"


@given(USER_IDS, st.integers(0, LAST_BUCKET))
def test_ids_of_slots_are_short_lower_case_hex(therapist: str, bucket: int) -> None:
    assert DERIVED.fullmatch(slot_id(therapist, bucket))


@given(ANY_TEXT, ANY_TEXT)
def test_ids_of_keys_and_read_marks_are_short_lower_case_hex_whatever_goes_in(one: str, other: str) -> None:
    assert DERIVED.fullmatch(booking_key_id(one, other))
    assert DERIVED.fullmatch(read_mark_id(one, other))


@given(USER_IDS, st.integers(0, LAST_BUCKET))
def test_users_who_are_one_to_the_server_share_their_slots(therapist: str, bucket: int) -> None:
    assert slot_id(therapist.upper(), bucket) == slot_id(therapist.lower(), bucket)


@given(USER_IDS, USER_IDS, st.integers(0, 10**7), st.integers(0, 10**7))
def test_different_slots_have_different_ids(one: str, other: str, a: int, b: int) -> None:
    same = (one.lower(), a) == (other.lower(), b)
    assert (slot_id(one, a) == slot_id(other, b)) is same


def test_the_boundary_between_the_parts_counts() -> None:
    assert booking_key_id("ab", "c") != booking_key_id("a", "bc")
    assert read_mark_id("ab", "c") != read_mark_id("a", "bc")


@pytest.mark.parametrize("value", ["a", "A1", "a" * 36, "user.name_1-2", "0"])
def test_an_id_that_appwrite_takes_is_taken(value: str) -> None:
    assert checked_id("customer_id", value) == value


@pytest.mark.parametrize("value", ["", "a" * 37, ".a", "_a", "-a", "a b", "é", "a\n", "unique()", None, 7])
def test_an_id_that_appwrite_refuses_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InvalidInput, match="customer_id"):
        checked_id("customer_id", value)
