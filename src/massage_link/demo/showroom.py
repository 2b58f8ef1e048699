"""A marketplace to look at: the demo's people with accounts that anybody may use, and bookings in every state."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from massage_link.client.link import AsyncMassageLink
from massage_link.demo.orders import Week, catalogue, load_week
from massage_link.domain.booking import Booking
from massage_link.domain.people import Therapist
from massage_link.domain.policy import CancellationPolicy
from massage_link.domain.tables import THERAPISTS
from massage_link.errors import RuleError, UsageError
from massage_link.usecases.ports import create_derived
from massage_link.wire.executions import execute
from massage_link.wire.users import create_user, set_labels

__all__ = ["Resident", "furnish"]

#: Of every account in the showroom, which nobody else can reach.
_PASSWORD = "good-hands"  # noqa: S105 - shown on the sign-in page
_OPS = "olivia-ops"
_CUSTOMERS = 6
_HOURS = {
    "weekly": {
        day: [["08:00", "13:00"], ["14:00", "21:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    },
    "horizonDays": 90,
    "stepMinutes": 30,
}
_ANSWER = "Yes, right in front of the house. See you then."
_QUESTION = "Looking forward to it! Is there parking nearby?"
#: Of one day's bookings, one with each therapist; the next day begins elsewhere in the row.
_FATES = ("wait", "complete", "accept", "wait", "start", "decline", "accept", "complete", "wait", "accept", "cancel")
_NOTES = (
    "Second floor, the bell is broken: please call.",
    "My shoulder is stiff after a long week at the desk.",
    "",
    "Please use unscented oil.",
)


@dataclass(frozen=True, slots=True)
class Resident:
    """Somebody who can be signed in as."""

    id: str
    name: str
    part: str

    @property
    def email(self) -> str:
        """With which to sign in."""
        return f"{self.id}@example.com"

    @property
    def password(self) -> str:
        """The same for all."""
        return _PASSWORD


async def furnish(link: AsyncMassageLink, progress: Callable[[str], None]) -> list[Resident]:
    """Make accounts, a catalogue and bookings on an empty server that has our tables.

    Args:
        link: with a key.
        progress: told what is done.

    Returns:
        Who can be signed in as: therapists first, then customers, then ops.

    """
    week = load_week()
    residents = [
        *(Resident(each.id, each.name, f"Therapist, {_city(each.timezone)}") for each in week.therapists),
        *(Resident(each.id, each.name, f"Customer, {each.area}") for each in week.customers[:_CUSTOMERS]),
        Resident(_OPS, "Olivia", "Operations"),
    ]
    for each in residents:
        await link.send(create_user(each.id, each.email, each.password, each.name))
    await link.send(set_labels(_OPS, ["ops"]))
    for row in catalogue(week):
        await link.run(create_derived(link.ports, THERAPISTS, _open_by_day(row), []))
    progress(f"{len(residents)} accounts and {len(week.therapists)} catalogues")
    made = [await _booking(link, week, number) for number in range(30)]
    booked = [each for each in made if each is not None]
    await _bring_about(link, booked)
    await link.send(execute("sweep", {}))  # as its schedule does each minute: nobody has to wait for the first run
    progress(f"{len(booked)} bookings")
    return residents


def _city(timezone: str) -> str:
    return timezone.rpartition("/")[2].replace("_", " ")


def _open_by_day(row: Therapist) -> Therapist:
    policy = CancellationPolicy(free_until_hours=24, fee_bps=5_000, no_show_bps=10_000)
    return row.model_copy(update={"hours": json.dumps(_HOURS), "policy": policy.text()})


async def _booking(link: AsyncMassageLink, week: Week, number: int) -> Booking | None:
    """A booking of one of the first customers with one of the therapists, at one of the next free times."""
    therapist = week.therapists[number % len(week.therapists)]
    customer = week.customers[(number + number // len(week.therapists)) % _CUSTOMERS]
    catalogued = await link.availability.therapist(therapist.id)
    service = catalogued.offers[number % len(catalogued.offers)]
    start = datetime.now(UTC) + timedelta(minutes=20, days=number // len(week.therapists))
    free = await link.availability.slots(therapist.id, service.name, start, start + timedelta(days=1))
    if not free:
        return None
    with suppress(RuleError, UsageError):
        return await link.bookings.request(
            customer_id=customer.id,
            therapist_id=therapist.id,
            service=service.name,
            starts_at=free[min(number % 5, len(free) - 1)].starts_at,
            timezone=therapist.timezone,
            area=customer.area,
            address=customer.address,
            note=_NOTES[number % len(_NOTES)],
            customer_name=customer.name,
        )
    return None


async def _bring_about(link: AsyncMassageLink, booked: Sequence[Booking]) -> None:
    """Some are accepted, some completed, one declined, one cancelled; the rest wait for an answer."""
    for number, booking in enumerate(booked):
        fate = _FATES[number % len(_FATES)]
        if fate in {"accept", "complete", "start"}:
            await link.bookings.accept(booking.id, by=booking.therapist_id)
            await link.chat.send(booking.id, _QUESTION, sender_id=booking.customer_id)
            await link.chat.send(booking.id, _ANSWER, sender_id=booking.therapist_id)
        if fate == "complete":
            await link.bookings.complete(booking.id, by=booking.therapist_id)
        if fate == "start":
            await link.bookings.start(booking.id, by=booking.therapist_id)
        if fate == "decline":
            await link.bookings.decline(booking.id, by=booking.therapist_id, reason="I am away that day, sorry.")
        if fate == "cancel":
            await link.bookings.cancel(booking.id, by=booking.customer_id)
        await asyncio.sleep(0)  # the pages may be served by the same loop
