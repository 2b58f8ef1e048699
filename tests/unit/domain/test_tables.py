"""The tables and their readers, against the table of the design."""

from __future__ import annotations

import pytest

from massage_link.domain.tables import TABLES, Index, Reader

# table: (readers besides ops, whether ops read it)
READERS = {
    "bookings": ("customer therapist", True),
    "booking_keys": ("", True),
    "booking_terms": ("therapist", True),
    "booking_places": ("customer", True),
    "booking_events": ("customer therapist", True),
    "slots": ("", True),
    "chat_rooms": ("customer therapist", True),
    "chat_messages": ("customer therapist", True),
    "chat_reads": ("customer therapist", False),
    "commissions": ("therapist", True),
    "commission_entries": ("therapist", True),
    "therapists": ("", False),
    "therapist_terms": ("therapist", True),
    "system_state": ("", True),
}
BY_ID = {table.id: table for table in TABLES}


def test_there_are_exactly_the_designed_tables() -> None:
    assert list(BY_ID) == list(READERS)


@pytest.mark.parametrize("name", READERS)
def test_a_row_is_read_by_those_whom_the_design_names(name: str) -> None:
    table, (people, ops) = BY_ID[name], READERS[name]
    assert " ".join(table.user_readers(customer_id="customer", therapist_id="therapist")) == people
    assert (Reader.OPS in table.readers) is ops
    assert (Reader.ANY in table.readers) is (name == "therapists")


def test_a_reader_who_is_not_named_is_left_out() -> None:
    assert BY_ID["bookings"].user_readers(therapist_id="tom") == ["tom"]
    assert BY_ID["bookings"].user_readers() == []


def test_the_therapist_reads_the_place_only_once_accepted() -> None:
    places = BY_ID["booking_places"]
    assert places.user_readers(customer_id="anna", therapist_id="tom") == ["anna"]
    assert places.user_readers(customer_id="anna", therapist_id="tom", accepted=True) == ["anna", "tom"]


def test_an_index_is_named_for_its_columns() -> None:
    assert Index(("customerId", "-startsAt")).key == "by_customerId_startsAt"
    assert Index(("roomId", "clientId"), unique=True).key == "unique_roomId_clientId"
