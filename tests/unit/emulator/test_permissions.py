"""Who may see, change and grant what: on every path, for every role."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from massage_link.emulator.permissions import allows, as_list, parse, role_fault, split

if TYPE_CHECKING:
    from emulator_fixture import Caller


def test_write_stands_for_update_and_delete_of_a_row() -> None:
    assert split(['read("any")', 'write("user:a")']) == ['read("any")', 'update("user:a")', 'delete("user:a")']


def test_a_text_that_is_no_permission_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        parse("nonsense")


def test_only_holders_are_allowed() -> None:
    permissions = ['read("user:ann")', 'update("team:x")']
    assert allows(permissions, "read", frozenset({"user:ann"}))
    assert not allows(permissions, "update", frozenset({"user:ann"}))


@pytest.mark.parametrize(
    "role",
    [
        "any",
        "guests",
        "users",
        "users/verified",
        "user:a",
        "user:a/unverified",
        "team:t",
        "team:t/owner",
        "member:m",
        "label:ops",
    ],
)
def test_known_roles_pass(role: str) -> None:
    assert role_fault(role) is None


@pytest.mark.parametrize(
    "role", ["nonsense", "any:a", "user", "user:-a", "users/tall", "label:ops/x", "user:a/tall", "team"]
)
def test_other_roles_do_not(role: str) -> None:
    assert role_fault(role) is not None


def test_an_object_counted_from_zero_is_a_list() -> None:
    assert as_list({"0": "a", "1": "b"}) == ["a", "b"]
    assert as_list({"1": "b"}) is None


def test_a_guest_sees_nothing_of_a_private_row(call: Caller, items: str) -> None:
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}, "permissions": ['read("user:ann")']})
    assert call("GET", f"{items}/r", by="guest").type == "row_not_found"
    assert call.ok("GET", items, by="guest") == {"total": 0, "rows": []}
    assert call("PATCH", f"{items}/r", {"data": {"n": 1}}, by="guest").type == "user_unauthorized"
    assert call("DELETE", f"{items}/r", by="guest").type == "user_unauthorized"


@pytest.mark.parametrize("role", ["any", "users", "user:ann", "users/unverified", "user:ann/unverified", "label:ops"])
def test_a_reader_by_any_of_her_roles_sees_the_row(call: Caller, items: str, role: str) -> None:
    ann = call.user("ann", labels=["ops"])
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}, "permissions": [f'read("{role}")']})
    assert call.ok("GET", f"{items}/r", by=ann)["$id"] == "r"
    assert call.ok("GET", items, by=ann)["total"] == 1


@pytest.mark.parametrize("role", ["guests", "users/verified", "user:bob", "label:other", "team:t"])
def test_a_stranger_does_not(call: Caller, items: str, role: str) -> None:
    ann = call.user("ann")
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}, "permissions": [f'read("{role}")']})
    assert call("GET", f"{items}/r", by=ann).status == 404
    assert call.ok("GET", items, by=ann)["total"] == 0


def test_roles_of_a_team_and_of_a_membership(call: Caller, items: str) -> None:
    ann = call.user("ann")
    call.ok("POST", "/teams", {"teamId": "t", "name": "T"})
    member = call.ok("POST", "/teams/t/memberships", {"userId": "ann", "roles": ["chief"]})["$id"]
    for n, role in enumerate(("team:t", "team:t/chief", f"member:{member}")):
        call.ok("POST", items, {"rowId": f"r{n}", "data": {"title": "x"}, "permissions": [f'read("{role}")']})
    call.ok("POST", items, {"rowId": "other", "data": {"title": "x"}, "permissions": ['read("team:t/boss")']})
    assert call.ok("GET", items, by=ann)["total"] == 3
    call.ok("DELETE", f"/teams/t/memberships/{member}")
    assert call.ok("GET", items, by=ann)["total"] == 0


def test_a_user_grants_only_roles_that_she_holds(call: Caller, items: str) -> None:
    ann = call.user("ann", labels=["ops"])
    for n, role in enumerate(("any", "users", "user:ann", "label:ops")):
        call.ok("POST", items, {"rowId": f"r{n}", "data": {"title": "x"}, "permissions": [f'read("{role}")']}, by=ann)
    for role in ("user:bob", "guests", "label:other", "team:t"):
        body = {"rowId": "no", "data": {"title": "x"}, "permissions": [f'read("{role}")']}
        assert call("POST", items, body, by=ann).type == "user_unauthorized"
        assert (
            call("PUT", f"{items}/no", {k: body[k] for k in ("data", "permissions")}, by=ann).type
            == "user_unauthorized"
        )


def test_a_put_keeps_permissions_and_so_must_hold_them(call: Caller, items: str) -> None:
    ann = call.user("ann")
    call.ok(
        "POST", items, {"rowId": "r", "data": {"title": "x"}, "permissions": ['write("user:ann")', 'read("user:bob")']}
    )
    assert call("PUT", f"{items}/r", {"data": {"title": "y"}}, by=ann).type == "user_unauthorized"
    call.ok("PATCH", f"{items}/r", {"data": {"title": "y"}}, by=ann)


def test_after_a_key_replaced_the_permissions_the_creator_can_do_nothing(call: Caller, items: str) -> None:
    ann = call.user("ann")
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}}, by=ann)
    call.ok("PATCH", f"{items}/r", {"permissions": ['read("user:ann")']})
    assert call.ok("GET", f"{items}/r", by=ann)["title"] == "x"
    for method, body in (("PATCH", {"data": {"title": "y"}}), ("PUT", {"data": {"title": "y"}}), ("DELETE", None)):
        assert call(method, f"{items}/r", body, by=ann).type == "user_unauthorized"


def test_the_documents_api_checks_the_same(call: Caller, items: str) -> None:
    ann, documents = call.user("ann"), "/databases/db/collections/t/documents"
    call.ok("POST", items, {"rowId": "r", "data": {"title": "x"}, "permissions": ['read("user:bob")']})
    assert call("GET", f"{documents}/r", by=ann).type == "document_not_found"
    assert call("PATCH", f"{documents}/r", {"data": {"title": "y"}}, by=ann).type == "user_unauthorized"
    assert call.ok("GET", documents, by=ann) == {"total": 0, "documents": []}


def test_without_row_security_only_the_tables_permissions_count(call: Caller) -> None:
    rows = call.table({"n": {"kind": "integer"}}, permissions=['read("users")'], row_security=False)
    ann = call.user("ann")
    call.ok("POST", rows, {"rowId": "r", "data": {"n": 1}, "permissions": ['update("user:ann")', 'read("any")']})
    assert call.ok("GET", rows, by=ann)["total"] == 1
    assert call("PATCH", f"{rows}/r", {"data": {"n": 2}}, by=ann).type == "user_unauthorized"
    assert call("GET", f"{rows}/r", by="guest").status == 404


def test_a_key_without_the_scope_is_refused_and_with_it_admitted(call: Caller, items: str) -> None:
    secret = call.ok("POST", "/_emulator/keys", {"scopes": ["rows.read"]})["secret"]
    reader = {"x-appwrite-key": secret}
    assert call("GET", items, headers=reader).status == 200
    refused = call("POST", items, {"rowId": "r", "data": {"title": "x"}}, headers=reader)
    assert refused.type == "general_unauthorized_scope"
    assert call("GET", "/users", headers=reader).type == "general_unauthorized_scope"


def test_a_functions_key_has_the_functions_scopes_and_expires(call: Caller, items: str) -> None:
    key = {"x-appwrite-key": call.emulator.identities.mint_function_key("f", ["rows.read", "rows.write"])}
    assert call("POST", items, {"rowId": "r", "data": {"title": "x"}}, headers=key).status == 201
    assert call("GET", "/users", headers=key).type == "general_unauthorized_scope"
    call.ok("POST", "/_emulator/clock", {"offsetSeconds": 3600})
    assert call("GET", items, headers=key).type == "user_unauthorized"
