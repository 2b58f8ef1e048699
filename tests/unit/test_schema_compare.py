"""What counts as a difference between the models and what is there."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from massage_link.domain.tables import TABLES
from massage_link.schema import (
    ADMIT_BOOKING,
    FUNCTIONS,
    Difference,
    Kind,
    compare_functions,
    compare_tables,
    differences_in_file,
    generated_files,
    table_definition,
)

WANTED = [table_definition(table) for table in TABLES]
FUNCTION_DEFINITIONS = [function.definition() for function in FUNCTIONS]


def _as_a_server_says(tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With what a server adds, and what it says instead of nothing."""
    found = copy.deepcopy(tables)
    for table in found:
        table["$createdAt"] = table["$updatedAt"] = "2026-11-22T14:46:12.308+00:00"
        table["$permissions"].reverse()
        for column in table["columns"]:
            column.update(status="available", error="", format=column.get("format", ""))
        for index in table["indexes"]:
            index.update(status="available", error="", lengths=[])
    return found


def test_what_a_server_adds_and_the_order_of_permissions_are_no_differences() -> None:
    assert compare_tables(WANTED, _as_a_server_says(WANTED)) == []


def test_nothing_at_all_is_one_missing_thing_for_each_table() -> None:
    found = compare_tables(WANTED, [])
    assert [(each.what, each.kind) for each in found] == [(f"table {table.id}", Kind.MISSING) for table in TABLES]


@pytest.mark.parametrize(
    ("status", "advice"), [("processing", "wait"), ("failed", "delete it"), ("stuck", "delete it")]
)
def test_a_column_or_index_that_is_not_available_is_broken(status: str, advice: str) -> None:
    found = _as_a_server_says(WANTED)
    found[0]["columns"][0]["status"] = found[0]["indexes"][0]["status"] = status
    broken = compare_tables(WANTED, found)
    assert [(each.kind, each.fact, each.found) for each in broken] == [(Kind.BROKEN, "status", status)] * 2
    assert all(advice in each.action for each in broken)


def _of_bookings(found: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (table,) = [table for table in found if table["$id"] == "bookings"]
    part: dict[str, Any] = table[kind][0]
    return part


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (lambda column: column.update(type="integer"), "type"),
        (lambda column: column.update(format="enum"), "format"),
        (lambda column: column.update(array=True), "array"),
        (lambda column: column.update(encrypt=True), "encrypt"),
    ],
)
def test_a_change_that_costs_the_columns_data_says_so(change: Callable[[dict[str, Any]], None], fact: str) -> None:
    found = _as_a_server_says(WANTED)
    change(_of_bookings(found, "columns"))
    (difference,) = compare_tables(WANTED, found)
    assert difference.fact == fact
    assert "LOSES ITS DATA" in difference.action


def test_a_unique_index_that_the_models_do_not_know_does_harm() -> None:
    found = _as_a_server_says(WANTED)
    found[0]["indexes"].append({"key": "theirs", "type": "unique", "columns": ["customerId"], "orders": ["ASC"]})
    found[1]["indexes"].append({"key": "theirs", "type": "key", "columns": ["bookingId"], "orders": ["ASC"]})
    assert [each.matters for each in compare_tables(WANTED, found)] == [True, False]


def test_less_permission_than_wanted_is_not_said_to_let_people_in() -> None:
    found = _as_a_server_says(WANTED)
    found[0]["$permissions"] = []
    (difference,) = compare_tables(WANTED, found)
    assert (difference.fact, difference.found) == ("$permissions", [])
    assert "lets people in" not in difference.action


@pytest.mark.parametrize(
    ("state", "fact"),
    [
        ({"deploymentId": "", "latestDeploymentStatus": ""}, "deploymentId"),
        ({"deploymentId": "d1", "latestDeploymentStatus": "failed"}, "latestDeploymentStatus"),
    ],
)
def test_a_function_without_code_that_runs_is_broken(state: dict[str, str], fact: str) -> None:
    found = [
        {**definition, "deploymentId": "d", "latestDeploymentStatus": "ready"} for definition in FUNCTION_DEFINITIONS
    ]
    assert compare_functions(FUNCTION_DEFINITIONS, found) == []
    found[0] |= state
    (difference,) = compare_functions(FUNCTION_DEFINITIONS, found)
    assert (difference.kind, difference.fact) == (Kind.BROKEN, fact)
    assert "appwrite push functions" in difference.action


def test_the_direct_write_function_is_a_fault_where_there_is_no_direct_write() -> None:
    found = [*FUNCTION_DEFINITIONS, ADMIT_BOOKING.definition(), {"$id": "theirs"}]
    (difference,) = compare_functions(FUNCTION_DEFINITIONS, found, known=[ADMIT_BOOKING.id])
    assert (difference.what, difference.kind, difference.matters) == ("function admit_booking", Kind.UNKNOWN, True)


@pytest.mark.parametrize("direct_write", [False, True])
def test_a_generated_file_has_no_differences_in_its_own_mode_alone(*, direct_write: bool) -> None:
    text = generated_files(direct_write=direct_write)["appwrite.json"]
    assert differences_in_file(text, direct_write=direct_write) == []
    other = differences_in_file(text, direct_write=not direct_write)
    assert {each.what for each in other} == {"table bookings", "function admit_booking"}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"tables": 3, "functions": []}', '{"tables": [[]], "functions": []}']
)
def test_a_file_that_is_no_appwrite_json_is_broken_and_not_a_traceback(text: str) -> None:
    (difference,) = differences_in_file(text, direct_write=False)
    assert (difference.kind, difference.action) == (Kind.BROKEN, "run `massage-link schema generate`")


def test_a_difference_is_json_for_programs() -> None:
    difference = Difference("table t", Kind.DIFFERENT, "do this", "rowSecurity", wanted=True, found=False)
    assert json.loads(json.dumps(difference.as_json()))["kind"] == "different"
    assert str(difference) == "table t: rowSecurity is False, the model says True"
