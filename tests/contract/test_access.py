"""Who sees which row: every table against everybody who might look, by JWT and by session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pytest
from appwrite.query import Query

from deployed import has_function
from marketplace import LinkMaker, Market, People, Server
from massage_link import AsyncMassageLink, Booking, MassageLink
from massage_link.domain.rows import Row
from massage_link.domain.tables import TABLES, Table
from massage_link.errors import CredentialRequired, NotFound, Unauthorized
from massage_link.wire.rows import create_row, list_rows, patch_row

Part = Literal["customer", "therapist", "other_customer", "other_therapist", "ops", "guest"]
_CUSTOMER: frozenset[Part] = frozenset({"customer"})
_THERAPIST: frozenset[Part] = frozenset({"therapist"})
_OPS: frozenset[Part] = frozenset({"ops"})
_BOTH = _CUSTOMER | _THERAPIST | _OPS
STRANGERS: frozenset[Part] = frozenset({"other_customer", "other_therapist", "guest"})
_ALL = _BOTH | STRANGERS
#: Written from design.md, "Tables, and who may read a row", apart from the definitions that are tested.
READERS: Mapping[str, frozenset[Part]] = {
    "bookings": _BOTH,
    "booking_keys": _OPS,
    "booking_terms": _THERAPIST | _OPS,
    "booking_places": _BOTH,  # once accepted; before, not the therapist
    "booking_events": _BOTH,
    "slots": _OPS,
    "chat_rooms": _BOTH,
    "chat_messages": _BOTH,
    "chat_reads": _CUSTOMER | _THERAPIST,
    "commissions": _THERAPIST | _OPS,
    "commission_entries": _THERAPIST | _OPS,
    "therapists": _ALL,
    "therapist_terms": _THERAPIST | _OPS,
    "system_state": _OPS,
}
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
    "chat_reads": {"n": 2},
    "commissions": {"status": "paid"},
    "commission_entries": {"netMinor": 1},
    "therapists": {"name": "forged"},
    "therapist_terms": {"commissionBps": 0},
    "system_state": {"value": "forged"},
}


@dataclass(frozen=True)
class Seeded:
    """Ids of one row of each table that belongs to the booking of `customer` with `therapist`."""

    booking_id: str
    ids: Mapping[str, str]


@pytest.fixture(scope="module")
def seeded(server: Server, people: People) -> Seeded:
    """A booking that was talked about and completed, another that holds its time, and rows that no use case writes."""
    both = {"customer_id": people.customer.id, "therapist_id": people.therapist.id}
    with server.link() as link:
        market = Market(server, link)
        _seed_by_hand(link, people)
        booking = link.bookings.request(**market.wish(**both, idempotency_key="seeded"))
        message = link.chat.send(booking.id, "hello", sender_id=people.customer.id)
        link.bookings.accept(booking.id, by=people.therapist.id)
        link.bookings.complete(booking.id, by=people.therapist.id)
        holding = link.bookings.request(**market.wish(**both))

        def row_of(table: str, of: Booking) -> str:
            return next(str(row["$id"]) for row in market.raw_rows(_table(table)) if row["bookingId"] == of.id)

        same_id = ("bookings", "booking_terms", "booking_places", "chat_rooms", "commissions")
        return Seeded(
            booking.id,
            {
                **dict.fromkeys(same_id, booking.id),
                "booking_keys": row_of("booking_keys", booking),
                "booking_events": f"{booking.id}_2",
                "slots": row_of("slots", holding),
                "chat_messages": message.id,
                "chat_reads": "read-mark",
                "commission_entries": row_of("commission_entries", booking),
                "therapists": "catalogue-entry",
                "therapist_terms": people.therapist.id,
                "system_state": "watermark",
            },
        )


def _seed_by_hand(link: MassageLink, people: People) -> None:
    """Rows that no use case of the SDK writes yet, with the readers that their tables name."""
    customer, therapist = people.customer.id, people.therapist.id
    rows: Mapping[str, tuple[str, dict[str, object]]] = {
        "chat_reads": ("read-mark", {"roomId": "room", "userId": customer, "n": 1}),
        "therapists": ("catalogue-entry", {"name": "Thea", "timezone": "Europe/Berlin"}),
        "therapist_terms": (therapist, {"commissionBps": 2_500}),
        "system_state": ("watermark", {"value": "{}"}),
    }
    for name, (row_id, columns) in rows.items():
        table = _table(name)
        readers = table.user_readers(customer_id=customer, therapist_id=therapist)
        permissions = [f'read("user:{reader}")' for reader in readers]
        link.send(create_row(link.ports.address(table), table.model, row_id, columns, permissions))


def _table(name: str) -> Table[Row]:
    return next(table for table in TABLES if table.id == name)


@pytest.fixture(params=["jwt", "session"])
async def acting(request: pytest.FixtureRequest, links: LinkMaker, people: People) -> Mapping[Part, AsyncMassageLink]:
    """A link for each part: users by short JWTs or by a session of their own."""
    key, nobody = links(), links(api_key=None)
    parts: dict[Part, AsyncMassageLink] = {"guest": nobody}
    named: tuple[Part, ...] = ("customer", "therapist", "other_customer", "other_therapist", "ops")
    for part in named:
        person = getattr(people, part)
        if request.param == "jwt":
            parts[part] = key.as_user(person.id)
        else:
            parts[part] = await nobody.sign_in(person.email, person.password)
    return parts


async def _sees(link: AsyncMassageLink, table: Table[Row], row_id: str) -> bool:
    found = await link.send(
        list_rows(link.ports.address(table), table.model, [Query.equal("$id", [row_id]), Query.limit(1)])
    )
    return bool(found)


async def test_each_table_shows_its_rows_to_its_readers_alone(
    acting: Mapping[Part, AsyncMassageLink], seeded: Seeded
) -> None:
    seen: dict[str, set[Part]] = {}
    for table in TABLES:
        seen[table.id] = set()
        for part, link in acting.items():
            try:
                sees = await _sees(link, table, seeded.ids[table.id])
            except Unauthorized:
                sees = False
            if sees:
                seen[table.id].add(part)
    assert seen == {name: set(readers) for name, readers in READERS.items()}


async def test_a_stranger_sees_nothing_of_a_booking_through_the_sdk(
    acting: Mapping[Part, AsyncMassageLink], seeded: Seeded
) -> None:
    for part in STRANGERS:
        link = acting[part]
        for work in (link.bookings.get, link.bookings.address, link.chat.room, link.commissions.get):
            with pytest.raises(NotFound):
                await work(seeded.booking_id)
        assert [each async for each in link.bookings.history(seeded.booking_id)] == []
        assert [each async for each in link.chat.messages(seeded.booking_id)] == []
        assert seeded.booking_id not in {each.id async for each in link.bookings.list()}


async def test_the_customer_sees_no_commission(acting: Mapping[Part, AsyncMassageLink], seeded: Seeded) -> None:
    with pytest.raises(NotFound, match="no commission"):
        await acting["customer"].commissions.get(seeded.booking_id)
    assert (await acting["therapist"].commissions.get(seeded.booking_id)).rate_bps == 2_500


async def test_the_address_is_shown_to_the_therapist_once_the_booking_is_accepted(
    acting: Mapping[Part, AsyncMassageLink], link: AsyncMassageLink, people: People, market: Market
) -> None:
    wish = market.wish(customer_id=people.customer.id, therapist_id=people.therapist.id, address="Linienstraße 1")
    booking = await link.bookings.request(**wish)
    assert await acting["customer"].bookings.address(booking.id) == "Linienstraße 1"
    with pytest.raises(NotFound, match="no address"):
        await acting["therapist"].bookings.address(booking.id)
    await link.bookings.accept(booking.id, by=people.therapist.id)
    for part in _BOTH:
        assert await acting[part].bookings.address(booking.id) == "Linienstraße 1"
    for part in STRANGERS:
        with pytest.raises(NotFound, match="no address"):
            await acting[part].bookings.address(booking.id)


async def test_the_address_of_a_declined_booking_is_never_shown_to_the_therapist(
    acting: Mapping[Part, AsyncMassageLink], link: AsyncMassageLink, people: People, market: Market
) -> None:
    wish = market.wish(customer_id=people.customer.id, therapist_id=people.therapist.id, address="Linienstraße 1")
    booking = await link.bookings.request(**wish)
    await link.bookings.decline(booking.id, by=people.therapist.id)
    with pytest.raises(NotFound, match="no address"):
        await acting["therapist"].bookings.address(booking.id)


async def test_nobody_but_the_key_writes_a_row(
    acting: Mapping[Part, AsyncMassageLink], seeded: Seeded, market: Market
) -> None:
    before = market.contents()
    for table in TABLES:
        row_id, forged = seeded.ids[table.id], FORGERIES[table.id]
        columns = {name: value for name, value in before[table.id][row_id].items() if not name.startswith("$")}
        for link in acting.values():
            address = link.ports.address(table)
            for call in (
                create_row(address, table.model, "forged", columns, []),
                patch_row(address, table.model, row_id, forged, unless_changed="2100-01-01T00:00:00.000+00:00"),
            ):
                with pytest.raises(Unauthorized):
                    await link.send(call)
    assert market.contents() == before


async def test_a_user_is_told_that_writing_needs_a_key(
    acting: Mapping[Part, AsyncMassageLink], seeded: Seeded, market: Market
) -> None:
    if has_function(market.server, "commands"):
        pytest.skip("the function `commands` is deployed on the named server")
    for link in acting.values():
        with pytest.raises(CredentialRequired, match=r"API key|signed-in users"):
            await link.bookings.request(**market.wish())
        with pytest.raises(CredentialRequired, match=r"API key|signed-in users"):
            await link.bookings.accept(seeded.booking_id)
        with pytest.raises(CredentialRequired, match=r"API key|signed-in users"):
            await link.chat.send(seeded.booking_id, "hello", sender_id="me")
