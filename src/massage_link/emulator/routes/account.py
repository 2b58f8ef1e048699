"""The account of a signed-in user: sign-up, sign-in, sessions, JWTs, preferences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from massage_link.emulator.errors import AppwriteError, invalid_param
from massage_link.emulator.kernel import unique_id
from massage_link.emulator.params import new_id, text
from massage_link.emulator.people import (
    checked_email,
    checked_password,
    find_user,
    new_session,
    new_user,
    password_matches,
    set_password,
    wire_account,
    wire_session,
)
from massage_link.emulator.routing import Call, Reply, Route

if TYPE_CHECKING:
    from massage_link.emulator.identity import Identity
    from massage_link.emulator.sqlite import Document


def _user(call: Call) -> Document:
    user = call.identity.user
    if user is None:  # a key with the scope `account` would come here; it has no account
        raise AppwriteError("user_unauthorized")
    return call.emulator.identities.users[user["$id"]]


def _announce(call: Call, user: Document, what: str, **ids: str) -> None:
    call.emulator.announce(
        f"users.[userId].{what}", {"userId": user["$id"], **ids}, wire_account(user), acting_user_id=user["$id"]
    )


def _saved(call: Call, what: str, **changes: Any) -> Reply:
    user = {**_user(call), **changes, "$updatedAt": call.emulator.clock.stamp()}
    call.emulator.identities.put_user(user)
    _announce(call, user, f"update.{what}")
    return Reply(wire_account(user))


def create(call: Call) -> Reply:
    """Sign up."""
    identities = call.emulator.identities
    user_id = new_id(call, "userId")
    email = checked_email(call.body.get("email"))
    password = checked_password(call.body.get("password"))
    name = text(call, "name", default="", least=0)
    if identities.is_taken(user_id) or identities.user_by_email(email):
        raise AppwriteError("user_already_exists")
    user = identities.put_user(new_user(call.emulator.clock, user_id, email=email, password=password, name=name))
    _announce(call, user, "create")
    return Reply(wire_account(user), 201)


def get(call: Call) -> Reply:
    """The account."""
    return Reply(wire_account(_user(call)))


def update_name(call: Call) -> Reply:
    """Change the name."""
    return _saved(call, "name", name=text(call, "name", least=0))


def update_email(call: Call) -> Reply:
    """Change the address; an account with a password must give it. An anonymous account becomes a full one."""
    user, identities = _user(call), call.emulator.identities
    email = checked_email(call.body.get("email"))
    password = call.body.get("password")
    if user["password"] and not password_matches(user, password):
        raise AppwriteError("user_invalid_credentials")
    other = identities.user_by_email(email)
    if other and other["$id"] != user["$id"]:
        raise AppwriteError("general_bad_request", message="There is already another account with this email address.")
    changes: Document = {"email": email, "emailVerification": False}
    if not user["password"]:
        set_password(changes, checked_password(password), call.emulator.clock.stamp())
    return _saved(call, "email", **changes)


def update_password(call: Call) -> Reply:
    """Change the password; an account that has one must give it."""
    user = _user(call)
    password = checked_password(call.body.get("password"))
    if user["password"] and not password_matches(user, call.body.get("oldPassword")):
        raise AppwriteError("user_invalid_credentials")
    changes: Document = {}
    set_password(changes, password, call.emulator.clock.stamp())
    return _saved(call, "password", **changes)


def update_status(call: Call) -> Reply:
    """Block the own account."""
    return _saved(call, "status", status=False)


def get_prefs(call: Call) -> Reply:
    """The preferences."""
    return Reply(_user(call)["prefs"])


def update_prefs(call: Call) -> Reply:
    """Replace the preferences."""
    prefs = call.body.get("prefs")
    if not isinstance(prefs, dict):
        raise invalid_param("prefs", "Value must be a valid JSON object or array")
    return _saved(call, "prefs", prefs=prefs)


# Sessions


def _begin_session(call: Call, user: Document, provider: str) -> Reply:
    if not user["status"]:
        raise AppwriteError("user_blocked")
    session = new_session(
        call.emulator.clock,
        user["$id"],
        provider=provider,
        provider_uid=user["email"] if provider == "email" else "",
        ip=call.client,
        agent=call.headers.get("user-agent", ""),
    )
    call.emulator.identities.add_session(session)
    shown = wire_session(session, current=session["$id"], secret=call.identity.privileged)
    _announce(call, user, "sessions.[sessionId].create", sessionId=session["$id"])
    return Reply(shown, 201, _cookies(call, session["secret"]))


def _cookies(call: Call, secret: str) -> list[tuple[str, str]]:
    """The session for browsers: as a cookie, and in a header for those that refuse cookies."""
    name = f"a_session_{call.emulator.identities.project}"
    life = "path=/; max-age=31536000; HttpOnly; SameSite=Lax"
    return [
        ("Set-Cookie", f"{name}_legacy={secret}; {life}"),
        ("Set-Cookie", f"{name}={secret}; {life}"),
        ("X-Fallback-Cookies", json.dumps({name: secret})),
    ]


def create_email_session(call: Call) -> Reply:
    """Sign in with address and password. The secret is in the cookie; in the body only for keys."""
    email = checked_email(call.body.get("email"))
    password = call.body.get("password")
    if not isinstance(password, str) or not 8 <= len(password) <= 256:
        raise invalid_param("password", "Password must be between 8 and 256 characters long.")
    user = call.emulator.identities.user_by_email(email)
    if user is None or not password_matches(user, password):
        raise AppwriteError("user_invalid_credentials")
    return _begin_session(call, user, "email")


def create_anonymous_session(call: Call) -> Reply:
    """Sign in as somebody new without a name."""
    if call.identity.user is not None:
        raise AppwriteError("user_session_already_exists")
    user = call.emulator.identities.put_user(new_user(call.emulator.clock, unique_id()))
    return _begin_session(call, user, "anonymous")


def create_token_session(call: Call) -> Reply:
    """Exchange a token that a key made for the user (`POST /users/{id}/tokens`) for a session."""
    user = call.emulator.identities.users.get(str(call.body.get("userId", "")))
    if user is None or not call.emulator.identities.take_token(user["$id"], str(call.body.get("secret", ""))):
        raise AppwriteError("user_invalid_token")
    return _begin_session(call, user, "token")


def list_sessions(call: Call) -> Reply:
    """The own sessions."""
    sessions = call.emulator.identities.sessions_of(_user(call)["$id"])
    shown = [wire_session(session, current=call.identity.session_id) for session in sessions]
    return Reply({"total": len(shown), "sessions": shown})


def _own_session(call: Call) -> Document:
    wanted = call.params["sessionId"]
    if wanted == "current":
        wanted = call.identity.session_id or ""
    session = call.emulator.identities.sessions.get(wanted)
    if session is None or session["userId"] != _user(call)["$id"]:
        raise AppwriteError("user_session_not_found")
    return session


def get_session(call: Call) -> Reply:
    """One own session; `current` names this one."""
    return Reply(wire_session(_own_session(call), current=call.identity.session_id))


def update_session(call: Call) -> Reply:
    """Extend one own session."""
    session = _own_session(call)
    fresh = new_session(call.emulator.clock, session["userId"], provider="", provider_uid="", ip="", agent="")
    changed = {**session, "expire": fresh["expire"], "$updatedAt": fresh["$updatedAt"]}
    call.emulator.identities.add_session(changed)
    return Reply(wire_session(changed, current=call.identity.session_id))


def _forgotten(call: Call) -> list[tuple[str, str]]:
    name = f"a_session_{call.emulator.identities.project}"
    return [
        ("Set-Cookie", f"{name}=deleted; path=/; max-age=0; HttpOnly; SameSite=Lax"),
        ("X-Fallback-Cookies", "[]"),
    ]


def delete_session(call: Call) -> Reply:
    """Sign out one own session; `current` names this one."""
    session = _own_session(call)
    call.emulator.identities.end_session(session["$id"])
    _announce(call, _user(call), "sessions.[sessionId].delete", sessionId=session["$id"])
    return Reply(None, 204, _forgotten(call) if session["$id"] == call.identity.session_id else [])


def delete_sessions(call: Call) -> Reply:
    """Sign out everywhere."""
    user = _user(call)
    call.emulator.identities.end_sessions(user["$id"])
    _announce(call, user, "sessions.delete")
    return Reply(None, 204, _forgotten(call))


def create_jwt(call: Call) -> Reply:
    """A JWT that lives as long as this session does, for `duration` seconds (900)."""
    duration = call.body.get("duration", 900)
    if isinstance(duration, bool) or not isinstance(duration, int) or not 0 <= duration <= 3600:
        raise invalid_param("duration", "Value must be a valid range between 0 and 3,600")
    identity: Identity = call.identity
    session_id = identity.session_id or ""
    token = call.emulator.identities.user_jwt(_user(call)["$id"], session_id=session_id, seconds=duration)
    return Reply({"jwt": token}, 201)


def create_user_token(call: Call) -> Reply:
    """A one-time secret with which the user can begin a session, for `expire` seconds (900)."""
    user = find_user(call.emulator.identities.users, call.params["userId"])
    token = call.emulator.identities.new_token(user["$id"], int(call.body.get("expire") or 900))
    return Reply(token, 201)


_ACCOUNT, _SESSIONS = ("account",), ("sessions.write",)

routes = [
    Route("POST", "account", create, _SESSIONS, 10),
    Route("GET", "account", get, _ACCOUNT),
    Route("PATCH", "account/name", update_name, _ACCOUNT),
    Route("PATCH", "account/email", update_email, _ACCOUNT),
    Route("PATCH", "account/password", update_password, _ACCOUNT, 10),
    Route("PATCH", "account/status", update_status, _ACCOUNT),
    Route("GET", "account/prefs", get_prefs, _ACCOUNT),
    Route("PATCH", "account/prefs", update_prefs, _ACCOUNT),
    Route("POST", "account/sessions/email", create_email_session, _SESSIONS, 10),
    Route("POST", "account/sessions/anonymous", create_anonymous_session, _SESSIONS, 50),
    Route("POST", "account/sessions/token", create_token_session, _SESSIONS, 10),
    Route("GET", "account/sessions", list_sessions, _ACCOUNT),
    Route("GET", "account/sessions/{sessionId}", get_session, _ACCOUNT),
    Route("PATCH", "account/sessions/{sessionId}", update_session, _ACCOUNT, 10),
    Route("DELETE", "account/sessions/{sessionId}", delete_session, _ACCOUNT, 100),
    Route("DELETE", "account/sessions", delete_sessions, _ACCOUNT, 100),
    Route("POST", "account/jwts", create_jwt, _ACCOUNT, 100),
    Route("POST", "account/jwt", create_jwt, _ACCOUNT, 100),
    Route("POST", "users/{userId}/tokens", create_user_token, ("users.write",)),
]
