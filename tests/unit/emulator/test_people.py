"""Users, sessions, tokens, accounts and teams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from emulator_fixture import Answer, Caller


def sign_in(call: Caller, email: str = "ann@example.test", password: str = "password-1") -> Answer:
    return call("POST", "/account/sessions/email", {"email": email, "password": password}, by="guest")


def secret_of(answer: Answer) -> str:
    return str(json.loads(answer.headers["x-fallback-cookies"])["a_session_massage"])


def test_a_guest_signs_in_and_the_secret_is_in_the_cookie_only(call: Caller) -> None:
    call.user("ann")
    answer = sign_in(call)
    assert (answer.status, answer.body["secret"], answer.body["provider"]) == (201, "", "email")
    secret = secret_of(answer)
    cookie = {"cookie": f"a_session_massage={secret}"}
    assert call("GET", "/account", by="guest", headers=cookie).body["$id"] == "ann"
    fallback = {"x-fallback-cookies": json.dumps({"a_session_massage": secret})}
    assert call("GET", "/account", by="guest", headers=fallback).body["$id"] == "ann"
    assert call("GET", "/account", by=secret).body["$id"] == "ann"


def test_a_key_that_signs_in_gets_the_secret_in_the_body(call: Caller) -> None:
    call.user("ann")
    body = {"email": "ANN@example.test", "password": "password-1"}
    assert call.ok("POST", "/account/sessions/email", body)["secret"]


@pytest.mark.parametrize(
    ("email", "password"), [("ann@example.test", "wrong-password"), ("no@example.test", "password-1")]
)
def test_wrong_credentials_are_all_alike(call: Caller, email: str, password: str) -> None:
    call.user("ann")
    assert sign_in(call, email, password).type == "user_invalid_credentials"


def test_signing_up_and_changing_the_account(call: Caller) -> None:
    person = {"userId": "ann", "email": "ann@example.test", "password": "password-1", "name": "Ann"}
    assert "password" not in call.ok("POST", "/account", person, by="guest")
    ann = secret_of(sign_in(call))
    assert call.ok("PATCH", "/account/name", {"name": "Anna"}, by=ann)["name"] == "Anna"
    assert call.ok("PATCH", "/account/prefs", {"prefs": {"a": 1}}, by=ann)["prefs"] == {"a": 1}
    changed = {"password": "password-2", "oldPassword": "wrong-one"}
    assert call("PATCH", "/account/password", changed, by=ann).type == "user_invalid_credentials"
    call.ok("PATCH", "/account/password", {**changed, "oldPassword": "password-1"}, by=ann)
    assert sign_in(call).type == "user_invalid_credentials"
    assert sign_in(call, password="password-2").status == 201


def test_an_anonymous_account_becomes_a_full_one(call: Caller) -> None:
    begun = call("POST", "/account/sessions/anonymous", {}, by="guest")
    secret = secret_of(begun)
    assert call.ok("GET", "/account", by=secret)["email"] == ""
    assert call("POST", "/account/sessions/anonymous", {}, by=secret).type == "user_session_already_exists"
    call.ok("PATCH", "/account/email", {"email": "ann@example.test", "password": "password-1"}, by=secret)
    assert sign_in(call).status == 201


def test_sessions_end_one_by_one_and_together(call: Caller) -> None:
    first = call.user("ann")
    second = str(call.ok("POST", "/users/ann/sessions", {})["secret"])
    listed = call.ok("GET", "/account/sessions", by=first)
    assert [session["current"] for session in listed["sessions"]] == [True, False]
    assert {session["secret"] for session in listed["sessions"]} == {""}
    assert call("DELETE", "/account/sessions/current", by=first).status == 204
    assert call("GET", "/account", by=first).type == "general_unauthorized_scope"
    call.ok("DELETE", "/users/ann/sessions")
    assert call("GET", "/account", by=second).type == "general_unauthorized_scope"


def test_a_session_ends_with_its_year(call: Caller) -> None:
    ann = call.user("ann")
    call.ok("POST", "/_emulator/clock", {"offsetSeconds": 366 * 86400})
    assert call("GET", "/account", by=ann).type == "general_unauthorized_scope"


def test_a_jwt_stands_for_the_user_until_it_expires(call: Caller) -> None:
    call.user("ann")
    by_jwt = {"x-appwrite-jwt": call.ok("POST", "/users/ann/jwts", {"duration": 60})["jwt"]}
    assert call("GET", "/account", by="guest", headers=by_jwt).body["$id"] == "ann"
    call.ok("POST", "/_emulator/clock", {"offsetSeconds": 120})
    assert call("GET", "/account", by="guest", headers=by_jwt).type == "user_jwt_invalid"


def test_a_jwt_of_a_session_dies_with_it(call: Caller) -> None:
    ann = call.user("ann")
    by_jwt = {"x-appwrite-jwt": call.ok("POST", "/account/jwts", {}, by=ann)["jwt"]}
    call.ok("DELETE", "/account/sessions", by=ann)
    assert call("GET", "/account", by="guest", headers=by_jwt).type == "general_unauthorized_scope"


@pytest.mark.parametrize("token", ["rubbish", "a.b.c", "e30.e30.e30"])
def test_a_forged_jwt_is_refused(call: Caller, token: str) -> None:
    assert call("GET", "/account", by="guest", headers={"x-appwrite-jwt": token}).type == "user_jwt_invalid"


def test_a_jwt_beside_a_session_is_refused(call: Caller) -> None:
    ann = call.user("ann")
    token = call.ok("POST", "/users/ann/jwts", {})["jwt"]
    assert call("GET", "/account", by=ann, headers={"x-appwrite-jwt": token}).type == "user_jwt_and_cookie_set"


def test_a_one_time_token_begins_one_session(call: Caller) -> None:
    call.user("ann")
    secret = call.ok("POST", "/users/ann/tokens", {})["secret"]
    body = {"userId": "ann", "secret": secret}
    assert call("POST", "/account/sessions/token", body, by="guest").status == 201
    assert call("POST", "/account/sessions/token", body, by="guest").type == "user_invalid_token"


def test_a_blocked_user_is_refused_everywhere(call: Caller, items: str) -> None:
    ann = call.user("ann")
    call.ok("PATCH", "/users/ann/status", {"status": False})
    for path in ("/account", items):
        assert call("GET", path, by=ann).type == "user_blocked"
    assert sign_in(call).type == "user_blocked"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("name", {"name": "Anna"}, "name"),
        ("email", {"email": "anna@example.test"}, "email"),
        ("phone", {"number": "+4912345678"}, "phone"),
        ("verification", {"emailVerification": True}, "emailVerification"),
        ("verification/phone", {"phoneVerification": True}, "phoneVerification"),
    ],
)
def test_a_key_changes_a_user(call: Caller, path: str, body: dict[str, Any], field: str) -> None:
    call.user("ann")
    call.ok("PATCH", f"/users/ann/{path}", body)
    assert call.ok("GET", "/users/ann")[field] == next(iter(body.values()))


def test_addresses_and_numbers_are_unique(call: Caller) -> None:
    call.user("ann")
    call.user("bob")
    assert call("PATCH", "/users/bob/email", {"email": "ann@example.test"}).type == "user_email_already_exists"
    call.ok("PATCH", "/users/ann/phone", {"number": "+4912345678"})
    assert call("PATCH", "/users/bob/phone", {"number": "+4912345678"}).type == "user_phone_already_exists"


@pytest.mark.parametrize(
    "body",
    [
        {"userId": "bad id"},
        {"email": "a@b.co"},
        {"userId": "a", "email": "nope"},
        {"userId": "a", "phone": "123"},
        {"userId": "a", "password": "short"},
        {"userId": "a", "name": "x" * 129},
    ],
)
def test_users_are_checked(call: Caller, body: dict[str, Any]) -> None:
    assert call("POST", "/users", body).type == "general_argument_invalid"


@pytest.mark.parametrize("labels", ["ops", ["not-ok"], [""], None])
def test_labels_are_letters_and_digits(call: Caller, labels: object) -> None:
    call.user("ann")
    assert call("PUT", "/users/ann/labels", {"labels": labels}).type == "general_argument_invalid"


def test_ids_of_users_are_compared_without_case(call: Caller) -> None:
    call.user("ann")
    assert call("POST", "/users", {"userId": "ANN"}).type == "user_already_exists"
    assert call.ok("GET", "/users/Ann")["$id"] == "ann"


def test_secrets_never_go_out(call: Caller) -> None:
    call.user("ann")
    assert "passwordSalt" not in call.ok("GET", "/users/ann")
    assert call.ok("GET", "/users/ann/sessions")["sessions"][0]["secret"] == ""


# Teams


def test_a_user_who_creates_a_team_owns_it(call: Caller) -> None:
    ann, bob = call.user("ann"), call.user("bob")
    assert call.ok("POST", "/teams", {"teamId": "t", "name": "T"}, by=ann)["total"] == 1
    assert call.ok("PUT", "/teams/t", {"name": "Tea"}, by=ann)["name"] == "Tea"
    assert call("GET", "/teams/t", by=bob).type == "team_not_found"
    assert call.ok("GET", "/teams", by=bob)["total"] == 0
    assert call.ok("GET", "/users/ann/memberships")["memberships"][0]["roles"] == ["owner"]


def test_members_see_the_team_and_only_owners_change_it(call: Caller) -> None:
    bob = call.user("bob")
    call.ok("POST", "/teams", {"teamId": "t", "name": "T"})
    member = call.ok("POST", "/teams/t/memberships", {"userId": "bob", "roles": ["hand"]})
    assert call.ok("GET", "/teams/t/memberships", by=bob)["total"] == 1
    assert call("PUT", "/teams/t", {"name": "x"}, by=bob).type == "user_unauthorized"
    assert call("DELETE", "/teams/t", by=bob).type == "user_unauthorized"
    path = f"/teams/t/memberships/{member['$id']}"
    assert call("PATCH", path, {"roles": ["owner"]}, by=bob).type == "user_unauthorized"
    assert call.ok("PATCH", path, {"roles": ["owner"]})["roles"] == ["owner"]
    assert call("DELETE", path, by=bob).status == 204
    assert call.ok("GET", "/teams/t")["total"] == 0


def test_memberships_are_refused_when_they_make_no_sense(call: Caller) -> None:
    ann = call.user("ann")
    call.ok("POST", "/teams", {"teamId": "t", "name": "T"})
    body = {"userId": "ann", "roles": []}
    call.ok("POST", "/teams/t/memberships", body)
    assert call("POST", "/teams/t/memberships", body).type == "membership_already_confirmed"
    assert call("POST", "/teams/t/memberships", {"roles": []}).type == "general_argument_invalid"
    assert call("POST", "/teams/t/memberships", {"userId": "none", "roles": []}).type == "user_not_found"
    assert call("POST", "/teams/none/memberships", body).type == "team_not_found"
    invitation = {"email": "x@example.test", "roles": [], "url": "https://example.test"}
    assert call("POST", "/teams/t/memberships", invitation, by=ann).type == "general_smtp_disabled"


def test_a_key_adds_somebody_new_by_address(call: Caller) -> None:
    call.ok("POST", "/teams", {"teamId": "t", "name": "T"})
    member = call.ok("POST", "/teams/t/memberships", {"email": "new@example.test", "roles": []})
    assert call.ok("GET", f"/users/{member['userId']}")["email"] == "new@example.test"


def test_membership_changes_are_told_to_who_listens(call: Caller) -> None:
    told: list[str] = []
    call.emulator.identities.on_roles_changed(told.append)
    call.user("ann")
    call.ok("POST", "/teams", {"teamId": "t", "name": "T"})
    member = call.ok("POST", "/teams/t/memberships", {"userId": "ann", "roles": []})["$id"]
    call.ok("DELETE", f"/teams/t/memberships/{member}")
    assert told == ["ann", "ann"]
