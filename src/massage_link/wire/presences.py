"""Presences (Appwrite 1.9.5 and later): what users say of themselves for a while. One a user; it expires."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from massage_link.wire.call import Call, parsed, path

__all__ = ["PresenceDocument", "list_presences", "put_presence"]


class PresenceDocument(BaseModel):
    """A presence as the server has it."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    user_id: str
    status: str
    expires_at: datetime | None = None
    metadata: Mapping[str, Any] | list[Any] = Field(default_factory=dict)  # PHP writes an empty object as a list


class _Listed(BaseModel):
    presences: list[PresenceDocument]


def put_presence(presence_id: str, body: Mapping[str, Any]) -> Call[PresenceDocument]:
    """Say something of a user; an earlier one of theirs is replaced. A key says whom (``userId``)."""
    return Call("PUT", path("presences", presence_id), parsed(PresenceDocument), body, repeatable=True)


def list_presences(queries: Iterable[str]) -> Call[list[PresenceDocument]]:
    """The living presences that the credential may read."""
    return Call(
        "GET",
        path("presences", queries=tuple(queries)),
        lambda reply: _Listed.model_validate_json(reply.content).presences,
        repeatable=True,
    )
