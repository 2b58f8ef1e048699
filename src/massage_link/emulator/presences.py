"""Presences: what users say of themselves for a while (``online``), at most one per user, forgotten when it expires."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from .errors import AppwriteError, invalid_param
from .events import ResourceChange
from .kernel import is_id, stamp, unique_id
from .permissions import allows, checked, refuse_foreign_roles, split
from .sqlite import Documents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .core import Emulator
    from .identity import Identity
    from .sqlite import Document

_LIFE = timedelta(minutes=15)
_LIFE_ON_SOCKET = timedelta(days=30)  # it goes with the connection instead
_LONGEST = timedelta(days=30)
_ACTIONS = ("read", "update", "delete", "write")


class Presences:
    """All presences of one server."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._documents = Documents(emulator.database, "presence")

    def reset(self) -> None:
        """Read the store anew."""
        self._documents = Documents(self._emulator.database, "presence")

    def visible_to(self, identity: Identity) -> list[Document]:
        """The living presences that ``identity`` may read."""
        return [doc for doc in self._documents.values() if self._is_alive(doc) and _may(identity, doc, "read")]

    def get(self, id: str, identity: Identity, action: str = "read") -> Document:
        """A living presence. Raises AppwriteError: 404 when the caller cannot read it, 401 when not do ``action``."""
        found = self._documents.get(id)
        if found is None or not self._is_alive(found) or not _may(identity, found, "read"):
            raise _missing(id)
        if not _may(identity, found, action):
            raise AppwriteError("user_unauthorized")
        return found

    def upsert(self, id: str, identity: Identity, fields: Mapping[str, Any], *, source: str = "rest") -> Document:
        """Say something of a user; her earlier presence is replaced and keeps its id.

        Raises AppwriteError for bad fields, foreign roles and, for a key, a missing ``userId``.
        """
        user_id = self._subject(identity, fields)
        now = self._emulator.clock.now()
        life = _LIFE_ON_SOCKET if source == "realtime" else _LIFE
        before = next((doc for doc in self._documents.values() if doc["userId"] == user_id), None)
        document: Document = {
            "$id": before["$id"] if before else self._id(id),
            "$createdAt": before["$createdAt"] if before else stamp(now),
            "$updatedAt": stamp(now),
            "$permissions": self._permissions(identity, fields.get("permissions"), user_id),
            "userId": user_id,
            "status": _status(fields.get("status")),
            "source": source,
            "expiresAt": self._expiry(fields.get("expiresAt"), now + life),
            "metadata": _metadata(fields.get("metadata", {})),
        }
        self._documents.put(document["$id"], document)
        self._announce(document, "upsert", identity)
        return document

    def update(self, id: str, identity: Identity, fields: Mapping[str, Any]) -> Document:
        """Change what ``fields`` names. Raises AppwriteError like :meth:`get` and :meth:`upsert`."""
        document = dict(self.get(id, identity, "update"))
        if fields.get("userId") is not None:
            document["userId"] = self._subject(identity, fields)
        if fields.get("status") is not None:
            document["status"] = _status(fields["status"])
        if fields.get("expiresAt") is not None:
            document["expiresAt"] = self._expiry(fields["expiresAt"], self._emulator.clock.now())
        if fields.get("metadata") is not None:
            document["metadata"] = _metadata(fields["metadata"])
        if fields.get("permissions") is not None:
            document["$permissions"] = self._permissions(identity, fields["permissions"], document["userId"])
        if document != self._documents[id]:
            document["$updatedAt"] = self._emulator.clock.stamp()
            self._documents.put(id, document)
            self._announce(document, "update", identity)
        return document

    def remove(self, id: str, identity: Identity | None) -> None:
        """Forget a presence; ``identity`` None stands for the server itself."""
        document = self.get(id, identity, "delete") if identity else self._documents.get(id)
        if document is not None:
            self._documents.remove(id)
            self._announce(document, "delete", identity)

    def _announce(self, document: Document, action: str, identity: Identity | None) -> None:
        acting = identity.user_id if identity else None
        pattern = f"presences.[presenceId].{action}"
        self._emulator.bus.publish(ResourceChange(pattern, {"presenceId": document["$id"]}, document, acting))

    def _is_alive(self, document: Document) -> bool:
        return datetime.fromisoformat(document["expiresAt"]) > self._emulator.clock.now()

    def _subject(self, identity: Identity, fields: Mapping[str, Any]) -> str:
        user_id = fields.get("userId")
        if user_id and not identity.privileged:
            raise AppwriteError(
                "general_unauthorized_scope",
                message="userId is not allowed for non-API key and non-privileged users",
            )
        if identity.privileged and not user_id:
            raise AppwriteError("general_bad_request", message="userId is required for API key authentication")
        if user_id and user_id not in self._emulator.identities.users:
            raise AppwriteError("user_not_found")
        return str(user_id or identity.user_id)

    def _id(self, id: str) -> str:
        if id == "unique()":
            return unique_id()
        if not is_id(id):
            raise invalid_param("presenceId", "Parameter must contain at most 36 chars.")
        return id

    def _permissions(self, identity: Identity, given: object, user_id: str) -> list[str]:
        if given is None:
            return sorted(f'{action}("user:{user_id}")' for action in _ACTIONS)
        permissions = sorted(split(checked(given), ("read", "update", "delete")))
        if not identity.privileged:
            refuse_foreign_roles(permissions, identity.role_list)
        return permissions

    def _expiry(self, given: object, default: datetime) -> str:
        if given is None:
            return stamp(default)
        now = self._emulator.clock.now()
        try:
            moment = datetime.fromisoformat(str(given))
        except ValueError:
            moment = now
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if not now < moment <= now + _LONGEST:
            raise invalid_param("expiresAt", "Value must be valid date in the future and at most 30 days from now")
        return stamp(moment)


def _missing(id: str) -> AppwriteError:
    return AppwriteError(
        "presence_not_found", message=f"Presence with the requested ID '{id}' could not be found.", code=404
    )


def _may(identity: Identity, document: Document, action: str) -> bool:
    permissions = document["$permissions"]
    return (
        identity.privileged
        or allows(permissions, action, identity.roles)
        or (action != "read" and allows(permissions, "write", identity.roles))
    )


def _status(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        raise invalid_param("status", "Value must be a valid string and at least 1 chars and no longer than 255 chars")
    return value


def _metadata(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) and value != []:
        raise invalid_param("metadata", "Value must be a valid JSON object.")
    return value if isinstance(value, dict) else {}
