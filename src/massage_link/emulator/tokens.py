"""Signed tokens (JSON Web Tokens, HS256), for users' JWTs and functions' keys. Standard library only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any


class TokenError(Exception):
    """The token is malformed, forged or expired; the message is the server's wording."""


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign(payload: dict[str, Any], secret: str) -> str:
    """`payload` as a token signed with `secret`."""
    head = _encode(b'{"typ":"JWT","alg":"HS256"}')
    body = _encode(json.dumps(payload, separators=(",", ":")).encode())
    mark = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{_encode(mark)}"


def verify(token: str, secret: str, now: float) -> dict[str, Any]:
    """The payload of `token` when it was signed with `secret` and has not expired at `now` (unix seconds).

    Raises TokenError otherwise.
    """
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenError("Invalid token: Incomplete segments")
    head, body, mark = parts
    right = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    try:
        given, payload = _decode(mark), json.loads(_decode(body))
    except (ValueError, binascii.Error) as error:
        raise TokenError("Invalid token: Invalid JSON") from error
    if not hmac.compare_digest(right, given) or not isinstance(payload, dict):
        raise TokenError("Invalid token: Signature failed")
    if payload.get("exp", now) < now:
        raise TokenError("Invalid token: Expired")
    return payload
