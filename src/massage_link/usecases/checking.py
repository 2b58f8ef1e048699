"""Compare a server with the models: tables, functions, and what else is in the project."""

from __future__ import annotations

from massage_link.domain.tables import TABLES
from massage_link.schema import (
    ADMIT_BOOKING,
    Difference,
    Kind,
    compare_functions,
    compare_tables,
    functions_of,
    table_definition,
)
from massage_link.usecases.ports import Ports
from massage_link.usecases.provision import databases_beside, tables_of
from massage_link.wire.call import Flow
from massage_link.wire.control import list_functions

__all__ = ["check_server"]


def check_server(ports: Ports, *, direct_write: bool) -> Flow[list[Difference]]:
    """How the server differs from the models. Reads only; the key needs to read databases, tables and functions.

    Args:
        ports: surroundings; they name the database.
        direct_write: whether signed-in clients may write booking rows themselves.

    """
    tables = [table_definition(table, ports.database, direct_write=direct_write) for table in TABLES]
    functions = [function.definition() for function in functions_of(direct_write=direct_write)]
    found = compare_tables(tables, (yield from tables_of(ports)))
    found += compare_functions(functions, (yield from list_functions()), known=[ADMIT_BOOKING.id])
    for database in (yield from databases_beside(ports)):
        action = "`appwrite push tables` would delete it with all its data: use `massage-link schema push`"
        found.append(Difference(f"database {database}", Kind.UNKNOWN, action, matters=False))
    return found
