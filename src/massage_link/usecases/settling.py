"""The server makes and deletes columns and indexes in the background: wait until it has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from massage_link.errors import SchemaError
from massage_link.wire.call import Flow, Sleep
from massage_link.wire.control import get_table
from massage_link.wire.rows import TableAddress

__all__ = ["available", "gone"]

_POLL = 0.05
_LONGEST_POLL = 1.0
#: Seconds that a column or index may take; the server makes them one after another.
_PATIENCE = 300.0


def available(table: TableAddress, kind: str) -> Flow[None]:
    """Wait until all columns (or indexes: `kind`) of a table are available.

    Raises:
        SchemaError: the server could not make one, or takes longer than five minutes.

    """

    def settled(found: Sequence[Mapping[str, Any]]) -> bool:
        broken = {each["key"]: each.get("error") for each in found if each["status"] in {"failed", "stuck"}}
        if broken:
            reasons = ", ".join(f"{key} ({error})" for key, error in sorted(broken.items()))
            raise SchemaError(f"{kind} of {table.table} that the server could not make: {reasons}.")
        return all(each["status"] == "available" for each in found)

    yield from _until(table, kind, settled, "available")


def gone(table: TableAddress, kind: str, keys: Collection[str]) -> Flow[None]:
    """Wait until these columns (or indexes) of a table are deleted.

    Raises:
        SchemaError: it takes longer than five minutes.

    """
    yield from _until(table, kind, lambda found: not {each["key"] for each in found} & set(keys), "deleted")


def _until(
    table: TableAddress, kind: str, holds: Callable[[Sequence[Mapping[str, Any]]], bool], state: str
) -> Flow[None]:
    waited, pause = 0.0, _POLL
    while True:
        found = yield from get_table(table)
        if holds(found[kind]):
            return
        if waited > _PATIENCE:
            raise SchemaError(
                f"{kind} of {table.table} are still not {state} after {_PATIENCE:.0f} s; try again later."
            )
        yield from Sleep(pause)
        waited += pause
        pause = min(pause * 1.5, _LONGEST_POLL)
