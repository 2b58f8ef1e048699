"""Change what is on a server and differs from the model: in place where that is possible, else by deleting it.

What is deleted here is made anew with whatever else is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from massage_link.schema import Definition, Difference, Kind
from massage_link.schema.compare import CHANGEABLE
from massage_link.usecases.ports import Ports
from massage_link.usecases.settling import available, gone
from massage_link.wire.call import Flow
from massage_link.wire.control import delete_column, delete_index, get_table, update_column, update_table
from massage_link.wire.rows import TableAddress

__all__ = ["reshape"]


def reshape(
    ports: Ports, wanted: Sequence[Definition], differences: Sequence[Difference], advance: Callable[[str], None]
) -> Flow[int]:
    """Bring tables to what the model says.

    Args:
        ports: surroundings.
        wanted: the tables, as the models say.
        differences: what is there and differs, or does not work.
        advance: told each table, column and index that is changed.

    Returns:
        How many were changed in place; what was deleted is missing now.

    """
    changed = 0
    for table in wanted:
        facts = _by_thing(table["$id"], differences)
        if facts:
            changed += yield from _reshape_table(TableAddress(ports.database, table["$id"]), table, facts, advance)
    return changed


def _by_thing(table_id: str, differences: Sequence[Difference]) -> dict[str, set[str]]:
    """What of the table is to be changed: its own name, columns and indexes, each with the facts that differ."""
    found: dict[str, set[str]] = {}
    for each in differences:
        if each.what == f"table {table_id}" or each.what.partition(" ")[2].startswith(f"{table_id}."):
            found.setdefault(each.what, set()).add(each.fact if each.kind == Kind.DIFFERENT else "status")
    return found


def _reshape_table(
    address: TableAddress, table: Definition, facts: dict[str, set[str]], advance: Callable[[str], None]
) -> Flow[int]:
    name = table["$id"]
    columns = {column["key"]: facts.get(f"column {name}.{column['key']}", set()) for column in table["columns"]}
    lost = {key for key, differing in columns.items() if differing - CHANGEABLE}
    # An index on a column that is made anew would be left without it.
    indexes = {
        index["key"]
        for index in table["indexes"]
        if f"index {name}.{index['key']}" in facts or lost & set(index["columns"])
    }
    yield from _delete(address, "indexes", indexes)
    yield from _delete(address, "columns", lost)
    changed = 0
    if f"table {name}" in facts:
        yield from update_table(address, table)
        advance(f"table {name}")
        changed += 1
    for column in table["columns"]:
        if columns[column["key"]] and column["key"] not in lost:
            yield from update_column(address, column)
            advance(f"column {name}.{column['key']}")
            changed += 1
    yield from available(address, "columns")
    return changed


def _delete(address: TableAddress, kind: str, keys: set[str]) -> Flow[None]:
    there = yield from _present(address, kind)
    delete = delete_column if kind == "columns" else delete_index
    for key in sorted(keys & there):
        yield from delete(address, key)
    yield from gone(address, kind, keys)


def _present(address: TableAddress, kind: str) -> Flow[set[str]]:
    found = yield from get_table(address)
    return {each["key"] for each in found[kind]}
