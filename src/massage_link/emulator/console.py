"""The console: the account with which the Appwrite CLI signs in, and what its operator may do in the project."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from . import scopes
from .errors import AppwriteError
from .identity import Identity, cookies_in
from .kernel import Clock, unique_id
from .people import new_session, new_user, wire_account, wire_session
from .sqlite import Database, Documents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .sqlite import Document

#: The project id under which the console's own calls are made.
CONSOLE = "console"
#: The address of the one account; its password is the project's key.
EMAIL = "operator@localhost.test"
_COOKIE = "a_session_console"


class Console:
    """One account, and its sessions."""

    def __init__(self, database: Database, clock: Clock, *, key: str) -> None:
        self._clock = clock
        self._password = key
        self._sessions = Documents(database, "console_session")
        accounts = Documents(database, "console_user")
        if not accounts:
            accounts.put("operator", new_user(clock, unique_id(), email=EMAIL, name="Operator"))
        self._account: Document = accounts["operator"]

    def sign_in(self, email: object, password: object, *, ip: str, agent: str) -> Document:
        """A new session, its secret included. Raises AppwriteError (401)."""
        known = isinstance(email, str) and isinstance(password, str) and email.lower() == EMAIL
        if not known or not secrets.compare_digest(str(password).encode(), self._password.encode()):
            raise AppwriteError("user_invalid_credentials")
        session = new_session(
            self._clock, self._account["$id"], provider="email", provider_uid=EMAIL, ip=ip, agent=agent
        )
        return self._sessions.put(session["secret"], session)

    def account(self, headers: Mapping[str, str]) -> Document:
        """The account of a request's session. Raises AppwriteError (401)."""
        if self._session(headers) is None:
            raise AppwriteError(
                "general_unauthorized_scope", message='User (role: guests) missing scopes (["account"])'
            )
        shown = wire_account(self._account)
        # The CLI asks for the answers of 1.8, which had no impersonation.
        return {name: value for name, value in shown.items() if not name.startswith("impersonator")}

    def sign_out(self, headers: Mapping[str, str]) -> None:
        """End a request's session. Raises AppwriteError (401)."""
        self.account(headers)
        session = self._session(headers)
        if session is not None:
            self._sessions.remove(session["secret"])

    def operator(self, headers: Mapping[str, str]) -> Identity | None:
        """The operator as a caller in the project, who may do everything; None unless the request is one of theirs."""
        if headers.get("x-appwrite-mode") != "admin" or self._session(headers) is None:
            return None
        return Identity("key", ("any",), scopes.ALL_KEY_SCOPES, name=EMAIL)

    def _session(self, headers: Mapping[str, str]) -> Document | None:
        return self._sessions.get(cookies_in(headers.get("cookie", "")).get(_COOKIE, ""))


def shown_session(session: Document) -> Document:
    """A session as it goes out; its secret is in the cookie alone."""
    return wire_session(session, current=session["$id"])


def cookie_of(session: Document) -> tuple[str, str]:
    """The header that hands a session to the client."""
    return ("Set-Cookie", f"{_COOKIE}={session['secret']}; path=/; Max-Age=31536000; HttpOnly; SameSite=None")
