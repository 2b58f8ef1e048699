"""Probes of the tables: are they as the models say, and can those read them who shall, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from appwrite.query import Query
from pydantic import ValidationError

from massage_link.domain.draft import Draft, is_booking_row
from massage_link.domain.rows import Row
from massage_link.domain.tables import BOOKINGS, TABLES, Reader, Table
from massage_link.errors import NotFound, Unauthorized
from massage_link.health.report import Finding, State
from massage_link.health.surroundings import Asked, Surroundings
from massage_link.schema import Difference, Kind, compare_tables, table_definition
from massage_link.usecases.provision import tables_of
from massage_link.wire.rows import list_raw_rows

if TYPE_CHECKING:
    from massage_link.client.link import AsyncMassageLink

__all__ = ["SCHEMA", "TABLES_PROBE"]

_MOST_TOLD = 5


async def _schema(surroundings: Surroundings) -> Finding:
    link = surroundings.link
    direct_write = await surroundings.is_direct_write()
    wanted = [table_definition(table, link.ports.database, direct_write=direct_write) for table in TABLES]
    found = compare_tables(wanted, await link.run(tables_of(link.ports)))
    differences = [each for each in found if each.matters]
    if not differences:
        mode = "; signed-in clients may write booking rows" if direct_write else ""
        return Finding(State.OK, f"{len(TABLES)} tables are as the models say{mode}.")
    # Without an index it is slow, with another bound it is narrow; without a column or table nothing is written.
    broken = [each for each in differences if each.kind in {Kind.MISSING, Kind.BROKEN} and "index" not in each.what]
    state = State.DOWN if broken else State.DEGRADED
    return Finding(state, _told(differences), _actions(differences))


def _told(differences: Sequence[Difference]) -> str:
    more = f" And {len(differences) - _MOST_TOLD} more." if len(differences) > _MOST_TOLD else ""
    return " ".join(f"{each}." for each in differences[:_MOST_TOLD]) + more


def _actions(differences: Sequence[Difference]) -> str:
    actions = list(dict.fromkeys(each.action for each in differences))
    return "; ".join(actions[:2]) + ". `massage-link schema check` says it all."


async def _tables(surroundings: Surroundings) -> Finding:
    link = surroundings.link
    stranger = link.as_user(surroundings.canary.customer_id) if surroundings.has_listener else None
    problems = await asyncio.gather(*(_problem(link, stranger, table) for table in TABLES))
    wrong = [problem for problem in problems if problem]
    if wrong:
        state = State.DOWN if any(problem.state is State.DOWN for problem in wrong) else State.DEGRADED
        return Finding(
            state, " ".join(each.found for each in wrong[:_MOST_TOLD]), " ".join(each.action for each in wrong[:2])
        )
    found = f"The key reads all {len(TABLES)} tables"
    if stranger is None:
        return Finding(State.OK, f"{found}; whether a stranger sees nothing was not tried, for want of users.write.")
    return Finding(State.OK, f"{found}; a user who has no part in anything sees the catalogue and nothing else.")


async def _problem(link: AsyncMassageLink, stranger: AsyncMassageLink | None, table: Table[Row]) -> Finding | None:
    newest = [Query.order_desc("$createdAt"), Query.limit(1)]
    try:
        rows = (await link.send(list_raw_rows(link.ports.address(table), newest))).rows
    except NotFound:
        return Finding(State.DOWN, f"Table {table.id} is not there.", "Run `massage-link schema push`.")
    if rows and not _is_readable(table, rows[0]):
        found = f"The newest row of {table.id} is not what the model says."
        return Finding(State.DEGRADED, found, "Run `massage-link schema check`; see who else writes to the table.")
    return None if stranger is None else await _openness(stranger, table)


def _is_readable(table: Table[Row], row: dict[str, Any]) -> bool:
    model: type[Row] = Draft if table.id == BOOKINGS.id and not is_booking_row(row) else table.model
    try:
        model.model_validate(row)
    except ValidationError:
        return False
    return True


async def _openness(stranger: AsyncMassageLink, table: Table[Row]) -> Finding | None:
    public = Reader.ANY in table.readers
    try:
        seen = (await stranger.send(list_raw_rows(stranger.ports.address(table), [Query.limit(1)]))).rows
    except Unauthorized:
        if not public:
            return None
        found = f"Users can not read {table.id}, which is public."
        return Finding(State.DOWN, found, "Run `massage-link schema push --allow-destructive`: it keeps the rows.")
    if public or not seen:
        return None
    found = f"A user who has no part in anything can read rows of {table.id}."
    action = "Take the permission away (`massage-link schema check` names a table's; else look at the rows')."
    return Finding(State.DOWN, found, action)


SCHEMA = Asked(
    "schema",
    "Bookings can not be written, or their columns and indexes are not those that the programs count on.",
    _schema,
    needs=("credentials",),
)
TABLES_PROBE = Asked(
    "tables",
    "Bookings can not be read, or are read by those whom they do not concern.",
    _tables,
    needs=("credentials", "schema"),
)
