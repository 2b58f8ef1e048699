"""Limits of calls a minute: always told, enforced when asked for, never for keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emulator_fixture import Caller


def test_a_limited_route_tells_its_limit_whether_it_succeeds_or_not(call: Caller, items: str) -> None:
    for status in (201, 409):
        answer = call("POST", items, {"rowId": "r", "data": {"title": "x"}})
        assert (answer.status, answer.headers["x-ratelimit-limit"]) == (status, "120")
        assert answer.headers["x-ratelimit-remaining"] == "119"
        assert int(answer.headers["x-ratelimit-reset"]) % 60 == 0
    assert "x-ratelimit-limit" not in call("GET", items).headers


def test_an_enforced_limit_refuses_without_retry_after_and_spares_keys(call: Caller, items: str) -> None:
    ann = call.user("ann")
    call.ok("POST", "/_emulator/clock", {"freeze": "2026-11-23T12:00:00Z"})  # no minute may end in between
    call.app.limits._enforced = True
    answers = [call("POST", items, {"rowId": f"r{n}", "data": {"title": "x"}}, by=ann) for n in range(121)]
    assert [answer.status for answer in answers[:120]] == [201] * 120
    assert answers[120].type == "general_rate_limit_exceeded"
    assert answers[120].headers["x-ratelimit-remaining"] == "0"
    assert "retry-after" not in answers[120].headers
    assert call("POST", items, {"rowId": "key", "data": {"title": "x"}}).status == 201
