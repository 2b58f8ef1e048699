"""Departures are stamped for the requests that others see, in the task that made them."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from massage_link.demo.stopwatch import Departure, Stopwatch, departure


def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=Stopwatch(httpx.MockTransport(lambda _: httpx.Response(200))))


@pytest.mark.parametrize(
    ("method", "path", "matters"),
    [
        ("PATCH", "/v1/tablesdb/transactions/abc", True),
        ("POST", "/v1/tablesdb/massage_link/tables/chat_messages/rows", True),
        ("POST", "/v1/tablesdb/massage_link/tables/bookings/rows", True),
        ("POST", "/v1/tablesdb/transactions", False),
        ("POST", "/v1/tablesdb/transactions/abc/operations", False),
        ("GET", "/v1/tablesdb/massage_link/tables/chat_messages/rows", False),
        ("PATCH", "/v1/tablesdb/massage_link/tables/chat_rooms/rows/b1", False),
    ],
)
async def test_commits_messages_and_own_bookings_are_stamped(method: str, path: str, *, matters: bool) -> None:
    async with client() as http:
        with departure() as noted:
            await http.request(method, f"http://server{path}")
    assert (noted.at is not None) == matters


async def test_the_last_of_several_attempts_counts() -> None:
    async with client() as http:
        with departure() as noted:
            await http.patch("http://server/v1/tablesdb/transactions/first")
            first = noted.at
            await http.patch("http://server/v1/tablesdb/transactions/second")
    assert first is not None
    assert noted.at is not None
    assert noted.at > first


async def test_requests_of_other_tasks_are_not_mixed_up() -> None:
    async def send(path: str) -> Departure:
        with departure() as noted:
            await http.patch(f"http://server{path}")
        return noted

    async with client() as http:
        commit, other = await asyncio.gather(send("/v1/tablesdb/transactions/a"), send("/v1/other"))
    assert commit.at is not None
    assert other.at is None
