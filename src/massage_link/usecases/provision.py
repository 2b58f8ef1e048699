"""Make the database, its tables and the functions on a server: only what is missing, so it is safe to repeat.

What is there already and differs from the model is named in a `SchemaError` and not touched, unless that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from massage_link.domain.rows import Row
from massage_link.domain.tables import TABLES, Table
from massage_link.errors import Conflict, NotFound, RowNotFound, SchemaError
from massage_link.schema import Definition, Difference, Kind, compare_tables, functions_of, table_definition
from massage_link.usecases.ports import Ports
from massage_link.usecases.reshaping import reshape
from massage_link.usecases.settling import available
from massage_link.wire.call import Flow
from massage_link.wire.control import (
    create_column,
    create_database,
    create_function,
    create_index,
    create_table,
    get_function,
    list_databases,
    list_tables,
    update_function,
)
from massage_link.wire.rows import TableAddress

__all__ = ["databases_beside", "push_functions", "push_schema", "tables_of"]

_Progress = Callable[[str], None]
_CREATE: Mapping[str, Callable[[TableAddress, Mapping[str, Any]], Any]] = {
    "columns": create_column,
    "indexes": create_index,
}
_ONE = {"columns": "column", "indexes": "index"}


def _silent(_: object) -> None:
    pass


def push_schema(
    ports: Ports,
    *,
    tables: Sequence[Table[Row]] = TABLES,
    direct_write: bool = False,
    allow_destructive: bool = False,
    announce: Callable[[Sequence[Difference]], None] = _silent,
    advance: _Progress = _silent,
    progress: _Progress = _silent,
) -> Flow[int]:
    """Create the database and whatever is missing of its tables, columns and indexes; wait until they are available.

    Args:
        ports: surroundings; they name the database.
        tables: what is to be there.
        direct_write: let signed-in clients write booking rows themselves.
        allow_destructive: also change what differs: settings of tables and bounds of columns in place, indexes and
            other columns by deleting them and making them anew, **with the data of these columns lost**.
        announce: told what is missing or differs before anything is done.
        advance: told each table, column and index that is made.
        progress: told each table's id when it is complete.

    Returns:
        How many tables, columns and indexes were made or changed.

    Raises:
        SchemaError: something is there that differs, or the server could not make it. In the first case nothing has
            been done.

    """
    wanted = [table_definition(table, ports.database, direct_write=direct_write) for table in tables]
    found = yield from tables_of(ports)
    differences = [each for each in compare_tables(wanted, found) if each.kind != Kind.UNKNOWN]
    announce(differences)
    in_the_way = [each for each in differences if each.kind != Kind.MISSING and each.found != "processing"]
    if in_the_way and not allow_destructive:
        raise SchemaError(f"the server's tables are not as the model says; nothing was made. {_sentences(in_the_way)}")
    changed = yield from reshape(ports, wanted, in_the_way, advance)
    made = yield from _make(ports, wanted, advance)
    for table in tables:
        progress(table.id)
    return changed + made


def tables_of(ports: Ports) -> Flow[list[dict[str, Any]]]:
    """The tables that the server has; none when it has no such database."""
    try:
        return (yield from list_tables(ports.database))
    except NotFound:
        return []


def databases_beside(ports: Ports) -> Flow[list[str]]:
    """Ids of the project's other databases: `appwrite push tables` from our file would delete them."""
    return sorted({each["$id"] for each in (yield from list_databases())} - {ports.database})


def _sentences(differences: Sequence[Difference]) -> str:
    return " ".join(f"{each}: {each.action}." for each in differences)


def _make(ports: Ports, wanted: Sequence[Definition], advance: _Progress) -> Flow[int]:
    """Whatever is missing."""
    made = yield from _unless_there(create_database(ports.database, "Massage Link"))
    there = {table["$id"]: table for table in (yield from tables_of(ports))}
    for table in wanted:
        if table["$id"] not in there:
            made += yield from _unless_there(create_table(_address(table), table["name"], table["$permissions"]))
            advance(f"table {table['$id']}")
    # The server makes columns and indexes one after another, so all are asked for before the first is waited for.
    for kind, create in _CREATE.items():
        for table in wanted:
            present = {each["key"] for each in there.get(table["$id"], {}).get(kind, ())}
            for each in table[kind]:
                if each["key"] not in present:
                    made += yield from _unless_there(create(_address(table), each))
                    advance(f"{_ONE[kind]} {table['$id']}.{each['key']}")
        for table in wanted:
            yield from available(_address(table), kind)
    return made


def _address(table: Definition) -> TableAddress:
    return TableAddress(table["databaseId"], table["$id"])


def _unless_there(call: Any) -> Flow[int]:
    try:
        yield from call
    except Conflict:
        return 0
    return 1


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
