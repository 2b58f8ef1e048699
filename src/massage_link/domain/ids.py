"""Ids that are derived, never invented: the same facts always give the same row, so a repeated write changes nothing.

All are lower-case hex and digits, because Appwrite compares ids without case on MariaDB, and at most 36 characters,
which is its limit.
"""

from __future__ import annotations

import hashlib
import re

from massage_link.errors import InvalidInput

__all__ = [
    "BOOKING_ID_LENGTH",
    "booking_key_id",
    "checked_id",
    "checked_key",
    "checked_text",
    "entry_id",
    "event_id",
    "message_id",
    "presence_id",
    "read_mark_id",
    "slot_id",
]

#: Leaves room for ``_{version}`` in the ids of a booking's events, messages and ledger entries.
BOOKING_ID_LENGTH = 28
_SLOT_HASH_LENGTH = 26
_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,35}")
#: Leaves room for what it is the key of in a ledger entry's reference of 64 characters.
_KEY = re.compile(r"[a-z0-9][a-z0-9._:-]{0,49}")


def _hash(user_id: str, *others: str) -> str:
    # User ids are compared without case by the server, so they are hashed without it as well: otherwise "Anna" and
    # "anna", which are one user, would hold two sets of slots.
    return hashlib.sha256("\0".join((user_id.lower(), *others)).encode()).hexdigest()


def checked_id(name: str, value: str) -> str:
    """The value, when it is an id that Appwrite accepts.

    Raises:
        InvalidInput: it is not; the message calls it `name`.

    """
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise InvalidInput(
            f"{name} {value!r} is not an id: 1 to 36 characters of a-z, A-Z, 0-9, '.', '_' and '-', "
            "beginning with a letter or digit."
        )
    return value


def checked_key(name: str, value: str) -> str:
    """A key that names something that is done once, in lower case: the server compares texts without it.

    Raises:
        InvalidInput: it is none; the message calls it `name`.

    """
    key = value.lower() if isinstance(value, str) else ""
    if not _KEY.fullmatch(key):
        raise InvalidInput(
            f"{name} {value!r} is not a key: 1 to 50 characters of a-z, 0-9, '.', '_', ':' and '-', beginning with a "
            "letter or digit; capitals count as small letters."
        )
    return key


def checked_text(name: str, value: str) -> str:
    """The value, when it is a text that can be sent: no half of a surrogate pair, which UTF-8 cannot say.

    Raises:
        InvalidInput: it is not; the message calls it `name`.

    """
    if not isinstance(value, str):
        raise InvalidInput(f"{name} is a text, not {value!r}.")
    if any("\ud800" <= sign <= "\udfff" for sign in value):
        raise InvalidInput(f"{name} holds half of a surrogate pair, which is no character.")
    return value


def event_id(booking_id: str, version: int) -> str:
    """Id of the `booking_events` row that made the booking's `version`: creating it is the compare-and-set."""
    return f"{booking_id}_{version}"


def message_id(room_id: str, n: int) -> str:
    """Id of the n-th message of a room (n from 1, dense)."""
    return f"{room_id}_{n}"


def entry_id(booking_id: str, n: int) -> str:
    """Id of the n-th ledger entry of a booking (n from 1)."""
    return f"{booking_id}_{n}"


def slot_id(therapist_id: str, bucket: int) -> str:
    """Id of a therapist's five-minute slot; its uniqueness is what makes a double booking impossible."""
    return f"{_hash(therapist_id)[:_SLOT_HASH_LENGTH]}_{bucket}"


def booking_key_id(customer_id: str, idempotency_key: str) -> str:
    """Id of the row that remembers which booking an idempotency key made."""
    return _hash(customer_id, idempotency_key)[:36]


def read_mark_id(room_id: str, user_id: str) -> str:
    """Id of a participant's read mark in a room."""
    return _hash(user_id, room_id)[:36]


def presence_id(user_id: str) -> str:
    """Id under which a user's presence is written; the server keeps one a user, whatever its id."""
    return _hash(user_id, "presence")[:36]
