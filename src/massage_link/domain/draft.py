"""Drafts: booking rows that a client wrote, and that are no bookings until they are admitted.

Whether a row is a booking can be read off its own `$permissions`, which no client can forge: a user may only grant
roles that they hold, so nobody but a key can write a row that customer *and* therapist may read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.alias_generators import to_camel

from massage_link.domain.booking import Booking, Status
from massage_link.domain.rows import Row, UtcDatetime
from massage_link.errors import InvalidMoney

__all__ = ["Draft", "authors_of", "is_booking", "is_booking_row", "is_locked", "is_shared"]

# Not "write": a transaction of a user stores that word unsplit, and whose role it names is checked by nobody.
_USER_ROLE = re.compile(r'(?:read|update|delete)\("user:([a-zA-Z0-9._-]{1,36})(?:/[a-z]+)?"\)')


def _readable(value: Any, parse: ValidatorFunctionWrapHandler) -> datetime | None:
    try:
        instant: datetime | None = parse(value)
    except ValueError:
        return None  # the server stores times of which Python knows none, such as the year 0
    return instant


def _bounds() -> Iterable[tuple[str, tuple[int, int]]]:
    for name, field in Booking.model_fields.items():
        rules = {rule: getattr(each, rule) for each in field.metadata for rule in ("ge", "le") if hasattr(each, rule)}
        if len(rules) == 2:
            yield name, (rules["ge"], rules["le"])


_BOUNDS: Mapping[str, tuple[int, int]] = dict(_bounds())
_Instant = Annotated[UtcDatetime | None, WrapValidator(_readable)]


class Draft(Row):
    """A booking row as a client wrote it. Nothing in it is to be believed; see `massage_link.usecases.admission`."""

    customer_id: str = ""
    therapist_id: str = ""
    service: str = ""
    starts_at: _Instant = None
    ends_at: _Instant = None
    timezone: str | None = None
    duration_minutes: int | None = None
    buffer_minutes: int | None = None
    area: str | None = None
    price_minor: int | None = None
    currency: str | None = None
    status: str | None = None
    version: int | None = None
    customer_name: str | None = None
    note: str | None = None
    canary: Annotated[bool | None, Field(repr=False)] = None

    @property
    def authors(self) -> frozenset[str]:
        """Ids of the users who can have written it."""
        return authors_of(self.permissions)

    @property
    def out_of_bounds(self) -> dict[str, int]:
        """Columns whose numbers the table does not allow, by wire name, with the nearest that it does.

        Appwrite's increment takes no notice of a column's bounds. From then on every other write to the row is refused,
        its permissions included, until the number is put right.
        """
        found: dict[str, int] = {}
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                found[to_camel(name)] = min(max(value, least), most)
        return found


def authors_of(permissions: Iterable[str]) -> frozenset[str]:
    """Ids of the users who are named in permissions: only they themselves, or a key, can have granted them."""
    return frozenset(found[1] for found in map(_USER_ROLE.fullmatch, permissions) if found)


def is_locked(draft: Draft) -> bool:
    """Whether no client can change a draft any more: its authors may read it, and nobody has any other right to it."""
    return set(draft.permissions) == {f'read("user:{author}")' for author in draft.authors}


def is_shared(booking: Booking) -> bool:
    """Whether customer and therapist may both read it, which only a key can bring about."""
    return _is_shared(booking.permissions, booking.customer_id, booking.therapist_id)


def is_booking(booking: Booking) -> bool:
    """Whether a row that reads like a booking is one, and no draft that looks like it."""
    if is_shared(booking):
        return True
    return _is_declined(booking.permissions, booking.customer_id, booking.status) and _has_a_price(booking)


def is_booking_row(raw: Mapping[str, Any]) -> bool:
    """Whether a raw row is a booking, and no draft."""
    permissions, customer_id = raw.get("$permissions") or (), str(raw.get("customerId"))
    if _is_shared(permissions, customer_id, str(raw.get("therapistId"))):
        return True
    if not _is_declined(permissions, customer_id, raw.get("status")):
        return False
    try:
        return _has_a_price(Booking.model_validate(raw))
    except ValidationError:
        return False


def _is_shared(permissions: Collection[str], customer_id: str, therapist_id: str) -> bool:
    customer, therapist = f'read("user:{customer_id}")', f'read("user:{therapist_id}")'
    return customer_id != therapist_id and customer in permissions and therapist in permissions


def _is_declined(permissions: Collection[str], customer_id: str, status: str | None) -> bool:
    # A draft that was declined stays with its author. Somebody who forges one deceives nobody but themselves.
    return status == Status.DECLINED and set(permissions) == {f'read("user:{customer_id}")'}


def _has_a_price(booking: Booking) -> bool:
    try:
        return booking.price.minor >= 0
    except InvalidMoney:
        return False
