from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.errors import (
    MassageLinkError,
    NotAppwrite,
    RateLimited,
    ServerError,
    TransportError,
    Unauthorized,
    UnexpectedAnswer,
    UsageError,
)
from massage_link.realtime import Policy
from massage_link.realtime.policy import Backoff, RateWindow, is_transient, wait_for_limit

if TYPE_CHECKING:
    import random


@pytest.mark.parametrize(
    "settings",
    [
        {"pong_within": 20.0},
        {"pong_within": 0.0},
        {"window": timedelta(0)},
        {"read_back_every": 0.0},
        {"backoff_first": 0.0},
        {"page_size": 0},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="policy"):
        Policy(**settings)


def test_the_default_policy_finds_a_half_open_socket_within_30_seconds_and_respects_the_limits() -> None:
    policy = Policy()
    assert policy.ping_every + policy.pong_within <= 30
    assert 60 / policy.ping_every + 2 <= 32  # pings, a subscription and an authentication in one minute
    assert policy.connections_per_minute <= 128


@given(rng=st.randoms(), failures=st.integers(0, 200))
def test_backoff_waits_at_random_below_a_bound_that_doubles(rng: random.Random, failures: int) -> None:
    backoff = Backoff(Policy(), rng)
    for _ in range(failures):
        backoff.next()
    assert 0 <= backoff.next() <= min(30.0, 0.25 * 2**failures)


@given(rng=st.randoms())
def test_backoff_begins_anew_after_a_success(rng: random.Random) -> None:
    backoff = Backoff(Policy(), rng)
    for _ in range(10):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 0.25


@given(st.lists(st.floats(0, 20), max_size=60), st.integers(1, 5))
def test_no_minute_holds_more_uses_than_the_limit(pauses: list[float], limit: int) -> None:
    window = RateWindow(limit)
    now = 0.0
    uses = []
    for pause in pauses:
        now += pause
        now += window.use(now)
        uses.append(now)
    for first, later in zip(uses, uses[limit:], strict=False):
        assert later - first >= 60 - 1e-6


@pytest.mark.parametrize(
    ("error", "at_first", "later"),
    [
        (TransportError("x"), True, True),
        (ServerError("x", status=500), True, True),
        (RateLimited("x", status=429), True, True),
        (UnexpectedAnswer("x"), False, True),
        (NotAppwrite("x", status=404), False, True),
        (Unauthorized("x", status=401), False, False),
        (ValueError("x"), False, False),
    ],
)
def test_errors_that_may_pass_are_told_from_those_that_stay(error: Exception, at_first: bool, later: bool) -> None:
    assert is_transient(error, worked_before=False) is at_first
    assert is_transient(error, worked_before=True) is later


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (RateLimited("x", status=429, retry_at=107.0), 7.0),
        (RateLimited("x", status=429, retry_at=90.0), 0.0),
        (RateLimited("x", status=429), 0.0),
        (TransportError("x"), 0.0),
    ],
)
def test_a_rate_limit_is_waited_for(error: MassageLinkError, seconds: float) -> None:
    assert wait_for_limit(error, unix_time=100.0) == seconds
