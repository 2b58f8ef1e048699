"""Transactions: what is staged, who sees it, what a commit does and what it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from emulator_fixture import query
from massage_link.emulator.events import RowChange

if TYPE_CHECKING:
    from emulator_fixture import Answer, Caller


def begin(call: Caller, *operations: dict[str, Any], by: str = "key") -> str:
    begun = str(call.ok("POST", "/tablesdb/transactions", {"ttl": 60}, by=by)["$id"])
    if operations:
        stage(call, begun, *operations, by=by)
    return begun


def stage(call: Caller, begun: str, *operations: dict[str, Any], by: str = "key") -> None:
    placed = [{"databaseId": "db", "tableId": "t", **operation} for operation in operations]
    call.ok("POST", f"/tablesdb/transactions/{begun}/operations", {"operations": placed}, by=by)


def commit(call: Caller, begun: str, by: str = "key") -> Answer:
    return call("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True}, by=by)


def create(row_id: str, **data: object) -> dict[str, Any]:
    return {"action": "create", "rowId": row_id, "data": {"title": row_id, **data}}


def ids(call: Caller, items: str) -> list[str]:
    return [row["$id"] for row in call.ok("GET", items)["rows"]]


def test_nothing_of_a_refused_commit_is_written(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "taken", "data": {"title": "x"}})
    slots = {"action": "bulkCreate", "data": [{"$id": "free", "title": "x"}, {"$id": "taken", "title": "x"}]}
    begun = begin(call, create("booking"), slots)
    assert commit(call, begun).type == "transaction_conflict"
    assert ids(call, items) == ["taken"]
    assert call.ok("GET", f"/tablesdb/transactions/{begun}")["status"] == "failed"


def test_of_twenty_that_race_for_the_same_slots_exactly_one_commits(call: Caller, items: str) -> None:
    slots = {"action": "bulkCreate", "data": [{"$id": f"slot{n}", "title": "x"} for n in range(12)]}
    racing = [begin(call, create(f"booking{n}"), slots) for n in range(20)]
    statuses = [commit(call, begun).status for begun in racing]
    assert (statuses.count(200), statuses.count(409)) == (1, 19)
    assert call.ok("GET", items)["total"] == 13


def test_operations_see_what_came_before_them(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "n": 1}})
    begun = begin(
        call,
        create("new", n=1),
        {"action": "update", "rowId": "new", "data": {"kind": "b"}},
        {"action": "increment", "rowId": "new", "data": {"column": "n", "value": 4}},
        {"action": "decrement", "rowId": "r", "data": {"column": "n", "value": 1}},
        {"action": "bulkUpdate", "data": {"data": {"f": 2.5}, "queries": [query("equal", "kind", "b")]}},
        {"action": "upsert", "rowId": "new", "data": {"title": "changed"}},
    )
    assert commit(call, begun).status == 200
    new, old = call.ok("GET", f"{items}/new"), call.ok("GET", f"{items}/r")
    assert (new["title"], new["n"], new["kind"], new["f"]) == ("changed", 5, "b", 2.5)
    assert (old["n"], old["f"]) == (0, None)


def test_bulk_upsert_and_bulk_delete(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rows": [{"$id": "a", "title": "a", "n": 1}, {"$id": "b", "title": "b", "n": 2}]})
    begun = begin(
        call,
        {"action": "bulkUpsert", "data": [{"$id": "a", "title": "changed"}, {"$id": "c", "title": "c", "n": 9}]},
        {"action": "bulkDelete", "data": {"queries": [query("equal", "n", 2)]}},
    )
    assert commit(call, begun).status == 200
    rows = call.ok("GET", items)["rows"]
    assert [(row["$id"], row["title"], row["n"]) for row in rows] == [("a", "changed", 1), ("c", "c", 9)]


@pytest.mark.parametrize(
    "operation",
    [
        {"action": "bulkUpsert", "data": [{"$id": "r", "title": "mine"}]},
        {"action": "bulkDelete", "data": {"queries": []}},
    ],
)
def test_bulk_writes_are_in_conflict_with_later_writes(call: Caller, items: str, operation: dict[str, Any]) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}})
    begun = begin(call, operation)
    call.ok("PATCH", f"{items}/r", {"data": {"n": 9}})
    assert commit(call, begun).type == "transaction_conflict"
    assert call.ok("GET", f"{items}/r")["n"] == 9


def test_a_commit_gives_and_takes_readers_and_stamps_anew(call: Caller, items: str) -> None:
    ann, bob = call.user("ann"), call.user("bob")
    old = call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}, "permissions": ['read("user:ann")']})
    changes = {"$permissions": ['read("user:bob")'], "$updatedAt": "2001-01-01T00:00:00.000+00:00"}
    begun = begin(call, {"action": "update", "rowId": "r", "data": changes})
    assert commit(call, begun).status == 200
    assert call("GET", f"{items}/r", by=ann).status == 404
    assert call.ok("GET", items, by=ann)["total"] == 0
    assert call.ok("GET", f"{items}/r", by=bob)["$updatedAt"] > old["$updatedAt"]


def test_rollback_forgets_everything(call: Caller, items: str) -> None:
    begun = begin(call, create("a"))
    call.ok("PATCH", f"/tablesdb/transactions/{begun}", {"rollback": True})
    assert ids(call, items) == []
    assert commit(call, begun).type == "transaction_not_ready"


def test_at_most_a_hundred_operations_over_all_calls(call: Caller, items: str) -> None:
    begun = begin(call, *(create(f"r{n}") for n in range(60)))
    more = {"operations": [{"databaseId": "db", "tableId": "t", **create(f"s{n}")} for n in range(41)]}
    refused = call("POST", f"/tablesdb/transactions/{begun}/operations", more)
    assert refused.type == "transaction_limit_exceeded"
    assert call.ok("GET", f"/tablesdb/transactions/{begun}")["operations"] == 60


@pytest.mark.parametrize(
    "operation",
    [
        "text",
        {"action": "create", "rowId": "r", "data": {}},
        {"action": "fly", "databaseId": "db", "tableId": "t"},
        {"action": "create", "databaseId": "db", "tableId": "t", "data": {}},
        {"action": "create", "databaseId": "db", "tableId": "t", "rowId": "", "data": {}},
        {"action": "create", "databaseId": "db", "tableId": "t", "rowId": "r"},
        {"action": "bulkUpdate", "databaseId": "db", "tableId": "t", "data": {"queries": []}},
        {"action": "bulkDelete", "databaseId": "db", "tableId": "t", "data": {}},
        {"action": "increment", "databaseId": "db", "tableId": "t", "rowId": "r", "data": {}},
        {
            "action": "increment",
            "databaseId": "db",
            "tableId": "t",
            "rowId": "r",
            "data": {"column": "n", "value": "x"},
        },
    ],
)
def test_malformed_operations_are_refused(call: Caller, items: str, operation: object) -> None:
    begun = begin(call)
    refused = call("POST", f"/tablesdb/transactions/{begun}/operations", {"operations": [operation]})
    assert refused.type == "general_argument_invalid"


def test_operations_on_what_does_not_exist(call: Caller, items: str) -> None:
    begun = begin(call)
    for place, type_ in (
        ({"databaseId": "none", "tableId": "t"}, "database_not_found"),
        ({"databaseId": "db", "tableId": "none"}, "collection_not_found"),
    ):
        operations = [{**create("r"), **place}]
        assert call("POST", f"/tablesdb/transactions/{begun}/operations", {"operations": operations}).type == type_


def test_a_transaction_belongs_to_its_user(call: Caller, items: str) -> None:
    ann, bob = call.user("ann"), call.user("bob")
    begun = begin(call, create("r"), by=ann)
    assert call("GET", f"/tablesdb/transactions/{begun}", by=bob).type == "transaction_not_found"
    assert call.ok("GET", "/tablesdb/transactions", by=bob)["total"] == 0
    assert call.ok("GET", "/tablesdb/transactions", by=ann)["total"] == 1
    assert commit(call, begun).status == 200  # a key may
    assert call("DELETE", f"/tablesdb/transactions/{begun}", by=ann).status == 204


def test_routes_of_rows_stage_with_a_transaction(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "n": 1}})
    begun = begin(call)
    inside = {"transactionId": begun}
    assert call("POST", items, {"rowId": "new", "data": {"title": "n"}, **inside}).status == 201
    assert call("PATCH", f"{items}/r", {"data": {"title": "y"}, **inside}).status == 200
    assert call("PATCH", f"{items}/r/n/increment", {"value": 2, **inside}).status == 200
    assert call("POST", items, {"rows": [{"$id": "b", "title": "b"}], **inside}).status == 200
    assert call("PATCH", items, {"data": {"f": 1.0}, "queries": [query("equal", "$id", "b")], **inside}).status == 200
    assert ids(call, items) == ["r"]
    assert call.ok("GET", f"{items}/r?transactionId={begun}")["title"] == "y"
    assert commit(call, begun).status == 200
    rows = {row["$id"]: (row["title"], row["n"], row["f"]) for row in call.ok("GET", items)["rows"]}
    assert rows == {"r": ("y", 3, None), "new": ("n", 5, None), "b": ("b", 5, 1)}


def test_staging_in_an_unknown_or_finished_transaction(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}})
    done = begin(call)
    assert commit(call, done).status == 200
    assert call("PATCH", f"{items}/r", {"data": {"n": 1}, "transactionId": "none"}).type == "transaction_not_found"
    assert call("PATCH", f"{items}/r", {"data": {"n": 1}, "transactionId": done}).type == "transaction_not_ready"
    for transaction_id in ("none", done):
        staged = call("PATCH", f"{items}/r/n/increment", {"transactionId": transaction_id})
        assert staged.type == "general_bad_request"


# Events


def heard(call: Caller) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []
    call.emulator.bus.subscribe(
        lambda change: told.append((change.action, str(change.row["$id"]))) if isinstance(change, RowChange) else None
    )
    return told


def test_a_commit_announces_single_writes_in_order_and_bulk_writes_not_at_all(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "gone", "data": {"title": "x"}})
    told = heard(call)
    begun = begin(
        call,
        create("a"),
        {"action": "bulkCreate", "data": [{"$id": "slot", "title": "x"}]},
        {"action": "increment", "rowId": "a", "data": {"column": "n"}},
        {"action": "delete", "rowId": "gone"},
    )
    assert told == []
    assert commit(call, begun).status == 200
    assert told == [("create", "a"), ("update", "a"), ("delete", "gone")]


def test_a_refused_commit_announces_nothing(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "taken", "data": {"title": "x"}})
    told = heard(call)
    assert commit(call, begin(call, create("a"), create("taken"))).status == 409
    assert told == []


def test_who_commits_a_row_that_she_cannot_read_causes_no_event(call: Caller, items: str) -> None:
    ann = call.user("ann")
    told = heard(call)
    readable = create("mine")
    readable["data"]["$permissions"] = ['read("user:ann")']
    assert commit(call, begin(call, create("hidden"), readable, by=ann), by=ann).status == 200
    assert told == [("create", "mine")]


def test_create_and_delete_in_one_commit_tell_of_the_delete_only(call: Caller, items: str) -> None:
    told = heard(call)
    assert commit(call, begin(call, create("a"), {"action": "delete", "rowId": "a"})).status == 200
    assert told == [("delete", "a")]


# Operators


@pytest.mark.parametrize("text", ['{"method":"toggle"}', ' {"method": "arrayUnique"}'])
def test_a_text_that_reads_as_an_operator_is_refused_where_the_server_would_obey_it(
    call: Caller, items: str, text: str
) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": text}})  # a plain create takes it for what it is
    assert call("PATCH", f"{items}/r", {"data": {"title": text}}).type == "emulator_not_implemented"
    assert call("PUT", f"{items}/r", {"data": {"title": text}}).type == "emulator_not_implemented"
    assert call("PATCH", items, {"data": {"title": text}}).type == "emulator_not_implemented"
    assert call("PUT", items, {"rows": [{"$id": "r", "title": text}]}).type == "emulator_not_implemented"
    for operation in (create("n", title=text), {"action": "bulkCreate", "data": [{"title": text}]}):
        assert commit(call, begin(call, operation)).type == "emulator_not_implemented"


def test_other_json_in_a_text_is_a_text(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}})
    for text in ('{"method":"fly"}', "{broken", '{"a":1}', "[1]"):
        assert call.ok("PATCH", f"{items}/r", {"data": {"title": text}})["title"] == text
