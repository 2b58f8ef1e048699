"""Presences over HTTP: one per user, for a while."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio

from emulator_live import Live, live_server


@pytest_asyncio.fixture
async def live() -> AsyncIterator[Live]:
    async with live_server() as server:
        yield server


async def test_a_user_has_one_presence_however_often_she_speaks(live: Live) -> None:
    ann = await live.user("ann")
    first = await live.call("PUT", "/presences/here", {"status": "online"}, session=ann)
    second = await live.call("PUT", "/presences/there", {"status": "away", "metadata": {"on": "phone"}}, session=ann)
    assert (first["$id"], second["$id"], second["status"], second["source"]) == ("here", "here", "away", "rest")
    assert first["$permissions"] == [
        'delete("user:ann")',
        'read("user:ann")',
        'update("user:ann")',
        'write("user:ann")',
    ]
    listed = await live.call("GET", "/presences", session=ann)
    assert (listed["total"], listed["presences"][0]["metadata"]) == (1, {"on": "phone"})


async def test_a_presence_is_seen_by_its_readers_only(live: Live) -> None:
    ann, bob = await live.user("ann"), await live.user("bob")
    await live.call("PUT", "/presences/a", {"status": "online"}, session=ann)
    assert (await live.answer("GET", "/presences/a", session=bob)).status_code == 404
    await live.call("PUT", "/presences/a", {"status": "online", "permissions": ['read("users")']}, session=ann)
    assert (await live.call("GET", "/presences/a", session=bob))["status"] == "online"
    assert (await live.answer("DELETE", "/presences/a", session=bob)).status_code == 401
    assert (await live.answer("GET", "/presences", session="guest")).status_code == 401


async def test_a_presence_expires(live: Live) -> None:
    ann = await live.user("ann")
    await live.call("PUT", "/presences/a", {"status": "online"}, session=ann)
    live.emulator.clock.offset = timedelta(minutes=16)
    assert (await live.call("GET", "/presences", session=ann))["total"] == 0
    assert (await live.answer("PATCH", "/presences/a", {"status": "back"}, session=ann)).status_code == 404


async def test_a_key_names_the_user_and_a_user_may_not(live: Live) -> None:
    ann = await live.user("ann")
    assert (await live.answer("PUT", "/presences/a", {"status": "x"})).status_code == 400
    assert (await live.answer("PUT", "/presences/a", {"status": "x", "userId": "nobody"})).status_code == 404
    assert (await live.call("PUT", "/presences/a", {"status": "x", "userId": "ann"}))["userId"] == "ann"
    refused = await live.answer("PUT", "/presences/a", {"status": "x", "userId": "bob"}, session=ann)
    assert refused.json()["type"] == "general_unauthorized_scope"


async def test_a_presence_is_changed_and_ended(live: Live) -> None:
    ann = await live.user("ann")
    await live.call("PUT", "/presences/a", {"status": "online"}, session=ann)
    later = (live.emulator.clock.now() + timedelta(hours=1)).isoformat()
    changed = await live.call(
        "PATCH", "/presences/a", {"status": "away", "expiresAt": later, "metadata": {"n": 1}}, session=ann
    )
    assert (changed["status"], changed["metadata"], changed["expiresAt"][:16]) == ("away", {"n": 1}, later[:16])
    await live.call("DELETE", "/presences/a", session=ann)
    assert (await live.answer("GET", "/presences/a", session=ann)).json()["type"] == "presence_not_found"


async def test_bad_fields_are_refused(live: Live) -> None:
    ann = await live.user("ann")
    for fields in (
        {},
        {"status": ""},
        {"status": "x", "metadata": "text"},
        {"status": "x", "expiresAt": "yesterday"},
        {"status": "x", "permissions": ['read("nonsense")']},
    ):
        assert (await live.answer("PUT", "/presences/a", fields, session=ann)).status_code == 400
    foreign = {"status": "x", "permissions": ['read("user:bob")']}
    assert (await live.answer("PUT", "/presences/a", foreign, session=ann)).status_code == 401
    assert (await live.answer("PUT", "/presences/-bad", {"status": "x"}, session=ann)).status_code == 400
