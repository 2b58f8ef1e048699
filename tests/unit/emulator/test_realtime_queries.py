"""Filters of realtime subscriptions compare as PHP does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.emulator.realtime_queries import RealtimeQueryError, matches, parse_queries

numbers = st.integers(-1000, 1000) | st.floats(-1000, 1000)


def query(method: str, attribute: str = "", *values: Any) -> str:
    return json.dumps({"method": method, "attribute": attribute, "values": list(values)})


def holds(text: str, payload: dict[str, Any]) -> bool:
    return matches(parse_queries([text]), payload)


@pytest.mark.parametrize(
    ("method", "value", "target", "expected"),
    [
        ("equal", 1, 1, True),
        ("equal", 1, 1.0, False),
        ("equal", 1.0, 1, True),
        ("equal", "1", 1, False),
        ("equal", True, 1, False),
        ("notEqual", 1, 2, True),
        ("notEqual", 1, 1, False),
        ("lessThan", 1, 2, True),
        ("lessThan", None, 1, True),
        ("lessThan", None, 0, False),
        ("lessThan", "9", "10", True),
        ("lessThan", "a9", "a10", False),
        ("lessThan", "2026-01-01T00:00:00.000+00:00", "2026-01-02T00:00:00.000+00:00", True),
        ("lessThan", None, "a", True),
        ("lessThan", "abc", 5, False),
        ("lessThan", "nan", 5, False),
        ("lessThan", [1], 5, False),
        ("lessThan", 5, [1], True),
        ("lessThan", False, True, True),
        ("lessThanEqual", 2, 2, True),
        ("greaterThan", 3, 2, True),
        ("greaterThan", "b", "a", True),
        ("greaterThanEqual", 2, 2, True),
        ("greaterThanEqual", 1, 2, False),
    ],
)
def test_values_compare_as_in_php(method: str, value: object, target: object, expected: bool) -> None:
    assert holds(query(method, "x", target), {"x": value}) is expected


@given(numbers, numbers)
def test_the_orderings_of_numbers_agree(left: float, right: float) -> None:
    payload = {"x": left}
    assert holds(query("lessThan", "x", right), payload) == (left < right)
    assert holds(query("greaterThan", "x", right), payload) == (left > right)
    assert holds(query("lessThanEqual", "x", right), payload) == (left <= right)
    assert holds(query("greaterThanEqual", "x", right), payload) == (left >= right)


def test_one_of_several_values_is_enough_and_not_equal_wants_none() -> None:
    assert holds(query("equal", "x", 1, 2), {"x": 2})
    assert not holds(query("notEqual", "x", 1, 2), {"x": 2})


@pytest.mark.parametrize("method", ["equal", "notEqual", "isNull", "isNotNull", "lessThan"])
def test_a_filter_on_an_absent_attribute_never_matches(method: str) -> None:
    assert not holds(query(method, "absent", 1), {"x": 1})


def test_null_is_told_from_absent() -> None:
    assert holds(query("isNull", "x"), {"x": None})
    assert holds(query("isNotNull", "x"), {"x": 0})


def test_conditions_nest() -> None:
    one, two = (json.loads(query("equal", "x", n)) for n in (1, 2))
    big = json.loads(query("greaterThan", "y", 5))
    either = json.dumps({"method": "or", "values": [one, {"method": "and", "values": [two, big]}]})
    assert holds(either, {"x": 1})
    assert holds(either, {"x": 2, "y": 6})
    assert not holds(either, {"x": 2, "y": 5})


def test_all_queries_must_hold_unless_everything_is_selected() -> None:
    texts = [query("equal", "x", 1), query("equal", "y", 2)]
    assert not matches(parse_queries(texts), {"x": 1, "y": 3})
    assert matches(parse_queries([*texts, query("select", "", "*")]), {"x": 9})
    assert matches((), {})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not json", 1003),
        ("5", 1003),
        ("{}", 1003),
        ("[]", 1003),
        (query("startsWith", "x", "a"), 1003),
        (json.dumps({"method": "equal", "attribute": 5, "values": []}), 1003),
        (json.dumps({"method": "equal", "attribute": "x", "values": 5}), 1003),
        (json.dumps({"method": 5}), 1003),
        (query("select", "", "title"), 0),
        (json.dumps({"method": "or", "values": ["text"]}), 0),
        (5, 0),
        ('{"method":"or","values":[' * 200 + query("isNull", "x") + "]}" * 200, 1003),
    ],
)
def test_what_realtime_does_not_take_is_refused(text: object, code: int) -> None:
    with pytest.raises(RealtimeQueryError) as refused:
        parse_queries([text])
    assert refused.value.code == code


def test_queries_are_shown_compactly_and_mappings_count_as_lists() -> None:
    (shown,) = parse_queries(['{"values": {"0": 1}, "attribute": "n", "method": "equal"}'])
    assert str(shown) == '{"method":"equal","attribute":"n","values":[1]}'
    (nested,) = parse_queries([json.dumps({"method": "and", "values": [json.loads(query("isNull", "x"))]})])
    assert str(nested) == '{"method":"and","values":[{"method":"isNull","attribute":"x","values":[]}]}'
