"""Parameters that many routes take, checked in the server's wording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import ServerFailure, invalid_param, missing_param
from .kernel import is_id, unique_id

if TYPE_CHECKING:
    from .routing import Call

ID_RULE = (
    "Parameter must contain at most 36 chars. Valid chars are a-z, A-Z, 0-9, period, hyphen, and underscore. Can't "
    "start with a special char"
)
UID_RULE = (
    "UID must contain at most 36 chars. Valid chars are a-z, A-Z, 0-9, and underscore. Can't start with a leading "
    "underscore"
)


def new_id(call: Call, name: str) -> str:
    """The id for something new: the caller's own, or a fresh one for `unique()`. Raises AppwriteError (400)."""
    value = call.body.get(name)
    if value is None:
        raise missing_param(name)
    if value == "unique()":
        return unique_id()
    if not is_id(value):
        raise invalid_param(name, ID_RULE)
    return str(value)


def text(call: Call, name: str, *, most: int = 128, default: str | None = None, least: int = 1) -> str:
    """A text parameter. Raises AppwriteError (400)."""
    value = call.body.get(name, default)
    if value is None:
        raise missing_param(name)
    if not isinstance(value, str) or len(value) > most or (len(value) < least and name in call.body):
        raise invalid_param(
            name, f"Value must be a valid string and at least {least} chars and no longer than {most} chars"
        )
    return value


def boolean(call: Call, name: str, *, default: bool, loose: bool = False) -> bool:
    """A boolean parameter; with `loose` also 1, 0 and the words for it. `null` is a 500, as on the real server.

    Raises AppwriteError (400).
    """
    value: Any = call.body.get(name, default)
    if value is None:
        raise ServerFailure(f"null for {name}")
    if isinstance(value, bool):
        return value
    if loose and value in (1, "true", "1"):
        return True
    if loose and value in (0, "false", "0"):
        return False
    raise invalid_param(name, "Value must be a valid boolean")
