"""From the shipped file to the bookings that the demo takes, and the therapists' catalogue that they fit."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from importlib.resources import files
from typing import Any, Literal
from zoneinfo import ZoneInfo

from massage_link.domain import people
from massage_link.domain.money import Money
from massage_link.domain.request import BookingRequest

__all__ = [
    "Customer",
    "Line",
    "Order",
    "Participant",
    "Template",
    "Therapist",
    "Week",
    "catalogue",
    "load_week",
    "orders",
]

_WEEK = timedelta(days=7)
#: Of four orders, those that the customer writes directly.
_DIRECT = (1, 2)
_EVERY_DAY = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody with an account; `id` is the user's."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Therapist(Participant):
    """Who is booked. Prices are in `currency`, times in `timezone` (IANA)."""

    timezone: str
    currency: str
    buffer_minutes: int


@dataclass(frozen=True, slots=True)
class Customer(Participant):
    """Who books, and where the massage takes place."""

    area: str
    address: str


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a talk."""

    by: Literal["customer", "therapist"]
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A booking of the file: `day` 1 is tomorrow, `time` is local to the therapist, `price` has all its decimals."""

    customer: Customer
    therapist: Therapist
    service: str
    day: int
    time: time
    minutes: int
    price: str
    talk: tuple[Line, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Week:
    """The whole file."""

    therapists: Sequence[Therapist]
    customers: Sequence[Customer]
    templates: Sequence[Template]

    @property
    def people(self) -> list[Participant]:
        """Everybody."""
        return [*self.customers, *self.therapists]


@dataclass(frozen=True, slots=True)
class Order:
    """A booking to take, and what is said about it.

    Attributes:
        price: the file's text, to check what becomes of it.
        direct: the customer's app writes the row itself, as a JavaScript app does in direct-write mode.

    """

    number: int
    request: BookingRequest
    price: str
    talk: tuple[Line, ...]
    direct: bool = False


def load_week() -> Week:
    """The file that comes with the package."""
    return parse_week(files("massage_link.demo").joinpath("bookings.toml").read_text(encoding="utf-8"))


def parse_week(text: str) -> Week:
    """The file's content; KeyError or TypeError when it names what it does not hold."""
    content = tomllib.loads(text)
    therapists = {each["id"]: Therapist(**each) for each in content["therapists"]}
    customers = {each["id"]: Customer(**each) for each in content["customers"]}
    talks = {name: tuple(map(_line, lines)) for name, lines in content["talks"].items()}
    templates = [_template(each, therapists, customers, talks) for each in content["bookings"]]
    return Week(list(therapists.values()), list(customers.values()), templates)


def _line(text: str) -> Line:
    by, _, body = text.partition(": ")
    return Line("customer" if by == "customer" else "therapist", body)


def _template(
    entry: Mapping[str, Any],
    therapists: Mapping[str, Therapist],
    customers: Mapping[str, Customer],
    talks: Mapping[str, tuple[Line, ...]],
) -> Template:
    named = {
        "customer": customers[entry["customer"]],
        "therapist": therapists[entry["therapist"]],
        "talk": talks[entry["talk"]],
    }
    return Template(**{**entry, **named})


def orders(week: Week, count: int, *, now: datetime, first: int = 0, canary: bool = False) -> list[Order]:
    """So many orders, beginning with tomorrow; after the last of the file the week is repeated a week later.

    Args:
        week: the file.
        count: how many.
        now: the instant, aware.
        first: how many to pass over.
        canary: mark the bookings as ones that totals leave out.

    """
    return [_order(week, number, now=now, canary=canary) for number in range(first, first + count)]


def _order(week: Week, number: int, *, now: datetime, canary: bool) -> Order:
    rounds, index = divmod(number, len(week.templates))
    template = week.templates[index]
    therapist, customer = template.therapist, template.customer
    zone = ZoneInfo(therapist.timezone)
    day = now.astimezone(zone).date() + timedelta(days=template.day) + rounds * _WEEK
    starts_at = datetime.combine(day, template.time, zone)
    request = BookingRequest(
        customer_id=customer.id,
        therapist_id=therapist.id,
        service=template.service,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=template.minutes),
        price=Money.parse(template.price, therapist.currency),
        timezone=therapist.timezone,
        area=customer.area,
        address=customer.address,
        note=template.note,
        customer_name=customer.name,
        therapist_name=therapist.name,
        buffer=timedelta(minutes=therapist.buffer_minutes),
        canary=canary,
    )
    return Order(number, request, template.price, template.talk, direct=not canary and number % 4 in _DIRECT)


def catalogue(week: Week) -> list[people.Therapist]:
    """What the therapists offer: the services of the file, at any time of the next two years."""
    return [
        people.Therapist(
            id=therapist.id,
            name=therapist.name,
            timezone=therapist.timezone,
            hours=json.dumps({"weekly": _EVERY_DAY, "horizonDays": 730}),
            services=json.dumps(_services(week, therapist), ensure_ascii=False),
        )
        for therapist in week.therapists
    ]


def _services(week: Week, therapist: Therapist) -> list[dict[str, object]]:
    services = {each.service: each for each in week.templates if each.therapist == therapist}
    return [
        {
            "name": name,
            "minutes": each.minutes,
            "priceMinor": Money.parse(each.price, therapist.currency).minor,
            "currency": therapist.currency,
            "bufferMinutes": therapist.buffer_minutes,
        }
        for name, each in services.items()
    ]
