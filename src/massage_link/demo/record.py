"""What was expected, what was sent when, and what each person saw when. Times are seconds of one monotonic clock."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from massage_link.demo.orders import Order
from massage_link.domain.booking import Booking, Status
from massage_link.domain.chat import ChatMessage
from massage_link.domain.commission import Commission, CommissionStatus
from massage_link.domain.lines import OPENED, event_client_id

__all__ = ["Expectation", "Kind", "Latency", "Record", "Sight", "client_id", "latency", "line_of", "sight_of"]

#: The version that a booking of the story has in these states; the room tells of each.
_VERSIONS = {Status.ACCEPTED: 2, Status.COMPLETED: 3}


class Sight(NamedTuple):
    """Something to be seen: a booking in a state, a message (by its client id), a commission in a state."""

    table: str
    booking_id: str
    what: str


class Kind(StrEnum):
    """Why somebody expects to see something."""

    ALERT = "alert"
    DIRECT_ALERT = "alert of a direct write"
    ROOM = "room"
    MESSAGE = "message"
    ANSWER = "answer"  # accepted, completed
    LINE = "line"  # of the room, about the answer
    COMMISSION = "commission"


class Expectation(NamedTuple):
    """A person and what they are to see."""

    user_id: str
    kind: Kind
    sight: Sight


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds between the request and the handler; None when there was nothing to measure."""

    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


def sight_of(row: Booking | ChatMessage | Commission) -> Sight:
    """What somebody sees who is handed this row."""
    if isinstance(row, ChatMessage):
        return Sight("chat_messages", row.room_id, row.client_id)
    return Sight("bookings" if isinstance(row, Booking) else "commissions", row.id, row.status)


def client_id(number: int) -> str:
    """The client id of a talk's line; numbers count from 0."""
    return f"line-{number}"


def line_of(booking_id: str, status: Status) -> Sight:
    """The system line that tells of a booking's new state."""
    return Sight("chat_messages", booking_id, event_client_id(_VERSIONS[status]))


def expectations(booking_id: str, order: Order) -> list[Expectation]:
    """Everything that a booking lets its two people see, in the order of the story."""
    customer, therapist = order.request.customer_id, order.request.therapist_id
    opened = Sight("chat_messages", booking_id, OPENED)
    return [
        Expectation(
            therapist, Kind.DIRECT_ALERT if order.direct else Kind.ALERT, Sight("bookings", booking_id, Status.PENDING)
        ),
        Expectation(customer, Kind.ROOM, opened),
        Expectation(therapist, Kind.ROOM, opened),
        *(
            Expectation(
                therapist if line.by == "customer" else customer,
                Kind.MESSAGE,
                Sight("chat_messages", booking_id, client_id(number)),
            )
            for number, line in enumerate(order.talk)
        ),
        Expectation(therapist, Kind.COMMISSION, Sight("commissions", booking_id, CommissionStatus.PENDING)),
        *(
            expectation
            for status in (Status.ACCEPTED, Status.COMPLETED)
            for expectation in (
                Expectation(customer, Kind.ANSWER, Sight("bookings", booking_id, status)),
                Expectation(customer, Kind.LINE, line_of(booking_id, status)),
                Expectation(therapist, Kind.LINE, line_of(booking_id, status)),
            )
        ),
        Expectation(therapist, Kind.COMMISSION, Sight("commissions", booking_id, CommissionStatus.DUE)),
    ]


@dataclass(slots=True)
class Record:
    """All of it. What concerns bookings that were not `booked` here (the warm-up's) is left out of every answer."""

    booked: dict[str, Order] = field(default_factory=dict)
    sent: dict[Sight, float] = field(default_factory=dict)
    seen: defaultdict[tuple[str, Sight], list[float]] = field(default_factory=lambda: defaultdict(list))

    def saw(self, user_id: str, sight: Sight, at: float) -> None:
        """A person's handler was entered with this."""
        self.seen[user_id, sight].append(at)

    def expected(self) -> list[Expectation]:
        """What was to be seen."""
        return [each for booking_id, order in self.booked.items() for each in expectations(booking_id, order)]

    def unseen(self) -> list[Expectation]:
        """What was to be seen and was not."""
        return [each for each in self.expected() if (each.user_id, each.sight) not in self.seen]

    def repeated(self) -> list[tuple[str, Sight, int]]:
        """Who saw what more than once, and how often beyond the first time."""
        return [
            (user_id, sight, len(times) - 1)
            for (user_id, sight), times in self.seen.items()
            if len(times) > 1 and sight.booking_id in self.booked
        ]

    def leaked(self) -> list[tuple[str, Sight]]:
        """Who saw what is none of their business."""
        return [
            (user_id, sight)
            for user_id, sight in self.seen
            if (order := self.booked.get(sight.booking_id)) is not None
            and user_id not in {order.request.customer_id, order.request.therapist_id}
        ]

    def latency(self, kind: Kind) -> Latency:
        """From the request that was sent to the handler that was entered."""
        return latency(
            [
                self.seen[each.user_id, each.sight][0] - self.sent[each.sight]
                for each in self.expected()
                if each.kind is kind and (each.user_id, each.sight) in self.seen and each.sight in self.sent
            ]
        )


def latency(seconds: Sequence[float]) -> Latency:
    """Percentiles by nearest rank."""
    ordered = sorted(seconds)

    def percentile(percent: int) -> float | None:
        if not ordered:
            return None
        return round(ordered[math.ceil(percent / 100 * len(ordered)) - 1] * 1000, 2)

    return Latency(len(ordered), percentile(50), percentile(95), percentile(99))
