"""``link.availability``: when a therapist can be booked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from appwrite.query import Query

from massage_link.client.operation import AsyncResource, Pages, Resource, SyncResource, listing, operation
from massage_link.client.paging import pages_of
from massage_link.domain.calendar import FreeSlot
from massage_link.domain.people import Therapist
from massage_link.domain.tables import THERAPISTS
from massage_link.errors import InvalidInput
from massage_link.usecases.slots import free_times, get_therapist, take_bookings
from massage_link.wire.call import Flow

__all__ = ["AsyncAvailability", "Availability", "AvailabilityOperations"]


class AvailabilityOperations(Resource):
    """What can be asked of a therapist's calendar, defined once."""

    @operation
    def slots(self, therapist_id: str, service: str, start: datetime, end: datetime) -> Flow[list[FreeSlot]]:
        """The times at which a service can be booked, ascending, in UTC.

        Args:
            therapist_id: whose time.
            service: name of the service in the therapist's catalogue.
            start, end: aware instants, at most 31 days apart: the first possible beginning, and where to stop.

        Raises:
            NotFound: there is no such therapist in the catalogue.
            InvalidInput: a service that is not on offer, or a range that is not one.

        """
        if not self.link.acts_with_key:
            asked = {"therapistId": therapist_id, "service": service, "start": start, "end": end}
            return self._remote("availability.slots", asked, _slots)
        return free_times(self._ports, therapist_id, service, start=start, end=end)

    @operation
    def therapist(self, therapist_id: str) -> Flow[Therapist]:
        """A therapist's public catalogue: services, prices, hours. NotFound when there is none."""
        return get_therapist(self._ports, therapist_id)

    @operation
    def take_bookings(self, taking: bool, *, therapist_id: str | None = None) -> Flow[Therapist]:
        """Let a therapist be booked, or not for now; what is booked already stays as it is.

        Args:
            taking: whether bookings are taken.
            therapist_id: whose; a signed-in user's own.

        Raises:
            NotFound: there is no such therapist in the catalogue.
            NotAllowed: a user names somebody else.

        """
        if not self.link.acts_with_key:
            asked = {"taking": taking, "therapistId": therapist_id}
            return self._remote("availability.take_bookings", asked, Therapist.model_validate)
        if therapist_id is None:
            raise InvalidInput("therapist_id is missing: with an API key, say whose bookings are meant.")
        return take_bookings(self._ports, therapist_id, taking=taking)

    @listing
    def therapists(self, *, limit: int | None = None) -> Pages[Therapist]:
        """The therapists who take bookings, in the order in which they joined."""
        queries = [Query.equal("active", [True]), Query.order_asc("$createdAt")]
        return pages_of(self._ports, THERAPISTS, queries, limit=limit)


class Availability(AvailabilityOperations, SyncResource):
    """Calendars, blocking."""


class AsyncAvailability(AvailabilityOperations, AsyncResource):
    """Calendars, awaited."""


def _slots(answer: Any) -> list[FreeSlot]:
    return [
        FreeSlot(datetime.fromisoformat(slot["startsAt"]), datetime.fromisoformat(slot["endsAt"])) for slot in answer
    ]
