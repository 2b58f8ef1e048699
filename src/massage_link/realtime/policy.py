"""How long, how often, how much: the numbers a subscriber goes by, and the pure arithmetic of waiting."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta

from massage_link.errors import (
    MassageLinkError,
    NotAppwrite,
    RateLimited,
    ServerError,
    TransportError,
    UnexpectedAnswer,
    UsageError,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """The defaults suit Appwrite's own limits (32 messages a minute per socket, 128 connections a minute per address).

    Args:
        window: W: how late a commit may become visible, plus the spread of the servers' clocks.
        read_back_every: seconds between read-backs while live; an event that the server drops on a healthy socket
            waits at most two of them.
        ping_every: seconds between heartbeats.
        pong_within: seconds after a heartbeat without any frame after which the socket counts as dead; less than
            `ping_every`.
        open_within: seconds for the handshake, and again for the confirmation of the subscriptions.
        renew_every: seconds after which the connection is made anew with a fresh credential.
        backoff_first: seconds; a wait is random between 0 and twice the bound before, beginning with this one.
        backoff_most: seconds; the greatest bound.
        connections_per_minute: how many connections this subscriber makes in any minute.
        page_size: rows per request of a read-back.
        max_waiting: how many changes wait for a slow consumer; beyond it events are let go and read back later.
        memory: how many rows or scopes each source remembers beyond those changed within the window.

    Raises:
        UsageError: a number that makes no sense.

    """

    window: timedelta = timedelta(seconds=120)
    read_back_every: float = 30.0
    ping_every: float = 20.0
    pong_within: float = 10.0
    open_within: float = 10.0
    renew_every: float = 3600.0
    backoff_first: float = 0.25
    backoff_most: float = 30.0
    connections_per_minute: int = 100
    page_size: int = 500
    max_waiting: int = 1000
    memory: int = 50_000

    def __post_init__(self) -> None:
        if not 0 < self.pong_within < self.ping_every:
            raise UsageError("a policy needs 0 < pong_within < ping_every")
        if self.window <= timedelta(0) or min(self.read_back_every, self.backoff_first, self.page_size) <= 0:
            raise UsageError("a policy needs a positive window, read_back_every, backoff_first and page_size")


class Backoff:
    """Exponential backoff with full jitter: between nothing and a bound that doubles with every failure."""

    def __init__(self, policy: Policy, rng: random.Random) -> None:
        self._first = policy.backoff_first
        self._most = policy.backoff_most
        self._rng = rng
        self.failures = 0

    def reset(self) -> None:
        """It went well: the next failure waits as the first one did."""
        self.failures = 0

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        bound = min(self._most, self._first * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return self._rng.uniform(0.0, bound)


@dataclass(slots=True)
class RateWindow:
    """At most `limit` uses in any `period` seconds."""

    limit: int
    period: float = 60.0
    _uses: deque[float] = field(default_factory=deque)

    def use(self, now: float) -> float:
        """Take a place; returns how many seconds to wait before using it."""
        while self._uses and self._uses[0] <= now - self.period:
            self._uses.popleft()
        at = now if len(self._uses) < self.limit else max(now, self._uses[-self.limit] + self.period)
        self._uses.append(at)
        return at - now


def is_transient(error: BaseException, *, worked_before: bool) -> bool:
    """True for errors of the HTTP side after which the same call may well succeed.

    An answer that is not Appwrite's means a wrong address at first, and later a gateway whose server is away.
    """
    if isinstance(error, UnexpectedAnswer | NotAppwrite):
        return worked_before
    return isinstance(error, TransportError | ServerError | RateLimited)


def wait_for_limit(error: MassageLinkError, *, unix_time: float) -> float:
    """Seconds until a rate limit is reset; 0 when the error is of another kind or names no time."""
    if isinstance(error, RateLimited) and error.retry_at is not None:
        return max(0.0, error.retry_at - unix_time)
    return 0.0
