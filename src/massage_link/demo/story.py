"""The story of one booking, told through the SDK: each step waits until the other side has seen the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from massage_link.client.link import AsyncMassageLink
from massage_link.demo.orders import Order
from massage_link.demo.people import Person
from massage_link.demo.record import Record, Sight, client_id, line_of
from massage_link.demo.stopwatch import departure
from massage_link.domain.booking import Booking, Status
from massage_link.domain.commission import CommissionStatus
from massage_link.domain.lines import OPENED
from massage_link.domain.rows import to_wire_time
from massage_link.domain.tables import BOOKINGS
from massage_link.wire.rows import create_own_row

__all__ = ["Moment", "Scene", "Story", "tell", "write_directly"]


class Moment(NamedTuple):
    """A line of the timeline: the clock's time in seconds, who, and what."""

    at: float
    who: str
    what: str


@dataclass(slots=True)
class Story:
    """One booking, as it went."""

    order: Order
    moments: list[Moment] = field(default_factory=list)

    def note(self, at: float | None, who: str, what: str) -> None:
        """Add a line."""
        if at is not None:
            self.moments.append(Moment(at, who, what))


@dataclass(frozen=True, slots=True)
class Scene:
    """Where stories happen: a link with a key that notes departures, the people who listen, and the record."""

    link: AsyncMassageLink
    people: Mapping[str, Person]
    record: Record


async def tell(scene: Scene, order: Order) -> Story:
    """Take one booking the whole way.

    Raises:
        Unseen: somebody did not see in time what they should have.
        MassageLinkError: a call did not work out.

    """
    story = Story(order)
    booking = await _book(scene, story)
    await _chat(scene, story, booking)
    await _commission(scene, story, booking, CommissionStatus.PENDING)
    for status in (Status.ACCEPTED, Status.COMPLETED):
        await _answer(scene, story, booking, status)
    await _commission(scene, story, booking, CommissionStatus.DUE)
    return story


async def _book(scene: Scene, story: Story) -> Booking:
    wish = story.order.request
    with departure() as sent:
        booking_id = await (_write if story.order.direct else _request)(scene, story.order)
    pending = Sight("bookings", booking_id, Status.PENDING)
    if not wish.canary:
        scene.record.booked[booking_id] = story.order
    if sent.at is not None:
        scene.record.sent[pending] = sent.at
    story.note(sent.at, wish.customer_name, "books in an app of their own" if story.order.direct else "books")
    story.note(await scene.people[wish.therapist_id].sees(pending), wish.therapist_name, "is alerted")
    return await scene.link.bookings.get(booking_id)


async def _request(scene: Scene, order: Order) -> str:
    """The trusted way: a backend with the key asks for it."""
    wish = order.request
    booking = await scene.link.bookings.request(
        customer_id=wish.customer_id,
        therapist_id=wish.therapist_id,
        service=wish.service,
        starts_at=wish.starts_at,
        ends_at=wish.ends_at,
        price=wish.price,
        timezone=wish.timezone,
        area=wish.area,
        address=wish.address,
        note=wish.note,
        customer_name=wish.customer_name,
        therapist_name=wish.therapist_name,
        buffer=wish.buffer,
        canary=wish.canary,
        idempotency_key=f"demo-{order.number}{'-canary' * wish.canary}",
    )
    return booking.id


async def _write(scene: Scene, order: Order) -> str:
    """The JavaScript app's way: the signed-in customer writes the row, and the catalogue says the rest."""
    wish = order.request
    return await write_directly(
        scene.link,
        wish.customer_id,
        therapistId=wish.therapist_id,
        service=wish.service,
        startsAt=to_wire_time(wish.starts_at),
        area=wish.area,
        note=wish.note,
        customerName=wish.customer_name,
    )


async def write_directly(link: AsyncMassageLink, customer_id: str, **columns: str) -> str:
    """Write a booking row as its customer; gives its id."""
    row_id = link.ports.new_id()
    row = {"customerId": customer_id, **columns}
    await link.as_user(customer_id).send(create_own_row(link.ports.address(BOOKINGS), row_id, row))
    return row_id


async def _chat(scene: Scene, story: Story, booking: Booking) -> None:
    people = {"customer": booking.customer_id, "therapist": booking.therapist_id}
    names = {"customer": booking.customer_name, "therapist": booking.therapist_name}
    opened = Sight("chat_messages", booking.id, OPENED)
    times = [await scene.people[user_id].sees(opened) for user_id in people.values()]
    story.note(max(times), "chat room", "is open to both")
    for number, line in enumerate(story.order.talk):
        other = "therapist" if line.by == "customer" else "customer"
        message = Sight("chat_messages", booking.id, client_id(number))
        with departure() as sent:
            await scene.link.chat.send(booking.id, line.body, sender_id=people[line.by], client_id=message.what)
        if sent.at is not None:
            scene.record.sent[message] = sent.at
        story.note(sent.at, names[line.by], f"writes “{line.body}”")
        story.note(await scene.people[people[other]].sees(message), names[other], "reads it")


async def _answer(scene: Scene, story: Story, booking: Booking, status: Status) -> None:
    answer = scene.link.bookings.accept if status is Status.ACCEPTED else scene.link.bookings.complete
    with departure() as sent:
        await answer(booking.id, by=booking.therapist_id)
    story.note(sent.at, booking.therapist_name, "accepts" if status is Status.ACCEPTED else "completes")
    seen_at = await scene.people[booking.customer_id].sees(Sight("bookings", booking.id, status))
    story.note(seen_at, booking.customer_name, f"sees it {status}")
    for user_id in (booking.customer_id, booking.therapist_id):
        await scene.people[user_id].sees(line_of(booking.id, status))


async def _commission(scene: Scene, story: Story, booking: Booking, status: CommissionStatus) -> None:
    seen_at = await scene.people[booking.therapist_id].sees(Sight("commissions", booking.id, status))
    story.note(seen_at, "commission", "is computed" if status is CommissionStatus.PENDING else "is due")
