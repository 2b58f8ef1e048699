"""Small ways of the real server that random calls would show: lists, texts, dates, upserts, permissions, commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator_fixture import query
from massage_link.emulator.values import is_email, is_url

if TYPE_CHECKING:
    from emulator_fixture import Caller


def found(call: Caller, items: str, *queries: str) -> list[str]:
    return [row["$id"] for row in call.ok("GET", items, queries=queries)["rows"]]


def put(call: Caller, items: str, id: str, **data: Any) -> Any:
    return call.ok("POST", items, {"rowId": id, "data": data})


# Reading


def test_a_list_that_was_never_given_is_null_until_the_row_is_patched(call: Caller, items: str) -> None:
    assert put(call, items, "a", n=1)["tags"] == []
    put(call, items, "b", n=2, tags=[])
    assert found(call, items, query("isNull", "tags")) == ["a"]
    call.ok("PATCH", f"{items}/a/n/increment", {})
    call.ok("PATCH", items, {"data": {"f": 1}})
    assert found(call, items, query("isNull", "tags")) == ["a"]
    call.ok("PATCH", f"{items}/a", {"data": {"n": 9}})
    assert found(call, items, query("isNull", "tags")) == []


def test_lists_are_ordered_as_their_json_is(call: Caller, items: str) -> None:
    for row, tags in (("a", ["b"]), ("b", ["a", "z"]), ("c", [])):
        put(call, items, row, tags=tags, n=1)
    assert found(call, items, query("orderAsc", "tags")) == ["b", "a", "c"]
    assert call("GET", items, queries=[query("orderAsc", "tags"), query("cursorAfter", None, "a")]).status == 500


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        (query("startsWith", "n", 1), ["a"]),
        (query("endsWith", "n", 0), ["a"]),
        (query("startsWith", "f", 1.5), ["a"]),
        (query("startsWith", "at", "2026-01-01T01:00:00+01:00"), ["a"]),
        (query("contains", "title", "zoe "), ["a"]),
        (query("endsWith", "title", ""), ["a"]),
        (query("containsAll", "title", "z%"), ["a"]),
        (query("containsAll", "title", "zo"), []),
    ],
)
def test_texts_are_compared_by_like_whatever_the_column_holds(
    call: Caller, items: str, asked: str, ids: list[str]
) -> None:
    put(call, items, "a", title="Zoë ", n=100, f=1.5, at="2026-01-01")
    put(call, items, "b", n=2)
    assert found(call, items, asked) == ids


def test_an_order_without_a_column_is_by_sequence(call: Caller, items: str) -> None:
    put(call, items, "b", n=1)
    put(call, items, "a", n=1)
    assert found(call, items, '{"method":"orderDesc"}') == ["a", "b"]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (query("greaterThan", "at", "yesterday"), 'Invalid query: Query value is invalid for attribute "at"'),
        (query("equal", "$sequence", "0"), 'Invalid query: Query value is invalid for attribute "$sequence"'),
        (query("cursorAfter", None, "bad id!"), "Invalid cursor: UID must contain"),
        (query("select", None, 1), "Invalid query: Attribute not found in schema: 1"),
        (query("exists", "nope", "x"), "Invalid query: Attribute not found in schema: nope"),
    ],
)
def test_queries_are_refused_in_the_words_of_the_server(call: Caller, items: str, asked: str, why: str) -> None:
    answer = call("GET", items, queries=[asked])
    assert answer.type == "general_query_invalid"
    assert answer.body["message"].startswith(why)


def test_a_cursor_on_null_is_refused_in_the_words_of_each_api(call: Caller, items: str) -> None:
    put(call, items, "a", n=1)
    asked = [query("orderAsc", "f"), query("cursorAfter", None, "a")]
    assert call("GET", items, queries=asked).body["message"].startswith("The order column 'f' had a null value.")
    legacy = items.replace("tablesdb", "databases").replace("tables", "collections").replace("rows", "documents")
    assert call("GET", legacy, queries=asked).body["message"].startswith("The order attribute 'f' had a null value.")


@pytest.mark.parametrize(("total", "counted"), [("true", 1), ("false", 1), ("1", 1), ("0", 0)])
def test_only_a_nought_keeps_the_server_from_counting(call: Caller, items: str, total: str, counted: int) -> None:
    put(call, items, "a", n=1)
    assert call.ok("GET", f"{items}?total={total}")["total"] == counted
    assert call("GET", f"{items}?total=no").type == "general_argument_invalid"
    assert call("GET", f"{items}?ttl=86401").type == "general_argument_invalid"


# Writing


def test_an_upsert_of_nothing_but_empty_values_makes_no_row(call: Caller, items: str) -> None:
    answer = call.ok("PUT", f"{items}/a", {"data": {"n": 0, "title": "", "tags": []}})
    assert answer == {"$sequence": "", "$databaseId": "db", "$tableId": "t"}
    assert found(call, items) == []


def test_an_upsert_that_changes_nothing_asks_for_no_permission(call: Caller, items: str) -> None:
    ann = call.user("ann")
    row = {"title": "x", "n": 1, "f": 1.5, "ok": True, "at": None, "kind": "a", "tags": ["t"]}
    call.ok("POST", items, {"rowId": "a", "data": row, "permissions": ['read("users")']})
    assert call.ok("PUT", f"{items}/a", {"data": row}, by=ann)["$id"] == "a"
    assert call("PUT", f"{items}/a", {"data": {**row, "n": 2}}, by=ann).type == "user_unauthorized"


def test_upserts_of_one_id_in_one_call_are_refused(call: Caller, items: str) -> None:
    rows = [{"$id": "a", "n": 1}, {"$id": "a", "n": 2}]
    assert call("PUT", items, {"rows": rows}).type == "row_already_exists"
    assert found(call, items) == []


def test_rows_of_one_call_are_all_checked_before_one_is_stored(call: Caller, items: str) -> None:
    put(call, items, "a", n=1)
    rows = [{"$id": "a", "n": 1}, {"$id": "b", "n": "x"}]
    assert call("POST", items, {"rows": rows}).type == "row_invalid_structure"


def test_a_patch_gives_the_row_the_spelling_of_its_path(call: Caller, items: str) -> None:
    put(call, items, "a", n=1)
    assert call.ok("PATCH", f"{items}/A", {"data": {"n": 2}})["$id"] == "A"
    assert found(call, items) == ["A"]


def test_null_in_bulk_is_stored_though_the_answer_shows_the_default(call: Caller, items: str) -> None:
    put(call, items, "a", n=1)
    assert call.ok("PATCH", items, {"data": {"n": None}})["rows"][0]["n"] == 5
    assert call.ok("GET", f"{items}/a")["n"] is None


@pytest.mark.parametrize(
    ("path", "body", "type"),
    [
        ("/a/$sequence/increment", {}, "general_argument_invalid"),
        ("/a/n/increment", {"value": None}, "general_unknown"),
        ("/a/n/increment", {"value": None, "max": "x"}, "general_argument_invalid"),
    ],
)
def test_increments_are_checked_in_the_order_of_the_server(
    call: Caller, items: str, path: str, body: dict[str, Any], type: str
) -> None:
    put(call, items, "a", n=1)
    assert call("PATCH", items + path, body).type == type


@pytest.mark.parametrize(
    ("data", "type"),
    [
        ({"n": 1, "$collectionId": "t"}, "row_invalid_structure"),
        ({"n": 1, "$updatedAt": ""}, "row_invalid_structure"),
        ({"n": 1, "$permissions": "x"}, "general_unknown"),
        (["a", "b"], "row_invalid_structure"),
    ],
)
def test_rows_that_cannot_be_are_refused(call: Caller, items: str, data: object, type: str) -> None:
    assert call("POST", items, {"rowId": "a", "data": data}).type == type


def test_a_row_may_say_where_it_is(call: Caller, items: str) -> None:
    assert put(call, items, "a", n=1, **{"$databaseId": "x", "$tableId": "y", "$sequence": "9"})["$tableId"] == "t"


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("1.2.2026", "2026-02-01T00:00:00"),
        ("5 January 2026", "2026-01-05T00:00:00"),
        ("Jan 5, 2026", "2026-01-05T00:00:00"),
        ("01/02/2026", "2026-01-02T00:00:00"),
        ("20260102", "2026-01-02T00:00:00"),
        ("2026-01", "2026-01-01T00:00:00"),
        ("Thu, 01 Jan 2026 10:00:00 +0100", "2026-01-01T09:00:00"),
        ("2026-01-00", "2025-12-31T00:00:00"),
        ("2026-01-01 1:2:3", "2026-01-01T01:02:03"),
    ],
)
def test_dates_are_read_in_many_spellings(call: Caller, items: str, text: str, stored: str) -> None:
    assert put(call, items, "a", at=text)["at"] == f"{stored}.000+00:00"


@pytest.mark.parametrize("text", ["last monday", "next month", "tuesday", "+1 month", "10:30", "1230"])
def test_dates_in_words_count_from_now(call: Caller, items: str, text: str) -> None:
    assert put(call, items, "a", at=text)["at"].endswith("+00:00")


@pytest.mark.parametrize("text", ["a@b.co", " A@B.CO ", "a@[1.2.3.4]", "o'x@b.co", "a@xn--a.de"])
def test_addresses_that_php_takes(text: str) -> None:
    assert is_email(text)


@pytest.mark.parametrize("text", ["a@b", "a..b@c.de", "a@-b.de", "a@b.1", "a b@c.de", "a@b@c.de", "@b.de", "ä@b.de"])
def test_addresses_that_php_refuses(text: str) -> None:
    assert not is_email(text)


@pytest.mark.parametrize(
    "text", ["http://a.b", "ftp://x", "mailto:a@b.co", "file:///x", "http://[::1]/", "http://1.2.3.4:80/"]
)
def test_links_that_php_takes(text: str) -> None:
    assert is_url(text)


@pytest.mark.parametrize(
    "text", ["//a.b", "http://", "http://a_b.de", "http://a:99999", "javascript:x", "http://ä.de", "a:b"]
)
def test_links_that_php_refuses(text: str) -> None:
    assert not is_url(text)


# Permissions


@pytest.mark.parametrize(
    ("permission", "why"),
    [
        ('read("label:a-b")', "containing only alphanumeric chars"),
        ("*", 'Wildcard permission "*" has been replaced'),
        ('read("role:all")', 'Permissions using the "role:" prefix have been replaced'),
        ("nonsense", "is not allowed. Must be one of: read, update, delete, write."),
        ("read", 'Invalid permission string format: "read".'),
        ('read("team:x/")', "Dimension must not be empty"),
    ],
)
def test_permissions_are_refused_in_the_words_of_the_server(
    call: Caller, items: str, permission: str, why: str
) -> None:
    answer = call("POST", items, {"rowId": "a", "data": {"n": 1}, "permissions": [permission]})
    assert answer.type == "general_argument_invalid"
    assert why in answer.body["message"]


def test_what_follows_a_second_colon_of_a_role_is_dropped(call: Caller, items: str) -> None:
    row = call.ok("POST", items, {"rowId": "a", "data": {"n": 1}, "permissions": ['read("user:a:b")']})
    assert row["$permissions"] == ['read("user:a")']


# Transactions


def began(call: Caller, *operations: dict[str, Any]) -> str:
    path = f"/tablesdb/transactions/{call.ok('POST', '/tablesdb/transactions', {})['$id']}"
    placed = [{"databaseId": "db", "tableId": "t", **operation} for operation in operations]
    call.ok("POST", f"{path}/operations", {"operations": placed})
    return path


def test_rows_without_an_id_are_lost_in_a_bulk_upsert(call: Caller, items: str) -> None:
    path = began(call, {"action": "bulkUpsert", "data": [{"n": 1}, {"$id": "a", "n": 2}]})
    call.ok("PATCH", path, {"commit": True})
    assert found(call, items) == ["a"]


def test_an_upsert_conflicts_with_a_later_write(call: Caller, items: str) -> None:
    put(call, items, "a", n=1)
    path = began(call, {"action": "upsert", "rowId": "a", "data": {"$id": "a", "n": 2}})
    call.ok("PATCH", f"{items}/a", {"data": {"n": 3}})
    assert call("PATCH", path, {"commit": True}).type == "transaction_conflict"


def test_permissions_that_are_no_list_fail_the_commit(call: Caller, items: str) -> None:
    path = began(call, {"action": "create", "rowId": "a", "data": {"n": 1, "$permissions": "x"}})
    assert call("PATCH", path, {"commit": True}).type == "document_invalid_structure"
    assert call.ok("GET", path)["status"] == "failed"
    assert found(call, items) == []


@pytest.mark.parametrize(
    ("body", "type"),
    [
        ({"commit": "true"}, "general_argument_invalid"),
        ({"commit": None}, "general_unknown"),
        ({}, "general_bad_request"),
    ],
)
def test_a_transaction_ends_by_a_boolean_only(call: Caller, items: str, body: dict[str, Any], type: str) -> None:
    path = began(call, {"action": "create", "rowId": "a", "data": {"n": 1}})
    assert call("PATCH", path, body).type == type
    assert found(call, items) == []
