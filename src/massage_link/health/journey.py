"""A canary booking the whole way: alert, room, commission, chat both ways, answer; and a client's own row.

It goes the ways that real ones go, with people of its own: their therapist is not in the catalogue, so nobody can see
or book them and no real therapist's time is held. A client's own row can therefore not be admitted; that it is
declined, as it has to be, takes the same way through the same function.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from massage_link.domain.booking import Booking, Status
from massage_link.domain.commission import CommissionStatus
from massage_link.domain.money import Money
from massage_link.domain.rows import to_wire_time
from massage_link.domain.tables import BOOKINGS
from massage_link.domain.wish import BookingWish
from massage_link.errors import MassageLinkError, NotFound
from massage_link.health.report import Finding, State, Step
from massage_link.health.surroundings import BY_THEN, Asked, Surroundings
from massage_link.health.witness import Unseen, Witness
from massage_link.usecases.bookings import request_booking
from massage_link.usecases.chat import send_message
from massage_link.wire.call import Call, Flow
from massage_link.wire.rows import create_own_row

__all__ = ["CANARY", "OBJECTIVES"]

T = TypeVar("T")
#: Milliseconds that the 95th percentile is to stay below.
OBJECTIVES = {"alert": 100.0, "direct write": 500.0, "chat": 500.0}
_ALERTS = 5
_DIRECT_WRITES = 3
_COMMANDS = 3
_LINES = ("c", "t", "c", "t", "c", "t")
_OPENED = "opened"
#: Seconds in which connections are closed.
_FAREWELL = 0.5
_READ_REALTIME = "Realtime takes connections and brings nothing: look at the server's realtime process and its broker."


@dataclass(slots=True)
class _Journey:
    """The canary's people, and what was measured: milliseconds by the step's name."""

    surroundings: Surroundings
    customer: Witness
    therapist: Witness
    starts_at: datetime
    times: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def note(self, step: str, sent_at: float, seen_at: float) -> None:
        self.times[step].append((seen_at - sent_at) * 1000)

    def steps(self) -> tuple[Step, ...]:
        return tuple(Step(name, tuple(times), OBJECTIVES.get(name)) for name, times in self.times.items())


async def _canary(surroundings: Surroundings) -> Finding:
    link, canary = surroundings.link, surroundings.canary
    customer, therapist = Witness(link, canary.customer_id), Witness(link, canary.therapist_id)
    begin = link.ports.now().replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
    journey = _Journey(surroundings, customer, therapist, begin)
    allowed = min(CANARY.seconds, surroundings.left(CANARY.until)) - _FAREWELL
    try:
        async with asyncio.timeout(allowed), asyncio.TaskGroup() as group:
            listening = [group.create_task(each.watch()) for each in (customer, therapist)]
            await asyncio.gather(customer.wait_until_live(), therapist.wait_until_live())
            await _travel(journey)
            for task in listening:
                task.cancel()
    except BaseExceptionGroup as failures:
        return _stuck(_first_of(failures), journey.steps())
    except TimeoutError:
        return _late(allowed, journey)
    return _judged(journey.steps(), direct_write="direct write" in journey.times)


def _late(seconds: float, journey: _Journey) -> Finding:
    """It is still on its way: because something does not come, or because everything takes long."""
    again = "Check again: functions that were cold are warm now."
    for person in (journey.therapist, journey.customer):
        if person.waits_for is not None:
            missing, action = person.waits_for
            return Finding(State.DOWN, f"{missing} within {seconds:.1f} s.", f"{again} {action}", journey.steps())
    come_to = ", ".join(journey.times) or "nothing at all"
    found = f"After {seconds:.1f} s the canary had seen {come_to}; the rest was still to come."
    return Finding(State.DEGRADED, found, f"{again} If it stays so, look at the server's load.", journey.steps())


def _stuck(error: BaseException, steps: tuple[Step, ...]) -> Finding:
    if isinstance(error, Unseen):
        return Finding(State.DOWN, str(error), error.action, steps)
    if isinstance(error, MassageLinkError):
        action = "The message says why; the probes of what it went through may say more."
        return Finding(State.DOWN, f"A step was refused: {error}", action, steps)
    raise error


def _first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


def _judged(steps: tuple[Step, ...], *, direct_write: bool) -> Finding:
    slow = [step for step in steps if not step.is_met]
    if slow:
        told = ", ".join(f"{each.name} took {each.percentile(95):.0f} ms of {each.objective_ms:.0f}" for each in slow)
        action = "Look at the load of the server and its database; measure again when it is quiet."
        return Finding(State.DEGRADED, f"It arrived, and slower than it shall: {told}.", action, steps)
    by = " and a client's own row" if direct_write else ""
    found = f"A booking{by} went the whole way: alert, room, commission, chat both ways, answer; each in its time."
    return Finding(State.OK, found, steps=steps)


async def _travel(journey: _Journey) -> None:
    direct = await journey.surroundings.is_direct_write()
    async with asyncio.TaskGroup() as cold:
        booking = cold.create_task(_booked(journey, 0, "first "))
        cold.create_task(_first_command(journey))
        if direct:
            cold.create_task(_write_directly(journey, "first "))
    first = booking.result()
    for number in range(1, 1 + _ALERTS):
        await _booked(journey, number)
    await _talk(journey, first)
    await _answers(journey, first)
    await _commands(journey)
    for _ in range(_DIRECT_WRITES if direct else 0):
        await _write_directly(journey)


async def _first_command(journey: _Journey) -> None:
    """Ask the function `commands` for something that it has to refuse: its process has started then."""
    canary, user = journey.surroundings.canary, journey.customer.link
    begun = time.perf_counter()
    try:
        await user.bookings.cancel(canary.ports(user.ports).new_id())
    except NotFound:
        journey.note("first command", begun, time.perf_counter())


async def _booked(journey: _Journey, number: int, first: str = "") -> Booking:
    """Book by the trusted path: the therapist is alerted, and functions make room and commission."""
    canary = journey.surroundings.canary
    starts_at = journey.starts_at + number * timedelta(hours=1)
    wish = BookingWish(
        customer_id=canary.customer_id,
        therapist_id=canary.therapist_id,
        service="Health check",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=15),
        price=Money(9_505, "EUR"),
        address="Nowhere 1",
        canary=True,
    )
    ports = canary.ports(journey.surroundings.link.ports)
    flow = request_booking(ports, wish, idempotency_key=canary.idempotency_key(number))
    booking, sent_at = await _sent(journey, flow, "PATCH")
    alerted = await journey.therapist.sees(
        booking.id, Status.PENDING, missing="The therapist was not alerted", action=_READ_REALTIME
    )
    journey.note(f"{first}alert", sent_at, alerted)
    for person in (journey.therapist, journey.customer):
        opened = await person.sees(
            booking.id,
            _OPENED,
            missing="No chat room was opened",
            action="Read the executions of the function create_chat_room; the sweeper makes up for it.",
            cold=bool(first),
        )
    journey.note(f"{first}room", sent_at, opened)
    computed = await _commission(journey, booking, CommissionStatus.PENDING, cold=bool(first))
    journey.note(f"{first}commission", sent_at, computed)
    return booking


async def _commission(journey: _Journey, booking: Booking, status: CommissionStatus, *, cold: bool = False) -> float:
    return await journey.therapist.sees(
        booking.id,
        f"commission {status}",
        missing=f"The commission did not become {status}",
        action="Read the executions of the function compute_commission; the sweeper makes up for it.",
        cold=cold,
    )


async def _talk(journey: _Journey, booking: Booking) -> None:
    """Both write, and each reads what the other wrote."""
    people = {"c": (journey.customer, journey.therapist), "t": (journey.therapist, journey.customer)}
    ports = journey.surroundings.link.ports
    for number, who in enumerate(_LINES):
        sender, reader = people[who]
        body, client_id = f"Canary line {number + 1}", f"line-{number}"
        flow = send_message(ports, booking.id, sender_id=sender.user_id, body=body, client_id=client_id)
        message, sent_at = await _sent(journey, flow, "POST")
        seen_at = await reader.sees(
            booking.id, client_id, missing="A chat message was not seen by the other side", action=_READ_REALTIME
        )
        journey.note("chat", sent_at, seen_at)
        await journey.surroundings.link.chat.mark_read(booking.id, user_id=reader.user_id, n=message.n)


async def _answers(journey: _Journey, booking: Booking) -> None:
    """The therapist accepts and completes, the customer sees it, and the commission is due."""
    link = journey.surroundings.link
    for status, answer in ((Status.ACCEPTED, link.bookings.accept), (Status.COMPLETED, link.bookings.complete)):
        begun = time.perf_counter()
        await answer(booking.id, by=booking.therapist_id)
        seen_at = await journey.customer.sees(
            booking.id, status, missing=f"The customer did not see that it was {status}", action=_READ_REALTIME
        )
        journey.note("answer", begun, seen_at)
    await _commission(journey, booking, CommissionStatus.DUE)


async def _commands(journey: _Journey) -> None:
    """A signed-in user asks the function `commands`: what nobody but a key may write, it writes for them."""
    canary, user = journey.surroundings.canary, journey.customer.link
    mine = [booking async for booking in user.bookings.list(customer_id=canary.customer_id)]
    pending = [booking for booking in mine if booking.status is Status.PENDING]
    for booking in pending[:_COMMANDS]:
        begun = time.perf_counter()
        await user.bookings.cancel(booking.id)
        journey.note("command", begun, time.perf_counter())


async def _write_directly(journey: _Journey, first: str = "") -> None:
    """The customer's own client writes a row; the therapist is in no catalogue, so it has to be declined."""
    canary, user = journey.surroundings.canary, journey.customer.link
    ports = canary.ports(user.ports)
    row_id = ports.new_id()
    wanted: dict[str, Any] = {
        "customerId": canary.customer_id,
        "therapistId": canary.therapist_id,
        "service": "Health check",
        "startsAt": to_wire_time(journey.starts_at + timedelta(days=1)),
        "canary": True,
    }
    begun = time.perf_counter()
    await user.send(create_own_row(ports.address(BOOKINGS), row_id, wanted))
    seen_at = await journey.customer.sees(
        row_id,
        f"draft {Status.DECLINED}",
        missing="A client's own row was neither admitted nor declined",
        action="Read the executions of the function admit_booking; the sweeper makes up for it.",
        cold=bool(first),
    )
    journey.note(f"{first}direct write", begun, seen_at)


async def _sent(journey: _Journey, flow: Flow[T], method: str) -> tuple[T, float]:
    """A flow's result, and when its last call with this method was handed to the network."""
    sent_at = 0.0

    def noting() -> Flow[T]:
        nonlocal sent_at
        advance: Callable[[], Any] = partial(next, flow)
        while True:
            try:
                step = advance()
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(step, Call) and step.method == method:
                sent_at = time.perf_counter()
            try:
                advance = partial(flow.send, (yield step))
            except MassageLinkError as error:
                advance = partial(flow.throw, error)

    return await journey.surroundings.link.run(noting()), sent_at


CANARY = Asked(
    "canary",
    "Bookings do not go the whole way, or go it slowly: customers and therapists notice.",
    _canary,
    needs=("credentials", "schema", "realtime", "functions"),
    seconds=9.0,
    until=BY_THEN["deep"],
)
