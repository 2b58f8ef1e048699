"""What a write is called: event names, realtime channels, and the roles that may hear of it. Pure.

One change carries some 64 names: every identifier may be a wildcard, a name may stop at any depth, and a row is
announced in three spellings (``tablesdb…tables…rows``, ``databases…collections…documents``,
``databases…tables…rows``). Functions are matched against the two ``databases`` spellings only: that is how the
real server behaves, a pattern beginning with ``tablesdb.`` never fires there.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ACTIONS = ("create", "update", "upsert", "delete")
_ROW = "\0"  # stands for the row's id in a cached template; no id contains it
_SUFFIXED = frozenset(
    {"documents", "rows", "files", "executions", "functions", "account", "teams", "memberships", "presences"}
)
_ROW_SPELLINGS = (
    "tablesdb.{db}.tables.{table}.rows.{row}",
    "databases.{db}.collections.{table}.documents.{row}",
    "databases.{db}.tables.{table}.rows.{row}",
)
_READ = re.compile(r'^read\("(.+)"\)$')


def read_roles(permissions: Iterable[object]) -> tuple[str, ...]:
    """The roles that ``permissions`` (such as ``read("user:ann")``) let read."""
    found = (_READ.match(p) for p in permissions if isinstance(p, str))
    return tuple(match.group(1) for match in found if match)


@dataclass(frozen=True)
class RowChange:
    """One row was written. ``row`` is the payload exactly as it is announced, ``$id`` and ``$permissions`` included."""

    database_id: str
    table_id: str
    action: str  # create, update, upsert or delete
    row: Mapping[str, object]
    table_permissions: tuple[str, ...]
    row_security: bool
    in_transaction: bool = False
    acting_user_id: str | None = None
    api: Literal["tablesdb", "databases"] = "tablesdb"

    rebinds_user_id = None  # a row never changes who somebody is

    @property
    def payload(self) -> Mapping[str, object]:
        return self.row

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every name under which realtime announces the change, the exact ``tablesdb`` one first."""
        return _fill(_row_names(self.database_id, self.table_id, self.action, _ROW_SPELLINGS), self._row_id)

    @cached_property
    def function_names(self) -> tuple[str, ...]:
        """The names that functions are matched against; the first one becomes ``x-appwrite-event``."""
        documents, rows = _ROW_SPELLINGS[1:]
        order = (documents, rows) if self._announced_as_document else (rows, documents)
        return _fill(_row_names(self.database_id, self.table_id, self.action, order), self._row_id)

    @cached_property
    def channels(self) -> tuple[str, ...]:
        return _fill(_row_channels(self.database_id, self.table_id, self.action), self._row_id)

    @cached_property
    def roles(self) -> frozenset[str]:
        readers = read_roles(self.table_permissions)
        if self.row_security:
            permissions = self.row.get("$permissions")
            readers += read_roles(permissions if isinstance(permissions, list | tuple) else ())
        return frozenset(readers)

    @property
    def _row_id(self) -> str:
        return str(self.row["$id"])

    @property
    def _announced_as_document(self) -> bool:
        """The real server's create and bulk routes name documents even when called as TablesDB routes."""
        if self.in_transaction:
            return self.api == "databases"
        is_bulk = "$collection" in self.row
        return self.action == "create" or is_bulk or "$tableId" not in self.row


@dataclass(frozen=True)
class ResourceChange:
    """Anything else was written, such as ``users.[userId].update.name``.

    ``ids`` gives the bracketed identifiers of ``pattern``. A membership change names the user whose roles it
    changed in ``rebinds_user_id``, so that open connections learn of it.
    """

    pattern: str
    ids: Mapping[str, str]
    payload: Mapping[str, object]
    acting_user_id: str | None = None
    rebinds_user_id: str | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        return event_names(self.pattern, self.ids)

    @property
    def function_names(self) -> tuple[str, ...]:
        return self.names

    @cached_property
    def channels(self) -> tuple[str, ...]:
        parts = self.names[0].split(".")
        return _with_actions(_resource_channels(parts, self.payload), parts)

    @cached_property
    def roles(self) -> frozenset[str]:
        kind, first_id = self.names[0].split(".")[:2]
        if kind == "users":
            return frozenset({f"user:{first_id}"})
        if kind == "teams":
            return frozenset({f"team:{first_id}"})
        permissions = self.payload.get("$permissions")
        return frozenset(read_roles(permissions if isinstance(permissions, list | tuple) else ()))


Change = RowChange | ResourceChange


def event_names(pattern: str, ids: Mapping[str, str]) -> tuple[str, ...]:
    """Every name of an event that is described by ``pattern``, the real server's first one first."""
    names: dict[str, None] = {}
    for prefix in _prefixes(pattern.split(".")):
        _add_wildcards(names, prefix, ids)
    return tuple(names)


def _add_wildcards(names: dict[str, None], segments: Sequence[str], ids: Mapping[str, str]) -> None:
    holes = [i for i, segment in enumerate(segments) if segment.startswith("[")]
    concrete = [ids[segment[1:-1]] if segment.startswith("[") else segment for segment in segments]
    for wild in _wildcard_sets(holes):
        names[".".join("*" if i in wild else segment for i, segment in enumerate(concrete))] = None


def _wildcard_sets(holes: Sequence[int]) -> list[frozenset[int]]:
    """None, all, then the rest: the order in which the real server lists names."""
    some = itertools.chain.from_iterable(itertools.combinations(holes, n) for n in range(1, len(holes)))
    return [frozenset(), frozenset(holes), *map(frozenset, some)]


def _prefixes(parts: list[str]) -> list[list[str]]:
    """The shortened forms of a pattern; an attribute such as ``update.email`` also yields the bare action."""
    ids = [i for i, part in enumerate(parts) if part.startswith("[")]
    resource, tail = parts[: ids[-1] + 1], parts[ids[-1] + 1 :]
    forms = [[*resource, *tail[:n]] for n in range(len(tail), 0, -1)]
    if len(ids) == 1:
        forms.reverse()  # a top-level resource is announced by its bare action first
    elif len(tail) == 2:
        forms.append([*parts[: ids[0] + 1], *tail])
    forms += [parts[: i + 1] for i in reversed(ids)]
    return forms


@lru_cache(maxsize=1024)
def _row_names(database_id: str, table_id: str, action: str, spellings: tuple[str, ...]) -> tuple[str, ...]:
    spelled = [_one_spelling(spelling, database_id, table_id, action) for spelling in spellings]
    return tuple(dict.fromkeys(itertools.chain.from_iterable(zip(*spelled, strict=True))))


def _one_spelling(spelling: str, database_id: str, table_id: str, action: str) -> tuple[str, ...]:
    pattern = spelling.format(db="[db]", table="[table]", row="[row]") + f".{action}"
    return event_names(pattern, {"db": database_id, "table": table_id, "row": _ROW})


@lru_cache(maxsize=1024)
def _row_channels(database_id: str, table_id: str, action: str) -> tuple[str, ...]:
    documents = f"databases.{database_id}.collections.{table_id}.documents"
    rows = f"databases.{database_id}.tables.{table_id}.rows"
    tablesdb = f"tablesdb.{database_id}.tables.{table_id}.rows"
    plain = ["documents", documents, f"{documents}.{_ROW}", "rows", rows, f"{rows}.{_ROW}"]
    plain += [tablesdb, f"{tablesdb}.{_ROW}"]
    return (*plain, *(f"{channel}.{action}" for channel in plain))


def _fill(template: tuple[str, ...], row_id: str) -> tuple[str, ...]:
    return tuple([text.replace(_ROW, row_id) for text in template])


def _resource_channels(parts: list[str], payload: Mapping[str, object]) -> list[str]:
    kind, first_id = parts[0], parts[1]
    below = parts[2] if len(parts) > 2 else ""
    if kind == "users":
        return ["account", f"account.{first_id}"]
    if kind == "teams":
        return ["memberships", f"memberships.{parts[3]}"] if below == "memberships" else ["teams", f"teams.{first_id}"]
    if kind == "presences":
        return ["presences", f"presences.{first_id}"]
    if kind == "functions" and below == "executions" and payload.get("$permissions"):
        return ["executions", f"executions.{payload['$id']}", f"functions.{payload['functionId']}"]
    return []  # databases, tables, columns, functions and deployments are announced to the console only


def _with_actions(channels: list[str], parts: list[str]) -> tuple[str, ...]:
    action = next((part for part in parts[-1:-3:-1] if part in ACTIONS), None)
    is_nested_account_event = parts[0] == "users" and (len(parts) < 3 or parts[2] != action)
    if action is None or is_nested_account_event:
        return tuple(channels)
    suffixed = [c for c in channels if any(segment in _SUFFIXED for segment in c.split(".")[-2:])]
    return tuple(dict.fromkeys([*channels, *(f"{channel}.{action}" for channel in suffixed)]))
