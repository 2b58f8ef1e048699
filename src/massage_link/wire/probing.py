"""Calls with which a health check looks at a server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from appwrite.query import Query

from massage_link.wire.call import Call, Reply, path, raw_json

__all__ = ["Greeting", "failed_executions", "greeting"]


@dataclass(frozen=True, slots=True)
class Greeting:
    """Who answers, and what the time is there (to the second)."""

    version: str
    server_time: datetime


def greeting() -> Call[Greeting]:
    """The server's version and time, asked as a guest: a key is refused."""

    def parse(reply: Reply) -> Greeting:
        return Greeting(str(raw_json(reply)["version"]), parsedate_to_datetime(reply.headers["date"]))

    return Call("GET", path("health", "version"), parse, repeatable=True, credential="none")


def failed_executions(function_id: str, since: str, most: int) -> Call[list[dict[str, Any]]]:
    """Executions of a function that failed since an instant (ISO 8601), newest first, at most so many."""
    queries = (
        Query.equal("status", ["failed"]),
        Query.greater_than("$createdAt", since),
        Query.order_desc("$createdAt"),
        Query.limit(most),
    )
    address = path("functions", function_id, "executions", queries=queries)
    return Call("GET", address, lambda reply: list(raw_json(reply)["executions"]), repeatable=True)
