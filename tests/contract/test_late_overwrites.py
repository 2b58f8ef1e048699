"""Direct-write mode: what an author began to write while they could, and what takes effect when it is a booking.

Appwrite's upsert checks the author's rights against a row that it read without a lock, in a transaction even one of
long ago. The embedded server is not that loose: here a key writes what is in the row then, the author's permissions
included.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from emulator_live import until
from marketplace import PATIENCE, own_database
from massage_link import Booking, MassageLink, Status
from massage_link.domain.booking import BookingEvent
from massage_link.domain.tables import BOOKINGS, COMMISSIONS
from massage_link.usecases.admission import admit_booking
from massage_link.usecases.commissions import ensure_commission
from massage_link.usecases.sweep import sweep
from massage_link.wire.call import Call, nothing, path
from massage_link.wire.rows import with_ids
from salon import Salon, opened

_FORGED = {"priceMinor": 1, "status": "completed", "version": 9_000_000, "note": "forged"}
_MOVES: dict[str, Callable[[MassageLink, Booking, Salon], Booking]] = {
    "requested": lambda _, booking, __: booking,
    "accepted": lambda link, booking, _: link.bookings.accept(booking.id, by=booking.therapist_id),
    "declined": lambda link, booking, _: link.bookings.decline(booking.id, by=booking.therapist_id, reason="ill"),
    "cancelled": lambda link, booking, _: link.bookings.cancel(booking.id, by=booking.customer_id),
    "moved": lambda link, booking, salon: link.bookings.reschedule(
        link.bookings.accept(booking.id, by=booking.therapist_id).id,
        starts_at=salon.market.start(),
        by=booking.therapist_id,
    ),
}


def _row(salon: Salon, booking_id: str) -> str:
    return path("tablesdb", salon.server.database, "tables", BOOKINGS.id, "rows", booking_id)


def _raw(salon: Salon, booking_id: str) -> dict[str, Any] | None:
    return next((row for row in salon.market.raw_rows(BOOKINGS) if row["$id"] == booking_id), None)


async def _admitted(salon: Salon, **wish: Any) -> Booking:
    booking_id = salon.market.someone("d")
    async with salon.client(salon.people.customer) as customer:
        answer = await customer.post(salon.rows, json={"rowId": booking_id, "data": salon.draft(**wish)})
        assert answer.status_code == 201, answer.text
    await salon.judged(booking_id)
    return await asyncio.to_thread(salon.link.bookings.get, booking_id)


def _overwrite(salon: Salon, booking: Booking, permissions: list[str], **columns: Any) -> None:
    wish = salon.draft(starts_at=booking.starts_at)
    body = {"data": {**booking.columns(), **wish, **_FORGED, **columns}, "permissions": permissions}
    salon.link.send(Call("PUT", _row(salon, booking.id), nothing, body))


def _all_rights(salon: Salon) -> list[str]:
    return [f'{right}("user:{salon.people.customer.id}")' for right in ("read", "update", "delete")]


async def _as_it_was(salon: Salon, before: Booking) -> None:
    async def restored() -> bool:
        row = await asyncio.to_thread(_raw, salon, before.id)
        return row is not None and set(row["$permissions"]) == set(before.permissions)

    await until(restored, PATIENCE)
    after = await asyncio.to_thread(salon.link.bookings.get, before.id)
    assert after.columns() == before.columns()
    live = before.status in {Status.PENDING, Status.ACCEPTED}
    assert salon.market.slots_of(after) == (list(before.buckets) if live else [])


@pytest.mark.parametrize("state", _MOVES)
async def test_a_booking_that_its_author_overwrites_late_is_made_anew_from_its_events(salon: Salon, state: str) -> None:
    requested = await _admitted(salon, note="Zweiter Hof, “links” 🌿", area="Berlin-Mitte", customerName="Cleo")
    before = await asyncio.to_thread(_MOVES[state], salon.link, requested, salon)
    _overwrite(salon, before, _all_rights(salon))
    await _as_it_was(salon, before)
    async with salon.client(salon.people.customer) as author:
        patched = await author.patch(_row(salon, before.id), json={"data": {"priceMinor": 1}})
        deleted = await author.delete(_row(salon, before.id))
        assert (patched.status_code, deleted.status_code) == (401, 401)


async def test_a_booking_that_its_author_makes_look_declined_is_made_anew(salon: Salon) -> None:
    before = await _admitted(salon)
    _overwrite(salon, before, [f'read("user:{before.customer_id}")'], status="declined", version=1)
    await _as_it_was(salon, before)


async def test_a_booking_that_is_deleted_is_made_anew(salon: Salon) -> None:
    before = await asyncio.to_thread(_MOVES["accepted"], salon.link, await _admitted(salon), salon)
    salon.link.send(Call("DELETE", _row(salon, before.id), nothing))
    await _as_it_was(salon, before)


async def test_nothing_is_computed_from_a_row_that_was_overwritten(salon: Salon) -> None:
    before = await _admitted(salon)
    with salon.server.link() as link:
        _overwrite(salon, before, [f'read("user:{before.customer_id}")'], status="declined", version=1)
        link.run(ensure_commission(link.ports, before.id))
    await _as_it_was(salon, before)

    async def computed() -> bool:
        return bool(await asyncio.to_thread(salon.market.rows, COMMISSIONS, with_ids([before.id])))

    await until(computed, PATIENCE)
    assert salon.link.commissions.get(before.id).gross == before.price


@pytest.fixture(scope="module")
def unheard(salon: Salon) -> Iterator[Salon]:
    """The same server with a database of these tests alone, of which no function hears."""
    with own_database(salon.server, direct_write=True) as shop, opened(shop) as quiet:
        yield quiet


async def _admitted_by_hand(salon: Salon) -> Booking:
    booking_id = salon.market.someone("d")
    async with salon.client(salon.people.customer) as customer:
        await customer.post(salon.rows, json={"rowId": booking_id, "data": salon.draft()})
    booking = salon.link.run(admit_booking(salon.link.ports, booking_id))
    assert booking is not None
    return salon.link.bookings.get(booking_id)


async def test_the_sweeper_makes_anew_what_no_event_told_of(unheard: Salon) -> None:
    before = await _admitted_by_hand(unheard)
    _overwrite(unheard, before, _all_rights(unheard))
    unheard.link.run(sweep(unheard.link.ports))
    await _as_it_was(unheard, before)


async def test_the_sweeper_makes_anew_even_what_was_booked_long_ago(unheard: Salon) -> None:
    """An upsert in a transaction whose author may not read what it writes causes no event at all."""
    before = await _admitted_by_hand(unheard)
    long_ago = {"$createdAt": "2020-01-01T00:00:00.000+00:00"}
    unheard.link.send(Call("PATCH", _row(unheard, before.id), nothing, {"data": long_ago}))
    _overwrite(unheard, before, _all_rights(unheard)[1:])
    unheard.link.run(sweep(unheard.link.ports))
    await _as_it_was(unheard, before)


async def test_two_who_restore_a_booking_at_once_agree(salon: Salon) -> None:
    before = await _admitted(salon)
    _overwrite(salon, before, _all_rights(salon))

    def restore() -> Booking | None:
        with salon.server.link() as link:
            return link.run(admit_booking(link.ports, before.id))

    both = await asyncio.gather(*[asyncio.to_thread(restore) for _ in range(4)])
    assert {booking.columns() == before.columns() for booking in both if booking is not None} == {True}
    await _as_it_was(salon, before)


async def test_a_draft_that_was_declined_stays_what_its_author_makes_of_it(salon: Salon) -> None:
    booking_id = salon.market.someone("d")
    draft = salon.draft(priceMinor=1)
    async with salon.client(salon.people.customer) as customer:
        await customer.post(salon.rows, json={"rowId": booking_id, "data": draft})
    (event,) = await salon.judged(booking_id)
    assert BookingEvent.model_validate(event).facts == {}
    body = {"data": {**draft, "status": "accepted"}, "permissions": _all_rights(salon)}
    salon.link.send(Call("PUT", _row(salon, booking_id), nothing, body))
    assert salon.link.run(admit_booking(salon.link.ports, booking_id)) is None
    (row,) = [row for row in salon.market.raw_rows(BOOKINGS) if row["$id"] == booking_id]
    assert row["status"] == "accepted"
