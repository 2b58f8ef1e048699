"""What every row has, and the column types that the tables share.

A model is the one definition of a table's columns: `massage_link.schema` reads types and bounds from the fields, so
``max_length`` is a column's size and ``ge``/``le`` its range. Names are snake_case here and camelCase on the wire.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, PlainSerializer
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from massage_link.domain.ids import BOOKING_ID_LENGTH
from massage_link.domain.money import MAX_MINOR

__all__ = ["BookingId", "Code", "Minor", "Name", "Row", "ShortText", "UserId", "UtcDatetime", "to_wire_time"]


def _as_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs a time zone; use datetime(…, tzinfo=UTC)")
    return value.astimezone(UTC)


class _Utc:
    """Converts an instant to UTC.

    What the server writes is in UTC already, and is read without a call into Python: for a page of rows that would be
    a third of the time to parse it.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        converted = core_schema.no_info_after_validator_function(_as_utc, handler(source))
        in_utc = core_schema.datetime_schema(tz_constraint=0)
        # In JSON alone: a `datetime` of London has no offset in winter either, and still is not in UTC.
        either = core_schema.union_schema(
            [in_utc, converted],
            mode="left_to_right",
            custom_error_type="instant",
            custom_error_message='a time needs a time zone, such as "2026-11-23T08:00:00+00:00"',
        )
        return core_schema.json_or_python_schema(either, converted)


def to_wire_time(value: datetime) -> str:
    """A UTC instant as Appwrite writes it: ISO 8601, milliseconds, ``+00:00``."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds")


#: An instant: aware, in UTC; milliseconds survive the wire.
UtcDatetime = Annotated[datetime, _Utc, PlainSerializer(to_wire_time, when_used="json")]
BookingId = Annotated[str, Field(max_length=BOOKING_ID_LENGTH)]
UserId = Annotated[str, Field(max_length=36)]
Name = Annotated[str, Field(max_length=128)]
ShortText = Annotated[str, Field(max_length=64)]
#: An ISO 4217 code.
Code = Annotated[str, Field(max_length=3)]
#: An amount of zero or more, in minor units.
Minor = Annotated[int, Field(ge=0, le=MAX_MINOR)]

_METADATA = {"id", "created_at", "updated_at", "permissions"}


def _or_default(default: Any, _: None) -> Any:
    return default


def _filled(field: Any) -> Any:
    """A field's schema, by which a null is the field's default, where it has one that is not null itself."""
    inner = field["schema"]
    if inner["type"] != "default" or inner.get("default") is None:
        return field
    by_default = core_schema.no_info_after_validator_function(
        partial(_or_default, inner["default"]), core_schema.none_schema()
    )
    value = core_schema.lax_or_strict_schema(
        # The column's own kind first: only a null, which is rare, costs a call into Python.
        core_schema.union_schema([inner["schema"], by_default], mode="left_to_right"),
        inner["schema"],  # … which is also how it is written
        # To the generator of the tables' columns the field is what its annotation says; by itself, not in place of an
        # enum's shared definition, into which pydantic would write the default.
        metadata={"pydantic_js_functions": [lambda _, handler: {"anyOf": [handler(inner["schema"])]}]},
    )
    return {**field, "schema": {**inner, "schema": value}}


class Row(BaseModel):
    """A row of a table, immutable.

    A null in a column that has a default is read as the default: a row that was written before the column was added
    holds null there, because Appwrite applies a default to new rows only.

    Attributes:
        id: the row's id.
        created_at, updated_at: the server's stamps; None for a row that is not stored yet.
        permissions: who may read it, in Appwrite's notation; empty for a row that is not stored yet.

    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    id: str = Field(alias="$id")
    created_at: UtcDatetime | None = Field(default=None, alias="$createdAt", repr=False)
    updated_at: UtcDatetime | None = Field(default=None, alias="$updatedAt", repr=False)
    permissions: tuple[str, ...] = Field(default=(), alias="$permissions", repr=False)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema: Any = handler(source)
        fields = schema["schema"]
        filled = {name: _filled(field) for name, field in fields["fields"].items()}
        return {**schema, "schema": {**fields, "fields": filled}}

    def columns(self) -> dict[str, Any]:
        """The row's own columns as they go over the wire: no metadata."""
        return self.model_dump(mode="json", by_alias=True, exclude=_METADATA)
