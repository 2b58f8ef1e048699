"""A hundred who want the same time, by every way there is: one gets it, and everybody is told the truth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import httpx
import pytest
from appwrite.query import Query

from marketplace import PATIENCE, LinkMaker, gathered
from massage_link import AsyncMassageLink, Booking, Status
from massage_link.domain.booking import BookingEvent, BookingEventType
from massage_link.domain.draft import is_booking_row
from massage_link.domain.states import Command
from massage_link.domain.tables import BOOKINGS, SLOTS
from massage_link.errors import MassageLinkError, SlotTaken, StaleBooking
from massage_link.usecases.transitions import Wanted, acting, transition
from salon import Salon

_EACH = {"key": 34, "commands": 33, "documents": 17, "rows": 16}


async def _post(client: httpx.AsyncClient, salon: Salon, spelling: str, row_id: str, draft: dict[str, Any]) -> str:
    """Write a booking as a client does; its id."""
    by_documents = spelling == "documents"
    path, id_name = (salon.documents, "documentId") if by_documents else (salon.rows, "rowId")
    answer = await client.post(path, json={id_name: row_id, "data": draft})
    assert answer.status_code == 201, answer.text
    return row_id


async def test_of_a_hundred_who_want_overlapping_times_by_every_way_one_gets_it(salon: Salon) -> None:
    therapist, noon = salon.therapist(), salon.market.start()
    # Each begins within half an hour of the others, so that any two of them collide.
    starts = [noon + timedelta(minutes=number % 7 * 5) for number in range(100)]
    askers = (salon.people.customer, salon.people.other_customer)
    work: dict[str, list[Coroutine[Any, Any, Any]]] = {way: [] for way in _EACH}
    async with AsyncMassageLink(**salon.server.arguments(timeout=PATIENCE)) as key:
        clients = [salon.client(person) for person in askers]
        users = [key.as_user(person.id) for person in askers]
        wants = iter(starts)
        for number in range(_EACH["key"]):
            wish = salon.wish(therapist_id=therapist, starts_at=next(wants), customer_id=askers[number % 2].id)
            work["key"].append(key.bookings.request(**wish))
        for number in range(_EACH["commands"]):
            wish = salon.wish(therapist_id=therapist, starts_at=next(wants), customer_id=askers[number % 2].id)
            work["commands"].append(users[number % 2].bookings.request(**wish))
        for spelling in ("documents", "rows"):
            for number in range(_EACH[spelling]):
                person, row_id = askers[number % 2], salon.market.someone("d")
                draft = salon.draft(therapistId=therapist, customerId=person.id, starts_at=next(wants))
                work[spelling].append(_post(clients[number % 2], salon, spelling, row_id, draft))
        together = [each for number in range(34) for way in work.values() for each in way[number : number + 1]]
        results = await gathered(*together)
        for client in clients:
            await client.aclose()
    assert len(results) == 100
    judged = await salon.judged(*[each for each in results if isinstance(each, str)])
    _check_one_winner(salon, therapist, results, judged)


def _check_one_winner(salon: Salon, therapist: str, results: Any, judged: list[BookingEvent]) -> None:
    refused = [each for each in results if isinstance(each, BaseException)]
    assert {type(each) for each in refused} <= {SlotTaken}, refused
    admitted = [each for each in judged if each.type is BookingEventType.REQUESTED]
    declined = [each for each in judged if each.type is BookingEventType.DECLINED]
    assert all("is not free" in each.reason for each in declined)
    won = [each.id for each in results if isinstance(each, Booking)] + [each.booking_id for each in admitted]
    assert len(won) == 1, won
    assert len(refused) + len(declined) == 99
    # The slot rows are the winner's and nobody else's, and only its row is a booking that lives.
    rows = [row for row in salon.market.raw_rows(BOOKINGS) if row["therapistId"] == therapist]
    live = [row for row in rows if is_booking_row(row) and row["status"] == "pending"]
    assert [row["$id"] for row in live] == won
    slots = salon.market.rows(SLOTS, Query.equal("therapistId", [therapist]))
    assert {slot.booking_id for slot in slots} == set(won)
    numbers = sorted(int(slot.id.rpartition("_")[2]) for slot in slots)
    assert numbers == list(Booking.model_validate(live[0]).buckets)


@pytest.mark.parametrize("expected", [1, None], ids=["as it was seen", "as it is"])
async def test_of_four_who_move_a_booking_by_key_and_by_commands_one_wins(
    desks: LinkMaker, salon: Salon, expected: int | None
) -> None:
    booking = await desks().bookings.request(**salon.wish())
    clients = {part: salon.client(getattr(salon.people, part)) for part in ("customer", "therapist", "ops")}

    async def command(part: str, name: str) -> Status | str:
        arguments: dict[str, Any] = {"bookingId": booking.id, "commandId": f"{part}-{name}"}
        if expected is not None:
            arguments["expectedVersion"] = expected
        body = json.dumps({"command": f"bookings.{name}", "arguments": arguments})
        answer = json.loads((await clients[part].run(body)).json()["responseBody"])
        return Status(answer["result"]["status"]) if "result" in answer else str(answer["error"]["type"])

    async def by_key() -> Status | str:
        wanted = Wanted(Command.ACCEPT, expected_version=expected)
        link = desks()
        try:
            moved: Booking = await link.run(transition(link.ports, booking.id, wanted, actor=acting(None)))
        except MassageLinkError as error:
            return type(error).__name__
        return moved.status

    results = await asyncio.gather(
        command("therapist", "decline"), command("customer", "cancel"), command("ops", "accept"), by_key()
    )
    for client in clients.values():
        await client.aclose()
    moved = [each for each in results if isinstance(each, Status)]
    lost = [each for each in results if not isinstance(each, Status)]
    stored = await desks().bookings.get(booking.id)
    if expected is not None:
        assert (len(moved), lost) == (1, [StaleBooking.__name__] * 3)
        assert stored.status is moved[0]
    else:
        # Who comes late may still cancel what was accepted; every other is told why not.
        assert set(lost) <= {StaleBooking.__name__, "IllegalTransition"}
        assert stored.version == 1 + len(moved)
        assert stored.status in moved
    held = list(stored.buckets) if stored.status is Status.ACCEPTED else []
    assert salon.market.slots_of(stored) == held
