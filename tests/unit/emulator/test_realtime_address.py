"""The address of a realtime connection, read as PHP reads it."""

from __future__ import annotations

import pytest

from massage_link.emulator.realtime import own_channels
from massage_link.emulator.realtime_address import foreign_origin, read_query, subscriptions, wanted_channels

EQUAL = '{"method":"equal","attribute":"x","values":[1]}'


def test_lists_and_nested_lists_are_read() -> None:
    query = read_query("project=p&channels[]=a&channels[]=b&a.b[1][]=q&channels[7]=c")
    assert query == {"project": "p", "channels": {"0": "a", "1": "b", "7": "c"}, "a_b": {"1": {"0": "q"}}}
    assert wanted_channels(query) == ["a", "b", "c"]


def test_a_single_channel_needs_no_brackets() -> None:
    assert wanted_channels(read_query("channels=rows")) == ["rows"]


def test_a_scalar_gives_way_to_a_list() -> None:
    assert read_query("a=1&a[x][y]=2") == {"a": {"x": {"y": "2"}}}


def test_channels_without_queries_share_one_subscription() -> None:
    ((names, queries),) = subscriptions(["rows", "files"], {})
    assert names == ["rows", "files"]
    assert [str(query) for query in queries] == ['{"method":"select","values":["*"]}']


def test_each_slot_of_a_channels_queries_is_a_subscription_of_its_own() -> None:
    found = subscriptions(["rows", "files"], read_query(f"rows[0][]={EQUAL}&rows[1][]={EQUAL}&files[1][]={EQUAL}"))
    assert [names for names, _ in found] == [["rows"], ["rows", "files"]]


def test_a_query_may_stand_without_brackets() -> None:
    ((names, queries),) = subscriptions(["rows"], read_query(f"rows={EQUAL}"))
    assert (names, [str(query) for query in queries]) == (["rows"], [EQUAL])


def test_a_channel_called_project_is_not_the_project() -> None:
    ((names, _),) = subscriptions(["project"], read_query("project=massage"))
    assert names == ["project"]


@pytest.mark.parametrize(
    ("origin", "host", "stranger"),
    [
        (None, "h:80", None),
        ("http://localhost:5173", "h:80", None),
        ("http://127.0.0.1", "h:80", None),
        ("http://h:3000", "h:80", None),
        ("https://evil.example", "h:80", "evil.example"),
        ("https://evil.example", None, "evil.example"),
    ],
)
def test_pages_of_other_hosts_are_strangers(origin: str | None, host: str | None, stranger: str | None) -> None:
    assert foreign_origin(origin, host) == stranger


@pytest.mark.parametrize(
    ("channels", "user", "own"),
    [
        (["rows", "account"], "ann", ["rows", "account", "account.ann"]),
        (["account"], "", ["account"]),
        (["account.update"], "ann", ["account.ann.update"]),
        (["account.update"], "", ["account.update"]),
        (["account.bob", "account.bob.update"], "ann", []),
        (["account.ann"], "ann", []),
    ],
)
def test_account_channels_are_the_callers_own(channels: list[str], user: str, own: list[str]) -> None:
    assert own_channels(channels, user) == own
