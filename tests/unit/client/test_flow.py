"""From calls to requests: what is repeated and what never, how long is waited, what an answer becomes."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import stop_after_attempt, stop_after_delay, wait_fixed, wait_none

from massage_link.client.credentials import Guest, MintedJwt, Secret
from massage_link.client.flow import Request, RetryPolicy, Session, perform
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
from massage_link.wire.call import Call, Flow, Reply, Sleep, nothing, path, raw_json
from massage_link.wire.transactions import Transaction, commit

SESSION = Session(
    "http://appwrite.test/v1", "project", Secret("key", "s3cr3t"), RetryPolicy(wait=wait_none()), lambda: 1_000.0
)
READ: Call[dict[str, Any]] = Call("GET", "/things", raw_json, repeatable=True)
WRITE: Call[dict[str, Any]] = Call("POST", "/things", raw_json, {"name": "x"})


def ok(body: object = None) -> Reply:
    """A 200."""
    return Reply(200, {}, json.dumps({} if body is None else body).encode())


def failed(status: int, kind: str = "general_unknown", headers: Mapping[str, str] | None = None) -> Reply:
    """Appwrite's error."""
    body = {"message": "Planted.", "code": status, "type": kind, "version": "1.9.6"}
    return Reply(status, headers or {}, json.dumps(body).encode())


LOST = NoAnswer("no answer")
UNREACHED = ConnectionFailed("no connection")


def just(call: Call[Any]) -> Flow[Any]:
    """A flow of one call."""
    return (yield from call)


def told(
    flow: Flow[Any], *answers: Reply | MassageLinkError, session: Session = SESSION
) -> tuple[object, list[Request], list[float]]:
    """The result of a flow, the requests that it sent and the pauses that it made; every answer must be used."""
    exchange = perform(session, flow)
    requests: list[Request] = []
    pauses: list[float] = []
    left = list(answers)
    step = next(exchange)
    try:
        while True:
            if isinstance(step, Sleep):
                pauses.append(step.seconds)
                step = exchange.send(None)
                continue
            requests.append(step)
            answer = left.pop(0)
            step = exchange.throw(answer) if isinstance(answer, MassageLinkError) else exchange.send(answer)
    except StopIteration as stop:
        assert not left
        return stop.value, requests, pauses


def sent(call: Call[Any], *answers: Reply | MassageLinkError, session: Session = SESSION) -> int:
    """How often a call was sent; whether it failed in the end is not asked."""
    count = 0

    def counting() -> Flow[Any]:
        return (yield from call)

    exchange = perform(session, counting())
    left = list(answers)
    try:
        step = next(exchange)
        while True:
            if isinstance(step, Sleep):
                step = exchange.send(None)
                continue
            count += 1
            answer = left.pop(0)
            step = exchange.throw(answer) if isinstance(answer, MassageLinkError) else exchange.send(answer)
    except (StopIteration, MassageLinkError):
        assert not left
        return count


# --- what is sent -----------------------------------------------------------------------------------------------------
def test_a_request_carries_project_and_credential_and_a_json_body() -> None:
    result, (request,), _ = told(just(WRITE), ok({"made": True}))
    assert result == {"made": True}
    assert (request.method, request.url) == ("POST", "http://appwrite.test/v1/things")
    assert request.headers == {
        "X-Appwrite-Project": "project",
        "X-Appwrite-Key": "s3cr3t",
        "Accept": "application/json",
        "Content-Type": "application/json",
    }
    assert request.content == b'{"name":"x"}'


def test_a_body_goes_as_utf_8() -> None:
    call = Call("POST", "/things", nothing, {"name": "Zoë שלום 🙏"})
    _, (request,), _ = told(just(call), ok())
    assert request.content == '{"name":"Zoë שלום 🙏"}'.encode()


@pytest.mark.parametrize(
    ("credential", "header"),
    [
        (Secret("key", "a"), {"X-Appwrite-Key": "a"}),
        (Secret("session", "b"), {"X-Appwrite-Session": "b"}),
        (Secret("jwt", "c"), {"X-Appwrite-JWT": "c"}),
        (Guest(), {}),
    ],
)
def test_each_credential_has_its_header(credential: Secret | Guest, header: dict[str, str]) -> None:
    _, (request,), _ = told(just(READ), ok(), session=replace(SESSION, credential=credential))
    assert {name: value for name, value in request.headers.items() if name not in {"X-Appwrite-Project", "Accept"}} == (
        header
    )


def test_a_call_that_goes_as_a_guest_takes_no_credential_along() -> None:
    _, (request,), _ = told(just(replace(READ, credential="none")), ok())
    assert "X-Appwrite-Key" not in request.headers


def test_half_of_a_surrogate_pair_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InvalidInput, match="surrogate"):
        told(just(Call("POST", "/things", nothing, {"name": "\ud83d"})))
    with pytest.raises(InvalidInput, match="surrogate"):
        path("things", "\ud83d")
    with pytest.raises(InvalidInput, match="surrogate"):
        path("things", queries=("\ud83d",))


# --- what is repeated -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("failure", [LOST, failed(500), failed(503), UNREACHED, failed(429)])
def test_a_read_is_repeated_until_it_is_answered(failure: Reply | MassageLinkError) -> None:
    result, requests, pauses = told(just(READ), failure, failure, ok({"fine": True}))
    assert result == {"fine": True}
    assert (len(requests), len(pauses)) == (3, 2)


@pytest.mark.parametrize("failure", [LOST, failed(500), failed(502), failed(503)])
def test_a_write_that_may_have_been_processed_is_never_sent_twice(failure: Reply | MassageLinkError) -> None:
    assert sent(WRITE, failure) == 1


@pytest.mark.parametrize("failure", [UNREACHED, failed(429)])
def test_a_write_that_was_certainly_not_processed_is_repeated(failure: Reply | MassageLinkError) -> None:
    assert sent(WRITE, failure, failure, ok()) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 501])
@pytest.mark.parametrize("call", [READ, WRITE], ids=["read", "write"])
def test_a_refusal_is_never_repeated(call: Call[Any], status: int) -> None:
    assert sent(call, failed(status)) == 1


@pytest.mark.parametrize(
    ("failure", "error"), [(LOST, NoAnswer), (failed(500), ServerError), (UNREACHED, ConnectionFailed)]
)
def test_after_three_attempts_the_last_failure_is_raised(
    failure: Reply | MassageLinkError, error: type[MassageLinkError]
) -> None:
    with pytest.raises(error):
        told(just(READ), failure, failure, failure)


_FAILURES = st.sampled_from([LOST, UNREACHED, failed(429), failed(500), failed(503), failed(409), failed(400)])


@given(st.lists(_FAILURES, max_size=6), st.integers(1, 5), st.booleans())
def test_a_call_is_sent_as_often_as_its_policy_allows_and_never_again_when_in_doubt(
    failures: list[Reply | MassageLinkError], attempts: int, repeatable: bool
) -> None:
    session = replace(SESSION, retries=RetryPolicy(stop=stop_after_attempt(attempts), wait=wait_none()))
    call = replace(READ, repeatable=repeatable)
    expected = 0
    for failure in [*failures, ok()]:
        expected += 1
        unprocessed = failure is UNREACHED or (isinstance(failure, Reply) and failure.status == 429)
        unclear = failure is LOST or (isinstance(failure, Reply) and failure.status >= 500)
        if not (unprocessed or (unclear and repeatable)) or expected == attempts:
            break
    assert sent(call, *[*failures, ok()][:expected], session=session) == expected


def test_conditions_on_time_may_end_the_repeating() -> None:
    never = replace(SESSION, retries=RetryPolicy(stop=stop_after_delay(0), wait=wait_none()))
    assert sent(READ, failed(500), session=never) == 1


# --- rate limits ------------------------------------------------------------------------------------------------------
def test_a_rate_limit_is_waited_for_until_its_reset() -> None:
    limited = failed(429, "general_rate_limit_exceeded", {"x-ratelimit-reset": "1030"})
    _, requests, pauses = told(just(WRITE), limited, ok())
    assert (len(requests), pauses) == (2, [30.0])


def test_those_who_wait_for_one_reset_do_not_come_back_all_at_once() -> None:
    limited = failed(429, "general_rate_limit_exceeded", {"x-ratelimit-reset": "1030"})
    spread = replace(SESSION, retries=RetryPolicy(wait=wait_fixed(1.5)))
    assert told(just(READ), limited, ok(), session=spread)[2] == [31.5]


def test_a_reset_that_has_passed_is_not_waited_for() -> None:
    limited = failed(429, "general_rate_limit_exceeded", {"x-ratelimit-reset": "990"})
    assert told(just(READ), limited, ok())[2] == [0.0]


def test_a_rate_limit_that_lasts_too_long_is_reported_with_its_reset() -> None:
    limited = failed(429, "general_rate_limit_exceeded", {"x-ratelimit-reset": "1100"})
    with pytest.raises(RateLimited) as refused:
        told(just(READ), limited)
    assert refused.value.retry_at == 1_100


@pytest.mark.parametrize("reset", ["", "soon"])
def test_a_rate_limit_without_a_reset_is_retried_like_a_failure(reset: str) -> None:
    limited = failed(429, "general_rate_limit_exceeded", {"x-ratelimit-reset": reset})
    assert told(just(READ), limited, ok())[2] == [0.0]


# --- credentials that renew themselves --------------------------------------------------------------------------------
def test_a_minted_jwt_is_asked_for_with_the_key_and_used_for_the_call() -> None:
    credential = MintedJwt("maria", Secret("key", "s3cr3t"), lambda: 0.0)
    session = replace(SESSION, credential=credential)
    _, (minting, reading), _ = told(just(READ), ok({"jwt": "t0ken"}), ok(), session=session)
    assert (minting.method, minting.url) == ("POST", "http://appwrite.test/v1/users/maria/jwts")
    assert json.loads(minting.content or b"") == {"duration": 3_600}
    assert minting.headers["X-Appwrite-Key"] == "s3cr3t"
    assert reading.headers["X-Appwrite-JWT"] == "t0ken"
    assert "X-Appwrite-Key" not in reading.headers
    assert len(told(just(READ), ok(), session=session)[1]) == 1


def test_a_refused_jwt_is_renewed_once_and_no_more() -> None:
    credential = MintedJwt("maria", Secret("key", "s3cr3t"), lambda: 0.0)
    session = replace(SESSION, credential=credential)
    refused = failed(401, "user_jwt_invalid")
    _, requests, _ = told(just(WRITE), ok({"jwt": "old"}), refused, ok({"jwt": "new"}), ok(), session=session)
    assert [each.headers.get("X-Appwrite-JWT") for each in requests] == [None, "old", None, "new"]
    with pytest.raises(Unauthorized):
        told(just(WRITE), refused, ok({"jwt": "newer"}), refused, session=session)


def test_a_key_that_may_not_mint_is_not_asked_again() -> None:
    session = replace(SESSION, credential=MintedJwt("maria", Secret("key", "s3cr3t"), lambda: 0.0))
    with pytest.raises(Unauthorized, match="Check the API key"):
        told(just(READ), failed(401, "general_unauthorized_scope"), session=session)


# --- answers ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("content", [b"", b"<html>Welcome</html>", b"[]", b'"text"', b"null", b"\xff"])
def test_a_2xx_that_is_not_the_documented_body_is_an_unexpected_answer(content: bytes) -> None:
    with pytest.raises(UnexpectedAnswer, match=r"check that http://appwrite\.test/v1 is an Appwrite"):
        told(just(READ), Reply(200, {}, content))


@pytest.mark.parametrize("body", [{}, {"status": "pending"}, {"status": None}])
def test_a_commit_counts_only_when_the_server_says_so(body: dict[str, object]) -> None:
    transaction = Transaction.model_validate({"$id": "t1"})
    with pytest.raises(UnexpectedAnswer):
        told(just(commit(transaction)), ok(body))
    assert told(just(commit(transaction)), ok({"status": "committed"}))[0] is None


def test_an_error_reaches_the_flow_which_may_go_on() -> None:
    def flow() -> Flow[str]:
        try:
            yield from WRITE
        except ServerError:
            yield from Sleep(0.25)
            yield from READ
        return "went on"

    result, requests, pauses = told(flow(), failed(500), ok())
    assert (result, [each.method for each in requests], pauses) == ("went on", ["POST", "GET"], [0.25])


# --- secrets ----------------------------------------------------------------------------------------------------------
def test_no_secret_is_shown_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    transaction = Transaction.model_validate({"$id": "open-transaction"})
    signing_in = Call("POST", "/account/sessions/email", nothing, {"password": "pa55word"})
    shown = [repr(SESSION), repr(transaction)]
    calls: list[Call[Any]] = [READ, commit(transaction), signing_in]
    for call in calls:
        shown.append(repr(call))
        with pytest.raises(ServerError) as refused:
            told(just(replace(call, repeatable=False)), failed(429), failed(500))
        shown += [str(refused.value), repr(refused.value), refused.value.request]
        shown.append(repr(told(just(replace(call, parse=nothing)), ok())[1]))
    shown.append(repr(Reply(201, {"set-cookie": "a_session_project=c00kie"}, b'{"secret":"s3ssion"}')))
    text = "\n".join([*shown, caplog.text])
    assert "RateLimited; again in" in text
    for secret in ("s3cr3t", "pa55word", "c00kie", "s3ssion", "open-transaction"):
        assert secret not in text


def test_messages_name_no_transaction_and_no_query() -> None:
    request = Request("PATCH", "http://appwrite.test/v1/tablesdb/transactions/t1/operations?queries[]=name", {}, None)
    assert request.shown == "PATCH http://appwrite.test/v1/tablesdb/transactions/…/operations"
