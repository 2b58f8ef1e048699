"""Who a request comes from, and what follows: roles for permissions, scopes for routes."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from . import scopes as known_scopes
from .errors import AppwriteError
from .kernel import Clock, fold, stamp, unique_id
from .sqlite import Database, Document, Documents
from .tokens import TokenError, sign, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


FUNCTION_KEY = "ephemeral_"


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller. `role_list` holds the roles in the server's order, `scopes` what routes it may use."""

    kind: Literal["guest", "user", "key", "function"]
    role_list: tuple[str, ...]
    scopes: frozenset[str]
    user: Mapping[str, Any] | None = None
    session_id: str | None = None
    function_id: str | None = None
    name: str = ""
    roles: frozenset[str] = frozenset()

    @property
    def privileged(self) -> bool:
        """Keys, a function's included, pass over permissions."""
        return self.kind in ("key", "function")

    @property
    def user_id(self) -> str | None:
        return self.user["$id"] if self.user else None

    def title(self) -> str:
        """How the server names this caller in messages about scopes."""
        role = {"guest": "guests", "user": "users"}.get(self.kind, "applications")
        return f"{self.name or 'User'} (role: {role})"


GUEST = Identity("guest", ("any", "guests"), known_scopes.GUEST, roles=frozenset({"any", "guests"}))


class Identities:
    """Users, sessions, teams, memberships and keys, and the callers that they make."""

    def __init__(self, database: Database, clock: Clock, *, project: str, key: str) -> None:
        self.clock = clock
        self.project = project
        self.master_key = key
        self.users = Documents(database, "user")
        self.sessions = Documents(database, "session")
        self.teams = Documents(database, "team")
        self.memberships = Documents(database, "membership")
        self.keys = Documents(database, "key")
        self._tokens = Documents(database, "token")
        self._settings = Documents(database, "setting")
        if "secret" not in self._settings:
            self._settings.put("secret", {"value": secrets.token_hex(32)})
        self._secret: str = self._settings["secret"]["value"]
        self.listeners: list[Callable[[str], None]] = []
        self._by_secret = {session["secret"]: key for key, session in self.sessions.items()}
        self._folded = {fold(user_id) for user_id in self.users}
        self._by_email = {user["email"].lower(): key for key, user in self.users.items() if user["email"]}

    # Changes of roles

    def on_roles_changed(self, callback: Callable[[str], None]) -> None:
        """`callback(user_id)` runs after the user's memberships changed."""
        self.listeners.append(callback)

    def roles_changed(self, user_id: str) -> None:
        """Tell everyone who asked."""
        for callback in self.listeners:
            callback(user_id)

    # Users and sessions

    def user_by_email(self, email: str) -> Document | None:
        """The user with this address, whatever its case."""
        return self.users.get(self._by_email.get(email.lower(), ""))

    def is_taken(self, user_id: str) -> bool:
        """Whether a user has this id, as the collation compares ids."""
        return fold(user_id) in self._folded

    def put_user(self, user: Document) -> Document:
        """Store a new or changed user."""
        old = self.users.get(user["$id"])
        if old and old["email"]:
            self._by_email.pop(old["email"].lower(), None)
        if user["email"]:
            self._by_email[user["email"].lower()] = user["$id"]
        self._folded.add(fold(user["$id"]))
        return self.users.put(user["$id"], user)

    def remove_user(self, user_id: str) -> None:
        """Forget a user with sessions and memberships."""
        user = self.users[user_id]
        self.end_sessions(user_id)
        for membership in self.memberships_of(user_id):
            self.memberships.remove(membership["$id"])
        if user["email"]:
            self._by_email.pop(user["email"].lower(), None)
        self._folded.discard(fold(user_id))
        self.users.remove(user_id)

    def sessions_of(self, user_id: str) -> list[Document]:
        """The user's sessions, oldest first."""
        return [session for session in self.sessions.values() if session["userId"] == user_id]

    def add_session(self, session: Document) -> Document:
        """Store a session; its `secret` is what a client presents."""
        self._by_secret[session["secret"]] = session["$id"]
        return self.sessions.put(session["$id"], session)

    def end_session(self, session_id: str) -> None:
        """Sign out one session."""
        session = self.sessions[session_id]
        self._by_secret.pop(session["secret"], None)
        self.sessions.remove(session_id)

    def end_sessions(self, user_id: str) -> None:
        """Sign out everywhere."""
        for session in self.sessions_of(user_id):
            self.end_session(session["$id"])

    def memberships_of(self, user_id: str) -> list[Document]:
        """The user's memberships, confirmed or not."""
        return [member for member in self.memberships.values() if member["userId"] == user_id]

    # Tokens

    def user_jwt(self, user_id: str, *, session_id: str = "", seconds: int = 900) -> str:
        """A JWT for the user, good for `seconds`, and only as long as the session lives when one is named."""
        expires = int(self.clock.now().timestamp()) + seconds
        return sign({"userId": user_id, "sessionId": session_id, "exp": expires}, self._secret)

    def mint_function_key(
        self, function_id: str, scopes: Collection[str], execution_id: str = "", *, seconds: int = 900
    ) -> str:
        """The dynamic key of one execution: the function's scopes, for `seconds`."""
        expires = int(self.clock.now().timestamp()) + seconds
        payload = {"functionId": function_id, "executionId": execution_id, "scopes": sorted(scopes), "exp": expires}
        return FUNCTION_KEY + sign(payload, self._secret)

    def new_token(self, user_id: str, seconds: int) -> Document:
        """A one-time secret for the user, good for `seconds`."""
        now = self.clock.now()
        token = {
            "$id": unique_id(),
            "$createdAt": stamp(now),
            "userId": user_id,
            "secret": secrets.token_hex(3),
            "expire": stamp(now + timedelta(seconds=seconds)),
            "phrase": "",
        }
        return self._tokens.put(token["$id"], token)

    def take_token(self, user_id: str, secret: str) -> bool:
        """Whether the user has this one-time secret; it is used up."""
        now = self.clock.now()
        for token in list(self._tokens.values()):
            if token["userId"] == user_id and token["secret"] == secret:
                self._tokens.remove(token["$id"])
                return datetime.fromisoformat(token["expire"]) >= now
        return False

    # Callers

    def from_request(self, headers: Mapping[str, str], cookies: Mapping[str, str] | None = None) -> Identity:
        """The caller of a request by its key, session (header, cookie, fallback cookie) or JWT.

        Raises AppwriteError when a key or a JWT is bad or the user is blocked; a bad session makes a guest.
        """
        key = headers.get("x-appwrite-key")
        if key:
            return self.from_key(key)
        identity = GUEST
        for secret in self._presented(headers, cookies):
            identity = self.from_session(secret)
            break
        token = headers.get("x-appwrite-jwt")
        if token:
            if identity.user is not None:
                raise AppwriteError("user_jwt_and_cookie_set")
            identity = self.from_jwt(token)
        return identity

    def _presented(self, headers: Mapping[str, str], cookies: Mapping[str, str] | None) -> list[str]:
        name = f"a_session_{self.project}"
        jar = cookies if cookies is not None else cookies_in(headers.get("cookie", ""))
        found = [jar.get(name) or jar.get(f"{name}_legacy"), headers.get("x-appwrite-session")]
        fallback = headers.get("x-fallback-cookies")
        if fallback:
            with contextlib.suppress(ValueError, AttributeError):
                found.append(json.loads(fallback).get(name))
        return [secret for secret in found if secret]

    def from_key(self, key: str) -> Identity:
        """The caller with an API key or a function's dynamic key."""
        title = f"app.{self.project}@service.127.0.0.1"
        if secrets.compare_digest(key.encode(), self.master_key.encode()):
            return Identity("key", ("any",), known_scopes.ALL_KEY_SCOPES, name=title)
        if key.startswith(FUNCTION_KEY):
            return self._from_function_key(key, title)
        for document in self.keys.values():
            if document["secret"] == key:
                granted = frozenset(document["scopes"]) | known_scopes.KEY_ALWAYS
                return Identity("key", ("any",), granted, name=title)
        raise AppwriteError("user_unauthorized")

    def _from_function_key(self, key: str, title: str) -> Identity:
        try:
            payload = verify(key.removeprefix(FUNCTION_KEY), self._secret, self.clock.now().timestamp())
        except TokenError as error:
            raise AppwriteError("user_unauthorized") from error
        granted = frozenset(payload["scopes"]) | known_scopes.KEY_ALWAYS
        return Identity("function", ("any",), granted, name=title, function_id=payload["functionId"])

    def from_session(self, secret: str) -> Identity:
        """The user of a session's secret; a guest when it is unknown or has expired.

        Raises AppwriteError (403) when the user is blocked.
        """
        session = self.sessions.get(self._by_secret.get(secret, ""))
        if session is None or datetime.fromisoformat(session["expire"]) < self.clock.now():
            return GUEST
        return self.as_user(session["userId"], session["$id"])

    def from_jwt(self, token: str) -> Identity:
        """The user of a JWT.

        Raises AppwriteError (401) for a bad one, (403) when the user is blocked.
        """
        try:
            payload = verify(token, self._secret, self.clock.now().timestamp())
        except TokenError as error:
            raise AppwriteError("user_jwt_invalid", str(error)) from error
        session_id = payload.get("sessionId") or None
        if session_id and session_id not in self.sessions:
            return GUEST
        return self.as_user(payload.get("userId", ""), session_id)

    def as_user(self, user_id: str, session_id: str | None = None) -> Identity:
        """The user as a caller; a guest when there is none of that id."""
        user = self.users.get(user_id)
        if user is None:
            return GUEST
        if not user["status"]:
            raise AppwriteError("user_blocked")
        roles = ("any", *self.roles_of(user))
        return Identity(
            "user", roles, known_scopes.USER, user, session_id, name=user["email"] or "User", roles=frozenset(roles)
        )

    def roles_of(self, user: Mapping[str, Any]) -> list[str]:
        """The user's roles, `any` apart."""
        user_id = user["$id"]
        verified = "verified" if user["emailVerification"] or user["phoneVerification"] else "unverified"
        roles = ["users", f"user:{user_id}", f"user:{user_id}/{verified}", f"users/{verified}"]
        for member in self.memberships_of(user_id):
            if member["confirm"]:
                roles += [f"team:{member['teamId']}", f"member:{member['$id']}"]
                roles += [f"team:{member['teamId']}/{role}" for role in member["roles"]]
        return roles + [f"label:{label}" for label in user["labels"]]


def session_secret(user_id: str) -> str:
    """A fresh secret in the server's form: base64 of the user's id and a random part."""
    content = json.dumps({"id": user_id, "secret": secrets.token_hex(32)}, separators=(",", ":"))
    return base64.b64encode(content.encode()).decode()


def user_of_secret(secret: str) -> str | None:
    """The user id inside a session's secret, unchecked; None when it is not in the server's form."""
    try:
        content = json.loads(base64.b64decode(secret, validate=True))
    except (ValueError, binascii.Error):
        return None
    return content.get("id") if isinstance(content, dict) else None


def cookies_in(header: str) -> dict[str, str]:
    """Cookies by name."""
    pairs = (part.strip().partition("=") for part in header.split(";") if "=" in part)
    return {name: unquote(value) for name, _, value in pairs}
