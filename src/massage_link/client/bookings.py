"""``link.bookings``: request, move, read and watch bookings."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from appwrite.query import Query
from pydantic.alias_generators import to_camel

from massage_link.client.operation import AsyncResource, Pages, Resource, SyncResource, listing, operation
from massage_link.client.paging import DEFAULT_PAGE, in_state, only, pages_of, pages_of_bookings
from massage_link.client.watched import Watch, watched, watching
from massage_link.domain.booking import Booking, BookingEvent, BookingPlace, Status
from massage_link.domain.ids import checked_text
from massage_link.domain.money import Money
from massage_link.domain.policy import CancellationPolicy
from massage_link.domain.rows import to_wire_time
from massage_link.domain.states import Command
from massage_link.domain.tables import BOOKING_EVENTS, BOOKING_PLACES
from massage_link.domain.wish import BookingWish
from massage_link.errors import CredentialRequired, InvalidInput, NotFound
from massage_link.usecases.bookings import request_booking
from massage_link.usecases.lookups import get_booking
from massage_link.usecases.ports import find
from massage_link.usecases.rescheduling import reschedule
from massage_link.usecases.transitions import Quote, Wanted, acting, expire_due, quote, transition
from massage_link.wire.call import Flow

if TYPE_CHECKING:
    from massage_link.client.link import AsyncMassageLink
    from massage_link.realtime import Checkpoint, Policy, Source

__all__ = ["AsyncBookings", "BookingOperations", "Bookings"]


class BookingOperations(Resource):
    """What can be done with bookings, defined once."""

    @operation
    def request(
        self,
        *,
        customer_id: str,
        therapist_id: str,
        service: str,
        starts_at: datetime,
        ends_at: datetime | None = None,
        price: Money | None = None,
        timezone: str | None = None,
        area: str = "",
        address: str = "",
        note: str = "",
        customer_name: str = "",
        therapist_name: str | None = None,
        buffer: timedelta | None = None,
        cancellation_policy: CancellationPolicy | None = None,
        canary: bool = False,
        idempotency_key: str | None = None,
        exception: str = "",
    ) -> Flow[Booking]:
        """Book a therapist's time; the booking is pending until the therapist answers.

        With an API key the use case runs here; for a signed-in user the `commands` function runs it, and price, end,
        buffer and policy are the catalogue's.

        Booking, terms, place, event and slots are written in one transaction, or nothing is.

        Args:
            customer_id, therapist_id: Appwrite user ids.
            service: what is booked, at most 128 characters; of the therapist's catalogue when there is one.
            starts_at: the beginning: an aware instant on a whole minute, in the future.
            ends_at, price: the end and what the customer pays; None takes what the catalogue says for the service.
            timezone: IANA zone in which it takes place; None takes the therapist's, or UTC.
            area: coarse place, which the therapist sees at once.
            address: exact place, which the therapist sees once the booking is accepted.
            note: for the therapist, at most 2,000 characters.
            customer_name, therapist_name: for display, at most 128 characters.
            buffer: time kept free before and after; None takes the service's.
            cancellation_policy: what a cancellation costs, frozen on the booking; None takes the therapist's.
            canary: made by a health check; left out of totals.
            idempotency_key: repeating the request with the same key gives the same booking.
            exception: ops' reason to book outside the therapist's hours; it is kept in the booking's history.

        Returns:
            The booking as it was written; its `created_at` is known after the next read.

        Raises:
            InvalidBooking: malformed, or in the past, or without a price that no catalogue says.
            NotAvailable: the therapist takes no bookings at that time.
            SlotTaken: the therapist's time is held by another booking; carries free times nearby.
            IdempotencyMismatch: the key was used for another request.
            OutcomeUnknown: no clear answer came, and the outcome could not be read.

        """
        if not self.link.acts_with_key:
            self._refuse_for_users(
                price=price, ends_at=ends_at, buffer=buffer, cancellation_policy=cancellation_policy, canary=canary
            )
            arguments = {
                "customerId": customer_id,
                "therapistId": therapist_id,
                "service": service,
                "startsAt": _instant("starts_at", starts_at),
                "timezone": timezone,
                "area": area,
                "address": address,
                "note": note,
                "customerName": customer_name,
                "exception": exception,
                "idempotencyKey": idempotency_key or self._ports.new_id(),
            }
            return self._remote("bookings.request", arguments, Booking.model_validate)
        wish = BookingWish(
            customer_id=customer_id,
            therapist_id=therapist_id,
            service=service,
            starts_at=starts_at,
            ends_at=ends_at,
            price=price,
            timezone=timezone,
            area=area,
            address=address,
            note=note,
            customer_name=customer_name,
            therapist_name=therapist_name,
            buffer=buffer,
            cancellation_policy=cancellation_policy,
            canary=canary,
        )
        return request_booking(self._ports, wish, idempotency_key=idempotency_key, exception=exception)

    @operation
    def accept(
        self, booking_id: str, *, by: str | None = None, reason: str = "", expected_version: int | None = None
    ) -> Flow[Booking]:
        """Accept a pending booking; the therapist may read the address from now on.

        Args:
            booking_id: which booking.
            by: id of the therapist who accepts; None acts as ops, which a key is trusted with, or the signed-in user.
            reason: said to the customer, at most 500 characters.
            expected_version: of the booking as it was seen: `StaleBooking` when it was changed since. None takes it as
                it is by now.

        Raises:
            NotFound: there is no such booking.
            IllegalTransition: it is not pending, or the time to answer is over.
            NotAllowed: this user may not.
            StaleBooking: somebody changed it first; carries the booking as it is now.

        """
        return self._move("accept", Command.ACCEPT, booking_id, by, reason, expected_version=expected_version)

    @operation
    def decline(
        self, booking_id: str, *, by: str | None = None, reason: str = "", expected_version: int | None = None
    ) -> Flow[Booking]:
        """Decline a pending booking; its time becomes free, its commission void. Arguments and errors as `accept`."""
        return self._move("decline", Command.DECLINE, booking_id, by, reason, expected_version=expected_version)

    @operation
    def cancel(
        self,
        booking_id: str,
        *,
        by: str | None = None,
        reason: str = "",
        quoted: Quote | None = None,
        expected_version: int | None = None,
    ) -> Flow[Booking]:
        """Cancel a booking that has not ended; its time becomes free.

        A customer who cancels an accepted booking late owes the fee of its policy; ask `quote_cancellation` first.

        Args:
            booking_id: which booking.
            by: as in `accept`.
            reason: said to the other side, at most 500 characters.
            quoted: hold to this quote: `StaleBooking` when the booking was changed since, or costs more by now.
            expected_version: as in `accept`; a quote has one already.

        Errors as `accept`.

        """
        if not isinstance(quoted, Quote | None):
            raise InvalidInput(f"quoted is what quote_cancellation gave, not {quoted!r}.")
        if quoted is None:
            return self._move("cancel", Command.CANCEL, booking_id, by, reason, expected_version=expected_version)
        if expected_version not in {None, quoted.version}:
            raise InvalidInput(f"the quote is of version {quoted.version}, not of {expected_version}: leave one out.")
        held_to = {"expected_version": quoted.version, "at_most_minor": quoted.fee.minor}
        return self._move("cancel", Command.CANCEL, booking_id, by, reason, **held_to)

    @operation
    def quote_cancellation(self, booking_id: str, *, by: str | None = None) -> Flow[Quote]:
        """What a cancellation by this user would cost now; None asks for ops, whose cancellation is free.

        Raises:
            NotFound: there is no such booking.
            NotAllowed: this user has no part in it.

        """
        if not self.link.acts_with_key:
            asked = {"bookingId": booking_id, "by": by}
            return (yield from self._remote("bookings.quote_cancellation", asked, _quote))
        booking = yield from get_booking(self._ports, booking_id)
        return quote(booking, acting(by)(booking).role, self._ports.now())

    @operation
    def reschedule(
        self,
        booking_id: str,
        starts_at: datetime,
        *,
        by: str | None = None,
        reason: str = "",
        expected_version: int | None = None,
    ) -> Flow[Booking]:
        """Move a booking to another time, in one atomic step; its length and price stay.

        An accepted booking that its customer moves has to be accepted again; otherwise its state stays.

        Args:
            booking_id: which booking.
            starts_at: the new beginning, an aware instant on a whole minute, in the future; may overlap the old time.
            by: id of the customer or therapist who moves it; None acts as ops, who may move it outside the hours.
            reason: said to the other side, at most 500 characters.
            expected_version: as in `accept`.

        Raises:
            SlotTaken: the time is held by another booking; carries free times nearby.
            NotAvailable: the therapist takes no bookings at that time.
            InvalidBooking: the new time can not be.

        and those of `accept`.

        """
        held_to = {"expected_version": expected_version, "starts_at": starts_at}
        return self._move("reschedule", Command.RESCHEDULE, booking_id, by, reason, **held_to)

    @operation
    def start(
        self, booking_id: str, *, by: str | None = None, reason: str = "", expected_version: int | None = None
    ) -> Flow[Booking]:
        """Mark an accepted booking as in progress. Arguments and errors as `accept`."""
        return self._move("start", Command.START, booking_id, by, reason, expected_version=expected_version)

    @operation
    def complete(
        self, booking_id: str, *, by: str | None = None, reason: str = "", expected_version: int | None = None
    ) -> Flow[Booking]:
        """Complete a booking: its commission falls due. Arguments and errors as `accept`."""
        return self._move("complete", Command.COMPLETE, booking_id, by, reason, expected_version=expected_version)

    @operation
    def no_show(
        self,
        booking_id: str,
        reason: str,
        *,
        by: str | None = None,
        waive_fee: bool = False,
        expected_version: int | None = None,
    ) -> Flow[Booking]:
        """Note that the customer did not come; they owe the fee of the booking's policy, if it has one.

        Args:
            booking_id: which booking.
            reason: what was seen, 1 to 500 characters.
            by: id of the therapist; None acts as ops.
            waive_fee: ops only: no fee although the policy asks for one.
            expected_version: as in `accept`.

        Errors as `accept`.

        """
        held_to = {"expected_version": expected_version, "waive_fee": waive_fee}
        return self._move("no_show", Command.NO_SHOW, booking_id, by, reason, **held_to)

    @operation
    def expire_due(self, *, limit: int = 100) -> Flow[int]:
        """Expire pending bookings whose time to answer is over; the result is how many. Needs an API key."""
        self.link.require_key("bookings.expire_due")
        if type(limit) is not int or limit < 1:
            raise InvalidInput(f"limit is a number of one or more, not {limit!r}.")
        return expire_due(self._ports, limit=limit)

    @operation
    def get(self, booking_id: str) -> Flow[Booking]:
        """The booking as it is now.

        Raises:
            NotFound: there is none with this id, or none that the credential may see.

        """
        return get_booking(self._ports, booking_id)

    @operation
    def address(self, booking_id: str) -> Flow[str]:
        """The exact address; a therapist sees it once the booking is accepted.

        Raises:
            NotFound: there is no such booking, or the credential may not see its address.

        """
        place: BookingPlace | None = yield from find(self._ports, BOOKING_PLACES, booking_id)
        if place is None:
            raise NotFound(f"booking {booking_id!r} has no address that this credential may see.")
        return place.address

    @listing
    def list(
        self,
        *,
        customer_id: str | None = None,
        therapist_id: str | None = None,
        status: Status | Iterable[Status] | None = None,
        starts_from: datetime | None = None,
        starts_before: datetime | None = None,
        newest_first: bool = True,
        limit: int | None = None,
        page_size: int = DEFAULT_PAGE,
    ) -> Pages[Booking]:
        """The bookings that the credential may see, by start.

        Args:
            customer_id, therapist_id: only theirs.
            status: only in this state, or one of these.
            starts_from, starts_before: aware instants; from is included, before is not.
            newest_first: latest start first.
            limit: at most so many.
            page_size: rows a request, 1 to 5,000.

        """
        queries = [Query.order_desc("startsAt") if newest_first else Query.order_asc("startsAt")]
        queries += [*only(customer_id=customer_id, therapist_id=therapist_id), *in_state(Status, status)]
        if starts_from is not None:
            queries.append(Query.greater_than_equal("startsAt", _instant("starts_from", starts_from)))
        if starts_before is not None:
            queries.append(Query.less_than("startsAt", _instant("starts_before", starts_before)))
        return pages_of_bookings(self._ports, queries, page_size=page_size, limit=limit)

    @listing
    def history(self, booking_id: str) -> Pages[BookingEvent]:
        """Everything that happened to a booking, oldest first."""
        queries = [Query.equal("bookingId", [checked_text("booking_id", booking_id)]), Query.order_asc("version")]
        return pages_of(self._ports, BOOKING_EVENTS, queries)

    @watched
    def watch(
        self,
        *,
        therapist_id: str | None = None,
        customer_id: str | None = None,
        checkpoint: Checkpoint | None = None,
        since: datetime | None = None,
        policy: Policy | None = None,
    ) -> Watch[Booking]:
        """Changes of bookings as they happen: the newest state of each, versions strictly increasing, each once.

        Entered with ``async with`` and iterated with ``async for``; on a `MassageLink` with ``with`` and ``for``.

        Args:
            therapist_id, customer_id: only theirs; otherwise all that the user may see.
            checkpoint: where progress is kept over restarts; None begins now.
            since: a new consumer begins with what was written from this instant on.
            policy: timings.

        Raises:
            CredentialRequired: the link acts with an API key, which has no rights in realtime, or as nobody.

        """

        def sources(link: AsyncMassageLink) -> list[Source[Booking]]:
            return [watching().bookings(link, therapist_id=therapist_id, customer_id=customer_id)]

        return Watch(sources, checkpoint, since, policy)

    @watched
    def watch_events(
        self,
        *,
        booking_id: str | None = None,
        checkpoint: Checkpoint | None = None,
        since: datetime | None = None,
        policy: Policy | None = None,
    ) -> Watch[BookingEvent]:
        """What happens to bookings: every event of each, in order; of one booking, or of all that the user may see."""
        return Watch(lambda link: [watching().booking_events(link, booking_id=booking_id)], checkpoint, since, policy)

    def _move(
        self, name: str, command: Command, booking_id: str, by: str | None, reason: str, **wanted: Any
    ) -> Flow[Booking]:
        expected = wanted["expected_version"]
        if expected is not None and type(expected) is not int:
            raise InvalidInput(f"expected_version is a booking's version, a whole number, not {expected!r}.")
        if not self.link.acts_with_key:
            asked = {
                "bookingId": booking_id,
                "commandId": self._ports.new_id(),
                "by": by,
                "reason": reason,
                **{to_camel(key): value for key, value in wanted.items()},
            }
            return self._remote(f"bookings.{name}", asked, Booking.model_validate)
        use_case = reschedule if command is Command.RESCHEDULE else transition
        return use_case(self._ports, booking_id, Wanted(command, reason=reason, **wanted), actor=acting(by))

    @staticmethod
    def _refuse_for_users(**given: object) -> None:
        decided = sorted(name for name, value in given.items() if value)
        if decided:
            raise CredentialRequired(
                f"{' and '.join(decided)}: only a link with an API key decides that; for a signed-in user the "
                "therapist's catalogue does. Leave it out."
            )


def _quote(answer: Any) -> Quote:
    free_until = answer["freeUntil"]
    return Quote(
        Money(answer["feeMinor"], answer["currency"]),
        None if free_until is None else datetime.fromisoformat(free_until),
        answer["version"],
    )


def _instant(name: str, value: datetime) -> str:
    # A naive time would silently be read in the time zone of this machine.
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidInput(f"{name} is a datetime with a time zone, not {value!r}.")
    return to_wire_time(value)


class Bookings(BookingOperations, SyncResource):
    """Bookings, blocking."""


class AsyncBookings(BookingOperations, AsyncResource):
    """Bookings, awaited."""
