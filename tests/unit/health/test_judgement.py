"""What follows from what a probe reads: clocks, certificates, the sweeper's row, a resolver that is silent."""

from __future__ import annotations

import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from massage_link import AsyncMassageLink, State
from massage_link.health.endpoint import judged_certificate, judged_clock
from massage_link.health.functions import judged_sweeper

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def at(**since: float) -> datetime:
    return NOON + timedelta(**since)


@pytest.mark.parametrize(
    ("server", "state", "told"),
    [
        (at(seconds=0), State.OK, "agree"),
        (at(seconds=-1), State.OK, "at least 0.2 s behind"),  # it says whole seconds: 11:59:59 ends just now
        (at(seconds=3), State.OK, "at least 2.7 s ahead"),
        (at(seconds=-30), State.DEGRADED, "behind"),
        (at(seconds=60), State.DEGRADED, "ahead"),
        (at(minutes=10), State.DOWN, "ahead"),
        (at(minutes=-10), State.DOWN, "behind"),
    ],
)
def test_clocks_are_compared_as_far_as_whole_seconds_tell(server: datetime, state: State, told: str) -> None:
    found = judged_clock(at(milliseconds=200), at(milliseconds=300), server)
    assert found.state is state
    assert told in found.found
    assert bool(found.action) is (state is not State.OK)


def test_a_slow_answer_is_no_difference_of_clocks() -> None:
    assert "agree" in judged_clock(NOON, at(seconds=3), at(seconds=1)).found


@pytest.mark.parametrize(
    ("ends", "state"),
    [("Jan  1 12:00:00 2031 GMT", State.OK), ("Jan 10 12:00:00 2030 GMT", State.DEGRADED), (None, State.OK)],
)
def test_a_certificate_that_ends_soon_is_told(ends: str | None, state: State) -> None:
    found = judged_certificate({} if ends is None else {"notAfter": ends}, NOON, "It answers.")
    assert found.state is state
    assert found.found.startswith("It answers.")


def swept(ago: timedelta, **report: Any) -> list[dict[str, Any]]:
    value = {"failed": [], "complete": True, **report}
    return [{"$updatedAt": (NOON - ago).isoformat(timespec="milliseconds"), "value": json.dumps(value)}]


@pytest.mark.parametrize(
    ("rows", "state", "told"),
    [
        ([], State.DEGRADED, "has not run yet"),
        (swept(timedelta(seconds=50)), State.OK, "50 s ago"),
        (swept(timedelta(seconds=-2)), State.OK, "0 s ago"),
        (swept(timedelta(minutes=5)), State.DEGRADED, "5 min ago"),
        (swept(timedelta(hours=1)), State.DOWN, "60 min ago"),
        (swept(timedelta(seconds=1), failed=["b1", "b2"]), State.DEGRADED, "2 bookings: b1, b2"),
        (swept(timedelta(seconds=1), complete=False), State.DEGRADED, "out of time"),
    ],
)
def test_the_sweeper_is_judged_by_its_row(rows: list[dict[str, Any]], state: State, told: str) -> None:
    found = judged_sweeper(rows, NOON)
    assert found.state is state
    assert told in found.found


async def test_a_resolver_that_is_silent_does_not_hold_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: released.wait(60))
    try:
        async with AsyncMassageLink("https://api.example.com/v1", "p", api_key="k") as link:
            report = await link.verify_integration()
    finally:
        released.set()
    assert report["endpoint"].state is State.DOWN
    assert "api.example.com is not resolved" in report["endpoint"].found
    assert report["clock"].state is State.UNKNOWN
