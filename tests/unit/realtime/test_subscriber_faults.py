"""What a subscriber does when the network, the server or its credentials fail."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from massage_link.errors import RateLimited, RealtimeRefused, ServerError, TransportError, Unauthorized
from massage_link.realtime import Credential
from realtime_double import FAST, take, until_live

if TYPE_CHECKING:
    from realtime_double import RealtimeDouble

LIVELY = replace(FAST, ping_every=0.1, pong_within=0.05, open_within=0.2)
"""A policy whose deadlines pass soon."""


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012])
async def test_a_closed_connection_comes_back_with_what_was_missed(server: RealtimeDouble, code: int) -> None:
    async with server.subscriber() as changes:
        await until_live(changes)
        await server.close(code)
        server.write("bookings", "b1", lose=True, version=1)
        [change] = await take(changes, 1)
    assert change.id == "bookings/b1/1"
    assert len(server.handshakes) == 2


async def test_many_broken_connections_lose_nothing(server: RealtimeDouble) -> None:
    sources = server.source("bookings"), server.source("messages", numbered=True)
    async with server.subscriber(*sources) as changes:
        for n in range(1, 31):
            await until_live(changes)
            server.cut()
            server.write("bookings", "b1", lose=True, version=n)
            server.write("messages", f"r_{n}", lose=n % 2 == 0, scope="r", n=n)
        got = await take(changes, 31)
        while got[-1].version != 30 or len([change for change in got if change.table == "messages"]) < 30:
            got += await take(changes, 1)
    versions = [change.version for change in got if change.table == "bookings"]
    assert versions[-1] == 30
    assert versions == sorted(set(versions), key=lambda version: version or 0)
    assert [change.version for change in got if change.table == "messages"] == [*range(1, 31)]


async def test_a_half_open_socket_is_noticed_and_nothing_is_lost(server: RealtimeDouble) -> None:
    async with server.subscriber(policy=LIVELY) as changes:
        await until_live(changes)
        server.freeze()
        server.write("bookings", "b1", version=1)
        [change] = await take(changes, 1)
    assert (change.id, change.source) == ("bookings/b1/1", "replay")


async def test_a_quiet_socket_that_answers_heartbeats_stays(server: RealtimeDouble) -> None:
    async with server.subscriber(policy=LIVELY) as changes:
        await until_live(changes)
        while sum(message["type"] == "ping" for message in server.received) < 3:
            await server.heard.wait()
            server.heard.clear()
    assert len(server.handshakes) == 1


async def test_a_handler_that_blocks_the_loop_does_not_cost_the_connection(server: RealtimeDouble) -> None:
    async with server.subscriber(policy=LIVELY) as changes:
        await until_live(changes)
        server.heard.clear()
        await server.heard.wait()  # a heartbeat
        time.sleep(4 * LIVELY.ping_every)  # noqa: ASYNC251 # the server answers from the same loop: nothing moves
        server.write("bookings", "b1", version=1)
        [change] = await take(changes, 1)
    assert change.source == "live"
    assert len(server.handshakes) == 1


async def test_events_lost_on_a_healthy_socket_are_read_back(server: RealtimeDouble) -> None:
    async with server.subscriber(policy=replace(FAST, read_back_every=0.05)) as changes:
        await until_live(changes)
        server.write("bookings", "b1", lose=True, version=1)
        [change] = await take(changes, 1)
    assert (change.id, change.source) == ("bookings/b1/1", "replay")
    assert len(server.handshakes) == 1


@pytest.mark.parametrize("frame", ["not json", "[]", {"type": "event", "data": {"payload": None}}])
async def test_an_unreadable_event_leads_to_a_read_back(server: RealtimeDouble, frame: Any) -> None:
    async with server.subscriber() as changes:
        await until_live(changes)
        server.write("bookings", "b1", lose=True, version=1)
        server.say(frame)
        [change] = await take(changes, 1)
    assert change.id == "bookings/b1/1"


async def test_unknown_frames_are_ignored(server: RealtimeDouble) -> None:
    async with server.subscriber() as changes:
        await until_live(changes)
        server.say({"type": "news", "data": {"of": "a later version"}})
        server.say({"type": "event", "data": {"events": [], "payload": {"$id": "x"}, "subscriptions": ["other"]}})
        server.write("bookings", "b1", version=1)
        [change] = await take(changes, 1)
    assert (change.id, change.source) == ("bookings/b1/1", "live")


async def test_a_policy_violation_ends_it_after_one_attempt(server: RealtimeDouble) -> None:
    server.greeting = {"type": "error", "data": {"code": 1008, "message": "hidden"}}
    async with server.subscriber() as changes:
        with pytest.raises(RealtimeRefused, match="1008") as caught:
            await take(changes, 1)
    assert caught.value.code == 1008
    assert len(server.handshakes) == 1


async def test_a_connection_that_is_closed_for_a_policy_violation_ends_it_too(server: RealtimeDouble) -> None:
    async with server.subscriber() as changes:
        await until_live(changes)
        await server.close(1008)
        with pytest.raises(RealtimeRefused, match="closed the connection with 1008; retrying is pointless") as caught:
            await take(changes, 1)
    assert caught.value.code == 1008
    assert len(server.handshakes) == 1


async def test_channels_or_queries_that_the_server_does_not_take_end_it(server: RealtimeDouble) -> None:
    server.answers["subscribe"] = {"type": "error", "data": {"code": 1003, "message": "Error: Server Error"}}
    async with server.subscriber() as changes:
        with pytest.raises(RealtimeRefused, match="channels or queries"):
            await take(changes, 1)
    assert len(server.handshakes) == 1


async def test_a_session_that_stays_unknown_ends_it_after_three_fresh_ones(server: RealtimeDouble) -> None:
    async with server.subscriber(secret="revoked") as changes:
        with pytest.raises(RealtimeRefused, match="session"):
            await changes.wait_until_live()
    assert len(server.handshakes) == 3


@pytest.mark.parametrize("greeting", [None, {"type": "error", "data": {"code": 401, "message": "expired"}}])
async def test_an_expired_credential_is_renewed(server: RealtimeDouble, greeting: dict[str, Any] | None) -> None:
    secrets = ["expired", "secret"]

    async def credential() -> Credential:
        if len(secrets) == 1:
            server.greeting = None
        return Credential("session", secrets.pop(0))

    server.greeting = greeting
    async with server.subscriber(credential=credential) as changes:
        await until_live(changes)
    assert len(server.handshakes) == 2


async def test_a_jwt_goes_into_its_own_header(server: RealtimeDouble) -> None:
    async def credential() -> Credential:
        return Credential("jwt", "secret")

    async with server.subscriber(credential=credential) as changes:
        await until_live(changes)
    assert server.handshakes[0]["X-Appwrite-JWT"] == "secret"
    assert "X-Appwrite-Session" not in server.handshakes[0]


async def test_the_credential_is_renewed_in_time(server: RealtimeDouble) -> None:
    asked = 0

    async def credential() -> Credential:
        nonlocal asked
        asked += 1
        return Credential("session", "secret")

    policy = replace(LIVELY, renew_every=0.1)
    async with server.subscriber(credential=credential, policy=policy) as changes:
        while asked < 3:
            await until_live(changes)
            server.write("bookings", f"b{asked}", lose=True, version=1)
            await take(changes, 1)
    assert len(server.handshakes) >= 3


async def test_a_server_that_restarts_is_waited_for(server: RealtimeDouble) -> None:
    server.refuse_with.extend([503, 502, 408])
    async with server.subscriber() as changes:
        await until_live(changes)
        server.refuse_with.extend([404, 502])  # a proxy whose server is away
        server.cut()
        server.write("bookings", "b1", lose=True, version=1)
        [change] = await take(changes, 1)
    assert change.id == "bookings/b1/1"
    assert len(server.handshakes) == 7


async def test_a_wrong_address_ends_it_with_a_clear_error(server: RealtimeDouble) -> None:
    server.refuse_with.append(404)
    async with server.subscriber() as changes:
        with pytest.raises(RealtimeRefused, match="HTTP 404"):
            await take(changes, 1)
    assert len(server.handshakes) == 1


async def test_subscriptions_that_are_not_confirmed_lead_to_a_new_connection(server: RealtimeDouble) -> None:
    server.answers["subscribe"] = None
    async with server.subscriber(policy=LIVELY) as changes:
        while len(server.handshakes) < 2:
            await server.heard.wait()
            server.heard.clear()
        del server.answers["subscribe"]
        await until_live(changes)


async def test_a_connection_outlives_an_error_about_one_message(server: RealtimeDouble) -> None:
    async with server.subscriber() as changes:
        await until_live(changes)
        server.say({"type": "error", "data": {"code": 1003, "message": "Error: Server Error"}})
        server.write("bookings", "b1", version=1)
        await take(changes, 1)
    assert len(server.handshakes) == 1


@pytest.mark.parametrize(
    "error",
    [
        TransportError("no answer"),
        ServerError("failed", status=503),
        RateLimited("slower", status=429, retry_at=0.0),
    ],
)
async def test_read_backs_and_credentials_are_tried_again_when_the_error_may_pass(
    server: RealtimeDouble, error: Exception
) -> None:
    credential_errors = [error]

    async def credential() -> Credential:
        if credential_errors:
            raise credential_errors.pop()
        return Credential("session", "secret")

    server.read_errors.extend([error, error])
    async with server.subscriber(credential=credential) as changes:
        await until_live(changes)
        server.read_errors.append(error)
        server.cut()
        server.write("bookings", "b1", lose=True, version=1)
        [change] = await take(changes, 1)
    assert change.id == "bookings/b1/1"


async def test_an_error_that_stays_ends_it_after_what_had_arrived(server: RealtimeDouble) -> None:
    async with server.subscriber() as changes:
        await until_live(changes)
        server.write("bookings", "b1", version=1)
        server.read_errors.append(Unauthorized("no right to list", status=401))
        server.say("not json")
        [change] = await take(changes, 1)
        assert change.id == "bookings/b1/1"
        with pytest.raises(Unauthorized, match="no right to list"):
            await take(changes, 1)
        with pytest.raises(Unauthorized):
            await changes.wait_until_live()
    assert changes.state.name == "closed"


async def test_a_credential_that_cannot_be_made_ends_it(server: RealtimeDouble) -> None:
    async def credential() -> Credential:
        raise Unauthorized("the key was revoked", status=401)

    async with server.subscriber(credential=credential) as changes:
        with pytest.raises(Unauthorized, match="revoked"):
            await take(changes, 1)


async def test_a_number_that_stays_unreadable_is_passed_over_and_delivered_if_it_turns_up(
    server: RealtimeDouble,
) -> None:
    policy = replace(FAST, window=FAST.window / 50)
    async with server.subscriber(server.source("messages", numbered=True), policy=policy) as changes:
        await until_live(changes)
        server.write("messages", "r_1", scope="r", n=1)
        server.write("messages", "r_3", scope="r", n=3)
        assert [change.version for change in await take(changes, 2)] == [1, 3]
        assert changes.statistics.skipped == 1
        server.write("messages", "r_2", scope="r", n=2)
        server.write("messages", "r_4", scope="r", n=4)
        assert [change.version for change in await take(changes, 2)] == [2, 4]
