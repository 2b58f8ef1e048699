"""Listings: every page is read, the server's total is never believed, and nothing is read that nobody asks for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace import all_of
from massage_link import AsyncMassageLink, MassageLink
from massage_link.errors import InvalidInput

Make = Callable[..., AsyncMassageLink]
ROWS = "/tablesdb/massage_link/tables/chat_messages/rows"


def rows(number: int) -> list[dict[str, Any]]:
    """Messages 1 to `number` of a room."""
    facts = {"roomId": "r", "senderId": "s", "kind": "user", "body": "x", "sentAt": "2026-11-23T08:00:00.000+00:00"}
    return [{"$id": f"r_{n}", "n": n, "clientId": f"c{n}", **facts} for n in range(1, number + 1)]


def serve(stored: list[dict[str, Any]], total: int) -> Callable[[httpx.Request], httpx.Response]:
    """Answers a list as the server does, by limit and cursor, with this total."""

    def answer(request: httpx.Request) -> httpx.Response:
        queries = {
            each["method"]: each.get("values") for each in map(json.loads, request.url.params.get_list("queries[]"))
        }
        [after] = queries.get("cursorAfter") or [None]
        begin = 0 if after is None else [row["$id"] for row in stored].index(after) + 1
        return httpx.Response(200, json={"total": total, "rows": stored[begin : begin + queries["limit"][0]]})

    return answer


@pytest.mark.parametrize("total", [0, 3, 5_000])
async def test_every_page_is_read_whatever_the_total_says(make: Make, api: respx.MockRouter, total: int) -> None:
    api.get(ROWS).mock(side_effect=serve(rows(7), total))
    link = make()
    assert [each.n async for each in link.chat.messages("r", page_size=3)] == list(range(1, 8))


async def test_a_page_is_read_when_it_is_needed(make: Make, api: respx.MockRouter) -> None:
    route = api.get(ROWS).mock(side_effect=serve(rows(9), 9))
    listing = make().chat.messages("r", page_size=3)
    assert route.call_count == 0
    assert [(await anext(listing)).n for _ in range(3)] == [1, 2, 3]
    assert route.call_count == 1
    assert (await anext(listing)).n == 4
    assert route.call_count == 2


async def test_a_limit_below_a_page_reads_no_more_than_it(make: Make, api: respx.MockRouter) -> None:
    route = api.get(ROWS).mock(side_effect=serve(rows(9), 9))
    assert [each.n for each in await all_of(make().chat.messages("r", limit=2))] == [1, 2]
    assert json.loads(route.calls.last.request.url.params.get_list("queries[]")[-1])["values"] == [2]
    assert route.call_count == 1


async def test_a_limit_of_none_at_all_asks_nothing(make: Make, api: respx.MockRouter) -> None:
    route = api.get(ROWS).mock(side_effect=serve(rows(9), 9))
    assert await all_of(make().chat.messages("r", limit=0)) == []
    assert not route.called


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 20), st.integers(1, 7), st.none() | st.integers(0, 25))
def test_any_page_size_and_limit_give_the_first_rows_in_order(
    api: respx.MockRouter, stored: int, page_size: int, limit: int | None
) -> None:
    api.get(ROWS).mock(side_effect=serve(rows(stored), 0))
    with MassageLink("http://appwrite.test/v1", "project", api_key="key") as link:
        found = [each.n for each in link.chat.messages("r", page_size=page_size, limit=limit)]
    assert found == list(range(1, stored + 1))[:limit]


@pytest.mark.parametrize("wrong", [{"page_size": 0}, {"page_size": 5_001}, {"limit": -1}])
async def test_sizes_that_no_server_takes_are_refused(make: Make, wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        await all_of(make().chat.messages("r", **wrong))  # type: ignore[arg-type]
