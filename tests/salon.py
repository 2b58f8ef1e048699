"""A server with our functions, therapists with catalogues, and everybody who may act on them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from emulator_live import until
from marketplace import PATIENCE, Market, People, Person, Server, hired_people
from massage_link import MassageLink
from massage_link.domain.booking import BookingEvent
from massage_link.domain.ids import event_id
from massage_link.domain.people import Therapist
from massage_link.domain.tables import BOOKING_EVENTS, THERAPISTS
from massage_link.errors import NotFound
from massage_link.usecases.ports import Ports, create_derived
from massage_link.wire.call import Call, nothing, path
from massage_link.wire.rows import update_row, with_ids
from massage_link.wire.users import user_jwt
from patient import AsyncPatient

EVERY_DAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SERVICE = "Deep tissue"
_FACTS: Mapping[str, Any] = {
    "name": "Thea",
    "timezone": "Europe/Berlin",
    "hours": {"weekly": {day: [["00:00", "24:00"]] for day in EVERY_DAY}, "horizonDays": 730},
    "services": [{"name": SERVICE, "minutes": 60, "priceMinor": 9_505, "currency": "EUR", "bufferMinutes": 10}],
    "policy": {"freeUntilHours": 24, "feeBps": 5_000, "noShowBps": 10_000},
}


@dataclass(frozen=True)
class Salon:
    """What tests of the whole path find, and what they ask for.

    Attributes:
        server: with functions, in direct-write mode.
        people: who can sign in; `therapist` and `other_therapist` have catalogues.
        market: a look into the tables with the key.

    """

    server: Server
    people: People
    market: Market
    leaving: ExitStack = field(repr=False)

    @property
    def link(self) -> MassageLink:
        """A blocking link with the key."""
        return self.market.link

    def therapist(self, person_id: str | None = None, **facts: Any) -> str:
        """Id of a therapist with a catalogue: open day and night, one service, unless `facts` say otherwise."""
        row = self._row(person_id or self.market.someone("therapist"), facts)
        self.link.run(create_derived(self.link.ports, THERAPISTS, row, []))
        self.leaving.callback(self._remove, row.id)
        return row.id

    def change(self, therapist_id: str, **facts: Any) -> None:
        """Change a catalogue."""
        columns = {name: value for name, value in self._row(therapist_id, facts).columns().items() if name in facts}
        self.link.send(update_row(self.link.ports.address(THERAPISTS), Therapist, therapist_id, columns))

    @staticmethod
    def _row(therapist_id: str, facts: Mapping[str, Any]) -> Therapist:
        texts = {
            name: value if isinstance(value, str | bool) else json.dumps(value)
            for name, value in {**_FACTS, **facts}.items()
        }
        return Therapist(id=therapist_id, **texts)

    def _remove(self, therapist_id: str) -> None:
        address = self.link.ports.address(THERAPISTS)
        row = path("tablesdb", address.database, "tables", address.table, "rows", therapist_id)
        with suppress(NotFound):
            self.link.send(Call("DELETE", row, nothing))

    def wish(self, **changes: Any) -> dict[str, Any]:
        """Arguments of a request by the customer, as a signed-in user gives them."""
        facts = {
            "customer_id": self.people.customer.id,
            "therapist_id": self.people.therapist.id,
            "service": SERVICE,
            "starts_at": changes.get("starts_at") or self.market.start(),
        }
        return {**facts, **changes}

    def draft(self, **changes: Any) -> dict[str, Any]:
        """A booking row as a client writes it, in direct-write mode."""
        starts_at = changes.pop("starts_at", None) or self.market.start()
        facts = {
            "customerId": self.people.customer.id,
            "therapistId": self.people.therapist.id,
            "service": SERVICE,
            "startsAt": starts_at.isoformat(),
        }
        return {**facts, **changes}

    def client(self, person: Person) -> httpx.AsyncClient:
        """Appwrite as a signed-in user's own client sees it."""
        jwt = self.link.send(user_jwt(person.id))
        headers = {"X-Appwrite-Project": self.server.project_id, "X-Appwrite-JWT": jwt}
        transport = AsyncPatient()
        return httpx.AsyncClient(base_url=self.server.endpoint, headers=headers, timeout=PATIENCE, transport=transport)

    @property
    def documents(self) -> str:
        """Path of the booking rows in the older API, which the main app may use."""
        return f"/databases/{self.server.database}/collections/bookings/documents"

    @property
    def rows(self) -> str:
        """Path of the booking rows."""
        return f"/tablesdb/{self.server.database}/tables/bookings/rows"

    def at(self, now: Callable[[], datetime]) -> Ports:
        """Surroundings with another clock."""
        return Ports(database=self.server.database, now=now)

    async def judged(self, *booking_ids: str) -> list[BookingEvent]:
        """The first events of drafts: that they were admitted, or declined."""
        ids = [event_id(booking_id, 1) for booking_id in booking_ids]

        async def all_there() -> bool:
            return len(await asyncio.to_thread(self._events, ids)) == len(ids)

        await until(all_there, PATIENCE)
        return self._events(ids)

    def _events(self, ids: list[str]) -> list[BookingEvent]:
        return self.market.rows(BOOKING_EVENTS, with_ids(ids))


@contextmanager
def opened(server: Server) -> Iterator[Salon]:
    """A salon on a server; the users and catalogues are removed at the end."""
    with ExitStack() as leaving:
        people = leaving.enter_context(hired_people(server))
        salon = Salon(server, people, Market(server, leaving.enter_context(server.link())), leaving)
        for person in (people.therapist, people.other_therapist):
            salon.therapist(person.id)
        yield salon


def hours(span: tuple[str, str], **more: Any) -> dict[str, Any]:
    """Availability with the same span every day."""
    return {"weekly": {day: [list(span)] for day in EVERY_DAY}, "horizonDays": 730, **more}


def later(moment: datetime, **by: float) -> Callable[[], datetime]:
    """A clock that stands still some time after (or before) a moment."""
    return lambda: moment + timedelta(**by)
