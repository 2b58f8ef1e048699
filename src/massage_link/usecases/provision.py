"""Make the database, its tables and the functions on a server: only what is missing, so it is safe to repeat.

What is there already and differs from the model is not touched: it is named in a `SchemaError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from massage_link.domain.rows import Row
from massage_link.domain.tables import TABLES, Table
from massage_link.errors import Conflict, RowNotFound, SchemaError
from massage_link.schema import functions_of, table_definition
from massage_link.usecases.ports import Ports
from massage_link.wire.call import Flow, Sleep
from massage_link.wire.control import (
    create_column,
    create_database,
    create_function,
    create_index,
    create_table,
    get_function,
    get_table,
    update_function,
)

__all__ = ["push_functions", "push_schema"]

_POLL = 0.05
_LONGEST_POLL = 1.0
#: Seconds that a column or index may take; the server makes them one after another.
_PATIENCE = 300.0
_COMPARED = {
    "columns": ("type", "format", "elements", "size", "required", "array", "min", "max", "default"),
    "indexes": ("type", "columns", "orders"),
}
_Progress = Callable[[str], None]


def _silent(_: str) -> None:
    pass


def push_schema(
    ports: Ports,
    *,
    tables: Sequence[Table[Row]] = TABLES,
    direct_write: bool = False,
    progress: _Progress = _silent,
) -> Flow[int]:
    """Create the database and whatever is missing of its tables, columns and indexes; wait until they are available.

    Args:
        ports: surroundings; they name the database.
        tables: what is to be there.
        direct_write: let signed-in clients write booking rows themselves.
        progress: told each table's id when it is complete.

    Returns:
        How many tables, columns and indexes were made.

    Raises:
        SchemaError: something is there that differs, or the server could not make it.

    """
    made = yield from _unless_there(create_database(ports.database, "Massage Link"))
    missing: dict[str, list[tuple[Table[Row], Mapping[str, Any]]]] = {"columns": [], "indexes": []}
    for table in tables:
        wanted = table_definition(table, ports.database, direct_write=direct_write)
        made += yield from _unless_there(create_table(ports.address(table), table.name, wanted["$permissions"]))
        found = yield from get_table(ports.address(table))
        for kind in missing:
            missing[kind] += [(table, each) for each in _missing(table, kind, wanted, found)]
    # The server makes columns and indexes one after another, so all are asked for before the first is waited for.
    for kind, create in (("columns", create_column), ("indexes", create_index)):
        for table, definition in missing[kind]:
            yield from create(ports.address(table), definition)
            made += 1
        for table in tables:
            yield from _available(ports, table, kind)
    for table in tables:
        progress(table.id)
    return made


def _missing(
    table: Table[Row], kind: str, wanted: Mapping[str, Any], found: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """The columns or indexes that the server's table lacks; refuses one that differs."""
    _refuse_difference(f"table {table.id}", {"permissions": wanted["$permissions"]}, _permissions(found))
    there = {each["key"]: each for each in found[kind]}
    for each in wanted[kind]:
        if each["key"] in there:
            expected = {key: each[key] for key in _COMPARED[kind] if key in each}
            _refuse_difference(f"{kind} {table.id}.{each['key']}", expected, there[each["key"]])
    return [each for each in wanted[kind] if each["key"] not in there]


def _permissions(found: Mapping[str, Any]) -> dict[str, Any]:
    return {"permissions": found["$permissions"]}


def _unless_there(call: Any) -> Flow[int]:
    try:
        yield from call
    except Conflict:
        return 0
    return 1


def _refuse_difference(what: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for key, value in wanted.items():
        if found.get(key, None if key != "format" else "") != value:
            raise SchemaError(
                f"{what} is on the server with {key} {found.get(key)!r}, and the model says {value!r}. "
                "No column or index was made: make them agree, or use another database."
            )


def _available(ports: Ports, table: Table[Row], kind: str) -> Flow[None]:
    waited, pause = 0.0, _POLL
    while True:
        found = yield from get_table(ports.address(table))
        states = {each["key"]: each["status"] for each in found[kind]}
        if broken := sorted(key for key, state in states.items() if state in {"failed", "stuck"}):
            reasons = {each["key"]: each.get("error") for each in found[kind]}
            raise SchemaError(f"{kind} of {table.id} that the server could not make: {', '.join(broken)} ({reasons}).")
        if all(state == "available" for state in states.values()):
            return
        if waited > _PATIENCE:
            raise SchemaError(f"{kind} of {table.id} are still not available after {_PATIENCE:.0f} s; try again later.")
        yield from Sleep(pause)
        waited += pause
        pause = min(pause * 1.5, _LONGEST_POLL)


def push_functions(*, direct_write: bool = False, progress: _Progress = _silent) -> Flow[int]:
    """Create the functions, or bring their settings to what the model says. Their code is deployed apart.

    Returns:
        How many were created.

    """
    made = 0
    for function in functions_of(direct_write=direct_write):
        definition = function.definition()
        try:
            yield from get_function(function.id)
        except RowNotFound:
            yield from create_function(definition)
            made += 1
        else:
            yield from update_function(definition)
        progress(function.id)
    return made
