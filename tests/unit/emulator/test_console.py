"""The console's own project: the operator signs in as with the real server, and then may do everything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emulator_fixture import KEY, Caller
from massage_link.emulator.console import EMAIL

_RECORDED = {
    (step["request"]["method"], step["request"]["path"]): step
    for step in json.loads((Path(__file__).parents[2] / "data" / "cli.json").read_text("utf-8"))
}
_CONSOLE = {"x-appwrite-project": "console"}
_AS_OPERATOR = {"x-appwrite-mode": "admin"}


def _sign_in(call: Caller, password: str = KEY) -> Any:
    credentials = {"email": EMAIL, "password": password}
    return call("POST", "/account/sessions/email", credentials, by="guest", headers=_CONSOLE)


@pytest.fixture
def cookie(call: Caller) -> dict[str, str]:
    """The header that the CLI sends back: all of what it was given."""
    return {"cookie": _sign_in(call).headers["set-cookie"]}


def test_the_operator_signs_in_with_the_key_and_gets_what_a_real_server_answers(call: Caller) -> None:
    answer = _sign_in(call)
    recorded = _RECORDED["POST", "/v1/account/sessions/email"]
    assert (answer.status, set(answer.body)) == (recorded["status"], set(recorded["body"]))
    assert (answer.body["secret"], answer.body["current"]) == ("", True)


@pytest.mark.parametrize("path", ["/account", "/console/variables"])
def test_the_console_answers_a_signed_in_operator_as_a_real_server_does(
    call: Caller, cookie: dict[str, str], path: str
) -> None:
    answer = call("GET", path, by="guest", headers=_CONSOLE | cookie)
    recorded = _RECORDED["GET", f"/v1{path}"]
    assert (answer.status, set(answer.body)) == (recorded["status"], set(recorded["body"]))
    guest = call("GET", path, by="guest", headers=_CONSOLE)
    assert (guest.status, guest.type) == (401, "general_unauthorized_scope")


def test_a_wrong_password_does_not_open_the_console(call: Caller) -> None:
    answer = _sign_in(call, "not the key")
    assert (answer.status, answer.type) == (401, "user_invalid_credentials")
    assert "set-cookie" not in answer.headers


def test_the_operator_may_do_everything_in_the_project_until_signed_out(call: Caller, cookie: dict[str, str]) -> None:
    operator = _AS_OPERATOR | cookie
    assert call("GET", "/users", by="guest", headers=operator).status == 200
    assert call("DELETE", "/account/sessions/current", by="guest", headers=_CONSOLE | cookie).status == 204
    assert call("GET", "/users", by="guest", headers=operator).type == "general_unauthorized_scope"


def test_the_operators_cookie_is_worth_nothing_outside_of_admin_mode(call: Caller, cookie: dict[str, str]) -> None:
    assert call("GET", "/users", by="guest", headers=cookie).type == "general_unauthorized_scope"


def test_a_users_session_is_worth_nothing_in_the_console_or_in_admin_mode(call: Caller) -> None:
    session = call.user("zoe")
    stolen = {"cookie": f"a_session_console={session}"}
    assert call("GET", "/console/variables", by="guest", headers=_CONSOLE | stolen).status == 401
    assert call("GET", "/users", by=session, headers=_AS_OPERATOR | stolen).type == "general_unauthorized_scope"


def test_the_console_is_no_way_around_to_the_projects_data(call: Caller, cookie: dict[str, str]) -> None:
    assert call("GET", "/users", by="guest", headers=_CONSOLE | cookie).type == "project_not_found"
