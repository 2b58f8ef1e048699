"""The realtime endpoint over real sockets, beyond what the recorded scenario covers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from emulator_live import Live, heard, live_server, say, subscribed, until

ROWS = "tablesdb.db.tables.items.rows"


@pytest_asyncio.fixture
async def live() -> AsyncIterator[Live]:
    async with live_server() as server:
        yield server


async def write(live: Live, row: str, *readers: str, **data: object) -> None:
    permissions = [f'read("{reader}")' for reader in readers]
    await live.call(
        "POST", "/tablesdb/db/tables/items/rows", {"rowId": row, "data": data or {"n": 1}, "permissions": permissions}
    )


async def quiet(socket: ClientConnection) -> None:
    """Nothing is on its way: whatever was written before this ping would arrive before its pong."""
    assert await say(socket, type="ping") == {"type": "pong"}


async def test_channels_in_the_address_are_listened_to_from_the_greeting_on(live: Live) -> None:
    await live.table()
    async with live.socket(f"?project=massage&channels[]={ROWS}&channels[]=rows") as socket:
        greeting = await heard(socket)
        assert greeting["data"]["channels"] == [ROWS, "rows"]
        await write(live, "r1", "any")
        event = await heard(socket)
        assert event["data"]["subscriptions"] == greeting["data"]["subscriptions"]


async def test_a_query_in_the_address_filters_its_channel(live: Live) -> None:
    await live.table()
    query = '{"method":"greaterThan","attribute":"n","values":[5]}'
    address = f"?project=massage&channels[]={ROWS}&{ROWS.replace('.', '_')}[0][]={query}"
    async with live.socket(address) as socket:
        await heard(socket)
        await write(live, "r1", "any", n=1)
        await write(live, "r2", "any", n=6)
        assert (await heard(socket))["data"]["payload"]["$id"] == "r2"


async def test_an_unknown_project_is_refused_without_a_closing_frame(live: Live) -> None:
    async with live.socket("?project=another") as socket:
        assert (await heard(socket))["data"] == {"code": 1008, "message": "Missing or unknown project ID"}
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is None


async def test_a_missing_project_connects_to_nothing(live: Live) -> None:
    await live.table()
    async with live.socket("?channels[]=rows") as socket:
        assert (await heard(socket))["type"] == "connected"
        await write(live, "r1", "any")
        await quiet(socket)


async def test_a_foreign_web_page_is_refused_and_one_of_this_machine_is_not(live: Live) -> None:
    async with live.socket(origin="https://evil.example") as socket:
        assert (await heard(socket))["data"]["code"] == 1008
    async with live.socket(origin="http://localhost:3000") as socket:
        assert (await heard(socket))["type"] == "connected"


async def test_a_bad_query_in_the_address_violates_the_policy(live: Live) -> None:
    async with live.socket("?project=massage&channels[]=rows&rows[0][]=nonsense") as socket:
        assert (await heard(socket))["data"]["code"] == 1008


async def test_only_the_realtime_path_takes_sockets(live: Live) -> None:
    live.emulator.endpoint += "/elsewhere"
    with pytest.raises(InvalidStatus) as refused:
        async with live.socket():
            pass
    assert refused.value.response.status_code == 404


async def test_a_bad_jwt_on_the_handshake_is_told_and_ends_the_connection(live: Live) -> None:
    async with live.socket(headers={"X-Appwrite-JWT": "a.b.c"}) as socket:
        assert (await heard(socket))["data"]["code"] == 401
        with pytest.raises(ConnectionClosed):
            await socket.recv()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("5", 0),
        ('"word"', 0),
        ("[]", 1003),
        ('{"type":["x"]}', 1003),
        ('{"type":"subscribe"}', 1003),
        ('{"type":"subscribe","data":{"channels":["rows"]}}', 1003),
        ('{"type":"subscribe","data":[{"channels":[1]}]}', 1003),
        ('{"type":"subscribe","data":[{"channels":["rows"],"subscriptionId":"-bad"}]}', 1003),
        ('{"type":"subscribe","data":[{"channels":["rows"],"queries":["{}"]}]}', 1003),
        ('{"type":"subscribe","data":[{"channels":["rows"],"queries":[5]}]}', 0),
        ('{"type":"unsubscribe","data":[{"subscriptionId":""}]}', 1003),
        ('{"type":"authentication","data":{}}', 1003),
        ('{"type":"authentication"}', 1003),
        ('{"type":"presence","data":{"status":"online"}}', 401),
        ("[" * 100_000, 1003),
    ],
)
async def test_a_message_that_makes_no_sense_gets_an_error_and_the_connection_stays(
    live: Live, text: str, code: int
) -> None:
    async with live.socket() as socket:
        await heard(socket)
        await socket.send(text)
        answer = await heard(socket)
        assert (answer["type"], answer["data"]["code"]) == ("error", code)
        await quiet(socket)


async def test_signing_in_without_a_subscription_loses_the_project(live: Live) -> None:
    secret = await live.user("ann")
    async with live.socket() as socket:
        await heard(socket)
        answer = await say(socket, type="authentication", data={"session": secret})
        assert answer["data"]["user"]["$id"] == "ann"
        await quiet(socket)
        refused = await say(socket, type="subscribe", data=[{"channels": ["rows"]}])
        assert refused["data"]["code"] == 1008
        with pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_account_channels_follow_the_user_who_signs_in(live: Live) -> None:
    secret = await live.user("ann")
    async with live.socket() as socket:
        await subscribed(socket, "account.update")
        await say(socket, type="authentication", data={"session": secret})
        await live.call("PATCH", "/users/ann/name", {"name": "Ann"})
        assert "account.ann.update" in (await heard(socket))["data"]["channels"]


async def test_nobody_listens_to_another_users_account(live: Live) -> None:
    secret = await live.user("ann")
    async with live.socket(session=secret) as socket:
        await heard(socket)
        answer = await say(socket, type="subscribe", data=[{"channels": ["account.bob", "account"]}])
        assert answer["data"]["subscriptions"][0]["channels"] == ["account", "account.ann"]


async def test_a_repeated_id_adds_channels_and_replaces_queries_of_the_named_ones(live: Live) -> None:
    await live.table()
    async with live.socket() as socket:
        await subscribed(socket, "rows", subscriptionId="x")
        await say(socket, type="subscribe", data=[{"subscriptionId": "x", "channels": ["documents"]}])
        await write(live, "r1", "any")
        assert (await heard(socket))["data"]["subscriptions"] == ["x"]
        answer = await say(socket, type="unsubscribe", data=[{"subscriptionId": "x"}, {"subscriptionId": "x"}])
        assert [item["removed"] for item in answer["data"]["subscriptions"]] == [True, False]
        await write(live, "r2", "any")
        await quiet(socket)


async def test_a_new_member_hears_of_the_teams_rows_and_a_removed_one_does_not(live: Live) -> None:
    await live.table()
    secret = await live.user("ann")
    await live.call("POST", "/teams", {"teamId": "crew", "name": "Crew"})
    async with live.socket(session=secret) as socket:
        await subscribed(socket, ROWS)
        member = await live.call("POST", "/teams/crew/memberships", {"userId": "ann", "roles": ["owner"]})
        await write(live, "r1", "team:crew/owner")
        assert (await heard(socket))["data"]["payload"]["$id"] == "r1"
        await live.call("DELETE", f"/teams/crew/memberships/{member['$id']}")
        await write(live, "r2", "team:crew")
        await quiet(socket)


async def test_a_user_who_creates_a_team_hears_of_its_rows_at_once(live: Live) -> None:
    await live.table()
    secret = await live.user("ann")
    async with live.socket(session=secret) as socket:
        await subscribed(socket, ROWS)
        await live.call("POST", "/teams", {"teamId": "crew", "name": "Crew"}, session=secret)
        await write(live, "r1", "team:crew/owner")
        assert (await heard(socket))["data"]["payload"]["$id"] == "r1"


async def test_a_new_label_counts_only_after_signing_in_again(live: Live) -> None:
    await live.table()
    secret = await live.user("ann")
    async with live.socket(session=secret) as socket:
        await subscribed(socket, ROWS)
        await live.call("PUT", "/users/ann/labels", {"labels": ["vip"]})
        await write(live, "r1", "label:vip")
        await quiet(socket)
        await say(socket, type="authentication", data={"session": secret})
        await write(live, "r2", "label:vip")
        assert (await heard(socket))["data"]["payload"]["$id"] == "r2"


async def test_a_socket_outlives_its_session(live: Live) -> None:
    await live.table()
    secret = await live.user("ann")
    async with live.socket(session=secret) as socket:
        await subscribed(socket, ROWS)
        await live.call("DELETE", "/users/ann/sessions")
        await write(live, "r1", "user:ann")
        assert (await heard(socket))["data"]["payload"]["$id"] == "r1"


async def test_a_binary_message_is_read_like_text(live: Live) -> None:
    async with live.socket() as socket:
        await heard(socket)
        await socket.send(json.dumps({"type": "ping"}).encode())
        assert await heard(socket) == {"type": "pong"}


async def test_text_that_is_no_utf8_is_answered_like_any_bad_message(live: Live) -> None:
    async with live.socket() as socket:
        await heard(socket)
        await socket.send(b"\xff\xfe", text=True)
        assert (await heard(socket))["data"]["code"] == 1003


async def test_dropped_sockets_see_no_closing_frame_and_are_counted(live: Live) -> None:
    secret = await live.user("ann")
    async with live.socket() as guest, live.socket(session=secret) as ann:
        await heard(guest)
        await heard(ann)
        report = await live.control("POST", "realtime", {"drop": True, "userId": "ann"})
        assert report["met"] == {"dropped": 1}
        with pytest.raises(ConnectionClosed) as closed:
            await ann.recv()
        assert closed.value.rcvd is None
        await quiet(guest)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012])
async def test_sockets_can_be_closed_with_a_code(live: Live, code: int) -> None:
    async with live.socket() as socket:
        await heard(socket)
        await live.control("POST", "realtime", {"drop": True, "code": code})
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code


async def test_a_frozen_socket_answers_nothing_until_it_thaws(live: Live) -> None:
    await live.table()
    async with live.socket() as socket:
        await subscribed(socket, "rows")
        await live.control("POST", "realtime", {"freeze": 0.3})
        await write(live, "lost", "any")
        await socket.send('{"type":"ping"}')
        assert await heard(socket) == {"type": "pong"}
        assert (await live.control("GET", "realtime"))["met"] == {"frozen": 1}
        await write(live, "seen", "any")
        assert (await heard(socket))["data"]["payload"]["$id"] == "seen"


async def test_refused_handshakes_are_as_many_as_planted(live: Live) -> None:
    await live.control("POST", "realtime", {"refuse": 1})
    with pytest.raises(InvalidStatus):
        async with live.socket():
            pass
    async with live.socket() as socket:
        assert (await heard(socket))["type"] == "connected"


async def events_under(live: Live, faults: dict[str, Any], count: int = 40) -> list[str]:
    """The ids of ``count`` rows as they arrive while ``faults`` are planted; a last row is sent without faults."""
    await live.table()
    async with live.socket() as socket:
        await subscribed(socket, "rows")
        await live.control("POST", "realtime", {"seed": 7, **faults})
        for n in range(count):
            await write(live, f"r{n}", "any")
        await live.control("POST", "realtime", {"lose": 0, "duplicate": 0, "reorder": 0})
        await write(live, "last", "any")
        arrived = list[str]()
        expected = count + (await live.control("GET", "realtime"))["met"].get("duplicated", 0)
        expected -= (await live.control("GET", "realtime"))["met"].get("lost", 0)
        while len(arrived) < expected + 1:
            arrived.append((await heard(socket))["data"]["payload"]["$id"])
        return [row for row in arrived if row != "last"]


async def test_lost_events_never_arrive(live: Live) -> None:
    arrived = await events_under(live, {"lose": 0.5})
    assert 0 < len(arrived) < 40


async def test_doubled_events_arrive_twice(live: Live) -> None:
    arrived = await events_under(live, {"duplicate": 1.0})
    assert arrived == [f"r{n}" for n in range(40) for _ in range(2)]


async def test_delayed_events_keep_their_order(live: Live) -> None:
    assert await events_under(live, {"delaySeconds": [0.01, 0.05]}) == [f"r{n}" for n in range(40)]


async def test_reordered_events_all_arrive_in_another_order(live: Live) -> None:
    arrived = await events_under(live, {"reorder": 0.5})
    assert sorted(arrived) == sorted(f"r{n}" for n in range(40))
    assert arrived != [f"r{n}" for n in range(40)]


async def test_faults_can_be_cleared(live: Live) -> None:
    await live.control("POST", "realtime", {"lose": 1})
    assert (await live.control("POST", "realtime", {"clear": True}))["met"] == {}
    assert not live.emulator.hub.faults.planted


async def test_the_33rd_message_of_a_minute_is_one_too_many_where_rates_are_limited() -> None:
    async with live_server(rate_limits=True) as live, live.socket() as socket:
        await heard(socket)
        answers = [await say(socket, type="ping") for _ in range(33)]
        assert [answer["type"] for answer in answers] == ["pong"] * 32 + ["error"]
        assert answers[-1]["data"]["code"] == 1013


async def test_a_socket_that_ends_leaves_nothing_behind(live: Live) -> None:
    for _ in range(50):
        async with live.socket() as socket:
            await subscribed(socket, "rows", "documents")
    await until(lambda: not live.emulator.hub.connections)
    assert live.emulator.hub._listeners == {}


async def test_a_client_that_reads_nothing_is_dropped_at_last(live: Live) -> None:
    await live.table()
    async with live.socket(max_queue=1) as socket:
        await subscribed(socket, "rows")
        (connection,) = live.emulator.hub.connections
        payload = {"$id": "big", "$permissions": ['read("any")'], "$tableId": "items", "title": "x" * 2**20}
        from massage_link.emulator.events import RowChange

        while connection.socket.open:
            live.emulator.bus.publish(RowChange("db", "items", "update", payload, (), row_security=True))
            await asyncio.sleep(0)
    await until(lambda: not live.emulator.hub.connections)


async def test_a_presence_on_a_socket_ends_with_it(live: Live) -> None:
    secret = await live.user("ann")
    bob = await live.user("bob")
    async with live.socket(session=bob) as watcher:
        await subscribed(watcher, "presences")
        async with live.socket(session=secret) as socket:
            await heard(socket)
            data = {"status": "online", "permissions": ['read("users")']}
            answer = await say(socket, type="presence", data=data)
            assert answer["data"]["presence"]["userId"] == "ann"
            assert (await heard(watcher))["data"]["events"][0].endswith(".upsert")
        assert (await heard(watcher))["data"]["events"][0].endswith(".delete")
