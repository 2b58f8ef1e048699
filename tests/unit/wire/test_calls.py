"""Calls as values: what goes over the wire, compared with what a real server was sent and what it answered."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from appwrite.query import Query
from hypothesis import given
from hypothesis import strategies as st

from massage_link.domain.booking import Slot
from massage_link.errors import InvalidInput
from massage_link.wire import control, rows, transactions, users
from massage_link.wire.call import Call, Reply, Sleep, nothing, parsed, path, raw_json, shown
from massage_link.wire.rows import TableAddress

SLOTS = TableAddress("db", "slots")
SLOT = {"$id": "a_1", "therapistId": "t", "bookingId": "b"}
EXCHANGES = Path(__file__).parents[2] / "data" / "rest.json"


@cache
def recorded(what: str) -> dict[str, Any]:
    """An exchange with a real server, by its name in the record."""
    exchanges: list[dict[str, Any]] = json.loads(EXCHANGES.read_text(encoding="utf-8"))
    return next(each for each in exchanges if each["what"] == what)


def reply(body: object, **headers: str) -> Reply:
    """A 200 with this body."""
    return Reply(200, headers, json.dumps(body).encode())


# --- paths ------------------------------------------------------------------------------------------------------------
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1))
def test_every_part_of_a_path_stays_one_part(parts: list[str]) -> None:
    assert [unquote(part) for part in path(*parts).split("/")[1:]] == parts


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1))
def test_queries_arrive_as_they_were_built(values: list[str]) -> None:
    query = Query.equal("name", values)
    asked = urlsplit(path("rows", queries=(query, Query.limit(1)))).query
    assert json.loads(parse_qs(asked)["queries[]"][0])["values"] == values


@given(st.text(st.characters(categories=["Cs"]), min_size=1, max_size=1), st.text(st.characters(codec="utf-8")))
def test_half_of_a_surrogate_pair_never_leaves_the_house(half: str, text: str) -> None:
    with pytest.raises(InvalidInput, match="surrogate"):
        path(text + half)
    with pytest.raises(InvalidInput, match="surrogate"):
        path("rows", queries=(Query.equal("name", [text + half]),))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/tablesdb/db/tables/t/rows?queries[]=name", "/tablesdb/db/tables/t/rows"),
        ("/tablesdb/transactions", "/tablesdb/transactions"),
        ("/tablesdb/transactions/s3cret", "/tablesdb/transactions/…"),
        ("http://x/v1/tablesdb/transactions/s3cret/operations", "http://x/v1/tablesdb/transactions/…/operations"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_query_and_no_transaction(url: str, expected: str) -> None:
    assert shown(url) == expected


def test_steps_are_yielded_by_yield_from() -> None:
    call: Call[None] = Call("GET", "/things", nothing)
    step = iter(call)
    assert next(step) is call
    with pytest.raises(StopIteration) as stop:
        step.send(None)
    assert stop.value.value is None
    assert list(Sleep(0.5)) == [Sleep(0.5)]


# --- rows -------------------------------------------------------------------------------------------------------------
def test_a_list_is_read_from_its_rows_whatever_the_total_says() -> None:
    call = rows.list_rows(SLOTS, Slot, [Query.limit(2)])
    assert (call.method, call.repeatable) == ("GET", True)
    assert urlsplit(call.path).path == "/tablesdb/db/tables/slots/rows"
    for total in (0, 5_000, None):
        found = call.parse(reply({"total": total, "rows": [SLOT, {**SLOT, "$id": "a_2", "unknown": 1}]}))
        assert [(each.id, each.booking_id) for each in found] == [("a_1", "b"), ("a_2", "b")]


@pytest.mark.parametrize("body", [{}, {"rows": None}, {"rows": [{"$id": "a_1"}]}, {"documents": []}])
def test_a_list_that_is_none_is_a_fault_of_the_body(body: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        rows.list_rows(SLOTS, Slot, []).parse(reply(body))


def test_raw_rows_come_with_the_server_s_time() -> None:
    page = rows.list_raw_rows(SLOTS, []).parse(reply({"rows": [SLOT]}, date="Mon, 23 Nov 2026 08:00:00 GMT"))
    assert page.rows == [SLOT]
    assert page.server_time == datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def test_a_row_is_created_with_an_id_and_readers_of_ours() -> None:
    call = rows.create_row(SLOTS, Slot, "a_1", {"therapistId": "t", "bookingId": "b"}, rows.read_by(["carla"]))
    assert (call.method, call.path, call.repeatable) == ("POST", "/tablesdb/db/tables/slots/rows", False)
    assert call.body == {
        "rowId": "a_1",
        "data": {"therapistId": "t", "bookingId": "b"},
        "permissions": ['read("user:carla")'],
    }
    assert call.parse(reply(SLOT)).id == "a_1"


def test_a_row_is_changed_only_if_nobody_else_changed_it() -> None:
    stamp = "2026-11-23T08:00:00.000+00:00"
    call = rows.patch_row(SLOTS, Slot, "a_1", {"bookingId": "c"}, unless_changed=stamp)
    assert (call.method, call.path) == ("PATCH", "/tablesdb/db/tables/slots/rows/a_1")
    assert (call.body, call.headers) == ({"data": {"bookingId": "c"}}, {"X-Appwrite-Timestamp": stamp})
    assert not call.repeatable


def test_as_many_ids_as_are_asked_for_at_once_fit_into_a_query() -> None:
    assert len(rows.with_ids(["x" * 36] * rows.IDS_PER_QUERY)) <= 4_096


# --- transactions -----------------------------------------------------------------------------------------------------
def test_a_transaction_is_begun_staged_and_committed_as_a_real_server_takes_it() -> None:
    begin = transactions.begin()
    assert (begin.method, begin.path, begin.repeatable) == ("POST", "/tablesdb/transactions", True)
    transaction = begin.parse(reply({"$id": "t1", "status": "pending"}))
    operation = transactions.create(SLOTS, "a_1", {"bookingId": "b"}, ['read("user:carla")'])
    stage = transactions.stage(transaction, [operation])
    assert (stage.method, stage.path, stage.repeatable) == ("POST", "/tablesdb/transactions/t1/operations", False)
    assert stage.body == {
        "operations": [
            {
                "action": "create",
                "databaseId": "db",
                "tableId": "slots",
                "rowId": "a_1",
                "data": {"bookingId": "b", "$permissions": ['read("user:carla")']},
            }
        ]
    }
    commit = transactions.commit(transaction)
    real = recorded("commit")
    assert (commit.method, commit.body, commit.repeatable) == (
        real["request"]["method"],
        real["request"]["body"],
        False,
    )
    assert commit.parse(reply(real["body"])) is None


def test_an_update_leaves_the_readers_alone_unless_it_names_them() -> None:
    assert transactions.update(SLOTS, "a_1", {"n": 1})["data"] == {"n": 1}
    assert transactions.update(SLOTS, "a_1", {}, [])["data"] == {"$permissions": []}


def test_bulk_operations_name_rows_by_id_inside_the_data() -> None:
    created = transactions.bulk_create(SLOTS, [("a_1", {"bookingId": "b"}), ("a_2", {"bookingId": "b"})])
    assert created["action"] == "bulkCreate"
    assert created["data"] == [{"$id": "a_1", "bookingId": "b"}, {"$id": "a_2", "bookingId": "b"}]
    deleted = transactions.bulk_delete(SLOTS, [Query.equal("bookingId", ["b"])])
    assert (deleted["action"], deleted["data"]) == ("bulkDelete", {"queries": [Query.equal("bookingId", ["b"])]})
    assert "rowId" not in created
    assert "rowId" not in deleted


def test_an_upsert_can_not_be_staged() -> None:
    """In a transaction the real server ignores its row id and creates a row with a random one."""
    assert not [name for name in dir(transactions) if "upsert" in name.lower()]


# --- users ------------------------------------------------------------------------------------------------------------
def test_a_sign_in_goes_as_a_guest_and_reads_the_cookie() -> None:
    call = users.sign_in("project", "maria@example.com", "pa55word")
    assert (call.credential, call.repeatable) == ("none", False)
    cookie = "a_session_project_legacy=no; path=/, a_session_project=eyJ%2Bx%3D; path=/; secure; httponly"
    assert call.parse(reply({"secret": ""}, **{"set-cookie": cookie})) == "eyJ+x="


@pytest.mark.parametrize("headers", [{}, {"set-cookie": ""}, {"set-cookie": "a_session_other=x"}])
def test_a_sign_in_without_its_cookie_is_a_fault_of_the_answer(headers: dict[str, str]) -> None:
    with pytest.raises((KeyError, ValueError)):
        users.sign_in("project", "maria@example.com", "pa55word").parse(reply({"secret": ""}, **headers))


def test_tokens_are_minted_for_an_hour_at_most() -> None:
    call = users.user_jwt("maria")
    assert (call.path, call.body, call.repeatable) == ("/users/maria/jwts", {"duration": 3_600}, True)
    assert call.parse(reply({"jwt": "t0ken"})) == "t0ken"


def test_users_are_made_labelled_and_removed() -> None:
    made = users.create_user("maria", "maria@example.com", "pa55word", "Maria")
    assert made.body == {"userId": "maria", "email": "maria@example.com", "password": "pa55word", "name": "Maria"}
    assert not made.repeatable
    assert made.parse(reply({"$id": "maria"})) == "maria"
    labelled = users.set_labels("maria", ["ops"])
    assert (labelled.method, labelled.path, labelled.body) == ("PUT", "/users/maria/labels", {"labels": ["ops"]})
    assert users.delete_user("maria").method == "DELETE"


# --- control plane ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("definition", "route"),
    [
        ({"key": "a", "type": "string", "size": 36, "format": ""}, "string"),
        ({"key": "a", "type": "string", "format": "enum", "elements": ["x"]}, "enum"),
        ({"key": "a", "type": "datetime", "format": ""}, "datetime"),
        ({"key": "a", "type": "integer"}, "integer"),
    ],
)
def test_a_column_has_a_route_by_its_format_or_type(definition: dict[str, object], route: str) -> None:
    call = control.create_column(SLOTS, definition)
    assert call.path == f"/tablesdb/db/tables/slots/columns/{route}"
    assert set(call.body or {}) == set(definition) - {"type", "format"}


def test_ids_in_paths_are_quoted() -> None:
    assert control.get_function("a/b c").path == f"/functions/{quote('a/b c', safe='')}"


def test_a_body_that_is_no_object_is_refused_alike() -> None:
    for body in (b"[]", b"5", b"null"):
        with pytest.raises(ValueError, match="not a JSON object"):
            raw_json(Reply(200, {}, body))
    with pytest.raises(ValueError, match="validation error"):
        parsed(Slot)(Reply(200, {}, b"[]"))
