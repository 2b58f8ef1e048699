"""From an error answer to the error that says what to do about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from massage_link.errors import (
    BadRequest,
    Conflict,
    NotAppwrite,
    RateLimited,
    RowNotFound,
    ServerError,
    StatusError,
    Unauthorized,
)

__all__ = ["error_of"]

_BY_STATUS: Mapping[int, type[StatusError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Unauthorized,
    404: RowNotFound,
    409: Conflict,
}
#: What to do, by Appwrite's error type.
_ADVICE: Mapping[str, str] = {
    "project_not_found": "Check APPWRITE_PROJECT_ID: this server has no project of that id.",
    "general_unauthorized_scope": "Check the API key: it is unknown to this project or lacks the scope.",
    "user_unauthorized": "Check the credential: it is unknown to this project, or lacks the permission.",
    "user_invalid_credentials": "Check email and password.",
    "user_invalid_token": "Sign in again: the session or token is not valid any more.",
    "user_jwt_invalid": "Sign in again: the token is not valid any more.",
    "user_session_not_found": "Sign in again: the session is not valid any more.",
    "database_not_found": "Push the schema (massage-link schema push), or check MASSAGE_LINK_DATABASE.",
    "table_not_found": "Push the schema (massage-link schema push).",
}


def error_of(status: int, headers: Mapping[str, str], content: bytes, *, request: str, endpoint: str) -> StatusError:
    """The error for an answer that is not 2xx.

    Args:
        status, headers, content: the answer.
        request: method and path of the call, for the message.
        endpoint: where it was sent, for the message.

    """
    body = _json_object(content)
    if body is None:
        if status >= 500:
            return ServerError(f"{request}: the server failed ({status}).", status=status, request=request)
        return NotAppwrite(
            f"{request}: {endpoint} answered {status} without Appwrite's error format; "
            'check APPWRITE_ENDPOINT, which ends in "/v1".',
            status=status,
            request=request,
        )
    kind = str(body.get("type") or "")
    text = f"{request}: {body.get('message') or 'no message'} ({status} {kind or 'no type'})"
    if advice := _ADVICE.get(kind):
        text += f" {advice}"
    if status == 429:
        return RateLimited(text, status=status, type=kind, request=request, retry_at=_reset(headers))
    if status == 501:
        return StatusError(text, status=status, type=kind, request=request)  # trying again will not implement it
    if status >= 500:
        return ServerError(text, status=status, type=kind, request=request)
    return _BY_STATUS.get(status, StatusError)(text, status=status, type=kind, request=request)


def _json_object(content: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) and "message" in body else None


def _reset(headers: Mapping[str, str]) -> float | None:
    try:
        return float(headers.get("x-ratelimit-reset", ""))
    except ValueError:
        return None
