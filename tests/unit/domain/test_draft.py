"""What tells a booking from a draft, and whose a draft is: permissions that no client can forge."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.domain.booking import Booking, Status
from massage_link.domain.draft import Draft, authors_of, is_booking, is_booking_row, is_locked

BOTH = ('read("user:ann")', 'read("user:tom")')


def row(*permissions: str, **changes: Any) -> dict[str, Any]:
    """A row of the bookings table as the server writes it."""
    return {
        "$id": "b1",
        "$permissions": list(permissions),
        "customerId": "ann",
        "therapistId": "tom",
        "service": "Deep tissue",
        "startsAt": "2026-07-03T09:00:00.000+00:00",
        "endsAt": "2026-07-03T10:00:00.000+00:00",
        "timezone": "Europe/Berlin",
        "durationMinutes": 60,
        "priceMinor": 9_505,
        "currency": "EUR",
        "status": "pending",
        **changes,
    }


# --- authors ----------------------------------------------------------------------------------------------------------
def test_the_author_is_who_may_read_change_or_delete_the_row() -> None:
    assert authors_of(['read("user:ann")', 'update("user:bob")', 'delete("user:cy/verified")']) == {"ann", "bob", "cy"}


@pytest.mark.parametrize(
    "permission",
    [
        'write("user:ann")',  # a transaction stores it for whoever a client names
        'create("user:ann")',
        'read("users")',
        'read("any")',
        'read("user:ann:bob")',
        'read("user:ann/verified/more")',
        'read("user: ann")',
        'read("user:")',
        'read("team:ann")',
        'read("label:ann")',
        'read("member:ann")',
        'read("user:ann") ',
        'READ("user:ann")',
        'read("user:' + "a" * 37 + '")',
        "",
    ],
)
def test_nothing_else_proves_an_author(permission: str) -> None:
    assert authors_of([permission]) == set()


@given(st.text(max_size=40))
def test_an_author_is_named_as_the_server_writes_it_or_not_at_all(text: str) -> None:
    permission = f'read("user:{text}")'
    assert authors_of([permission]) in (set(), {text.partition("/")[0]})


# --- locks ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("permissions", "locked"),
    [
        (['read("user:ann")'], True),
        (['read("user:ann")', 'read("user:bob")'], True),
        ([], True),
        (['read("user:ann")', 'update("user:ann")'], False),
        (['delete("user:ann")'], False),
        (['update("user:ann")'], False),
        (['read("user:ann/verified")'], False),
        (['read("user:ann")', 'read("users")'], False),
        (['update("users")'], False),
        (['write("user:ann")'], False),
        (['read("user:ann")', 'write("user:ann")'], False),
    ],
)
def test_a_draft_is_locked_when_its_authors_may_read_it_and_nobody_anything_else(
    permissions: list[str], locked: bool
) -> None:
    assert is_locked(Draft.model_validate(row(*permissions))) is locked


# --- bookings ---------------------------------------------------------------------------------------------------------
def test_a_row_that_customer_and_therapist_may_read_is_a_booking() -> None:
    assert is_booking_row(row(*BOTH))
    assert is_booking_row(row(*reversed(BOTH), 'read("label:auditors")'))
    assert is_booking(Booking.model_validate(row(*BOTH)))


@pytest.mark.parametrize(
    "permissions",
    [
        [],
        ['read("user:ann")'],
        ['read("user:tom")'],
        ['read("users")', 'read("any")'],
        ['read("user:ann")', 'update("user:tom")'],
        ['read("user:ann")', 'read("user:tom/verified")'],
        ['read("user:ann")', 'read("user:TOM")'],
        ['write("user:ann")', 'write("user:tom")'],
    ],
)
@pytest.mark.parametrize("status", [status for status in Status if status is not Status.DECLINED])
def test_whatever_a_client_can_write_is_no_booking(permissions: list[str], status: Status) -> None:
    assert not is_booking_row(row(*permissions, status=status.value))
    assert not is_booking(Booking.model_validate(row(*permissions, status=status.value)))


def test_a_row_of_one_person_for_themselves_is_no_booking() -> None:
    assert not is_booking_row(row('read("user:ann")', therapistId="ann"))


def test_a_draft_that_was_declined_is_a_declined_booking_to_its_author_alone() -> None:
    assert is_booking_row(row('read("user:ann")', status="declined"))
    for others in ('read("users")', 'read("user:tom")'):
        assert not is_booking_row(row('read("user:ann")', others, status="declined", therapistId="tim"))
        assert not is_booking_row(row(others, status="declined", therapistId="tim"))


@pytest.mark.parametrize("change", [{"currency": "€€€"}, {"currency": None}, {"endsAt": None}, {"priceMinor": -1}])
def test_a_declined_draft_that_does_not_read_like_a_booking_is_none(change: dict[str, Any]) -> None:
    assert not is_booking_row(row('read("user:ann")', **{"status": "declined", **change}))


def test_a_row_that_says_next_to_nothing_is_a_draft() -> None:
    for raw in ({}, {"$permissions": None}, {"$permissions": ['read("user:None")']}):
        assert not is_booking_row(raw)


# --- drafts -----------------------------------------------------------------------------------------------------------
def test_a_draft_may_leave_out_all_that_the_catalogue_says() -> None:
    draft = Draft.model_validate({"$id": "b1", "customerId": "ann", "therapistId": "tom", "endsAt": None})
    assert (draft.customer_id, draft.ends_at, draft.price_minor, draft.authors) == ("ann", None, None, frozenset())


@pytest.mark.parametrize("instant", ["0000-01-01T00:00:00.000+00:00", "yesterday", "2026-07-03T09:00:00"])
def test_a_time_that_nobody_can_read_is_a_time_that_is_missing(instant: str) -> None:
    """One such row must not keep a page of bookings from being read."""
    assert Draft.model_validate(row(startsAt=instant)).starts_at is None


def test_numbers_that_an_increment_has_taken_beyond_their_columns_are_named_with_the_nearest_that_are_allowed() -> None:
    numbers = {"priceMinor": -1, "durationMinutes": 10**9, "bufferMinutes": 10, "version": 0}
    draft = Draft.model_validate({"$id": "d1", **numbers})
    assert draft.out_of_bounds == {"priceMinor": 0, "durationMinutes": 1_440, "version": 1}
    assert Draft.model_validate({"$id": "d1"}).out_of_bounds == {}
