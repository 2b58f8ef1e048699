"""The query language: what each query finds, and what the server says of bad ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator_fixture import query
from massage_link.emulator.errors import AppwriteError, ServerFailure
from massage_link.emulator.query import parse

if TYPE_CHECKING:
    from emulator_fixture import Caller

_ROWS = [
    {"$id": "r1", "title": "One", "n": 1, "f": 1.5, "ok": True, "kind": "a", "tags": ["x", "y"], "at": "2026-01-01"},
    {"$id": "r2", "title": "Two", "n": 2, "ok": False, "kind": "b", "tags": ["y"], "at": "2026-02-01"},
    {"$id": "r3", "title": "Three", "n": 3, "f": 0.5, "kind": "c"},
]


@pytest.fixture
def rows(call: Caller, items: str) -> str:
    call.ok("POST", items, {"rows": _ROWS})
    return items


def found(call: Caller, rows: str, *queries: str) -> list[str]:
    return [row["$id"] for row in call.ok("GET", rows, queries=queries)["rows"]]


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        (query("equal", "n", 1, 3), ["r1", "r3"]),
        (query("notEqual", "n", 1), ["r2", "r3"]),
        (query("lessThan", "n", 2), ["r1"]),
        (query("lessThanEqual", "n", 2), ["r1", "r2"]),
        (query("greaterThan", "n", 2), ["r3"]),
        (query("greaterThanEqual", "n", 2), ["r2", "r3"]),
        (query("between", "n", 2, 3), ["r2", "r3"]),
        (query("notBetween", "n", 2, 3), ["r1"]),
        (query("isNull", "f"), ["r2"]),
        (query("isNotNull", "f"), ["r1", "r3"]),
        (query("startsWith", "title", "t"), ["r2", "r3"]),
        (query("notStartsWith", "title", "t"), ["r1"]),
        (query("endsWith", "title", "E"), ["r1", "r3"]),
        (query("notEndsWith", "title", "e"), ["r2"]),
        (query("contains", "title", "o", "re"), ["r1", "r2", "r3"]),
        (query("notContains", "title", "o"), ["r3"]),
        (query("contains", "tags", "x"), ["r1"]),
        (query("containsAny", "tags", "x", "y"), ["r1", "r2"]),
        (query("containsAll", "tags", "x", "y"), ["r1"]),
        (query("notContains", "tags", "x"), ["r2"]),
        (query("isNull", "tags"), ["r3"]),
        (query("equal", "ok", True), ["r1"]),
        (query("equal", "title", "ONE "), ["r1"]),
        (query("equal", "kind", "B"), ["r2"]),
        (query("lessThan", "at", "2026-01-15"), ["r1"]),
        (query("equal", "$id", "R2"), ["r2"]),
        (query("orderDesc", "n"), ["r3", "r2", "r1"]),
        (query("orderAsc", "title"), ["r1", "r3", "r2"]),
        (query("limit", None, 1), ["r1"]),
        (query("offset", None, 2), ["r3"]),
        (query("cursorAfter", None, "r1"), ["r2", "r3"]),
        (query("cursorBefore", None, "r3"), ["r1", "r2"]),
    ],
)
def test_each_query_finds_what_it_should(call: Caller, rows: str, asked: str, ids: list[str]) -> None:
    assert found(call, rows, asked) == ids


def test_queries_nest(call: Caller, rows: str) -> None:
    one = {"method": "equal", "attribute": "n", "values": [1]}
    late = {
        "method": "and",
        "values": [
            {"method": "greaterThan", "attribute": "n", "values": [1]},
            {"method": "equal", "attribute": "kind", "values": ["c"]},
        ],
    }
    assert found(call, rows, json.dumps({"method": "or", "values": [one, late]})) == ["r1", "r3"]


def test_pages_by_cursor_cover_everything_once_in_both_directions(call: Caller, rows: str) -> None:
    order = query("orderDesc", "kind")
    assert found(call, rows, order, query("limit", None, 2)) == ["r3", "r2"]
    assert found(call, rows, order, query("limit", None, 2), query("cursorAfter", None, "r2")) == ["r1"]
    assert found(call, rows, order, query("limit", None, 1), query("cursorBefore", None, "r1")) == ["r2"]


def test_search_needs_a_fulltext_index(call: Caller, rows: str) -> None:
    asked = query("search", "title", "thr")
    assert call("GET", rows, queries=[asked]).type == "general_query_invalid"
    call.index("words", "fulltext", "title")
    assert found(call, rows, asked) == ["r3"]
    assert found(call, rows, query("notSearch", "title", "three")) == ["r1", "r2"]


def test_a_list_holds_25_rows_unless_told_otherwise(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rows": [{"title": str(n)} for n in range(30)]})
    listed = call.ok("GET", items)
    assert (len(listed["rows"]), listed["total"]) == (25, 30)
    assert len(call.ok("GET", items, queries=[query("limit", None, 9000)])["rows"]) == 30


def test_total_stops_at_5000(call: Caller, items: str) -> None:
    rows = [{"$id": f"r{n}", "title": "x"} for n in range(5100)]
    call.ok("POST", "/_emulator/seed", {"databaseId": "db", "tableId": "t", "rows": rows})
    assert call.ok("GET", items, queries=[query("limit", None, 1)])["total"] == 5000


@pytest.mark.parametrize(
    "bad",
    [
        "nonsense",
        "5",
        query("fly", "n", 1),
        query("equal", "nope", 1),
        query("equal", "n"),
        query("equal", "n", "x"),
        query("equal", "tags", "x"),
        query("contains", "n", 1),
        query("between", "n", 1),
        query("lessThan", "n", 1, 2),
        query("orderAsc", "nope"),
        query("select", None, "nope"),
        query("select", None),
        query("limit", None, 0),
        query("limit", None, "x"),
        query("offset", None, -1),
        query("cursorAfter", None, "bad id!"),
        query("or", None, {"method": "equal", "attribute": "n", "values": [1]}),
        query("and", None, {"method": "limit", "values": [1]}, {"method": "limit", "values": [1]}),
        '{"method":"equal","attribute":"n","values":1}',
        '{"method":5}',
        '{"method":"equal","attribute":5}',
    ],
)
def test_bad_queries_are_general_query_invalid(call: Caller, items: str, bad: str) -> None:
    assert call("GET", items, queries=[bad]).type == "general_query_invalid"


def test_an_unknown_cursor_comes_before_other_faults(call: Caller, items: str) -> None:
    asked = [query("equal", "nope", 1), query("cursorAfter", None, "none")]
    assert call("GET", items, queries=asked).type == "general_cursor_not_found"


def test_too_many_or_too_long_queries_are_a_fault_of_the_parameter(call: Caller, items: str) -> None:
    assert call("GET", items, queries=[query("limit", None, 1)] * 101).type == "general_argument_invalid"
    assert call("GET", items, queries=[query("equal", "title", "x" * 4100)]).type == "general_argument_invalid"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (query("regex", "title", "x"), "Invalid query method: regex"),
        (
            query("crosses", "title", [1, 2]),
            'Spatial query "crosses" cannot be applied on non-spatial attribute: title',
        ),
        (query("vectorDot", "title", [1]), "Vector queries can only be used on vector attributes"),
        (query("distanceEqual", "title", 1), "Distance query requires [[geometry, distance]] parameters"),
        (query("elemMatch", "tags"), "elemMatch is not supported by the database"),
    ],
)
def test_queries_for_other_kinds_of_columns_are_refused(call: Caller, items: str, bad: str, why: str) -> None:
    answer = call("GET", items, queries=[bad])
    assert answer.type == "general_query_invalid"
    assert answer.body["message"].endswith(why)


def test_the_attributes_of_lists_in_memory_are_known(call: Caller) -> None:
    call.user("ann")
    call.user("bob")
    assert call.ok("GET", "/users", queries=[query("equal", "email", "bob@example.test")])["total"] == 1
    assert call.ok("GET", "/users?search=ann")["total"] == 1
    assert call("GET", "/users", queries=[query("equal", "nope", 1)]).type == "general_argument_invalid"
    after = call.ok("GET", "/users", queries=[query("cursorAfter", None, "ann")])
    assert [user["$id"] for user in after["users"]] == ["bob"]


def teams(call: Caller, *queries: str, path: str = "/teams") -> list[str]:
    return [team["$id"] for team in call.ok("GET", path, queries=queries)["teams"]]


def test_lists_in_memory_are_asked_as_rows_are(call: Caller) -> None:
    for team, name in (("c", "One"), ("a", "Two"), ("b", "Two")):
        call.ok("POST", "/teams", {"teamId": team, "name": name})
    assert teams(call) == ["c", "a", "b"]
    assert teams(call, query("orderDesc", "")) == ["b", "a", "c"]
    assert teams(call, query("orderAsc", "name"), query("orderDesc", "$id")) == ["c", "b", "a"]
    assert teams(call, query("notStartsWith", "name", "O"), query("limit", None, 1)) == ["a"]
    assert teams(call, query("lessThan", "total", 1), query("offset", None, 2)) == ["b"]
    assert teams(call, query("cursorBefore", None, "a")) == ["c"]
    assert call.ok("GET", "/teams?total=0")["total"] == 0


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (query("select", None, "name"), "Invalid query method: select"),
        (query("equal", "total", "x"), 'Invalid query: Query value is invalid for attribute "total"'),
        (query("limit", None, 0), "Invalid query: Invalid limit: Value must be a valid range between 1 and"),
        (query("orderAsc", "nope"), "Invalid query: Attribute not found in schema: nope"),
        (query("equal", "name"), "Invalid query: Equal queries require at least one value."),
    ],
)
def test_what_is_wrong_with_queries_of_a_list_is_said_about_the_parameter(call: Caller, bad: str, why: str) -> None:
    answer = call("GET", "/teams", queries=[bad])
    assert answer.type == "general_argument_invalid"
    assert answer.body["message"].startswith(f"Invalid `queries` param: {why}")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "method": st.sampled_from(["equal", "or", "limit", "select", "contains", "fly"]) | _json,
            "attribute": st.sampled_from(["n", "$id"]) | _json,
            "values": _json,
        },
    )
)
def test_no_query_text_upsets_the_parser(value: dict[str, object]) -> None:
    try:
        parse(json.dumps(value))
    except (AppwriteError, ServerFailure) as refused:
        assert str(refused) or isinstance(refused, ServerFailure)  # noqa: PT017 - either outcome is fine
