"""What a server, or a file, has otherwise than the models say, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from massage_link.schema.columns import Definition

__all__ = ["CHANGEABLE", "Difference", "Kind", "compare_functions", "compare_tables"]

_SCHEMA_PUSH = "run `massage-link schema push`"
_FORCED_PUSH = "run `massage-link schema push --allow-destructive`"
_SETTINGS_PUSH = f"{_FORCED_PUSH}, which changes the table's settings and keeps its rows"
_FUNCTION_PUSH = "run `massage-link functions build` and `appwrite push functions`"
_TABLE_FACTS = ("$permissions", "rowSecurity", "enabled")
_COLUMN_FACTS = ("type", "format", "elements", "size", "required", "array", "min", "max", "default", "encrypt")
_INDEX_FACTS = ("type", "columns", "orders")
_FUNCTION_FACTS = (
    "events", "scopes", "schedule", "execute", "timeout", "enabled", "logging", "runtime", "entrypoint", "commands",
)  # fmt: skip
#: Lists whose order says nothing.
_SETS = {"$permissions", "events", "scopes", "execute"}
#: Facts of a column that change in place, with the data kept.
CHANGEABLE = frozenset({"elements", "size", "required", "min", "max", "default"})


class Kind(StrEnum):
    """What is the matter."""

    MISSING = "missing"
    DIFFERENT = "different"
    #: It is there, and does not work.
    BROKEN = "broken"
    #: It is there, and the models know nothing of it.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the models say.

    Attributes:
        what: such as ``column bookings.priceMinor``.
        kind: what is the matter.
        fact: what of it differs, such as ``size``; empty when it is missing or unknown altogether.
        wanted, found: what the models say of that, and what is there.
        action: what to do about it.
        matters: False when it does no harm.

    """

    what: str
    kind: Kind
    action: str
    fact: str = ""
    wanted: Any = None
    found: Any = None
    matters: bool = True

    def __str__(self) -> str:
        match self.kind:
            case Kind.DIFFERENT:
                said = f"{self.fact} is {self.found!r}, the model says {self.wanted!r}"
            case Kind.BROKEN:
                said = f"{self.fact} is {self.found!r}"
            case Kind.MISSING:
                said = "is missing"
            case Kind.UNKNOWN:
                said = "is not in the model"
        return f"{self.what}: {said}"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


# --- tables -----------------------------------------------------------------------------------------------------------
def compare_tables(wanted: Sequence[Definition], found: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """How tables differ.

    Args:
        wanted: as the models say (`massage_link.schema.table_definition`).
        found: as a server or `appwrite.json` says.

    """
    return list(_tables(wanted, {table["$id"]: table for table in found}))


def _tables(wanted: Sequence[Definition], found: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    for table in wanted:
        what = f"table {table['$id']}"
        there = found.get(table["$id"])
        if there is None:
            yield Difference(what, Kind.MISSING, _SCHEMA_PUSH)
            continue
        for fact, expected, have in _unlike(_TABLE_FACTS, table, there):
            yield Difference(what, Kind.DIFFERENT, _table_action(fact, expected, have), fact, expected, have)
        yield from _columns(table, there)
        yield from _indexes(table, there)
    for table_id in sorted(found.keys() - {table["$id"] for table in wanted}):
        action = "nothing reads it; delete it if it is not yours"
        yield Difference(f"table {table_id}", Kind.UNKNOWN, action, matters=False)


def _columns(table: Definition, there: Mapping[str, Any]) -> Iterator[Difference]:
    columns = {column["key"]: column for column in there["columns"]}
    for column in table["columns"]:
        what = f"column {table['$id']}.{column['key']}"
        have = columns.pop(column["key"], None)
        if have is None:
            yield Difference(what, Kind.MISSING, _SCHEMA_PUSH)
            continue
        yield from _state(what, have)
        for fact, expected, value in _unlike(_COLUMN_FACTS, column, have):
            yield Difference(what, Kind.DIFFERENT, _column_action(fact), fact, expected, value)
    for key, column in sorted(columns.items()):
        blocks = bool(column.get("required"))
        action = "it is required, so no row can be written: delete it" if blocks else "delete it if it is not yours"
        yield Difference(f"column {table['$id']}.{key}", Kind.UNKNOWN, action, matters=blocks)


def _indexes(table: Definition, there: Mapping[str, Any]) -> Iterator[Difference]:
    indexes = {index["key"]: index for index in there["indexes"]}
    for index in table["indexes"]:
        what = f"index {table['$id']}.{index['key']}"
        have = indexes.pop(index["key"], None)
        if have is None:
            yield Difference(what, Kind.MISSING, _SCHEMA_PUSH)
            continue
        yield from _state(what, have)
        for fact, expected, value in _unlike(_INDEX_FACTS, index, have):
            yield Difference(what, Kind.DIFFERENT, f"{_FORCED_PUSH}, which makes the index anew", fact, expected, value)
    for key, index in sorted(indexes.items()):
        unique = index["type"] == "unique"
        action = "an upsert that collides on it takes over another row: delete it" if unique else "it costs writes"
        yield Difference(f"index {table['$id']}.{key}", Kind.UNKNOWN, action, matters=unique)


def _state(what: str, there: Mapping[str, Any]) -> Iterator[Difference]:
    state = there.get("status", "available")
    if state == "processing":
        yield Difference(what, Kind.BROKEN, "wait until the server has made it", "status", found=state)
    elif state != "available":
        reason = f" ({there['error']})" if there.get("error") else ""
        yield Difference(what, Kind.BROKEN, f"delete it and {_SCHEMA_PUSH}{reason}", "status", found=state)


def _column_action(fact: str) -> str:
    if fact == "size":
        return f"{_FORCED_PUSH}; the server refuses a size that is too small for what is there"
    if fact in CHANGEABLE:
        return f"{_FORCED_PUSH}; rows that do not fit stay, and can not be written before they do"
    return f"{_FORCED_PUSH}, which makes the column anew and LOSES ITS DATA"


def _table_action(fact: str, wanted: Any, found: Any) -> str:
    if fact == "$permissions" and (wider := set(found) - set(wanted)):
        return f"{', '.join(sorted(wider))} lets people in who shall not be: {_SETTINGS_PUSH}"
    return _SETTINGS_PUSH


# --- functions --------------------------------------------------------------------------------------------------------
def compare_functions(
    wanted: Sequence[Definition], found: Sequence[Mapping[str, Any]], *, known: Collection[str] = ()
) -> list[Difference]:
    """How functions differ, and whether they have code that runs.

    Args:
        wanted: as the models say (`massage_link.schema.Function.definition`).
        found: as a server or `appwrite.json` says.
        known: ids of functions of ours that this deployment shall not have.

    """
    there = {function["$id"]: function for function in found}
    differences = list(_functions(wanted, there))
    for function_id in sorted((there.keys() & set(known)) - {function["$id"] for function in wanted}):
        action = "this deployment is not in direct-write mode: delete the function"
        differences.append(Difference(f"function {function_id}", Kind.UNKNOWN, action))
    return differences


def _functions(wanted: Sequence[Definition], found: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    for function in wanted:
        what = f"function {function['$id']}"
        there = found.get(function["$id"])
        if there is None:
            yield Difference(what, Kind.MISSING, _FUNCTION_PUSH)
            continue
        for fact, expected, have in _unlike(_FUNCTION_FACTS, function, there):
            yield Difference(what, Kind.DIFFERENT, _FUNCTION_PUSH, fact, expected, have)
        if there.get("latestDeploymentStatus") == "failed":
            action = f"read the build's log in the console, then {_FUNCTION_PUSH}"
            yield Difference(what, Kind.BROKEN, action, "latestDeploymentStatus", found="failed")
        elif there.get("deploymentId") == "":
            yield Difference(what, Kind.BROKEN, f"it has no code: {_FUNCTION_PUSH}", "deploymentId", found="")


# --- values -----------------------------------------------------------------------------------------------------------
def _unlike(
    facts: Sequence[str], wanted: Mapping[str, Any], found: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """The facts in which they differ: their names, what is wanted, what is found."""
    for fact in facts:
        if fact not in wanted and fact != "format":
            continue  # a server also says what the kind of column does not have
        expected, have = wanted.get(fact), found.get(fact)
        if fact == "format":
            expected, have = expected or None, have or None
        if fact in _SETS:
            expected, have = sorted(expected or ()), sorted(have or ())
        if expected != have:
            yield fact, expected, have
