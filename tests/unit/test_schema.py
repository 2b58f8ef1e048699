"""From models to Appwrite's tables: what is generated, and what is refused before a server would."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, create_model

from massage_link.domain.rows import Row, UtcDatetime
from massage_link.domain.tables import TABLES, Index, Reader, Table
from massage_link.errors import SchemaError
from massage_link.schema import (
    FUNCTIONS,
    MAX_INDEX_LENGTH,
    MAX_ROW_BYTES,
    check_limits,
    columns_of,
    generated_files,
    index_length,
    row_bytes,
    same_content,
    table_definition,
)

DATA = Path(__file__).parents[1] / "data"


class Mood(StrEnum):
    CALM = "calm"
    MERRY = "merry"


class Lonely(StrEnum):
    ONLY = "only"


class Sample(Row):
    some_text: Annotated[str, Field(max_length=40)]
    with_default: Annotated[str, Field(max_length=40)] = "x"
    count: Annotated[int, Field(ge=-3, le=5)]
    count_or_none: Annotated[int, Field(ge=0, le=5)] | None = None
    flag: bool = False
    mood: Mood
    mood_or_none: Mood | None = None
    mood_with_default: Mood = Mood.CALM
    lonely: Lonely = Lonely.ONLY
    at: UtcDatetime
    at_or_none: UtcDatetime | None = None
    nullable: Annotated[str, Field(max_length=7)] | None


COLUMNS = {column["key"]: column for column in columns_of(Sample)}


def _table(*columns: dict[str, Any], id: str = "things", indexes: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"$id": id, "columns": list(columns), "indexes": list(indexes)}


def _text(key: str, size: int) -> dict[str, Any]:
    return {"key": key, "type": "string", "required": True, "array": False, "size": size, "default": None}


def _index(key: str, *columns: str) -> dict[str, Any]:
    return {"key": key, "type": "key", "columns": list(columns), "orders": ["ASC"] * len(columns)}


# --- columns ----------------------------------------------------------------------------------------------------------
def test_columns_are_the_models_own_fields_in_order_and_camel_case() -> None:
    names = "someText withDefault count countOrNone flag mood moodOrNone moodWithDefault lonely at atOrNone nullable"
    assert list(COLUMNS) == names.split()


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("someText", {"type": "string", "required": True, "size": 40, "default": None, "encrypt": False}),
        ("withDefault", {"type": "string", "required": False, "size": 40, "default": "x", "encrypt": False}),
        ("nullable", {"type": "string", "required": False, "size": 7, "default": None, "encrypt": False}),
        ("count", {"type": "integer", "required": True, "min": -3, "max": 5, "default": None}),
        ("countOrNone", {"type": "integer", "required": False, "min": 0, "max": 5, "default": None}),
        ("flag", {"type": "boolean", "required": False, "default": False}),
        ("at", {"type": "datetime", "required": True, "default": None}),
        ("atOrNone", {"type": "datetime", "required": False, "default": None}),
    ],
)
def test_a_field_becomes_a_column(key: str, column: dict[str, Any]) -> None:
    assert COLUMNS[key] == {"key": key, "array": False} | column


@pytest.mark.parametrize(
    ("key", "elements", "required", "default"),
    [
        ("mood", ["calm", "merry"], True, None),
        ("moodOrNone", ["calm", "merry"], False, None),
        ("moodWithDefault", ["calm", "merry"], False, "calm"),
        ("lonely", ["only"], False, "only"),
    ],
)
def test_an_enum_lists_its_members(key: str, elements: list[str], required: bool, default: str | None) -> None:
    column = COLUMNS[key]
    assert (column["format"], column["elements"]) == ("enum", elements)
    assert (column["required"], column["default"]) == (required, default)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (str, "Odd.field needs a bound: Field(max_length=…)"),
        (Annotated[int, Field(ge=0)], "Odd.field needs a bound: Field(le=…)"),
        (Annotated[int, Field(le=0)], "Odd.field needs a bound: Field(ge=…)"),
        (float, "Odd.field is no text"),
        (list[str], "Odd.field is no text"),
        (int | str, "Odd.field is no text"),
    ],
)
def test_a_field_that_no_column_can_hold_is_refused(kind: Any, said: str) -> None:
    model = create_model("Odd", __base__=Row, field=(kind, ...))
    with pytest.raises(SchemaError) as refusal:
        columns_of(model)
    assert said in str(refusal.value)


# --- limits -----------------------------------------------------------------------------------------------------------
def _recorded_tables() -> list[dict[str, Any]]:
    """Tables as a real server described them, with the bytes that it counted."""
    bodies = [step["body"] for step in json.loads((DATA / "cli.json").read_text()) if isinstance(step["body"], dict)]
    return [body for body in bodies if "bytesUsed" in body]


def test_row_bytes_are_counted_as_a_real_server_counts_them() -> None:
    recorded = [(row_bytes(table["columns"]), table["bytesUsed"]) for table in _recorded_tables()]
    assert {used for _, used in recorded} == {1_067, 2_245}
    assert all(ours == used for ours, used in recorded)


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_a_wider_table_is_never_narrower_unless_a_text_moves_out_of_the_row(small: int, big: int) -> None:
    small, big = sorted((small, big))
    moved_out = small <= 16_381 < big
    assert moved_out or row_bytes([_text("t", small)]) <= row_bytes([_text("t", big)])


def test_a_big_integer_takes_eight_bytes_and_a_small_one_four() -> None:
    def bytes_of(largest: int) -> int:
        return row_bytes([{"type": "integer", "min": 0, "max": largest}]) - row_bytes([])

    assert (bytes_of(2**31 - 1), bytes_of(2**31)) == (4, 8)


def test_a_row_that_is_one_byte_too_wide_is_refused_with_table_number_and_limit() -> None:
    room = MAX_ROW_BYTES - 1 - row_bytes([])
    # A text of n > 255 characters takes 4n + 2 bytes, a shorter one 4n + 1.
    fits = [_text("a", (room - 2 - 5) // 4), _text("b", 1)]
    left = MAX_ROW_BYTES - 1 - row_bytes(fits)
    fits += [{"key": f"c{n}", "type": "boolean", "required": True, "default": None} for n in range(left)]
    assert row_bytes(fits) == MAX_ROW_BYTES - 1
    check_limits(_table(*fits))
    with pytest.raises(SchemaError, match=r"row of table things needs 65,535 bytes; Appwrite takes 65,534"):
        check_limits(_table(*fits, {"key": "more", "type": "boolean", "required": True, "default": None}))


def test_an_index_that_is_one_character_too_long_is_refused_with_table_number_and_limit() -> None:
    columns = (_text("a", 700), _text("b", 68), _text("c", 69))
    check_limits(_table(*columns, indexes=(_index("by_a_b", "a", "b"),)))
    with pytest.raises(SchemaError, match=r"index by_a_c of table things has 769 characters; Appwrite takes 768"):
        check_limits(_table(*columns, indexes=(_index("by_a_c", "a", "c"),)))


def test_an_enum_counts_255_characters_in_an_index_and_a_number_or_time_one() -> None:
    assert index_length(COLUMNS, ["mood", "count", "at", "flag", "$createdAt"]) == 255 + 4
    assert index_length(COLUMNS, ["someText", "$id"]) == 40 + 255


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (_table(id="t" * 37), "key 'ttt"),
        (_table(id="_things"), "'_things' is no key"),
        (_table(_text("k" * 37, 1)), "has 37 characters; Appwrite takes 36"),
        (_table(_text("straße", 1)), "'straße' is no key"),
        (_table(_text("a", 1), indexes=(_index("i" * 37, "a"),)), "has 37 characters; Appwrite takes 36"),
        (_table(_text("a", 1), indexes=(_index("by_b", "b"),)), "index by_b of table things names the column b"),
        (_table(_text("a", 1), indexes=(_index("by_a", "a", "a"),)), "names a column twice"),
        (_table(_text("a", 1) | {"default": "x"}), "column things.a is required and has a default"),
        (_table(_text("a", 1) | {"default": "xy", "required": False}), "longer than its size of 1"),
        (_table(_text("a", 1) | {"format": "enum", "elements": ["e" * 256]}), "an element of 256 characters"),
        (_table(_text("a", 1) | {"format": "enum", "elements": [str(n) for n in range(101)]}), "has 101 elements"),
    ],
)
def test_a_table_that_a_server_would_refuse_is_refused(table: dict[str, Any], said: str) -> None:
    with pytest.raises(SchemaError) as refusal:
        check_limits(table)
    assert said in str(refusal.value)


def test_every_table_of_ours_is_checked_when_it_is_generated() -> None:
    too_wide = create_model("Wide", __base__=Row, a=(Annotated[str, Field(max_length=16_300)], ""))
    table = Table("wide", "Wide", too_wide, frozenset(), (Index(("a",)),))
    with pytest.raises(SchemaError, match="wide"):
        generated_files([table])


# --- files ------------------------------------------------------------------------------------------------------------
CONFIG: dict[str, Any] = json.loads(generated_files()["appwrite.json"])


def test_there_is_one_reviewable_file_a_table_and_the_clis_configuration() -> None:
    assert set(generated_files()) == {"appwrite.json", *(f"schema/{table.id}.json" for table in TABLES)}


def test_the_configuration_has_the_keys_that_the_appwrite_cli_keeps() -> None:
    table_keys = ["$id", "$permissions", "databaseId", "name", "enabled", "rowSecurity", "columns", "indexes"]
    function_keys = [
        "$id",
        "name",
        "runtime",
        "path",
        "entrypoint",
        "commands",
        "execute",
        "events",
        "schedule",
        "timeout",
        "enabled",
        "logging",
        "scopes",
        "specification",
    ]
    assert list(CONFIG) == ["tablesDB", "tables", "functions"]
    assert [list(table) for table in CONFIG["tables"]] == [table_keys] * len(TABLES)
    assert [list(function) for function in CONFIG["functions"]] == [function_keys] * len(FUNCTIONS)
    assert all(list(index) == ["key", "type", "columns", "orders"] for t in CONFIG["tables"] for index in t["indexes"])


def test_every_text_column_says_that_it_is_not_encrypted() -> None:
    texts = [column for table in CONFIG["tables"] for column in table["columns"] if "size" in column]
    assert len(texts) > 20
    assert all(column["encrypt"] is False for column in texts)


def test_no_client_may_write_any_table_and_only_ops_or_everybody_reads_a_whole_one() -> None:
    said = {table["$id"]: table["$permissions"] for table in CONFIG["tables"]}
    for table in TABLES:
        expected = ['read("any")'] if Reader.ANY in table.readers else []
        expected += ['read("label:ops")'] if Reader.OPS in table.readers else []
        assert said[table.id] == expected
    assert all(table["rowSecurity"] for table in CONFIG["tables"])


def test_an_index_says_its_columns_orders_and_uniqueness() -> None:
    table = Table("t", "T", Sample, frozenset(), (Index(("someText", "-at")), Index(("count",), unique=True)))
    assert table_definition(table)["indexes"] == [
        {"key": "by_someText_at", "type": "key", "columns": ["someText", "at"], "orders": ["ASC", "DESC"]},
        {"key": "unique_count", "type": "unique", "columns": ["count"], "orders": ["ASC"]},
    ]


def test_bookings_have_no_unique_index() -> None:
    (bookings,) = [table for table in CONFIG["tables"] if table["$id"] == "bookings"]
    assert [index["type"] for index in bookings["indexes"]] == ["key"] * len(bookings["indexes"])


def test_the_review_says_who_reads_a_row_and_how_much_of_the_limits_is_used() -> None:
    review = json.loads(generated_files()["schema/booking_places.json"])
    assert review["readers"] == ["customer", "ops", "therapist once accepted"]
    assert review["permissions"] == ['read("label:ops")']
    assert review["bytesUsed"] < review["bytesMax"] == MAX_ROW_BYTES
    bookings = json.loads(generated_files()["schema/bookings.json"])
    assert {index["lengthMax"] for index in bookings["indexes"]} == {MAX_INDEX_LENGTH}


def test_functions_run_on_created_bookings_with_no_more_than_the_rows_scopes() -> None:
    by_id = {function["$id"]: function for function in CONFIG["functions"]}
    assert set(by_id) >= {"create_chat_room", "compute_commission"}
    for function in (by_id["create_chat_room"], by_id["compute_commission"]):
        assert function["events"] == ["databases.massage_link.tables.bookings.rows.*.create"]
        assert set(function["scopes"]) == {"rows.read", "rows.write"}
        assert function["execute"] == []
        assert function["path"] == f"functions/{function['$id']}"


# --- drift ------------------------------------------------------------------------------------------------------------
def test_the_project_that_the_cli_writes_into_its_file_is_no_difference() -> None:
    generated = generated_files()["appwrite.json"]
    by_cli = json.dumps(CONFIG | {"projectId": "p", "projectName": "P"}, indent=4)
    assert same_content("appwrite.json", generated, by_cli)


def test_a_changed_column_is_a_difference() -> None:
    files = generated_files()
    changed = files["appwrite.json"].replace('"size": 36', '"size": 35', 1)
    assert not same_content("appwrite.json", files["appwrite.json"], changed)
    review = files["schema/slots.json"]
    assert not same_content("schema/slots.json", review, review.replace("36", "35", 1))


@pytest.mark.parametrize("damaged", ["", "{", "[]", "null"])
def test_a_damaged_configuration_is_a_difference(damaged: str) -> None:
    assert not same_content("appwrite.json", generated_files()["appwrite.json"], damaged)
