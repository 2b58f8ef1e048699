"""Who a link acts as: nobody, a key, a session, a JWT, or a user through JWTs that a key mints."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from massage_link.wire.call import Call
from massage_link.wire.users import JWT_SECONDS, user_jwt

__all__ = ["Credential", "Guest", "Kind", "MintedJwt", "Secret"]

Kind = Literal["guest", "key", "session", "jwt"]
_HEADERS: Mapping[Kind, str] = {"key": "X-Appwrite-Key", "session": "X-Appwrite-Session", "jwt": "X-Appwrite-JWT"}
#: A minted JWT is renewed this many seconds before it ends, so that no call travels with one that is about to.
_RENEW_BEFORE = 120.0


class Credential(Protocol):
    """What a link acts with."""

    @property
    def kind(self) -> Kind:
        """What it is; only a key may write."""
        ...

    def headers(self) -> Generator[Call[Any], Any, Mapping[str, str]]:
        """The headers that prove it; may yield calls that have to be made first."""
        ...

    def refused(self) -> bool:
        """Told that the server refused it (401); True when a fresh one is worth a second try."""
        ...


@dataclass(frozen=True, slots=True)
class Guest:
    """Nobody in particular."""

    kind: Kind = "guest"

    def headers(self) -> Generator[Call[Any], Any, Mapping[str, str]]:
        """None."""
        yield from ()
        return {}

    def refused(self) -> bool:
        """There is nothing fresher."""
        return False


@dataclass(frozen=True, slots=True)
class Secret:
    """A key, a session's secret or a JWT, as it is."""

    kind: Kind
    secret: str = field(repr=False)

    def headers(self) -> Generator[Call[Any], Any, Mapping[str, str]]:
        """The one header that carries it."""
        yield from ()
        return {_HEADERS[self.kind]: self.secret}

    def refused(self) -> bool:
        """There is nothing fresher."""
        return False


@dataclass(slots=True)
class MintedJwt:
    """A user, through short JWTs that a key mints and that are renewed before they end.

    Two threads that renew at once mint two tokens, which is harmless.
    """

    user_id: str
    key: Secret
    clock: Callable[[], float] = time.monotonic
    kind: Kind = "jwt"
    _token: str = field(default="", repr=False)
    _fresh_until: float = 0.0

    def headers(self) -> Generator[Call[Any], Any, Mapping[str, str]]:
        """The header with a token that is valid for some minutes more; mints one if need be."""
        token = self._token
        if self.clock() >= self._fresh_until:
            asked_at = self.clock()
            token = yield from user_jwt(self.user_id)
            self._token = token
            self._fresh_until = asked_at + JWT_SECONDS - _RENEW_BEFORE
        return {_HEADERS["jwt"]: token}

    def refused(self) -> bool:
        """The token may have been revoked: the next call mints a new one."""
        had_one = self._fresh_until > 0
        self._fresh_until = 0.0
        return had_one
