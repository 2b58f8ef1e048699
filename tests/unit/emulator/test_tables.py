"""Databases, tables, columns and indexes: definitions, limits, and what their changes do to rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator_fixture import query

if TYPE_CHECKING:
    from emulator_fixture import Caller

_COLUMNS = "/tablesdb/db/tables/t/columns"
_INDEXES = "/tablesdb/db/tables/t/indexes"


def test_a_new_column_is_not_there_at_once(call: Caller) -> None:
    rows = call.table({})
    assert call.ok("POST", f"{_COLUMNS}/integer", {"key": "n", "required": False})["status"] == "processing"
    assert call("POST", rows, {"rowId": "r", "data": {"n": 1}}).type == "row_invalid_structure"
    refused = call("POST", _INDEXES, {"key": "i", "type": "key", "columns": ["n"]})
    assert refused.type == "column_not_available"
    call.settle()
    assert call.ok("GET", f"{_COLUMNS}/n")["status"] == "available"
    assert call("POST", rows, {"rowId": "r", "data": {"n": 1}}).status == 201


def test_rows_that_exist_hold_null_in_a_new_column_even_with_a_default(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}})
    call.ok("POST", f"{_COLUMNS}/integer", {"key": "late", "required": False, "default": 3})
    call.ok("POST", f"{_COLUMNS}/string", {"key": "many", "size": 5, "required": False, "array": True})
    call.settle()
    row = call.ok("GET", f"{items}/r")
    assert (row["late"], row["many"]) == (None, [])
    assert call.ok("POST", items, {"rowId": "s", "data": {"title": "y"}})["late"] == 3


def test_a_removed_column_takes_its_values_and_its_index_along(call: Caller, items: str) -> None:
    call.index("both", "key", "title", "n")
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "n": 7}})
    assert call("DELETE", f"{_COLUMNS}/n").status == 204
    assert "n" not in call.ok("GET", f"{items}/r")
    assert call.ok("GET", _INDEXES)["indexes"][0]["columns"] == ["title"]
    call.ok("POST", f"{_COLUMNS}/integer", {"key": "n", "required": False})
    call.settle()
    assert call.ok("GET", f"{items}/r")["n"] is None


def test_a_renamed_column_keeps_its_values(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "n": 7}})
    body = {"required": False, "default": None, "newKey": "number", "min": 0, "max": 10}
    call.ok("PATCH", f"{_COLUMNS}/integer/n", body)
    assert call.ok("GET", items, queries=[query("equal", "number", 7)])["rows"][0]["number"] == 7


@pytest.mark.parametrize(
    ("kind", "body", "type_"),
    [
        ("string", {"key": "a", "required": False}, "general_argument_invalid"),
        ("string", {"key": "a", "size": 0, "required": False}, "general_argument_invalid"),
        ("string", {"key": "bad key", "size": 5, "required": False}, "general_argument_invalid"),
        ("string", {"key": "a", "size": 5}, "general_argument_invalid"),
        ("string", {"key": "a", "size": 5, "required": True, "default": "x"}, "column_default_unsupported"),
        (
            "string",
            {"key": "a", "size": 5, "required": False, "array": True, "default": "x"},
            "column_default_unsupported",
        ),
        ("integer", {"key": "a", "required": False, "min": 5, "max": 1}, "column_value_invalid"),
        ("integer", {"key": "a", "required": False, "max": 1, "default": 2}, "column_value_invalid"),
        ("enum", {"key": "a", "required": False, "elements": []}, "general_argument_invalid"),
        ("enum", {"key": "a", "required": False, "elements": ["x"], "default": "y"}, "column_value_invalid"),
        ("string", {"key": "TITLE", "size": 5, "required": False}, "column_already_exists"),
        ("string", {"key": "wide", "size": 16_000, "required": False}, "column_limit_exceeded"),
        ("point", {"key": "a", "required": False}, "emulator_not_implemented"),
    ],
)
def test_columns_that_are_refused(call: Caller, items: str, kind: str, body: dict[str, Any], type_: str) -> None:
    call.ok("POST", f"{_COLUMNS}/string", {"key": "half", "size": 8_000, "required": False})
    assert call("POST", f"{_COLUMNS}/{kind}", body).type == type_


def test_a_very_long_text_costs_a_pointer_only(call: Caller, items: str) -> None:
    before = call.ok("GET", "/tablesdb/db/tables/t")["bytesUsed"]
    call.ok("POST", f"{_COLUMNS}/string", {"key": "long", "size": 100_000, "required": False})
    assert call.ok("GET", "/tablesdb/db/tables/t")["bytesUsed"] == before + 20


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        ({"key": "i", "type": "key", "columns": ["nope"]}, "column_unknown"),
        ({"key": "i", "type": "key", "columns": ["tags"]}, "index_invalid"),
        ({"key": "i", "type": "key", "columns": ["long"]}, "column_index_invalid"),
        ({"key": "i", "type": "key", "columns": ["title", "title"]}, "column_index_invalid"),
        ({"key": "i", "type": "key", "columns": ["$sequence"]}, "column_unknown"),
        ({"key": "i", "type": "fulltext", "columns": ["n"]}, "column_index_invalid"),
        ({"key": "i", "type": "odd", "columns": ["n"]}, "general_argument_invalid"),
        ({"key": "old", "type": "key", "columns": ["kind"]}, "column_index_already_exists"),
    ],
)
def test_indexes_that_are_refused(call: Caller, items: str, body: dict[str, Any], type_: str) -> None:
    call.ok("POST", f"{_COLUMNS}/string", {"key": "long", "size": 769, "required": False})
    call.settle()
    call.index("old", "key", "n")
    assert call("POST", _INDEXES, body).type == type_


def test_a_unique_index_over_rows_that_break_it_fails(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rows": [{"title": "x"}, {"title": "X "}]})
    call.ok("POST", _INDEXES, {"key": "u", "type": "unique", "columns": ["title"]})
    call.settle()
    index = call.ok("GET", f"{_INDEXES}/u")
    assert index["status"] == "failed"
    assert index["error"]


def test_several_nulls_are_no_duplicates(call: Caller, items: str) -> None:
    call.index("u", "unique", "f")
    for n in range(2):
        call.ok("POST", items, {"rowId": f"r{n}", "data": {"title": "x"}})


def test_databases_and_tables_change_and_go(call: Caller, items: str) -> None:
    assert call.ok("PUT", "/tablesdb/db", {"name": "Other"})["name"] == "Other"
    assert call.ok("GET", "/databases/db")["type"] == "tablesdb"
    assert call.ok("POST", "/databases", {"databaseId": "old", "name": "o"})["type"] == "legacy"
    assert [database["$id"] for database in call.ok("GET", "/tablesdb")["databases"]] == ["db", "old"]
    call.ok("DELETE", "/tablesdb/db/tables/t")
    assert call("GET", items).type == "table_not_found"
    call.ok("DELETE", "/tablesdb/db")
    assert call("GET", items).type == "database_not_found"


def test_a_table_made_again_is_empty_and_counts_anew(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}})
    call.ok("DELETE", "/tablesdb/db/tables/t")
    rows = call.table({"title": {"kind": "string", "size": 5}})
    assert call.ok("GET", rows)["total"] == 0
    assert call.ok("POST", rows, {"rowId": "r", "data": {"title": "x"}})["$sequence"] == "1"


def test_a_disabled_database_is_hidden_from_users(call: Caller, items: str) -> None:
    call.ok("PUT", "/tablesdb/db", {"name": "db", "enabled": False})
    assert call("GET", items, by=call.user("ann")).type == "database_not_found"
    assert call("GET", items).status == 200


def test_both_apis_speak_of_the_same_table(call: Caller, items: str) -> None:
    legacy = call.ok("GET", "/databases/db/collections/t")
    assert {column["key"] for column in legacy["attributes"]} >= {"title", "n"}
    base = "/databases/db/collections/t"
    call.ok("POST", f"{base}/attributes/string", {"key": "extra", "size": 5, "required": False})
    assert call("GET", f"{base}/attributes/nope").type == "attribute_not_found"
    assert call("GET", "/databases/db/collections/none").type == "collection_not_found"
    assert call("GET", f"{base}/indexes/none").type == "index_not_found"
    assert call.ok("GET", f"{_COLUMNS}/extra")["key"] == "extra"


def test_the_sequence_grows_and_has_gaps_after_failed_writes(call: Caller, items: str) -> None:
    first = call.ok("POST", items, {"rowId": "a", "data": {"title": "x"}})
    assert call("POST", items, {"rowId": "a", "data": {"title": "x"}}).status == 409
    second = call.ok("POST", items, {"rowId": "b", "data": {"title": "x"}})
    assert (first["$sequence"], second["$sequence"]) == ("1", "3")


COLUMNS = "/tablesdb/db/tables/t/columns"


def test_a_column_changes_its_size_bounds_and_name(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "a", "data": {"title": "x" * 30, "n": 1}})
    changed = call.ok("PATCH", f"{COLUMNS}/string/title", {"required": False, "default": None, "size": 35})
    assert changed["size"] == 35
    assert call.ok("PATCH", f"{COLUMNS}/integer/n", {"required": False, "default": 2, "max": 7})["min"] == 0
    call.ok("PATCH", f"{COLUMNS}/integer/n", {"required": False, "default": None, "newKey": "m"})
    assert call.ok("GET", f"{items}/a")["m"] == 1


@pytest.mark.parametrize(
    ("path", "body", "type"),
    [
        ("string/title", {"required": False}, "general_argument_invalid"),
        ("string/title", {"default": None}, "general_argument_invalid"),
        ("string/title", {"required": "false", "default": None}, "general_argument_invalid"),
        ("string/nope", {"required": False, "default": None, "size": 0}, "general_argument_invalid"),
        ("string/nope", {"required": False, "default": None}, "column_not_found"),
        ("string/title", {"required": False, "default": None, "size": 5}, "column_invalid_resize"),
        ("string/title", {"required": False, "default": None, "newKey": "N"}, "column_already_exists"),
        ("string/title", {"required": True, "default": "x"}, "column_default_unsupported"),
        ("integer/n", {"required": False, "default": None, "min": 9, "max": 1}, "column_value_invalid"),
        ("enum/kind", {"required": False, "default": None, "elements": []}, "column_value_invalid"),
        ("enum/kind", {"required": False, "default": None}, "general_argument_invalid"),
    ],
)
def test_changes_of_a_column_that_cannot_be_are_refused(
    call: Caller, items: str, path: str, body: dict[str, object], type: str
) -> None:
    call.ok("POST", items, {"rowId": "a", "data": {"title": "x" * 30}})
    assert call("PATCH", f"{COLUMNS}/{path}", body).type == type
