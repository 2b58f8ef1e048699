"""Rows: whatever a table can hold comes back from its model as it was, under the names of the wire."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from massage_link.domain.booking import Booking, BookingEvent, BookingKey, Slot
from massage_link.domain.rows import Row, to_wire_time
from massage_link.domain.tables import TABLES, Table
from massage_link.schema import columns_of

METADATA = {
    "$id": "r1",
    "$sequence": "7",
    "$createdAt": "2026-07-01T09:00:00.000+00:00",
    "$updatedAt": "2026-07-01T09:00:00.123+00:00",
    "$permissions": ['read("user:anna")'],
    "$databaseId": "massage_link",
    "$tableId": "t",
}
TEXTS = st.characters(exclude_categories=["Cs"])
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)).map(to_wire_time)  # noqa: DTZ001


def _values(column: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What the column can hold, as the server answers it."""
    if "elements" in column:
        values: st.SearchStrategy[Any] = st.sampled_from(column["elements"])
    elif column["type"] == "string":
        values = st.text(TEXTS, max_size=min(column["size"], 40))
    elif column["type"] == "integer":
        values = st.integers(column["min"], column["max"])
    else:
        values = TIMES if column["type"] == "datetime" else st.booleans()
    optional = not column["required"] and column["default"] is None
    return st.none() | values if optional else values


def _rows(table: Table[Row]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({column["key"]: _values(column) for column in columns_of(table.model)})


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.id)
@given(data=st.data())
def test_every_row_that_a_table_can_hold_survives_its_model(table: Table[Row], data: st.DataObject) -> None:
    wire = data.draw(_rows(table))
    row = table.model.model_validate(METADATA | wire)
    assert row.columns() == wire
    assert (row.id, row.permissions) == ("r1", ('read("user:anna")',))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.id)
@given(data=st.data())
def test_a_row_that_is_older_than_a_column_has_its_default(table: Table[Row], data: st.DataObject) -> None:
    """A column that was added to a table with rows holds null in them; the server fills in new rows alone."""
    defaults = {column["key"]: column["default"] for column in columns_of(table.model) if not column["required"]}
    younger = data.draw(st.sets(st.sampled_from(sorted(defaults)))) if defaults else set()
    wire = METADATA | data.draw(_rows(table))
    older = wire | dict.fromkeys(younger)
    expected = table.model.model_validate(wire | {key: defaults[key] for key in younger})
    assert table.model.model_validate(older) == expected
    assert table.model.model_validate_json(json.dumps(older)) == expected


def test_a_null_where_there_is_no_default_is_refused() -> None:
    with pytest.raises(ValidationError, match="therapistId"):
        Slot.model_validate({"$id": "s", "therapistId": None, "bookingId": "b"})


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.id)
def test_names_are_camel_case_on_the_wire_and_snake_case_here(table: Table[Row]) -> None:
    for name, field in table.model.model_fields.items():
        if not (field.alias or "").startswith("$"):
            head, *rest = name.split("_")
            assert field.alias == head + "".join(part.capitalize() for part in rest)


def test_the_names_that_the_main_app_shares_are_these() -> None:
    names = {column["key"] for column in columns_of(Booking)}
    assert names >= {"customerId", "therapistId", "service", "startsAt", "endsAt", "priceMinor", "currency", "status"}


def test_columns_that_we_do_not_know_are_ignored() -> None:
    assert Slot.model_validate({"$id": "s", "therapistId": "t", "bookingId": "b", "new": 1}).booking_id == "b"


def test_a_row_is_made_by_its_python_names_and_cannot_be_changed() -> None:
    slot = Slot(id="s", therapist_id="t", booking_id="b")
    assert slot.columns() == {"therapistId": "t", "bookingId": "b"}
    with pytest.raises(ValidationError):
        slot.booking_id = "other"  # type: ignore[misc]


def test_a_row_that_is_not_stored_yet_has_no_stamps() -> None:
    key = BookingKey(id="k", booking_id="b", request_hash="h")
    assert (key.created_at, key.updated_at, key.permissions) == (None, None, ())


def test_stamps_are_instants_in_utc() -> None:
    slot = Slot.model_validate(METADATA | {"therapistId": "t", "bookingId": "b"})
    assert slot.updated_at == datetime(2026, 7, 1, 9, 0, 0, 123_000, tzinfo=UTC)


def test_a_time_of_another_zone_becomes_utc_and_one_without_a_zone_is_refused() -> None:
    local = datetime(2026, 7, 1, 11, tzinfo=timezone(timedelta(hours=2)))
    facts: dict[str, Any] = {
        "id": "b_1",
        "booking_id": "b",
        "version": 1,
        "command_id": "k",
        "type": "requested",
        "actor": "anna",
        "actor_role": "customer",
        "to_status": "pending",
    }
    event = BookingEvent(**facts, at=local)
    assert event.at.tzinfo is UTC
    assert event.columns()["at"] == "2026-07-01T09:00:00.000+00:00"
    with pytest.raises(ValidationError, match="a time needs a time zone"):
        BookingEvent(**facts, at=local.replace(tzinfo=None))


def test_further_facts_of_an_event_are_json() -> None:
    event = BookingEvent.model_validate(
        {
            "$id": "b_1",
            "bookingId": "b",
            "version": 1,
            "commandId": "k",
            "type": "requested",
            "actor": "anna",
            "actorRole": "customer",
            "toStatus": "pending",
            "at": "2026-07-01T09:00:00.000+00:00",
            "data": '{"feeMinor": 100}',
        }
    )
    assert event.facts == {"feeMinor": 100}
