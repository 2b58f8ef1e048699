"""Moving a booking: one atomic step, also onto its own time; who moves it decides what becomes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from marketplace import LinkMaker, all_of, gathered
from massage_link import AsyncMassageLink, Booking, Status
from massage_link.domain.booking import BookingEventType
from massage_link.domain.rows import to_wire_time
from massage_link.errors import (
    IllegalTransition,
    InvalidBooking,
    NotAllowed,
    NotAvailable,
    NotFound,
    SlotTaken,
    StaleBooking,
)
from salon import Salon, hours, later

HOUR = timedelta(hours=1)


def far(salon: Salon) -> datetime:
    """A noon at which nobody has booked, so far ahead that a customer may still move an accepted booking."""
    while (start := salon.market.start()) < datetime.now(UTC) + timedelta(days=3):
        pass
    return start


@pytest.fixture
def customer(desks: LinkMaker, salon: Salon) -> AsyncMassageLink:
    """The signed-in customer."""
    return desks().as_user(salon.people.customer.id)


@pytest.fixture
def therapist(desks: LinkMaker, salon: Salon) -> AsyncMassageLink:
    """The signed-in therapist."""
    return desks().as_user(salon.people.therapist.id)


@pytest.fixture
async def pending(customer: AsyncMassageLink, salon: Salon) -> Booking:
    """A booking with an address, days ahead."""
    start = far(salon)
    return await customer.bookings.request(**salon.wish(address="Linienstraße 1", starts_at=start))


@pytest.fixture
async def accepted(therapist: AsyncMassageLink, pending: Booking) -> Booking:
    """The same, accepted."""
    return await therapist.bookings.accept(pending.id)


async def test_a_booking_moves_onto_its_own_time(customer: AsyncMassageLink, salon: Salon, pending: Booking) -> None:
    for minutes in (5, 30, -15):
        before = await customer.bookings.get(pending.id)
        moved = await customer.bookings.reschedule(pending.id, before.starts_at + timedelta(minutes=minutes))
        assert moved.ends_at - moved.starts_at == HOUR
        assert salon.market.slots_of(moved) == list(moved.buckets)
    assert moved.version == 4


async def test_a_move_is_told_in_the_history_and_frees_the_old_time(
    customer: AsyncMassageLink, salon: Salon, pending: Booking
) -> None:
    new = pending.starts_at + 6 * HOUR
    moved = await customer.bookings.reschedule(pending.id, new, reason="My train is late")
    assert (moved.starts_at, moved.price, moved.status) == (new, pending.price, Status.PENDING)
    event = (await all_of(customer.bookings.history(pending.id)))[-1]
    assert (event.type, event.reason, event.version) == (BookingEventType.RESCHEDULED, "My train is late", 2)
    assert event.facts == {"fromStartsAt": to_wire_time(pending.starts_at), "toStartsAt": to_wire_time(new)}
    again = await customer.bookings.request(**salon.wish(starts_at=pending.starts_at))
    assert again.status is Status.PENDING


async def test_an_accepted_booking_that_its_customer_moves_is_pending_and_its_address_hidden_again(
    customer: AsyncMassageLink, therapist: AsyncMassageLink, accepted: Booking
) -> None:
    assert await therapist.bookings.address(accepted.id) == "Linienstraße 1"
    moved = await customer.bookings.reschedule(accepted.id, accepted.starts_at + HOUR)
    assert (moved.status, moved.responded_at) == (Status.PENDING, None)
    assert moved.expires_at is not None
    with pytest.raises(NotFound, match="no address"):
        await therapist.bookings.address(accepted.id)
    assert await customer.bookings.address(accepted.id) == "Linienstraße 1"
    assert (await therapist.bookings.accept(accepted.id)).status is Status.ACCEPTED
    assert await therapist.bookings.address(accepted.id) == "Linienstraße 1"


async def test_an_accepted_booking_that_the_therapist_moves_stays_accepted_and_costs_nothing_to_cancel(
    customer: AsyncMassageLink, therapist: AsyncMassageLink, desks: LinkMaker, salon: Salon, accepted: Booking
) -> None:
    moved = await therapist.bookings.reschedule(accepted.id, accepted.starts_at + HOUR)
    assert moved.status is Status.ACCEPTED
    assert await therapist.bookings.address(accepted.id) == "Linienstraße 1"
    # Whoever did not choose the time owes nothing for missing it.
    late = desks(ports=salon.at(later(moved.starts_at, hours=-1)))
    assert (await late.bookings.quote_cancellation(moved.id, by=moved.customer_id)).fee.minor == 0
    await late.bookings.cancel(moved.id, by=moved.customer_id)
    assert (await desks().commissions.get(moved.id)).status.value == "void"


async def test_a_customer_cannot_move_what_can_no_longer_be_cancelled_free_of_charge(
    desks: LinkMaker, salon: Salon, accepted: Booking
) -> None:
    late = desks(ports=salon.at(later(accepted.starts_at, hours=-23)))
    with pytest.raises(IllegalTransition, match="could be moved by its customer until"):
        await late.bookings.reschedule(accepted.id, accepted.starts_at + 5 * HOUR, by=accepted.customer_id)
    assert (await late.bookings.reschedule(accepted.id, accepted.starts_at + 5 * HOUR)).status is Status.ACCEPTED


async def test_a_time_that_is_taken_leaves_the_booking_where_it_is(
    customer: AsyncMassageLink, salon: Salon, pending: Booking
) -> None:
    other = await customer.bookings.request(**salon.wish(starts_at=pending.starts_at + 3 * HOUR))
    with pytest.raises(SlotTaken) as refused:
        await customer.bookings.reschedule(pending.id, other.starts_at + timedelta(minutes=30))
    assert len(refused.value.nearest) == 3
    stored = await customer.bookings.get(pending.id)
    assert (stored.starts_at, stored.version) == (pending.starts_at, 1)
    assert salon.market.slots_of(stored) == list(pending.buckets)
    moved = await customer.bookings.reschedule(pending.id, refused.value.nearest[0])
    assert salon.market.slots_of(moved) == list(moved.buckets)


async def test_a_time_outside_the_hours_is_for_ops_alone(desks: LinkMaker, salon: Salon) -> None:
    key = desks()
    therapist_id = salon.therapist(hours=hours(("09:00", "17:00")))
    start = salon.market.start().replace(hour=12)
    booking = await key.bookings.request(**salon.wish(therapist_id=therapist_id, starts_at=start))
    night = start + 12 * HOUR
    for by in (booking.customer_id, None):
        if by is None:
            assert (await key.bookings.reschedule(booking.id, night)).starts_at == night
        else:
            with pytest.raises(NotAvailable, match="outside the therapist's hours"):
                await key.bookings.reschedule(booking.id, night, by=by)


async def test_a_time_that_can_not_be_is_refused(
    customer: AsyncMassageLink, therapist: AsyncMassageLink, pending: Booking
) -> None:
    soon = pending.starts_at + HOUR
    for new, said in (
        (pending.starts_at, "begins at .* already"),
        (soon + timedelta(seconds=30), "not on a whole minute"),
    ):
        with pytest.raises(InvalidBooking, match=said):
            await customer.bookings.reschedule(pending.id, new)
    with pytest.raises((InvalidBooking, NotAvailable), match=r"in the past|ahead"):
        await customer.bookings.reschedule(pending.id, datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(NotAllowed, match="a pending booking can be rescheduled by customer or ops, not by therapist"):
        await therapist.bookings.reschedule(pending.id, soon)


async def test_of_two_bookings_that_move_to_the_same_time_one_gets_it(desks: LinkMaker, salon: Salon) -> None:
    start = far(salon)
    first, second = [await desks().bookings.request(**salon.wish(starts_at=start + hour * HOUR)) for hour in (0, 4)]
    one, two = desks.abreast(2)
    results = await gathered(
        one.bookings.reschedule(first.id, start + 2 * HOUR, by=first.customer_id),
        two.bookings.reschedule(second.id, start + 2 * HOUR + timedelta(minutes=30), by=second.customer_id),
    )
    assert sorted(type(result).__name__ for result in results) == ["Booking", "SlotTaken"]
    for booking in [await desks().bookings.get(each.id) for each in (first, second)]:
        assert salon.market.slots_of(booking) == list(booking.buckets)


async def test_of_a_move_and_a_cancellation_at_once_one_wins(desks: LinkMaker, salon: Salon) -> None:
    booking = await desks().bookings.request(**salon.wish())
    one, two = desks.abreast(2)
    moved, cancelled = await gathered(
        one.bookings.reschedule(booking.id, booking.starts_at + HOUR, by=booking.customer_id),
        two.bookings.cancel(booking.id, by=booking.customer_id),
    )
    assert sorted((type(moved), type(cancelled)), key=str) == [Booking, StaleBooking]
    stored = await desks().bookings.get(booking.id)
    held = list(stored.buckets) if stored.status is Status.PENDING else []
    assert salon.market.slots_of(stored) == held


async def test_a_move_and_a_request_for_the_same_time_do_not_both_get_it(desks: LinkMaker, salon: Salon) -> None:
    booking = await desks().bookings.request(**salon.wish())
    aim = booking.starts_at + 3 * HOUR
    one, two = desks.abreast(2)
    results = await gathered(
        one.bookings.reschedule(booking.id, aim, by=booking.customer_id),
        two.bookings.request(**salon.wish(starts_at=aim + timedelta(minutes=15))),
    )
    assert sorted(type(result).__name__ for result in results) == ["Booking", "SlotTaken"]
