"""Users as a key manages them: create, change, sessions, JWTs, labels, status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massage_link.emulator.errors import AppwriteError, invalid_param
from massage_link.emulator.pages import page
from massage_link.emulator.params import boolean, new_id, text
from massage_link.emulator.people import (
    ASKED_OF_MEMBERS,
    checked_email,
    checked_password,
    checked_phone,
    find_user,
    new_session,
    new_user,
    set_password,
    wire_membership,
    wire_session,
    wire_user,
)
from massage_link.emulator.permissions import as_list
from massage_link.emulator.routing import Call, Reply, Route

if TYPE_CHECKING:
    from massage_link.emulator.sqlite import Document

_LONGEST_JWT = 3600
_ASKED = {
    "name": "string", "email": "string", "phone": "string", "status": "boolean", "passwordUpdate": "datetime",
    "registration": "datetime", "emailVerification": "boolean", "phoneVerification": "boolean", "labels": "string[]",
    "impersonator": "boolean",
}  # fmt: skip


def announce(call: Call, user: Document, what: str, **ids: str) -> None:
    """Publish `users.[userId].{what}`."""
    call.emulator.announce(
        f"users.[userId].{what}", {"userId": user["$id"], **ids}, wire_user(user), acting_user_id=call.identity.user_id
    )


def user_of(call: Call) -> Document:
    """The user in the path."""
    return find_user(call.emulator.identities.users, call.params["userId"])


def save(call: Call, user: Document, **changes: Any) -> Document:
    """Store the user with `changes`."""
    return call.emulator.identities.put_user({**user, **changes, "$updatedAt": call.emulator.clock.stamp()})


def create(call: Call) -> Reply:
    """Create a user."""
    identities = call.emulator.identities
    user_id = new_id(call, "userId")
    email = checked_email(call.body.get("email"), nullable=True)
    phone = checked_phone(call.body.get("phone"))
    password = call.body.get("password") or ""
    if password:
        checked_password(password)
    name = text(call, "name", default="", least=0)
    taken = identities.is_taken(user_id) or (email and identities.user_by_email(email))
    if taken or (phone and any(user["phone"] == phone for user in identities.users.values())):
        raise AppwriteError("user_already_exists")
    user = identities.put_user(
        new_user(call.emulator.clock, user_id, email=email, phone=phone, password=password, name=name)
    )
    announce(call, user, "create")
    return Reply(wire_user(user), 201)


def list_users(call: Call) -> Reply:
    """All users, a page of them."""
    users = [wire_user(user) for user in call.emulator.identities.users.values()]
    shown, total = page(call, users, _ASKED)
    return Reply({"total": total, "users": shown})


def get(call: Call) -> Reply:
    """One user."""
    return Reply(wire_user(user_of(call)))


def delete(call: Call) -> Reply:
    """Remove a user with sessions and memberships."""
    user = user_of(call)
    call.emulator.identities.remove_user(user["$id"])
    announce(call, user, "delete")
    return Reply(None, 204)


def _changed(call: Call, what: str, **changes: Any) -> Reply:
    user = save(call, user_of(call), **changes)
    announce(call, user, f"update.{what}")
    return Reply(wire_user(user))


def update_name(call: Call) -> Reply:
    """Change the name."""
    return _changed(call, "name", name=text(call, "name", least=0))


def update_email(call: Call) -> Reply:
    """Change the address, which is unverified again."""
    user = user_of(call)
    email = checked_email(call.body.get("email"))
    other = call.emulator.identities.user_by_email(email)
    if other and other["$id"] != user["$id"]:
        raise AppwriteError("user_email_already_exists")
    return _changed(call, "email", email=email, emailVerification=False)


def update_phone(call: Call) -> Reply:
    """Change the telephone number."""
    user, phone = user_of(call), checked_phone(call.body.get("number"))
    others = call.emulator.identities.users.values()
    if phone and any(other["phone"] == phone and other["$id"] != user["$id"] for other in others):
        raise AppwriteError("user_phone_already_exists")
    return _changed(call, "phone", phone=phone, phoneVerification=False)


def update_password(call: Call) -> Reply:
    """Set another password."""
    user = dict(user_of(call))
    password = call.body.get("password")
    if password == "":
        return _changed(call, "password", password="", passwordSalt="")
    set_password(user, checked_password(password), call.emulator.clock.stamp())
    keys = ("password", "passwordSalt", "passwordUpdate")
    return _changed(call, "password", **{key: user[key] for key in keys})


def update_labels(call: Call) -> Reply:
    """Replace the labels."""
    labels = as_list(call.body.get("labels"))
    rule = (
        "Value must a valid array no longer than 1000 items and Value must be a valid string and at least 1 chars and "
        "no longer than 36 chars and only consist of 'a-z', 'A-Z', '0-9' chars"
    )
    valid = labels is not None and all(
        isinstance(label, str) and label.isascii() and label.isalnum() and len(label) <= 36 for label in labels
    )
    if labels is None or not valid:
        raise invalid_param("labels", rule)
    return _changed(call, "labels", labels=list(dict.fromkeys(labels)))


def update_status(call: Call) -> Reply:
    """Block or unblock."""
    if not isinstance(call.body.get("status"), bool):
        raise invalid_param("status", "Value must be a valid boolean")
    return _changed(call, "status", status=call.body["status"])


def update_email_verification(call: Call) -> Reply:
    """Say whether the address is verified."""
    return _changed(call, "verification", emailVerification=boolean(call, "emailVerification", default=False))


def update_phone_verification(call: Call) -> Reply:
    """Say whether the telephone number is verified."""
    return _changed(call, "verification", phoneVerification=boolean(call, "phoneVerification", default=False))


def get_prefs(call: Call) -> Reply:
    """The user's preferences."""
    return Reply(user_of(call)["prefs"])


def update_prefs(call: Call) -> Reply:
    """Replace the user's preferences."""
    prefs = call.body.get("prefs")
    if not isinstance(prefs, dict):
        raise invalid_param("prefs", "Value must be a valid JSON object or array")
    user = save(call, user_of(call), prefs=prefs)
    announce(call, user, "update.prefs")
    return Reply(prefs)


# Sessions and tokens


def create_session(call: Call) -> Reply:
    """Sign the user in; the answer holds the secret."""
    user = user_of(call)
    session = new_session(
        call.emulator.clock,
        user["$id"],
        provider="server",
        provider_uid="",
        ip=call.client,
        agent=call.headers.get("user-agent", ""),
    )
    call.emulator.identities.add_session(session)
    shown = wire_session(session, secret=True)
    call.emulator.announce(
        "users.[userId].sessions.[sessionId].create",
        {"userId": user["$id"], "sessionId": session["$id"]},
        {**shown, "secret": ""},
    )
    return Reply(shown, 201)


def list_sessions(call: Call) -> Reply:
    """The user's sessions."""
    sessions = [wire_session(session) for session in call.emulator.identities.sessions_of(user_of(call)["$id"])]
    return Reply({"total": len(sessions), "sessions": sessions})


def delete_session(call: Call) -> Reply:
    """Sign out one session."""
    user, session_id = user_of(call), call.params["sessionId"]
    session = call.emulator.identities.sessions.get(session_id)
    if session is None or session["userId"] != user["$id"]:
        raise AppwriteError("user_session_not_found")
    call.emulator.identities.end_session(session_id)
    call.emulator.announce(
        "users.[userId].sessions.[sessionId].delete",
        {"userId": user["$id"], "sessionId": session_id},
        wire_session(session),
    )
    return Reply(None, 204)


def delete_sessions(call: Call) -> Reply:
    """Sign the user out everywhere."""
    user = user_of(call)
    call.emulator.identities.end_sessions(user["$id"])
    announce(call, user, "sessions.delete")
    return Reply(None, 204)


def create_jwt(call: Call) -> Reply:
    """A JWT for the user, for `duration` seconds (900)."""
    identities, user = call.emulator.identities, user_of(call)
    duration = call.body.get("duration", 900)
    if isinstance(duration, bool) or not isinstance(duration, int) or not 0 <= duration <= _LONGEST_JWT:
        raise invalid_param("duration", f"Value must be a valid range between 0 and {_LONGEST_JWT:,}")
    wanted = call.body.get("sessionId") or ""
    sessions = identities.sessions_of(user["$id"])
    if wanted == "recent":
        session_id = sessions[-1]["$id"] if sessions else ""
    else:
        session_id = wanted if any(session["$id"] == wanted for session in sessions) else ""
    return Reply({"jwt": identities.user_jwt(user["$id"], session_id=session_id, seconds=duration)}, 201)


def list_memberships(call: Call) -> Reply:
    """The teams that the user belongs to."""
    identities, user = call.emulator.identities, user_of(call)
    shown = [
        wire_membership(member, identities.teams[member["teamId"]], user)
        for member in identities.memberships_of(user["$id"])
    ]
    found, total = page(call, shown, ASKED_OF_MEMBERS)
    return Reply({"total": total, "memberships": found})


_READ, _WRITE = ("users.read",), ("users.write",)
_ONE = "users/{userId}"

routes = [
    Route("POST", "users", create, _WRITE),
    Route("GET", "users", list_users, _READ),
    Route("GET", _ONE, get, _READ),
    Route("DELETE", _ONE, delete, _WRITE),
    Route("PATCH", _ONE + "/name", update_name, _WRITE),
    Route("PATCH", _ONE + "/email", update_email, _WRITE),
    Route("PATCH", _ONE + "/phone", update_phone, _WRITE),
    Route("PATCH", _ONE + "/password", update_password, _WRITE),
    Route("PUT", _ONE + "/labels", update_labels, _WRITE),
    Route("PATCH", _ONE + "/status", update_status, _WRITE),
    Route("PATCH", _ONE + "/verification", update_email_verification, _WRITE),
    Route("PATCH", _ONE + "/verification/phone", update_phone_verification, _WRITE),
    Route("GET", _ONE + "/prefs", get_prefs, _READ),
    Route("PATCH", _ONE + "/prefs", update_prefs, _WRITE),
    Route("POST", _ONE + "/sessions", create_session, _WRITE),
    Route("GET", _ONE + "/sessions", list_sessions, _READ),
    Route("DELETE", _ONE + "/sessions", delete_sessions, _WRITE),
    Route("DELETE", _ONE + "/sessions/{sessionId}", delete_session, _WRITE),
    Route("POST", _ONE + "/jwts", create_jwt, _WRITE),
    Route("GET", _ONE + "/memberships", list_memberships, _READ),
]
