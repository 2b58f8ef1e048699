"""From the fields of a model to the columns of its table.

The model's JSON Schema (which pydantic derives) says all that a column needs: ``maxLength`` is a text's size,
``minimum`` and ``maximum`` are a number's range, an enum lists its members, a default makes a column optional.
Keys and their order are those that the Appwrite CLI keeps in ``appwrite.json``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from massage_link.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from massage_link.domain.rows import Row

__all__ = ["Definition", "columns_of"]

#: A table, column, index or function as Appwrite's CLI writes it.
Definition: TypeAlias = dict[str, Any]


def columns_of(model: type[Row], *, optional: AbstractSet[str] = frozenset()) -> list[Definition]:
    """The columns that hold the model's own fields (the server adds ``$id``, ``$createdAt``, … itself).

    Args:
        model: of a table's rows.
        optional: columns that a row may leave out although the model asks for them.

    Raises:
        SchemaError: a field has no counterpart in Appwrite, or lacks the bounds that a column needs.

    """
    schema = model.model_json_schema()
    required = set(schema.get("required", ())) - optional
    return [
        _column(f"{model.__name__}.{key}", key, _resolved(field, schema), required=key in required)
        for key, field in schema["properties"].items()
        if not key.startswith("$")
    ]


def _resolved(field: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The field without references and without its null alternative; its default stays."""
    if "$ref" in field:
        _, _, name = field["$ref"].rpartition("/")
        return {**schema["$defs"][name], **field}
    alternatives = [each for each in field.get("anyOf", ()) if each.get("type") != "null"]
    if len(alternatives) == 1:
        return {**_resolved(alternatives[0], schema), **field}
    return field


def _column(name: str, key: str, field: Mapping[str, Any], *, required: bool) -> Definition:
    column: Definition = {"key": key}
    nullable = {"type": "null"} in field.get("anyOf", ())
    presence = {"required": required and not nullable, "array": False}
    default = {"default": field.get("default")}
    elements = field.get("enum", [field["const"]] if "const" in field else [])
    match field.get("type"), field.get("format"):
        case "string", _ if elements:
            column |= {"type": "string", "format": "enum", "elements": list(elements)} | presence | default
        case "string", "date-time":
            column |= {"type": "datetime"} | presence | default
        case "string", None:
            size = _bound(name, field, "maxLength", "max_length")
            # A column without `encrypt` in the file is deleted and made anew, with its data, by every `appwrite push`.
            column |= {"type": "string"} | presence | {"size": size} | default | {"encrypt": False}
        case "integer", None:
            limits = {"min": _bound(name, field, "minimum", "ge"), "max": _bound(name, field, "maximum", "le")}
            column |= {"type": "integer"} | presence | limits | default
        case "boolean", None:
            column |= {"type": "boolean"} | presence | default
        case _:
            raise SchemaError(f"{name} is no text, enum, time, integer or boolean, so no column can hold it.")
    return column


def _bound(name: str, field: Mapping[str, Any], keyword: str, argument: str) -> int:
    if keyword not in field:
        raise SchemaError(f"{name} needs a bound: Field({argument}=…).")
    return int(field[keyword])
