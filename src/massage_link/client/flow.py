"""From steps to requests: credentials, retries and errors, written once as generators, without input or output.

What is retried, with exponential waits and jitter:

* connection errors before the request was sent, and 429: always, because the call was certainly not processed;
* time-outs, dropped connections and 5xx: only calls that are safe to repeat.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar

from pydantic import ValidationError
from tenacity import RetryCallState, stop_after_attempt, wait_random_exponential
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from massage_link.client.answers import error_of
from massage_link.client.credentials import Credential
from massage_link.errors import (
    ConnectionFailed,
    InvalidInput,
    MassageLinkError,
    NoAnswer,
    RateLimited,
    ServerError,
    Unauthorized,
    UnexpectedAnswer,
)
from massage_link.wire.call import Call, Flow, Reply, Sleep, shown

__all__ = ["Exchange", "Request", "RetryPolicy", "Session", "perform", "prove"]

log = logging.getLogger("massage_link.client")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """What a driver sends. Its repr shows no credential, body or query."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None

    @property
    def shown(self) -> str:
        """What messages call it: without queries, and without the id of a transaction."""
        return f"{self.method} {shown(self.url)}"

    def __repr__(self) -> str:
        return f"<Request {self.shown}>"


#: What a driver drives: yields requests and pauses, receives replies.
Exchange: TypeAlias = Generator[Request | Sleep, Reply | None, T]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and with which waits a call is repeated.

    Attributes:
        stop: tenacity's condition to give up; three attempts unless said otherwise.
        wait: tenacity's wait before the next attempt, in seconds; full jitter up to 2 s.
        longest_wait: seconds beyond which a rate limit is reported and not waited for.

    """

    stop: stop_base = field(default_factory=lambda: stop_after_attempt(3))
    wait: wait_base = field(default_factory=lambda: wait_random_exponential(multiplier=0.1, max=2))
    longest_wait: float = 60.0


@dataclass(frozen=True, slots=True)
class Session:
    """How a link reaches its server."""

    endpoint: str
    project_id: str
    credential: Credential
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    wall_clock: Callable[[], float] = time.time


def perform(session: Session, flow: Flow[T]) -> Exchange[T]:
    """Run a flow: send its calls, hand it their results, throw it their errors."""
    advance: Callable[[], Any] = lambda: next(flow)  # noqa: E731 - replaced by what follows from each step
    while True:
        try:
            step = advance()
        except StopIteration as stop:
            result: T = stop.value
            return result
        try:
            if isinstance(step, Sleep):
                yield step
                answer = None
            else:
                answer = yield from _call(session, step)
        except MassageLinkError as error:
            advance = _thrower(flow, error)
        else:
            advance = _sender(flow, answer)


def _sender(flow: Flow[T], answer: object) -> Callable[[], Any]:
    return lambda: flow.send(answer)


def _thrower(flow: Flow[T], error: MassageLinkError) -> Callable[[], Any]:
    return lambda: flow.throw(error)


def _call(session: Session, call: Call[T]) -> Exchange[T]:
    """One call, with retries."""
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
    renewed = False
    while True:
        try:
            return (yield from _attempt(session, call))
        except MassageLinkError as error:
            if isinstance(error, Unauthorized) and call.credential == "own" and not renewed:
                renewed = session.credential.refused()
                if renewed:
                    continue
            wait = _wait_before_repeat(session, call, error, state)
            if wait is None:
                raise
            log.warning("%s %s: %s; again in %.2f s", call.method, shown(call.path), type(error).__name__, wait)
        yield Sleep(wait)
        state.attempt_number += 1


def _wait_before_repeat(
    session: Session, call: Call[Any], error: MassageLinkError, state: RetryCallState
) -> float | None:
    """Seconds to wait before the call is repeated, or None when it is not to be."""
    policy = session.retries
    not_processed = isinstance(error, ConnectionFailed | RateLimited)
    in_doubt = isinstance(error, NoAnswer | ServerError)
    state.outcome_timestamp = time.monotonic()  # tenacity's conditions on time ask for it
    wait = state.upcoming_sleep = policy.wait(state)
    if not (not_processed or (in_doubt and call.repeatable)) or policy.stop(state):
        return None
    if isinstance(error, RateLimited) and error.retry_at is not None:
        # The jitter spreads those who were all told the same instant.
        wait += max(0.0, error.retry_at - session.wall_clock())
        if wait > policy.longest_wait:
            return None
    return wait


def _attempt(session: Session, call: Call[T]) -> Exchange[T]:
    headers = {"X-Appwrite-Project": session.project_id, "Accept": "application/json"}
    if call.credential == "own":
        headers.update((yield from prove(session)))
    headers.update(call.headers)
    content = None
    if call.body is not None:
        headers["Content-Type"] = "application/json"
        content = _json(_vouched(call, headers))
    request = Request(call.method, session.endpoint + call.path, headers, content)
    started = time.perf_counter()
    reply = yield request
    assert reply is not None
    called = f"{call.method} {shown(call.path)}"
    log.debug("%s: %d in %.1f ms", called, reply.status, (time.perf_counter() - started) * 1000)
    if not 200 <= reply.status < 300:
        raise error_of(reply.status, reply.headers, reply.content, request=called, endpoint=session.endpoint)
    try:
        return call.parse(reply)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise UnexpectedAnswer(
            f"{called}: the server answered {reply.status} with a body that is not what Appwrite documents "
            f"({type(error).__name__}); check that {session.endpoint} is an Appwrite 1.9 endpoint with our schema."
        ) from error


def _vouched(call: Call[Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
    assert call.body is not None
    jwt = headers.get("X-Appwrite-JWT")
    return {**call.body, "headers": {call.vouched_as: jwt}} if call.vouched_as and jwt else call.body


def _json(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise InvalidInput("a text holds half of a surrogate pair, which is no character.") from None
    except TypeError as error:
        raise InvalidInput(f"an argument is nothing that can be sent: {error}.") from None


def prove(session: Session) -> Exchange[Mapping[str, str]]:
    """The credential's headers; the calls that it needs are made with what it says itself."""
    asking = session.credential.headers()
    answer: Any = None
    while True:
        try:
            call = asking.send(answer)
        except StopIteration as stop:
            headers: Mapping[str, str] = stop.value
            return headers
        minting = replace(session, credential=_key_of(session.credential))
        answer = yield from _call(minting, call)


def _key_of(credential: Credential) -> Credential:
    key: Credential = getattr(credential, "key", credential)
    return key
