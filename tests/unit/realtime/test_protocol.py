from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.realtime.protocol import (
    Authenticated,
    Failed,
    Puzzling,
    RealtimeProtocol,
    Remedy,
    RowEvent,
    Send,
    Subscribed,
    Subscription,
)

DATA = Path(__file__).parents[2] / "data"
BOOKINGS = Subscription("bookings", ["tablesdb.db.tables.bookings.rows"], ['{"method":"isNull"}'])
GREETING = '{"type":"connected","data":{"channels":[],"subscriptions":[],"user":{"$id":"ann"}}}'


def response(to: str, **data: Any) -> str:
    return json.dumps({"type": "response", "data": {"to": to, "success": True, **data}})


def error(code: Any) -> str:
    return json.dumps({"type": "error", "data": {"code": code, "message": "Error: Server Error"}})


def subscribed() -> RealtimeProtocol:
    protocol = RealtimeProtocol([BOOKINGS])
    protocol.receive(GREETING)
    protocol.receive(response("subscribe", subscriptions=[{"subscriptionId": "bookings"}]))
    return protocol


def test_being_greeted_leads_to_one_message_with_every_subscription() -> None:
    protocol = RealtimeProtocol([BOOKINGS, Subscription("rooms", ["rows"])])
    output = protocol.receive(GREETING)
    assert isinstance(output, Send)
    assert json.loads(output.text) == {
        "type": "subscribe",
        "data": [
            {"subscriptionId": "bookings", "channels": [*BOOKINGS.channels], "queries": [*BOOKINGS.queries]},
            {"subscriptionId": "rooms", "channels": ["rows"], "queries": []},
        ],
    }


def test_the_confirmation_of_every_subscription_is_told_with_the_user() -> None:
    protocol = RealtimeProtocol([BOOKINGS])
    protocol.receive(GREETING)
    assert protocol.receive(response("subscribe", subscriptions=[{"subscriptionId": "bookings"}])) == Subscribed("ann")


@pytest.mark.parametrize("confirmed", [[], None, [{"subscriptionId": "other"}], ["bookings"]])
def test_a_confirmation_that_lacks_a_subscription_is_a_failure(confirmed: Any) -> None:
    protocol = RealtimeProtocol([BOOKINGS])
    protocol.receive(GREETING)
    output = protocol.receive(response("subscribe", subscriptions=confirmed))
    assert isinstance(output, Failed)
    assert output.remedy is Remedy.RETRY


def test_being_greeted_as_a_guest_asks_for_a_new_credential() -> None:
    output = RealtimeProtocol([BOOKINGS]).receive('{"type":"connected","data":{"user":null}}')
    assert isinstance(output, Failed)
    assert output.remedy is Remedy.NEW_CREDENTIAL


def test_a_guest_may_be_expected() -> None:
    output = RealtimeProtocol([BOOKINGS], expect_user=False).receive('{"type":"connected","data":{"user":null}}')
    assert isinstance(output, Send)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (1008, Remedy.GIVE_UP),
        (403, Remedy.GIVE_UP),
        (401, Remedy.NEW_CREDENTIAL),
        (1013, Remedy.WAIT),
        (429, Remedy.WAIT),
        (500, Remedy.RETRY),
        ("HY000", Remedy.RETRY),
        (None, Remedy.RETRY),
    ],
)
def test_each_error_has_its_remedy(code: Any, remedy: Remedy) -> None:
    output = subscribed().receive(error(code))
    assert isinstance(output, Failed)
    assert output.remedy is remedy
    assert output.code == (code if isinstance(code, int) else None)


def test_error_1003_leaves_a_subscribed_connection_alone() -> None:
    assert subscribed().receive(error(1003)) is None


def test_error_1003_for_the_subscriptions_is_final() -> None:
    protocol = RealtimeProtocol([BOOKINGS])
    protocol.receive(GREETING)
    output = protocol.receive(error(1003))
    assert isinstance(output, Failed)
    assert output.remedy is Remedy.GIVE_UP


def test_a_new_session_is_confirmed() -> None:
    protocol = subscribed()
    text = protocol.authenticate("fresh")
    assert json.loads(text) == {"type": "authentication", "data": {"session": "fresh"}}
    assert protocol.receive(response("authentication", user={"$id": "bob"})) == Authenticated("bob")


def test_error_1003_for_a_new_session_asks_for_another() -> None:
    protocol = subscribed()
    protocol.authenticate("rubbish")
    output = protocol.receive(error(1003))
    assert isinstance(output, Failed)
    assert output.remedy is Remedy.NEW_CREDENTIAL


def test_an_unsubscribed_id_need_not_be_confirmed_again() -> None:
    protocol = subscribed()
    assert json.loads(protocol.unsubscribe(["bookings"])) == {
        "type": "unsubscribe",
        "data": [{"subscriptionId": "bookings"}],
    }
    protocol.subscribe([Subscription("rooms", ["rows"])])
    confirmed = response("subscribe", subscriptions=[{"subscriptionId": "rooms"}])
    assert protocol.receive(confirmed) == Subscribed("ann")


def test_an_answer_that_was_not_asked_for_is_ignored() -> None:
    assert subscribed().receive(response("unsubscribe", subscriptions=[])) is None


def test_the_heartbeat_is_a_ping_and_its_answer_asks_for_nothing() -> None:
    protocol = subscribed()
    assert json.loads(protocol.ping()) == {"type": "ping"}
    assert protocol.receive('{"type":"pong"}') is None


def test_an_event_tells_the_row_its_action_and_whom_it_concerns() -> None:
    data = {
        "events": ["tablesdb.db.tables.bookings.rows.b1.upsert", "databases.*"],
        "timestamp": "2026-11-22T14:05:37.574+00:00",
        "payload": {"$id": "b1"},
        "subscriptions": ["bookings"],
    }
    output = subscribed().receive(json.dumps({"type": "event", "data": data}))
    assert output == RowEvent(["bookings"], "upsert", "2026-11-22T14:05:37.574+00:00", {"$id": "b1"})


@pytest.mark.parametrize("field", ["payload", "subscriptions"])
def test_an_event_that_lacks_its_row_or_subscriptions_is_puzzling(field: str) -> None:
    data = {"events": ["x.create"], "timestamp": "", "payload": {"$id": "b1"}, "subscriptions": ["bookings"]}
    output = subscribed().receive(json.dumps({"type": "event", "data": {**data, field: None}}))
    assert isinstance(output, Puzzling)


def test_an_event_without_names_or_time_is_still_an_event() -> None:
    data = {"payload": {"$id": "b1"}, "subscriptions": ["bookings"]}
    output = subscribed().receive(json.dumps({"type": "event", "data": data}))
    assert output == RowEvent(["bookings"], "", "", {"$id": "b1"})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["type", "data", "code", "to", "user", "payload", "events", "subscriptions", "$id"]),
                inner,
            )
        ),
    ),
    st.sampled_from(["event", "connected", "response", "error", "pong", "new"]),
)
def test_no_frame_whatsoever_breaks_it(data: Any, kind: str) -> None:
    for text in (json.dumps(data), json.dumps({"type": kind, "data": data})):
        for protocol in (RealtimeProtocol([BOOKINGS]), subscribed()):
            protocol.receive(text)


def test_every_frame_that_a_real_server_sent_is_understood() -> None:
    frames = [entry["raw"] for entry in json.loads((DATA / "realtime.json").read_text()) if entry.get("dir") == "recv"]
    protocol = subscribed()
    outputs = [protocol.receive(frame) for frame in frames if json.loads(frame)["type"] in ("event", "pong")]
    events = [output for output in outputs if isinstance(output, RowEvent)]
    assert not any(isinstance(output, Puzzling) for output in outputs)
    assert {event.action for event in events} == {"create", "update", "delete"}
    assert all(event.row["$id"] and event.subscriptions for event in events)


def test_every_event_of_the_recorded_scenario_is_understood() -> None:
    steps = json.loads((DATA / "scenario-realtime.json").read_text())
    messages = [m for step in steps for sent in step.get("expect", {}).get("messages", {}).values() for m in sent]
    events = [subscribed().receive(json.dumps(m)) for m in messages if m.get("type") == "event"]
    assert len(events) > 50
    assert all(isinstance(event, RowEvent) for event in events)
