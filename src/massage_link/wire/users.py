"""Calls on users and their sessions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from massage_link.wire.call import Call, Reply, nothing, path, raw_json

__all__ = [
    "JWT_SECONDS",
    "Account",
    "account",
    "create_account",
    "create_user",
    "delete_user",
    "labels_of",
    "set_labels",
    "sign_in",
    "sign_out",
    "user_jwt",
    "user_of_jwt",
]

#: Longest life of a JWT, in seconds, that the server grants.
JWT_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Account:
    """A user as the server knows them.

    Attributes:
        id: user id.
        name: for display; may be empty.
        labels: set by operators; ``ops`` is the one that counts here.
        server_time: the server's clock when it answered, UTC.

    """

    id: str
    name: str
    labels: frozenset[str]
    server_time: datetime


def _id(reply: Reply) -> str:
    return str(raw_json(reply)["$id"])


def account() -> Call[Account]:
    """Who the session or JWT is."""

    def parse(reply: Reply) -> Account:
        body = raw_json(reply)
        return Account(
            body["$id"], body["name"], frozenset(body["labels"]), parsedate_to_datetime(reply.headers["date"])
        )

    return Call("GET", path("account"), parse, repeatable=True)


def sign_out() -> Call[None]:
    """End the session that the call is made with."""
    return Call("DELETE", path("account", "sessions", "current"), nothing)


def create_user(user_id: str, email: str, password: str, name: str) -> Call[str]:
    """Create a user who can sign in with email and password; the result is the id. Needs a key."""
    body = {"userId": user_id, "email": email, "password": password, "name": name}
    return Call("POST", path("users"), _id, body)


def create_account(user_id: str, name: str) -> Call[str]:
    """Create a user who can not sign in, having neither email nor password; the result is the id. Needs a key."""
    return Call("POST", path("users"), _id, {"userId": user_id, "name": name})


def set_labels(user_id: str, labels: list[str]) -> Call[str]:
    """Replace a user's labels; the result is the user's id. Needs a key."""
    return Call("PUT", path("users", user_id, "labels"), _id, {"labels": labels}, repeatable=True)


def labels_of(user_id: str) -> Call[frozenset[str]]:
    """A user's labels. Needs a key with the scope users.read."""

    def parse(reply: Reply) -> frozenset[str]:
        return frozenset(raw_json(reply)["labels"])

    return Call("GET", path("users", user_id), parse, repeatable=True)


def delete_user(user_id: str) -> Call[None]:
    """Delete a user. Needs a key."""
    return Call("DELETE", path("users", user_id), nothing, repeatable=True)


def user_jwt(user_id: str, seconds: int = JWT_SECONDS) -> Call[str]:
    """A JWT with which to act as this user for so many seconds (at most 3,600). Needs a key."""
    return Call(
        "POST",
        path("users", user_id, "jwts"),
        lambda reply: str(raw_json(reply)["jwt"]),
        {"duration": seconds},
        repeatable=True,  # another token is harmless
    )


def user_of_jwt(jwt: str) -> Call[str]:
    """Id of the user whose JWT it is; 401 when it is nobody's (any more)."""
    return Call("GET", path("account"), _id, headers={"X-Appwrite-JWT": jwt}, repeatable=True, credential="none")


def sign_in(project_id: str, email: str, password: str) -> Call[str]:
    """A new session's secret, made as a guest.

    The body's ``secret`` is empty for a guest: the session is in the cookie ``a_session_{project}``.
    """
    cookie = re.compile(rf"a_session_{re.escape(project_id)}=([^;,\s]+)", re.IGNORECASE)

    def parse(reply: Reply) -> str:
        found = cookie.search(reply.headers["set-cookie"])
        if found is None:
            raise ValueError("the answer sets no session cookie")
        return unquote(found[1])

    body = {"email": email, "password": password}
    return Call("POST", path("account", "sessions", "email"), parse, body, credential="none")
