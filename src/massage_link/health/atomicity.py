"""The proof that a transaction which fails leaves nothing: no double booking rests on less."""

from __future__ import annotations

from datetime import timedelta

from appwrite.query import Query

from massage_link.domain.money import Money
from massage_link.domain.request import BookingRequest, NewBooking, new_booking
from massage_link.domain.system import SystemState
from massage_link.domain.tables import BOOKINGS, SLOTS, SYSTEM_STATE
from massage_link.errors import Conflict
from massage_link.health.report import Finding, State
from massage_link.health.surroundings import Asked, Surroundings
from massage_link.usecases.ports import Ports
from massage_link.wire.rows import list_raw_rows, with_ids
from massage_link.wire.transactions import Operation, begin, bulk_create, commit, create, stage

__all__ = ["ATOMICITY"]

_ACTION = (
    "Take no bookings on this server: double bookings are possible. Appwrite on MariaDB keeps transactions; on MongoDB "
    "they need a replica set."
)


async def _atomicity(surroundings: Surroundings) -> Finding:
    link = surroundings.link
    ports = surroundings.canary.ports(link.ports)
    new = _booking(surroundings, ports)
    transaction = await link.send(begin())
    refused = False
    try:
        await link.send(stage(transaction, _operations(surroundings, new, ports)))
        await link.send(commit(transaction))
    except Conflict:
        refused = True
    bookings = await link.send(list_raw_rows(ports.address(BOOKINGS), [with_ids([new.booking.id])]))
    slots = await link.send(list_raw_rows(ports.address(SLOTS), [Query.equal("bookingId", [new.booking.id])]))
    left = len(bookings.rows) + len(slots.rows)
    if not refused:
        found = f"A transaction that creates a row which is there already was committed; {left} of its rows are there."
        return Finding(State.DOWN, found, _ACTION)
    if left:
        return Finding(State.DOWN, f"A transaction was refused and left {left} rows.", _ACTION)
    return Finding(State.OK, "A transaction that had to fail was refused, and none of its rows is there.")


def _booking(surroundings: Surroundings, ports: Ports) -> NewBooking:
    canary, now = surroundings.canary, ports.now()
    starts_at = now.replace(second=0, microsecond=0) + timedelta(days=30)
    request = BookingRequest(
        customer_id=canary.customer_id,
        therapist_id=canary.therapist_id,
        service="Health check",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=15),
        price=Money(1, "EUR"),
        canary=True,
    )
    return new_booking(request, booking_id=ports.new_id(), command_id=ports.new_id(), now=now)


def _operations(surroundings: Surroundings, new: NewBooking, ports: Ports) -> list[Operation]:
    """A booking with its slots, which could be made, and at last a row that is there already."""
    note = SystemState(id=surroundings.canary.note_id)
    return [
        create(ports.address(BOOKINGS), new.booking.id, new.booking.columns(), []),
        bulk_create(ports.address(SLOTS), [(slot.id, slot.columns()) for slot in new.slots]),
        create(ports.address(SYSTEM_STATE), note.id, note.columns(), []),
    ]


ATOMICITY = Asked(
    "atomicity",
    "A therapist can be booked twice at a time, and a booking can be there by half.",
    _atomicity,
    needs=("credentials", "schema"),
)
