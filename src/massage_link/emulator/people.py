"""Users, sessions, teams and memberships as documents: how they are made and what of them goes out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .errors import AppwriteError, invalid_param
from .identity import session_secret
from .kernel import Clock, fold, stamp, unique_id
from .values import is_email

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .sqlite import Document

_SECRETS = ("secret", "passwordSalt")
ASKED_OF_MEMBERS = {
    "userId": "string", "teamId": "string", "invited": "datetime", "joined": "datetime", "confirm": "boolean",
    "roles": "string[]",
}  # fmt: skip
SESSION_LIFE = timedelta(days=365)
_ARGON2 = {"type": "argon2", "memory_cost": 65536, "time_cost": 4, "threads": 3}


def hash_password(password: str, salt: str) -> str:
    """A digest that is quick on purpose: this server guards test data, and sign-ins are many."""
    return hashlib.sha256(f"{salt}:{password}".encode()).hexdigest()


def checked_email(value: Any, *, nullable: bool = False) -> str:
    """The e-mail parameter, lower-cased; empty for null. Raises AppwriteError (400)."""
    if value is None and nullable:
        return ""
    if not is_email(value):
        raise invalid_param("email", f"Value must be a valid email address{' or null' if nullable else ''}")
    return str(value).lower()


def checked_password(value: Any, name: str = "password") -> str:
    """A new password. Raises AppwriteError (400)."""
    if not isinstance(value, str) or not 8 <= len(value) <= 256:
        raise invalid_param(name, "Password must be between 8 and 256 characters long.")
    return value


def checked_phone(value: Any) -> str:
    """A telephone number with its country code; empty for null. Raises AppwriteError (400)."""
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not value.startswith("+") or not value[1:].isdigit() or not 7 < len(value) < 17:
        raise invalid_param("phone", "Phone number must start with a '+' can have a maximum of fifteen digits.")
    return value


def new_user(
    clock: Clock, id: str, *, email: str = "", phone: str = "", password: str = "", name: str = ""
) -> Document:
    """A user as stored."""
    now = clock.stamp()
    user: Document = {
        "$id": id,
        "$createdAt": now,
        "$updatedAt": now,
        "name": name,
        "password": "",
        "passwordSalt": "",
        "registration": now,
        "status": True,
        "labels": [],
        "passwordUpdate": "",
        "email": email,
        "phone": phone,
        "emailVerification": False,
        "phoneVerification": False,
        "mfa": False,
        "prefs": {},
        "accessedAt": "",
    }
    if password:
        set_password(user, password, now)
    user["targets"] = [_target(user, kind, user[kind], now) for kind in ("email", "phone") if user[kind]]
    return user


def set_password(user: Document, password: str, now: str) -> None:
    """Give the user a password."""
    user["passwordSalt"] = secrets.token_hex(8)
    user["password"] = hash_password(password, user["passwordSalt"])
    user["passwordUpdate"] = now


def password_matches(user: Mapping[str, Any] | None, password: object) -> bool:
    """Whether the user's password is `password`."""
    if user is None or not user["password"] or not isinstance(password, str):
        return False
    return hmac.compare_digest(hash_password(password, user["passwordSalt"]), user["password"])


def _target(user: Mapping[str, Any], kind: str, identifier: str, now: str) -> Document:
    return {
        "$id": unique_id(),
        "$createdAt": now,
        "$updatedAt": now,
        "name": "",
        "userId": user["$id"],
        "providerId": None,
        "providerType": "sms" if kind == "phone" else kind,
        "identifier": identifier,
        "expired": False,
    }


def wire_user(user: Mapping[str, Any]) -> Document:
    """A user as a key sees it."""
    shown = {key: value for key, value in user.items() if key not in _SECRETS}
    email = user["email"]
    known = bool(email)
    shown.update(
        {
            "hash": "argon2" if user["password"] else "",
            "hashOptions": dict(_ARGON2),
            "emailCanonical": email or None,
            "emailIsFree": False if known else None,
            "emailIsDisposable": False if known else None,
            "emailIsCorporate": known or None,
            "emailIsCanonical": known or None,
            "impersonator": False,
            "impersonatorUserId": None,
        }
    )
    return shown


def wire_account(user: Mapping[str, Any]) -> Document:
    """A user as she sees herself."""
    shown = wire_user(user)
    for secret in ("password", "hash", "hashOptions"):
        del shown[secret]
    return shown


def new_session(clock: Clock, user_id: str, *, provider: str, provider_uid: str, ip: str, agent: str) -> Document:
    """A session as stored, with its secret."""
    now = clock.now()
    name, _, version = agent.split(" ", maxsplit=1)[0].partition("/")
    return {
        "$id": unique_id(),
        "$createdAt": stamp(now),
        "$updatedAt": stamp(now),
        "userId": user_id,
        "expire": stamp(now + SESSION_LIFE),
        "provider": provider,
        "providerUid": provider_uid,
        "providerAccessToken": "",
        "providerAccessTokenExpiry": "",
        "providerRefreshToken": "",
        "ip": ip,
        "osCode": "",
        "osName": "",
        "osVersion": "",
        "clientType": "library",
        "clientCode": "",
        "clientName": name,
        "clientVersion": version,
        "clientEngine": "",
        "clientEngineVersion": "",
        "deviceName": "",
        "deviceBrand": "",
        "deviceModel": "",
        "countryCode": "--",
        "countryName": "Unknown",
        "factors": [{"email": "password"}.get(provider, provider)],
        "secret": session_secret(user_id),
        "mfaUpdatedAt": "",
    }


def wire_session(session: Mapping[str, Any], *, current: str | None = None, secret: bool = False) -> Document:
    """A session as it goes out; its secret only where `secret` says so."""
    return {**session, "current": session["$id"] == current, "secret": session["secret"] if secret else ""}


def new_team(clock: Clock, id: str, name: str) -> Document:
    """A team as stored."""
    now = clock.stamp()
    return {"$id": id, "$createdAt": now, "$updatedAt": now, "name": name, "total": 0, "prefs": {}}


def new_membership(
    clock: Clock, team: Mapping[str, Any], user: Mapping[str, Any], roles: list[str], *, confirmed: bool
) -> Document:
    """A membership as stored."""
    now = clock.stamp()
    return {
        "$id": unique_id(),
        "$createdAt": now,
        "$updatedAt": now,
        "userId": user["$id"],
        "teamId": team["$id"],
        "invited": now,
        "joined": now if confirmed else "",
        "confirm": confirmed,
        "mfa": False,
        "roles": roles,
        "secret": secrets.token_hex(32),
    }


def wire_membership(membership: Mapping[str, Any], team: Mapping[str, Any], user: Mapping[str, Any]) -> Document:
    """A membership as it goes out."""
    shown = {key: value for key, value in membership.items() if key not in _SECRETS}
    shown.update(
        {
            "userName": user["name"],
            "userEmail": user["email"],
            "userPhone": user["phone"],
            "userAccessedAt": user["accessedAt"],
            "teamName": team["name"],
        }
    )
    return shown


def find_user(users: Mapping[str, Document], id: str) -> Document:
    """The user, found as the collation compares ids. Raises AppwriteError (404)."""
    user = users.get(id)
    if user is None:
        wanted = fold(id)
        user = next((found for known, found in users.items() if fold(known) == wanted), None)
    if user is None:
        raise AppwriteError("user_not_found")
    return user
