"""The control plane: reset, seed, clock, and faults that tell whether they were met."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from emulator_fixture import Served, query, served
from massage_link.emulator.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emulator_fixture import Caller


def test_it_is_closed_to_others(call: Caller) -> None:
    assert call("POST", "/_emulator/reset", headers={"x-emulator-token": "guess"}).status == 401


def test_reset_drops_everything(call: Caller, items: str) -> None:
    call.user("ann")
    call.ok("POST", "/_emulator/reset")
    assert call.ok("GET", "/users")["total"] == 0
    assert call("GET", items).type == "database_not_found"


def test_seeding_checks_rows_and_tells_nobody(call: Caller, items: str) -> None:
    told: list[object] = []
    call.emulator.bus.subscribe(told.append)
    place = {"databaseId": "db", "tableId": "t"}
    rows = [{"$id": "a", "title": "x", "$permissions": ['read("any")'], "$createdAt": "2020-01-01"}, {"title": "y"}]
    assert call.ok("POST", "/_emulator/seed", {**place, "rows": rows}) == {"total": 2}
    assert call.ok("GET", items, by="guest")["rows"][0]["$createdAt"] == "2020-01-01T00:00:00.000+00:00"
    assert call("POST", "/_emulator/seed", {**place, "rows": [{"n": "x"}]}).type == "row_invalid_structure"
    assert call("POST", "/_emulator/seed", {**place, "rows": rows}).type == "row_already_exists"
    assert call("POST", "/_emulator/seed", {**place, "rows": 5}).status == 400
    assert (told, call.ok("GET", items)["total"]) == ([], 2)


def test_the_clock_stops_moves_and_goes_on(call: Caller) -> None:
    frozen = call.ok("POST", "/_emulator/clock", {"freeze": "2030-01-01"})
    assert frozen == call.ok("POST", "/_emulator/clock", {}) == {"now": "2030-01-01T00:00:00.000+00:00"}
    assert call.ok("POST", "/_emulator/clock", {"freeze": None})["now"] < frozen["now"]
    assert call.ok("POST", "/_emulator/clock", {"offsetSeconds": 10 * 366 * 86400})["now"] > frozen["now"]
    assert call("POST", "/_emulator/clock", {"freeze": "rubbish"}).status == 400


def test_a_transaction_expires_by_the_servers_clock(call: Caller, items: str) -> None:
    begun = call.ok("POST", "/tablesdb/transactions", {"ttl": 60})["$id"]
    call.ok("POST", "/_emulator/clock", {"offsetSeconds": 61})
    operation = {"action": "create", "databaseId": "db", "tableId": "t", "rowId": "r", "data": {"title": "x"}}
    staged = call("POST", f"/tablesdb/transactions/{begun}/operations", {"operations": [operation]})
    assert staged.type == "transaction_expired"
    assert call("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True}).type == "transaction_expired"


def test_a_fault_strikes_as_often_as_it_shall() -> None:
    fault = Fault(skip=1, times=2)
    assert [fault.strikes() for _ in range(5)] == [False, True, True, False, False]
    assert fault.met == 2
    always = Fault(times=None)
    assert all(always.strikes() for _ in range(5))


@pytest.mark.parametrize(
    "body",
    [{"kind": "nonsense"}, {"when": "later", "action": {"drop": True}}, {"action": {}}, {"action": {"fly": True}}],
)
def test_faults_that_make_no_sense_are_refused(call: Caller, body: dict[str, Any]) -> None:
    assert call("POST", "/_emulator/faults", body).status == 400


def test_a_stale_get_answers_what_was_before_a_commit_until_a_plain_write(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x", "n": 1}})
    call.ok("POST", "/_emulator/faults", {"kind": "stale_get"})
    begun = call.ok("POST", "/tablesdb/transactions", {"ttl": 60})["$id"]
    operation = {"action": "update", "databaseId": "db", "tableId": "t", "rowId": "r", "data": {"n": 2}}
    call.ok("POST", f"/tablesdb/transactions/{begun}/operations", {"operations": [operation]})
    call.ok("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True})
    assert call.ok("GET", f"{items}/r")["n"] == 1
    assert call.ok("GET", items, queries=[query("equal", "$id", "r")])["rows"][0]["n"] == 2
    assert call.ok("GET", "/_emulator/faults")["faults"][0]["met"] == 1
    call.ok("PATCH", f"{items}/r", {"data": {"n": 3}})
    assert call.ok("GET", f"{items}/r")["n"] == 3


def test_a_late_commit_bears_an_early_stamp(call: Caller, items: str) -> None:
    call.ok("POST", "/_emulator/faults", {"kind": "late_commit", "seconds": 0.05})
    begun = call.ok("POST", "/tablesdb/transactions", {"ttl": 60})["$id"]
    operation = {"action": "create", "databaseId": "db", "tableId": "t", "rowId": "r", "data": {"title": "x"}}
    call.ok("POST", f"/tablesdb/transactions/{begun}/operations", {"operations": [operation]})
    before = call.ok("POST", "/_emulator/clock", {})["now"]
    finished = call.ok("PATCH", f"/tablesdb/transactions/{begun}", {"commit": True})
    stamped = call.ok("GET", f"{items}/r")["$updatedAt"]
    assert before <= stamped < finished["$updatedAt"]


# Faults of calls need real connections


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as running:
        running.call("POST", "/tablesdb", {"databaseId": "db", "name": "db"})
        running.call("POST", "/tablesdb/db/tables", {"tableId": "t", "name": "t"})
        yield running


@pytest.fixture(autouse=True)
def _no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "server" in request.fixturenames:
        request.getfixturevalue("server").control("DELETE", "faults")


def _databases(server: Served) -> list[str]:
    return [database["$id"] for database in server.call("GET", "/tablesdb")["databases"]]


@pytest.mark.parametrize(("when", "done"), [("before", False), ("after", True)])
def test_a_planted_status_comes_before_or_after_the_effect(server: Served, when: str, done: bool) -> None:
    action = {"status": 503, "body": {"message": "planted"}}
    server.control("POST", "faults", {"method": "POST", "path": "/v1/tablesdb", "when": when, "action": action})
    with pytest.raises(OSError, match="503"):
        server.call("POST", "/tablesdb", {"databaseId": f"status-{when}", "name": "x"})
    assert (f"status-{when}" in _databases(server)) is done
    (fault,) = server.control("GET", "faults")["faults"]
    assert fault["met"] == 1


@pytest.mark.parametrize(("when", "done"), [("before", False), ("after", True)])
def test_a_dropped_connection_gives_no_answer(server: Served, when: str, done: bool) -> None:
    server.control("POST", "faults", {"path": "/v1/tablesdb", "method": "POST", "when": when, "action": {"drop": True}})
    with pytest.raises(ConnectionError):
        server.call("POST", "/tablesdb", {"databaseId": f"drop-{when}", "name": "x"})
    assert (f"drop-{when}" in _databases(server)) is done


def test_a_delayed_call_is_answered_all_the_same(server: Served) -> None:
    server.control("POST", "faults", {"path": "/v1/tablesdb*", "action": {"delaySeconds": 0.01}})
    assert "db" in _databases(server)
    assert server.control("GET", "faults")["faults"][0]["met"] == 1


def test_answers_bear_the_servers_own_date(server: Served) -> None:
    try:
        server.control("POST", "clock", {"freeze": "2030-01-01T12:00:00Z"})
        with urllib.request.urlopen(f"{server.endpoint}/health/version", timeout=30) as answer:  # noqa: S310
            assert answer.headers.get_all("date") == ["Tue, 01 Jan 2030 12:00:00 GMT"]
    finally:
        server.control("POST", "clock", {"freeze": None})
