from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from massage_link.errors import UsageError
from massage_link.realtime import Change, Credential, Mutable, Numbered, Page, Position, Source
from massage_link.realtime.connection import realtime_url
from massage_link.realtime.source import joined_by_underscore


async def nothing(after: Position, limit: int) -> Page:
    raise AssertionError


def source(**changes: Any) -> Source[Any]:
    facts: dict[str, Any] = {"name": "n", "table": "t", "channels": [], "identity": Mutable(), "decode": dict}
    return Source(**{**facts, "read_back": nothing, **changes})


@pytest.mark.parametrize("name", ["", "-a", "x" * 37, "a b", "ü"])
def test_a_name_that_is_no_subscription_id_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        source(name=name)


def test_numbered_rows_need_a_way_to_fetch_missing_ones() -> None:
    with pytest.raises(UsageError, match="fetch"):
        source(identity=Numbered(scope="roomId", number="n"))


def test_a_credential_does_not_show_its_secret() -> None:
    assert "geheim" not in repr(Credential("session", "geheim"))


def test_derived_ids_join_scope_and_number() -> None:
    assert joined_by_underscore("b1", 3) == "b1_3"


@pytest.mark.parametrize(("live", "origin"), [(True, "live"), (False, "replay")])
def test_a_change_says_where_it_came_from(live: bool, origin: str) -> None:
    now = datetime.now(UTC)
    change = Change("t/a/1", "created", None, "t", "a", 1, live, now, now, "n")
    assert change.source == origin


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://cloud.appwrite.io/v1", "wss://cloud.appwrite.io/v1/realtime?project=a+b"),
        ("http://127.0.0.1:8080/v1/", "ws://127.0.0.1:8080/v1/realtime?project=a+b"),
    ],
)
def test_the_socket_s_address_follows_from_the_endpoint(endpoint: str, url: str) -> None:
    assert realtime_url(endpoint, "a b") == url


@pytest.mark.parametrize(("endpoint", "project"), [("ftp://host/v1", "p"), ("host/v1", "p"), ("https://host/v1", "")])
def test_an_address_that_cannot_be_one_is_refused(endpoint: str, project: str) -> None:
    with pytest.raises(UsageError):
        realtime_url(endpoint, project)
