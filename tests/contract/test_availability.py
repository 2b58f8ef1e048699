"""When a therapist can be booked: what is offered can be had, and what is not offered is refused, for key and user."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from marketplace import LinkMaker, all_of
from massage_link import AsyncMassageLink, Booking, Money
from massage_link.domain.calendar import FreeSlot
from massage_link.errors import InvalidBooking, InvalidInput, NotAvailable, NotFound, SlotTaken
from salon import SERVICE, Salon, hours

BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)


@pytest.fixture(params=["key", "user"])
def asker(request: pytest.FixtureRequest, desks: LinkMaker, salon: Salon) -> AsyncMassageLink:
    """Somebody who asks and books: with the key, or as the signed-in customer."""
    key = desks()
    return key if request.param == "key" else key.as_user(salon.people.customer.id)


def starts(slots: list[FreeSlot]) -> list[str]:
    return [f"{slot.starts_at:%H:%M}" for slot in slots]


def midnight(salon: Salon) -> datetime:
    """The beginning of a day, in Berlin, on which nobody has booked."""
    return salon.market.start().astimezone(BERLIN).replace(hour=0, minute=0)


async def test_what_is_offered_follows_the_hours_and_what_is_taken(asker: AsyncMassageLink, salon: Salon) -> None:
    therapist, day = salon.therapist(hours=hours(("09:00", "13:00"), stepMinutes=30)), midnight(salon)
    ask = (therapist, SERVICE, day, day + DAY)
    free = await asker.availability.slots(*ask)
    assert [f"{slot.starts_at.astimezone(BERLIN):%H:%M}" for slot in free] == [
        "09:00", "09:30", "10:00", "10:30", "11:00", "11:30", "12:00",
    ]  # fmt: skip
    assert all(slot.ends_at - slot.starts_at == timedelta(hours=1) for slot in free)
    booking = await asker.bookings.request(**salon.wish(therapist_id=therapist, starts_at=free[2].starts_at))
    # An hour from ten, and ten minutes of buffer on both sides of both bookings.
    assert await asker.availability.slots(*ask) == free[5:]
    await asker.bookings.cancel(booking.id, by=booking.customer_id)
    assert await asker.availability.slots(*ask) == free


async def test_price_end_buffer_zone_and_policy_are_the_catalogues_and_frozen(
    asker: AsyncMassageLink, salon: Salon
) -> None:
    therapist = salon.therapist()
    booking = await asker.bookings.request(**salon.wish(therapist_id=therapist))
    salon.change(therapist, services=[{"name": SERVICE, "minutes": 30, "priceMinor": 1, "currency": "JPY"}], policy="")
    stored = await asker.bookings.get(booking.id)
    assert (stored.price, stored.ends_at - stored.starts_at) == (Money(9_505, "EUR"), timedelta(hours=1))
    assert (stored.buffer, stored.timezone, stored.therapist_name) == (timedelta(minutes=10), "Europe/Berlin", "Thea")
    assert stored.policy is not None
    assert stored.policy.fee_bps == 5_000


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"hours": hours(("09:00", "10:30"))}, "outside the therapist's hours"),
        ({"hours": hours(("00:00", "24:00"), noticeMinutes=60 * 24 * 60)}, "at least 86400 minutes ahead"),
        ({"hours": hours(("00:00", "24:00"), horizonDays=1)}, "up to 1 days ahead"),
        ({"active": False}, "is not taking bookings"),
    ],
)
async def test_a_time_that_is_not_offered_is_refused(
    asker: AsyncMassageLink, salon: Salon, facts: dict[str, Any], said: str
) -> None:
    therapist = salon.therapist(**facts)
    start = datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0) + 2 * DAY
    offered = await asker.availability.slots(therapist, SERVICE, start, start + timedelta(minutes=1))
    assert offered == []
    with pytest.raises(NotAvailable, match=said):
        await asker.bookings.request(**salon.wish(therapist_id=therapist, starts_at=start))
    assert await all_of(asker.bookings.list(therapist_id=therapist)) == []


async def test_blocked_time_and_exceptions_are_not_offered(asker: AsyncMassageLink, salon: Salon) -> None:
    day = midnight(salon)
    ten = day.replace(hour=10)
    blocked = [{"start": ten.isoformat(), "end": (ten + timedelta(hours=1)).isoformat()}]
    closed: dict[str, list[str]] = {(day + DAY).date().isoformat(): []}
    therapist = salon.therapist(
        hours=hours(("09:00", "13:00"), stepMinutes=60, blocked=blocked, exceptions=closed), timezone="Europe/Berlin"
    )
    free = await asker.availability.slots(therapist, SERVICE, day, day + 2 * DAY)
    assert [slot.starts_at.astimezone(BERLIN).hour for slot in free] == [9, 11, 12]


async def test_a_night_in_which_the_clocks_change_has_as_many_hours_as_it_has(
    asker: AsyncMassageLink, salon: Salon
) -> None:
    therapist = salon.therapist(hours=hours(("00:00", "06:00"), stepMinutes=60))
    changes = [datetime(2027, 3, 28, tzinfo=BERLIN), datetime(2027, 10, 31, tzinfo=BERLIN)]
    nights = [await asker.availability.slots(therapist, SERVICE, night, night + DAY / 2) for night in changes]
    assert [len(night) for night in nights] == [5, 7]
    for slot in nights[0][1], nights[1][2]:
        booking = await asker.bookings.request(**salon.wish(therapist_id=therapist, starts_at=slot.starts_at))
        assert (booking.starts_at, booking.ends_at) == (slot.starts_at, slot.ends_at)
        assert salon.market.slots_of(booking) == list(booking.buckets)
        # What is taken is an hour with its buffers in real time, whatever the clock on the wall shows.
        assert len(booking.buckets) == 16


async def test_a_time_that_is_taken_names_what_is_free_nearby_and_that_can_be_had(
    asker: AsyncMassageLink, salon: Salon
) -> None:
    therapist, day = salon.therapist(hours=hours(("09:00", "17:00"), stepMinutes=60)), midnight(salon)
    eleven = day.replace(hour=11)
    await asker.bookings.request(**salon.wish(therapist_id=therapist, starts_at=eleven))
    with pytest.raises(SlotTaken, match="Free nearby") as refused:
        await asker.bookings.request(**salon.wish(therapist_id=therapist, starts_at=eleven + timedelta(minutes=30)))
    nearest = [moment.astimezone(BERLIN).hour for moment in refused.value.nearest]
    assert nearest == [9, 13, 14]
    assert refused.value.taken[0] == eleven + timedelta(minutes=20)  # its own buffer begins there
    booking = await asker.bookings.request(**salon.wish(therapist_id=therapist, starts_at=refused.value.nearest[1]))
    assert booking.starts_at == day.replace(hour=13)


async def test_what_cannot_be_asked_for_is_told(asker: AsyncMassageLink, salon: Salon) -> None:
    therapist, start = salon.therapist(), salon.market.start()
    with pytest.raises(NotFound, match="no therapist 'nobody'"):
        await asker.availability.slots("nobody", SERVICE, start, start + DAY)
    with pytest.raises(InvalidInput, match="does not offer 'Hot stone'; on offer: Deep tissue"):
        await asker.availability.slots(therapist, "Hot stone", start, start + DAY)
    with pytest.raises(InvalidBooking, match="does not offer 'Hot stone'; on offer: Deep tissue"):
        await asker.bookings.request(**salon.wish(therapist_id=therapist, service="Hot stone"))
    for begin, end in ((start, start), (start, start - DAY), (start, start + 31 * DAY + timedelta(seconds=1))):
        with pytest.raises(InvalidInput, match="a range of at most 31 days"):
            await asker.availability.slots(therapist, SERVICE, begin, end)
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    assert await asker.availability.slots(therapist, SERVICE, last - DAY, last) == []
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert await asker.availability.slots(therapist, SERVICE, first, first + DAY) == []


async def test_a_malformed_catalogue_is_named_and_books_nothing(asker: AsyncMassageLink, salon: Salon) -> None:
    therapist = salon.therapist(hours='{"weekly": {"mon": "always"}}')
    start = salon.market.start()
    for work in (
        asker.availability.slots(therapist, SERVICE, start, start + DAY),
        asker.bookings.request(**salon.wish(therapist_id=therapist, starts_at=start)),
    ):
        with pytest.raises(InvalidInput, match=r"hours are malformed: weekly\.mon"):
            await work


async def test_ops_book_outside_the_hours_with_a_reason_that_is_kept(desks: LinkMaker, salon: Salon) -> None:
    therapist = salon.therapist(hours=hours(("09:00", "10:30")))
    wish = salon.wish(therapist_id=therapist, exception="The therapist agreed by phone.")
    booking = await desks().bookings.request(**wish)
    (event,) = await all_of(desks().bookings.history(booking.id))
    assert event.reason == "The therapist agreed by phone."


class _Counting(httpx.AsyncBaseTransport):
    def __init__(self) -> None:
        self.inner = httpx.AsyncHTTPTransport(verify=False)
        self.calls = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        return await self.inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self.inner.aclose()


async def test_a_calendar_that_is_full_takes_two_calls(salon: Salon) -> None:
    therapist, day = salon.therapist(hours=hours(("00:00", "24:00"), stepMinutes=60)), midnight(salon)
    counting = _Counting()
    async with AsyncMassageLink(**salon.server.arguments(transport=counting)) as link:
        for hour in range(0, 24, 2):
            wish = salon.wish(therapist_id=therapist, starts_at=(day.astimezone(UTC) + timedelta(hours=hour)))
            assert isinstance(await link.bookings.request(**wish), Booking)
        counting.calls = 0
        assert await link.availability.slots(therapist, SERVICE, day, day + DAY) == []
        assert counting.calls == 2
