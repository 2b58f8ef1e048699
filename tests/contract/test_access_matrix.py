"""The access matrix: every raw call on every table, by everybody, in both spellings, over HTTP and Realtime.

What is expected is generated from the table of readers (`massage_link.domain.tables`), with and without direct-write
mode; `test_access.py` holds that table to the design by a copy of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from marketplace import PATIENCE, Market, People, Server, own_database
from massage_link.domain.rows import Row
from massage_link.domain.tables import TABLES, THERAPISTS, Reader, Table
from massage_link.usecases.commissions import ensure_commission
from matrix import (
    CHANGES,
    COUNTING,
    CREATES,
    PARTS,
    READS,
    SPELLINGS,
    STAGED,
    STANDINGS,
    TABLESDB,
    Cast,
    Ears,
    Part,
    Seeded,
    Spelling,
    Standing,
    Target,
    calls_on,
    cast,
    columns_of,
    expected_rows,
    may_create,
    readers,
    seed,
    touch,
    transacted,
)

#: What a forger would like to change in each table.
FORGERIES: Mapping[str, dict[str, object]] = {
    "bookings": {"priceMinor": 1},
    "booking_keys": {"bookingId": "forged"},
    "booking_terms": {"commissionBps": 0},
    "booking_places": {"address": "forged"},
    "booking_events": {"reason": "forged"},
    "slots": {"bookingId": "forged"},
    "chat_rooms": {"lastMessage": "forged"},
    "chat_messages": {"body": "forged"},
    "chat_reads": {"n": 99},
    "commissions": {"status": "paid"},
    "commission_entries": {"netMinor": 1},
    "therapists": {"name": "forged"},
    "therapist_terms": {"commissionBps": 0},
    "system_state": {"value": "forged"},
}
REFUSED = {401, 404}
STRANGERS: tuple[Part, ...] = ("other_customer", "other_therapist", "guest")
#: What has to differ in a copy of a row, because an index says so.
UNIQUE = {"clientId": "copy", "reference": "copy"}
#: Tables whose rows a booking's story writes one by one. Slots are written in bulk, without an event.
OF_A_STORY = {
    "bookings", "booking_keys", "booking_terms", "booking_places", "booking_events",
    "chat_rooms", "chat_messages", "commissions", "commission_entries",
}  # fmt: skip
each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.id)
each_spelling = pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda spelling: spelling.name)
Found = dict[tuple[Part, str], Any]


@pytest.fixture(scope="module", params=[False, True], ids=["trusted writes", "direct write"])
def direct_write(request: pytest.FixtureRequest) -> bool:
    """Whether signed-in users may write booking rows."""
    return bool(request.param)


@pytest.fixture(scope="module")
def shop(server: Server, direct_write: bool) -> Iterator[Server]:
    """The server with a database of these tests alone."""
    with own_database(server, direct_write=direct_write) as shop:
        yield shop


@pytest.fixture(scope="module")
def seeded(shop: Server, people: People) -> Seeded:
    """A row of each table for a pending booking, and for an accepted one."""
    return seed(shop, people)


@pytest.fixture(scope="module")
def everybody(shop: Server, people: People) -> Iterator[Cast]:
    """All parts."""
    with cast(shop, people) as everybody:
        yield everybody


@pytest.fixture
def market(shop: Server) -> Iterator[Market]:
    """A look into the tables."""
    with shop.link() as link:
        yield Market(shop, link)


def _target(market: Market, seeded: Seeded, table: Table[Row], spelling: Spelling, part: Part) -> Target:
    row_id = seeded.ids[table.id, "accepted"]
    row = next(row for row in market.raw_rows(table) if row["$id"] == row_id)
    new_id = f"forged-{part.replace('_', '-')}-{spelling.name}"
    return Target(spelling, market.server.database, table.id, row_id, columns_of(row), FORGERIES[table.id], new_id)


def _removed(everybody: Cast, it: Target) -> bool:
    return everybody.http["key"].request("DELETE", f"{it.rows}/{it.new_id}", json={}).is_success


@each_spelling
@each_table
def test_a_row_is_read_by_its_readers_alone(
    table: Table[Row], spelling: Spelling, seeded: Seeded, everybody: Cast, shop: Server
) -> None:
    found: Found = {}
    for part in PARTS:
        for standing in STANDINGS:
            it = Target(spelling, shop.database, table.id, seeded.ids[table.id, standing], {}, {}, "")
            listed, got = (READS[name](everybody.http[part], it) for name in ("list", "get"))
            found[part, standing] = ([row["$id"] for row in listed.json()[spelling.rows]], got.status_code)
    expected = {
        (part, standing): ([seeded.ids[table.id, standing]], 200) if part in readers(table, standing) else ([], 404)
        for part in PARTS
        for standing in STANDINGS
    }
    assert found == expected


@each_spelling
@each_table
def test_a_list_without_queries_shows_strangers_what_everybody_may_see(
    table: Table[Row], spelling: Spelling, seeded: Seeded, everybody: Cast, shop: Server
) -> None:
    for part in STRANGERS:
        answer = everybody.http[part].get(spelling.path(shop.database, table.id)).json()
        assert bool(answer[spelling.rows]) is (Reader.ANY in table.readers), part
        assert answer["total"] == len(answer[spelling.rows])


@each_spelling
@each_table
def test_nobody_but_the_key_changes_a_row(
    table: Table[Row], spelling: Spelling, seeded: Seeded, everybody: Cast, market: Market
) -> None:
    before = market.contents()
    for part in PARTS[:-1]:
        it = _target(market, seeded, table, spelling, part)
        found = {name: call(everybody.http[part], it).status_code for name, call in calls_on(it).items()}
        assert set(found.values()) <= REFUSED, (part, found)
    assert market.contents() == before


@each_spelling
@each_table
def test_a_new_row_is_made_by_those_who_may(
    table: Table[Row], spelling: Spelling, seeded: Seeded, everybody: Cast, market: Market, direct_write: bool
) -> None:
    before = market.contents()
    for part in PARTS[:-1]:
        it = _target(market, seeded, table, spelling, part)
        made: dict[str, bool] = {}
        for name, call in CREATES.items():
            made[name] = call(everybody.http[part], it).is_success
            assert _removed(everybody, it) is made[name]
        allowed = may_create(part, table, direct_write=direct_write)
        assert made == {name: allowed and name != "create for another" for name in CREATES}, part
    assert market.contents() == before


@each_table
def test_no_transaction_of_a_user_changes_a_row(
    table: Table[Row], seeded: Seeded, everybody: Cast, market: Market, direct_write: bool
) -> None:
    before = market.contents()
    for part in PARTS[:-1]:
        it = _target(market, seeded, table, TABLESDB, part)
        done = {name: transacted(everybody.http[part], it, name) for name in STAGED}
        allowed = may_create(part, table, direct_write=direct_write)
        assert done == {name: allowed and name == "create" for name in STAGED}, part
        assert _removed(everybody, it) is allowed
    assert market.contents() == before


@each_spelling
@each_table
def test_the_key_may_do_everything(
    table: Table[Row], spelling: Spelling, seeded: Seeded, everybody: Cast, market: Market
) -> None:
    before = market.contents()
    original = _target(market, seeded, table, spelling, "key")
    columns = {name: UNIQUE.get(name, value) for name, value in original.columns.items()}
    copy = replace(original, row_id=original.new_id, columns=columns)
    http = everybody.http["key"]
    works = {"create": CREATES["create"](http, copy)} | {name: call(http, copy) for name, call in READS.items()}
    for name in ("patch", "patch readers", "put over it", *(COUNTING if copy.number else ()), "delete"):
        works[name] = CHANGES[name](http, copy)
    assert {name: answer.text for name, answer in works.items() if answer.is_error} == {}
    assert market.contents() == before


# --- realtime ---------------------------------------------------------------------------------------------------------
async def test_an_event_reaches_the_readers_of_its_row_alone(seeded: Seeded, everybody: Cast, market: Market) -> None:
    fence = seeded.ids[THERAPISTS.id, "pending"]
    async with asyncio.timeout(PATIENCE), Ears(everybody) as ears:
        for table in TABLES:
            rows = {row["$id"]: row for row in market.raw_rows(table)}
            for row_id in {seeded.ids[table.id, standing] for standing in STANDINGS}:
                touch(everybody, table, rows[row_id])
        found = await ears.heard(market, THERAPISTS, fence)
    heard_as = {part: "guest" if part == "key" else part for part in PARTS}  # a key has no rights in realtime
    expected = {
        (part, spelling.name): expected_rows(heard_as[part], seeded) - {(THERAPISTS.id, fence)}
        for part in PARTS
        for spelling in SPELLINGS
    }
    assert found == expected


async def test_the_story_of_a_booking_is_heard_by_its_readers_alone(
    seeded: Seeded, everybody: Cast, people: People, market: Market
) -> None:
    fence = seeded.ids[THERAPISTS.id, "pending"]
    both = {"customer_id": people.customer.id, "therapist_id": people.therapist.id}
    async with asyncio.timeout(PATIENCE), Ears(everybody) as ears:
        booking = market.link.bookings.request(**market.wish(**both), idempotency_key="story")
        market.link.chat.send(booking.id, "hello", sender_id=people.customer.id)
        market.link.run(ensure_commission(market.link.ports, booking.id))
        asked = await ears.heard(market, THERAPISTS, fence)
        market.link.bookings.accept(booking.id, by=people.therapist.id)
        market.link.bookings.complete(booking.id, by=people.therapist.id)
        told = await ears.heard(market, THERAPISTS, fence)
    written = [table for table in TABLES if table.id in OF_A_STORY]
    phases: dict[Standing, Found] = {"pending": asked, "accepted": told}
    for standing, found in phases.items():
        for (part, spelling), rows in found.items():
            heard_as: Part = "guest" if part == "key" else part
            tables = {table.id for table in written if heard_as in readers(table, standing)}
            assert {table for table, _ in rows} == tables, (standing, part, spelling)
            assert all(booking.id in row_id for table, row_id in rows if table != "booking_keys")
