"""The address of a realtime connection: which project, channels and queries it asks for. Pure.

PHP reads the query string on the real server: dots in a name become underscores, ``channels[]`` and
``channels[0]`` make lists, and ``rows[1][]=QUERY`` puts a query into the second subscription of channel ``rows``.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from .realtime_queries import SELECT_ALL, Query, RealtimeQueryError, parse_queries

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEY = re.compile(r"\[([^\]]*)\]")
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def read_query(raw: str) -> dict[str, Any]:
    """A query string as PHP has it: lists and nested lists are mappings by their keys."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(raw, keep_blank_values=True):
        head, bracket, rest = name.partition("[")
        keys = _KEY.findall(bracket + rest)
        _put(found, [re.sub(r"[. ]", "_", head), *keys], value)
    return found


def _put(target: dict[str, Any], keys: list[str], value: str) -> None:
    for key, below in itertools.pairwise(keys):
        inner = target.get(_slot(target, key))
        if not isinstance(inner, dict):
            inner = target[_slot(target, key)] = {}
        target, key = inner, below  # noqa: PLW2901 - one step down
    target[_slot(target, keys[-1])] = value


def _slot(target: dict[str, Any], key: str) -> str:
    return key or str(len(target))


def wanted_channels(query: dict[str, Any]) -> list[str]:
    """The channels of an address, in its order."""
    channels = query.get("channels", {})
    values = channels.values() if isinstance(channels, dict) else [channels]
    return [channel for channel in values if isinstance(channel, str)]


def subscriptions(channels: Iterable[str], query: dict[str, Any]) -> list[tuple[list[str], tuple[Query, ...]]]:
    """The subscriptions that an address makes: channels and queries of each.

    Raises RealtimeQueryError for a query that realtime does not take.
    """
    slots: dict[str, tuple[list[str], list[Query]]] = {}
    for channel in channels:
        for index, texts in _queries_of(channel, query).items():
            names, queries = slots.setdefault(index, ([], []))
            if channel not in names:
                names.append(channel)
            if not queries:
                queries += [SELECT_ALL] if texts is None else parse_queries(texts)
    return [(names, tuple(queries)) for names, queries in slots.values()]


def _queries_of(channel: str, query: dict[str, Any]) -> dict[str, list[object] | None]:
    given = query.get(channel.replace(".", "_"))
    if given is None or (channel == "project" and isinstance(given, str)):
        return {"0": None}
    if not isinstance(given, dict):
        return {"0": [given]}
    return {index: list(slot.values()) if isinstance(slot, dict) else [slot] for index, slot in given.items()}


def foreign_origin(origin: str | None, host: str | None) -> str | None:
    """The host of a web page that may not connect, or None: pages of this machine and of this server may."""
    name = urlsplit(origin).hostname if origin else None
    own = urlsplit(f"//{host}").hostname if host else None
    return name if name and name not in _LOCAL and name != own else None


__all__ = ["RealtimeQueryError", "foreign_origin", "read_query", "subscriptions", "wanted_channels"]
