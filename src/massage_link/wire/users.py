"""Calls on users and their sessions."""

from __future__ import annotations

from massage_link.wire.call import Call, path, raw_json

__all__ = ["JWT_SECONDS", "create_user", "delete_user", "set_labels", "user_jwt"]

#: Longest life of a JWT, in seconds, that the server grants.
JWT_SECONDS = 3_600


def _id(content: bytes) -> str:
    return str(raw_json(content)["$id"])


def create_user(user_id: str, email: str, password: str, name: str) -> Call[str]:
    """Create a user who can sign in with email and password; the result is the id. Needs a key."""
    body = {"userId": user_id, "email": email, "password": password, "name": name}
    return Call("POST", path("users"), _id, body)


def set_labels(user_id: str, labels: list[str]) -> Call[str]:
    """Replace a user's labels; the result is the user's id. Needs a key."""
    return Call("PUT", path("users", user_id, "labels"), _id, {"labels": labels}, repeatable=True)


def delete_user(user_id: str) -> Call[None]:
    """Delete a user. Needs a key."""
    return Call("DELETE", path("users", user_id), lambda _: None, repeatable=True)


def user_jwt(user_id: str, seconds: int = JWT_SECONDS) -> Call[str]:
    """A JWT with which to act as this user for so many seconds (at most 3,600). Needs a key."""
    return Call(
        "POST",
        path("users", user_id, "jwts"),
        lambda content: str(raw_json(content)["jwt"]),
        {"duration": seconds},
        repeatable=True,  # another token is harmless
    )
