"""What a real server does that one would not guess, number by number as measured; the emulator does it too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator_fixture import query

if TYPE_CHECKING:
    from emulator_fixture import Caller


def transaction(call: Caller, *operations: dict[str, Any], by: str = "key") -> str:
    """A transaction with these operations on table `t`."""
    transaction_id = str(call.ok("POST", "/tablesdb/transactions", {"ttl": 60}, by=by)["$id"])
    staged = [{"databaseId": "db", "tableId": "t", **operation} for operation in operations]
    if staged:
        call.ok("POST", f"/tablesdb/transactions/{transaction_id}/operations", {"operations": staged}, by=by)
    return transaction_id


def test_an_upsert_that_meets_a_unique_index_takes_over_the_other_row(call: Caller) -> None:
    code = {"kind": "string", "size": 20}
    rows = call.table(
        {"title": code, "code": code, "n": {"kind": "integer", "default": 7}}, permissions=['create("users")']
    )
    call.index("u", "unique", "code")
    ann, bob = call.user("ann"), call.user("bob")
    call.ok("POST", rows, {"rowId": "o", "data": {"title": "his", "code": "k", "n": 1}}, by=bob)
    answer = call.ok("PUT", f"{rows}/new", {"data": {"title": "mine", "code": "k"}}, by=ann)
    assert (answer["$id"], answer["$sequence"]) == ("new", "")
    assert call("GET", f"{rows}/new").status == 404
    taken = call.ok("GET", f"{rows}/o")
    assert (taken["title"], taken["n"]) == ("mine", 7)
    assert taken["$permissions"] == ['read("user:ann")', 'update("user:ann")', 'delete("user:ann")']


def test_staged_creates_are_open_to_anyone_who_knows_the_transaction(call: Caller, items: str) -> None:
    staged = transaction(call, {"action": "create", "rowId": "t6", "data": {"title": "secret"}})
    seen = call.ok("GET", f"{items}/t6?transactionId={staged}", by="guest")
    assert (seen["title"], seen["$sequence"]) == ("secret", "")
    assert "$createdAt" not in seen


def test_an_unknown_transaction_on_a_read_is_ignored(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}})
    assert call.ok("GET", f"{items}/r?transactionId=nope")["title"] == "x"


def test_a_commit_that_may_not_update_stays_committing_for_good(call: Caller, items: str) -> None:
    ann = call.user("ann")
    call.ok("POST", items, {"rowId": "e", "data": {"title": "x"}, "permissions": ['read("users")']})
    begun = transaction(call, by=ann)
    call.ok("PATCH", f"{items}/e", {"data": {"n": 1}, "transactionId": begun}, by=ann)
    assert call("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True}, by=ann).type == "user_unauthorized"
    assert call.ok("GET", f"/tablesdb/transactions/{begun}")["status"] == "committing"
    assert call("PATCH", f"/tablesdb/transactions/{begun}", {"rollback": True}).type == "transaction_not_ready"


@pytest.mark.parametrize(
    "operation",
    [
        {"action": "create", "rowId": "p", "data": {"title": "x", "$permissions": ["nonsense"]}},
        {"action": "increment", "rowId": "r", "data": {"column": "title"}},
    ],
)
def test_some_commits_fail_with_500_and_stay_committing(
    call: Caller, items: str, operation: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}})
    begun = transaction(call, operation)
    assert call("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True}).status == 500
    assert call.ok("GET", f"/tablesdb/transactions/{begun}")["status"] == "committing"
    assert caplog.records == []


@pytest.mark.parametrize("row_id", ["unique()", "bad id!", "x" * 40])
def test_ids_are_not_checked_in_transactions(call: Caller, items: str, row_id: str) -> None:
    begun = transaction(call, {"action": "create", "rowId": row_id, "data": {"title": "x"}})
    call.ok("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True})
    assert [row["$id"] for row in call.ok("GET", items)["rows"]] == [row_id]


def test_permissions_are_stored_unsplit_in_transactions(call: Caller, items: str) -> None:
    given = ['write("any")', 'create("any")']
    begun = transaction(call, {"action": "create", "rowId": "r", "data": {"title": "x", "$permissions": given}})
    call.ok("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True})
    assert call.ok("GET", f"{items}/r")["$permissions"] == given


def test_an_id_inside_the_data_of_an_update_renames_the_row(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "old", "data": {"title": "x"}})
    begun = transaction(call, {"action": "update", "rowId": "old", "data": {"$id": "new"}})
    call.ok("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True})
    assert [row["$id"] for row in call.ok("GET", items)["rows"]] == ["new"]


def test_an_upsert_in_a_transaction_ignores_its_row_id(call: Caller, items: str) -> None:
    begun = transaction(call, {"action": "upsert", "rowId": "z1", "data": {"title": "z"}})
    call.ok("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True})
    (row,) = call.ok("GET", items)["rows"]
    assert row["$id"] != "z1"


def test_an_upsert_in_a_transaction_keeps_an_id_inside_its_data(call: Caller, items: str) -> None:
    begun = transaction(call, {"action": "upsert", "rowId": "z1", "data": {"$id": "z1", "title": "z"}})
    call.ok("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True})
    assert call.ok("GET", f"{items}/z1")["title"] == "z"


def test_staging_a_delete_or_an_increment_checks_no_permission(call: Caller, items: str) -> None:
    ann = call.user("ann")
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}, "permissions": ['read("users")']})
    begun = transaction(call, by=ann)
    assert call("DELETE", f"{items}/r", {"transactionId": begun}, by=ann).status == 204
    assert call("PATCH", f"{items}/none/n/increment", {"transactionId": begun}, by=ann).status == 200
    assert call("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True}, by=ann).type == "user_unauthorized"


def test_increments_and_deletes_are_never_in_conflict(call: Caller, items: str) -> None:
    for row_id in ("i", "d"):
        call.ok("POST", items, {"rowId": row_id, "data": {"title": row_id, "n": 1}})
    begun = transaction(
        call,
        {"action": "increment", "rowId": "i", "data": {"column": "n", "value": 2}},
        {"action": "delete", "rowId": "d"},
    )
    for row_id in ("i", "d"):
        call.ok("PATCH", f"{items}/{row_id}", {"data": {"n": 10}})
    call.ok("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True})
    assert [(row["$id"], row["n"]) for row in call.ok("GET", items)["rows"]] == [("i", 12)]


@pytest.mark.parametrize(
    "operation",
    [
        {"action": "update", "rowId": "r", "data": {"n": 2}},
        {"action": "bulkUpdate", "data": {"data": {"n": 2}, "queries": []}},
    ],
)
def test_updates_are_in_conflict_with_later_writes(call: Caller, items: str, operation: dict[str, Any]) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "n": 1}})
    begun = transaction(call, operation)
    call.ok("PATCH", f"{items}/r/n/increment", {})
    assert call("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True}).type == "transaction_conflict"
    assert call.ok("GET", f"{items}/r")["n"] == 2  # by the increment alone


def test_each_api_takes_operations_of_the_others_transactions(call: Caller, items: str) -> None:
    begun = str(call.ok("POST", "/databases/transactions", {"ttl": 60})["$id"])
    operation = {"action": "create", "databaseId": "db", "tableId": "t", "rowId": "r", "data": {"title": "x"}}
    call.ok("POST", f"/tablesdb/transactions/{begun}/operations", {"operations": [operation]})
    call.ok("PATCH", f"/databases/transactions/{begun}", {"commit": True})
    assert call.ok("GET", f"{items}/r")["title"] == "x"


def test_guests_may_create_transactions_but_not_use_them(call: Caller, items: str) -> None:
    begun = call.ok("POST", "/tablesdb/transactions", {"ttl": 60}, by="guest")["$id"]
    refused = call("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True}, by="guest")
    assert refused.type == "transaction_not_found"


def test_a_list_inside_a_transaction_appends_staged_rows_beyond_its_limit(call: Caller, items: str) -> None:
    for n in range(2):
        call.ok("POST", items, {"rowId": f"c{n}", "data": {"title": "c", "n": n}})
    begun = transaction(call, *({"action": "create", "rowId": f"s{n}", "data": {"title": "s"}} for n in range(2)))
    path = f"{items}?transactionId={begun}&queries[]=%7B%22method%22%3A%22limit%22%2C%22values%22%3A%5B1%5D%7D"
    listed = call.ok("GET", path)
    assert [row["$id"] for row in listed["rows"]] == ["c0", "s0", "s1"]
    assert listed["total"] == 4


def test_an_increment_beyond_a_transactions_bound_is_refused_at_commit(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "n": 9}})
    begun = transaction(call, {"action": "increment", "rowId": "r", "data": {"column": "n", "max": 9}})
    assert call("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True}).type == "attribute_limit_exceeded"
    begun = transaction(call, {"action": "increment", "rowId": "r", "data": {"column": "nope"}})
    assert call("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True}).type == "document_not_found"


def test_the_answer_of_an_increment_carries_the_old_stamp(call: Caller, items: str) -> None:
    created = call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "n": 1}})
    call.emulator.clock.tick()
    answer = call.ok("PATCH", f"{items}/r/n/increment", {"value": 2})
    assert (answer["n"], answer["$updatedAt"]) == (3, created["$updatedAt"])
    assert call.ok("GET", f"{items}/r")["$updatedAt"] > created["$updatedAt"]
    sent_back = {"x-appwrite-timestamp": answer["$updatedAt"]}
    refused = call("PATCH", f"{items}/r", {"data": {"n": 4}}, headers=sent_back)
    assert refused.type == "row_update_conflict"


def test_an_increment_passes_the_columns_bounds_and_then_every_patch_is_refused(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "n": 999}})
    assert call.ok("PATCH", f"{items}/r/n/increment", {"value": 5})["n"] == 1004
    assert call("PATCH", f"{items}/r", {"permissions": ['read("any")']}).type == "row_invalid_structure"
    call.ok("PATCH", f"{items}/r", {"data": {"n": 1}})


def test_increment_of_null_and_by_a_half(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "n": 2}})
    assert call.ok("PATCH", f"{items}/r/f/increment", {"value": 3})["f"] == 3
    assert call.ok("GET", f"{items}/r")["f"] is None
    assert call.ok("PATCH", f"{items}/r/n/increment", {"value": 0.5})["n"] == 2.5
    assert call.ok("GET", f"{items}/r")["n"] == 2


@pytest.mark.parametrize("value", [0, -1])
def test_increments_are_positive(call: Caller, items: str, value: int) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}})
    assert call("PATCH", f"{items}/r/n/increment", {"value": value}).type == "general_argument_invalid"


def test_increment_of_a_missing_row_says_column_not_found(call: Caller, items: str) -> None:
    assert call("PATCH", f"{items}/none/n/increment", {}).type == "column_not_found"


def test_the_timestamp_counts_for_patch_and_delete_only(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "n": 1}})
    old = {"x-appwrite-timestamp": "2020-01-01T00:00:00.000+00:00"}
    assert call("PATCH", f"{items}/r", {"data": {"n": 1}}, headers=old).type == "row_update_conflict"
    assert call("DELETE", f"{items}/r", headers=old).type == "row_update_conflict"
    assert call("PUT", f"{items}/r", {"data": {"n": 2}}, headers=old).status == 200
    assert call("PATCH", f"{items}/r/n/increment", {}, headers=old).status == 200
    assert call("PATCH", f"{items}/r", {"data": {"n": 1}}, headers={"x-appwrite-timestamp": "rubbish"}).status == 400


def test_a_patch_that_changes_nothing_keeps_the_stamp_and_needs_only_read(call: Caller, items: str) -> None:
    ann = call.user("ann")
    row = call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}, "permissions": ['read("user:ann")']})
    call.emulator.clock.tick()
    same = call.ok("PATCH", f"{items}/r", {"data": {"title": "x"}}, by=ann)
    assert same["$updatedAt"] == row["$updatedAt"]
    call.emulator.clock.tick()
    assert call.ok("PUT", f"{items}/r", {"data": {"title": "x"}})["$updatedAt"] > row["$updatedAt"]


def test_bulk_writes_onto_a_taken_value(call: Caller) -> None:
    rows = call.table({"code": {"kind": "string", "size": 10}})
    call.index("u", "unique", "code")
    call.ok("POST", rows, {"rows": [{"$id": "a", "code": "a"}, {"$id": "b", "code": "b"}]})
    assert call("PATCH", rows, {"data": {"code": "z"}}).status == 500
    refused = call("POST", rows, {"rows": [{"$id": "c", "code": "a"}]})
    assert (refused.type, "''" in refused.body["message"]) == ("row_already_exists", True)
    assert [row["code"] for row in call.ok("GET", rows)["rows"]] == ["a", "b"]


@pytest.mark.parametrize("body", [{"rowId": "a", "data": None}, {"rowId": None, "data": {"title": "x"}}])
def test_null_where_a_value_is_expected_is_a_500(call: Caller, items: str, body: dict[str, object]) -> None:
    assert call("POST", items, body).status == 500


def test_other_nulls_and_bodies(call: Caller, items: str) -> None:
    assert call("POST", "/tablesdb/transactions", {"ttl": None}).status == 500
    assert call("POST", items, raw=b'"x"').status == 500
    assert call("POST", items, raw=b"{bad").type == "row_missing_data"
    assert call("POST", items, {"rowId": "a", "data": {"title": "x"}, "permissions": None}).status == 201
    plain = {"content-type": "text/plain"}
    assert call("POST", items, {"rowId": "b", "data": {"title": "x"}}, headers=plain).type == "row_missing_data"
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert call("POST", items, raw=b"rowId=c&data[title]=x", headers=form).body["title"] == "x"


def test_php_takes_texts_for_objects_and_objects_for_lists(call: Caller, items: str) -> None:
    assert call.ok("POST", items, {"rowId": "a", "data": '{"title": "x"}'})["title"] == "x"
    data = {"title": "y", "tags": {"0": "a"}}
    row = call.ok("POST", items, {"rowId": "b", "data": data, "permissions": {"0": 'read("any")'}})
    assert (row["tags"], row["$permissions"]) == (["a"], ['read("any")'])
    assert call.ok("POST", items, {"rowId": "c", "data": {"title": "z", "tags": [None]}})["tags"] == [None]


def test_bulk_writes_by_a_user(call: Caller, items: str) -> None:
    ann = call.user("ann")
    assert call("PATCH", items, {"data": {"n": 1}}, by=ann).type == "database_not_found"
    assert call("DELETE", items, {}, by=ann).type == "database_not_found"
    assert call("POST", items, {"rows": [{"title": "x"}]}, by=ann).type == "general_unauthorized_scope"


def test_keys_set_dates_and_users_cannot(call: Caller, items: str) -> None:
    stamp = "2001-02-03T04:05:06.789+00:00"
    data = {"title": "x", "$createdAt": stamp, "$updatedAt": stamp}
    row = call.ok("POST", items, {"rowId": "k", "data": data})
    assert (row["$createdAt"], row["$updatedAt"]) == (stamp, stamp)
    mine = call.ok("POST", items, {"rowId": "u", "data": data}, by=call.user("ann"))
    assert stamp not in (mine["$createdAt"], mine["$updatedAt"])


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("@0", "1970-01-01T00:00:00.000+00:00"),
        ("2026-02-30", "2026-03-02T00:00:00.000+00:00"),
        ("10000-01-01", "2000-01-01T10:00:00.000+00:00"),
        ("2026-01-02T03:04:05.678999Z", "2026-01-02T03:04:05.678+00:00"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05.000+00:00"),
        ("", "2026-11-23T10:11:12.131+00:00"),
        ("yesterday", "2026-11-22T00:00:00.000+00:00"),
    ],
)
def test_dates_are_what_php_makes_of_them(call: Caller, items: str, given: str, stored: str) -> None:
    call.ok("POST", "/_emulator/clock", {"freeze": "2026-11-23T10:11:12.131Z"})
    assert call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "at": given}})["at"] == stored


def test_numbers_are_no_dates_and_floats_no_integers(call: Caller, items: str) -> None:
    for data in ({"at": 0}, {"n": 5.0}):
        assert call("POST", items, {"rowId": "r", "data": {"title": "x", **data}}).type == "row_invalid_structure"


def test_permissions_inside_data_count_in_bulk_only(call: Caller, items: str) -> None:
    given = ['read("any")']
    assert call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "$permissions": given}})["$permissions"] == []
    bulk = call.ok("POST", items, {"rows": [{"$id": "b", "title": "x", "$permissions": given}]})
    assert bulk["rows"][0]["$permissions"] == given


def test_null_for_a_column_with_a_default_stores_the_default(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "n": 1, "kind": "b"}})
    assert call.ok("PATCH", f"{items}/r", {"data": {"n": None}})["n"] == 5
    assert call.ok("PUT", f"{items}/r", {"data": {"kind": None}})["kind"] == "a"


def test_a_disabled_table_is_hidden_from_users_but_for_increments(call: Caller, items: str) -> None:
    ann = call.user("ann")
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "n": 1}}, by=ann)
    call.ok("PUT", "/tablesdb/db/tables/t", {"name": "t", "enabled": False})
    assert call("PATCH", f"{items}/r", {"data": {"n": 2}}, by=ann).type == "table_not_found"
    assert call("DELETE", f"{items}/r", by=ann).type == "table_not_found"
    assert call.ok("PATCH", f"{items}/r/n/increment", {}, by=ann)["n"] == 2


def test_ids_and_texts_are_compared_as_the_collation_does(call: Caller) -> None:
    rows = call.table({"key": {"kind": "string", "size": 20}})
    call.index("u", "unique", "key")
    call.ok("POST", rows, {"rowId": "r1", "data": {"key": "Zoë"}})
    assert call.ok("GET", f"{rows}/R1")["$id"] == "r1"
    assert call("POST", rows, {"rowId": "R1", "data": {"key": "other"}}).type == "row_already_exists"
    assert call("POST", rows, {"rowId": "r2", "data": {"key": "zoe "}}).type == "row_already_exists"
    assert call.ok("GET", rows, queries=[query("equal", "key", "ZOE ")])["total"] == 1


@pytest.mark.parametrize(
    "bad",
    [
        query("exists", "title"),
        query("exists", "title", "x"),
        query("elemMatch", "tags", {"method": "equal", "attribute": "a", "values": [1]}),
        query("equal", "title.x", "y"),
    ],
)
def test_queries_at_which_the_server_fails(call: Caller, items: str, bad: str) -> None:
    assert call("GET", items, queries=[bad]).status in (400, 500)


def test_two_limits_the_first_counts_and_total_ignores_paging(call: Caller, items: str) -> None:
    for n in range(4):
        call.ok("POST", items, {"rowId": f"r{n}", "data": {"title": "x", "n": n}})
    listed = call.ok(
        "GET", items, queries=[query("limit", None, "2"), query("limit", None, 1), query("offset", None, 1)]
    )
    assert (len(listed["rows"]), listed["total"]) == (2, 4)
    both = [query("cursorAfter", None, "r0"), query("cursorBefore", None, "r0")]
    assert [row["$id"] for row in call.ok("GET", items, queries=both)["rows"]] == ["r1", "r2", "r3"]
    assert call("GET", items, queries=[query("limit", None, 2.0)]).type == "general_query_invalid"


def test_contains_on_text_and_enum(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "Hello", "kind": "b"}})
    assert call.ok("GET", items, queries=[query("contains", "title", "ELL")])["total"] == 1
    assert call.ok("GET", items, queries=[query("contains", "kind", "b")])["total"] == 1
    assert call.ok("GET", items, queries=[query("containsAll", "title", "ell")])["total"] == 0
    assert call("GET", items, queries=[query("contains", "n", 1)]).type == "general_query_invalid"


def test_a_selection_still_carries_the_rows_own_fields(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}})
    own = {"$id", "$sequence", "$createdAt", "$updatedAt", "$permissions", "$databaseId", "$tableId"}
    (row,) = call.ok("GET", items, queries=[query("select", None, "title")])["rows"]
    assert set(row) == {"title", *own}
    assert set(call.ok("GET", f"{items}/r", queries=[query("select", None, "title")])) == {"title", *own}
    assert call("GET", f"{items}/r", queries=[query("limit", None, 1)]).type == "general_query_invalid"


def test_a_cursor_may_name_a_hidden_row_but_not_one_with_null_there(call: Caller, items: str) -> None:
    for row_id, f, readers in (("hidden", 1.0, []), ("seen", 2.0, ['read("any")']), ("null", None, [])):
        call.ok("POST", items, {"rowId": row_id, "data": {"title": row_id, "f": f}, "permissions": readers})
    order = query("orderAsc", "f")
    listed = call.ok("GET", items, by="guest", queries=[order, query("cursorAfter", None, "hidden")])
    assert [row["$id"] for row in listed["rows"]] == ["seen"]
    refused = call("GET", items, queries=[order, query("cursorAfter", None, "null")])
    assert refused.type == "database_query_order_null"


def test_without_row_security_and_table_permission(call: Caller) -> None:
    rows = call.table({"title": {"kind": "string", "size": 10}}, row_security=False)
    call.ok("POST", rows, {"rowId": "r", "data": {"title": "x"}, "permissions": ['read("any")']})
    assert call("GET", rows, by="guest").status == 401
    assert call("GET", f"{rows}/r", by="guest").status == 404
