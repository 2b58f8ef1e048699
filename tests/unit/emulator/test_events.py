"""Event names, channels and readers, held to what the real server announced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.emulator.bus import Bus
from massage_link.emulator.events import Change, ResourceChange, RowChange, event_names, read_roles

DATA = Path(__file__).parents[2] / "data"
identifiers = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,35}", fullmatch=True)


def recorded_events() -> list[dict[str, Any]]:
    frames = [
        json.loads(x["raw"])
        for x in json.loads((DATA / "realtime.json").read_text())
        if "raw" in x and "recv" in x["dir"]
    ]
    return [frame["data"] for frame in frames if frame["type"] == "event"]


def change_of(event: dict[str, Any]) -> RowChange:
    _, database, _, table, _, _, action = event["events"][0].split(".")
    return RowChange(database, table, action, event["payload"], ('read("any")',), row_security=False)


def row_change(action: str = "create", **row: object) -> RowChange:
    payload = {"$id": "r1", "$tableId": "items", "$permissions": ['read("user:ann")'], **row}
    return RowChange("db", "items", action, payload, ('read("label:ops")', 'create("users")'), row_security=True)


@pytest.mark.parametrize("event", recorded_events())
def test_a_row_is_announced_under_the_recorded_names_and_channels(event: dict[str, Any]) -> None:
    change = change_of(event)
    assert change.names[0] == event["events"][0]
    assert set(change.names) == set(event["events"])
    assert len(change.names) == len(event["events"])
    assert list(change.channels) == event["channels"]


def test_readers_of_a_row_are_those_of_the_table_and_with_row_security_those_of_the_row() -> None:
    assert row_change().roles == {"label:ops", "user:ann"}
    assert RowChange("db", "t", "create", row_change().row, (), row_security=False).roles == frozenset()


@given(identifiers, identifiers, identifiers)
def test_functions_are_matched_against_both_spellings_of_databases_and_never_tablesdb(
    db: str, table: str, row: str
) -> None:
    change = RowChange(db, table, "update", {"$id": row, "$tableId": table}, (), row_security=False)
    assert f"databases.{db}.tables.{table}.rows.*.update" in change.function_names
    assert f"databases.*.collections.{table}.documents.{row}" in change.function_names
    assert not [name for name in change.function_names if name.startswith("tablesdb.")]


@pytest.mark.parametrize(
    ("change", "first"),
    [
        (row_change("create"), "databases.db.collections.items.documents.r1.create"),
        (row_change("upsert"), "databases.db.tables.items.rows.r1.upsert"),
        (row_change("update"), "databases.db.tables.items.rows.r1.update"),
        (row_change("update", **{"$collection": "x"}), "databases.db.collections.items.documents.r1.update"),
        (
            RowChange("db", "items", "create", {"$id": "r1"}, (), row_security=False, in_transaction=True),
            "databases.db.tables.items.rows.r1.create",
        ),
        (
            RowChange("db", "items", "delete", {"$id": "r1", "$collectionId": "items"}, (), row_security=False),
            "databases.db.collections.items.documents.r1.delete",
        ),
    ],
)
def test_a_function_is_told_of_the_event_in_the_spelling_of_the_real_server(change: RowChange, first: str) -> None:
    assert change.function_names[0] == first


def test_a_new_email_is_announced_as_an_update_to_the_account() -> None:
    change = ResourceChange("users.[userId].update.email", {"userId": "ann"}, {"$id": "ann"})
    assert change.names == (
        "users.ann.update",
        "users.*.update",
        "users.ann.update.email",
        "users.*.update.email",
        "users.ann",
        "users.*",
    )
    assert change.channels == ("account", "account.ann", "account.update", "account.ann.update")
    assert change.roles == {"user:ann"}


def test_a_session_of_a_user_is_no_update_of_the_account() -> None:
    change = ResourceChange("users.[u].sessions.[s].create", {"u": "ann", "s": "s1"}, {"$id": "s1"})
    assert change.channels == ("account", "account.ann")


def test_a_membership_is_announced_to_its_team() -> None:
    change = ResourceChange(
        "teams.[teamId].memberships.[membershipId].update.status", {"teamId": "t", "membershipId": "m"}, {"$id": "m"}
    )
    assert change.names[0] == "teams.t.memberships.m.update.status"
    assert "teams.*.memberships.*.update" in change.names
    assert change.channels == ("memberships", "memberships.m", "memberships.update", "memberships.m.update")
    assert change.roles == {"team:t"}


def test_an_execution_is_announced_only_when_somebody_may_read_it() -> None:
    execution = {"$id": "e", "functionId": "f", "$permissions": ['read("user:ann")']}
    ids = {"functionId": "f", "executionId": "e"}
    seen = ResourceChange("functions.[functionId].executions.[executionId].create", ids, execution)
    assert "functions.f.create" in seen.channels
    assert seen.roles == {"user:ann"}
    hidden = ResourceChange(seen.pattern, ids, {**execution, "$permissions": []})
    assert hidden.channels == ()


def test_a_database_is_announced_to_nobody() -> None:
    change = ResourceChange("databases.[databaseId].delete", {"databaseId": "db"}, {"$id": "db"})
    assert change.channels == ()
    assert change.names == ("databases.db.delete", "databases.*.delete", "databases.db", "databases.*")


def test_a_presence_is_announced_to_its_readers() -> None:
    change = ResourceChange("presences.[p].upsert", {"p": "p1"}, {"$id": "p1", "$permissions": ['read("users")']})
    assert change.channels == ("presences", "presences.p1", "presences.upsert", "presences.p1.upsert")
    assert change.roles == {"users"}


@given(st.lists(st.from_regex(r"[a-z]{1,9}x", fullmatch=True), min_size=1, max_size=3, unique=True))
def test_every_identifier_of_a_name_may_be_a_wildcard(ids: list[str]) -> None:
    pattern = ".".join(f"kind{i}.[id{i}]" for i in range(len(ids))) + ".create"
    names = event_names(pattern, {f"id{i}": value for i, value in enumerate(ids)})
    assert len([name for name in names if name.endswith(".create")]) == 2 ** len(ids)


def test_only_read_permissions_make_readers() -> None:
    assert read_roles(['read("any")', 'update("user:ann")', "nonsense", None]) == ("any",)


def test_the_bus_tells_every_subscriber_in_order() -> None:
    bus, heard = Bus(), list[tuple[str, Change]]()
    bus.subscribe(lambda change: heard.append(("first", change)))
    bus.subscribe(lambda change: heard.append(("second", change)))
    change = row_change()
    bus.publish(change)
    assert heard == [("first", change), ("second", change)]
