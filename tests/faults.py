"""Faults planted into the embedded server, and pieces of work that must survive them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from marketplace import Market
from massage_link import AsyncMassageLink, Booking, ChatMessage, Commission
from massage_link.testing import Emulator
from massage_link.usecases.chat import ensure_room
from massage_link.usecases.commissions import ensure_commission

#: Seconds that the tests' links wait for an answer, and by how much a planted delay is longer.
PATIENCE_OF_LINKS = 0.3
DELAY = 0.45

COMMIT = {"method": "PATCH", "path": "/v1/tablesdb/transactions/*"}
BEGIN = {"method": "POST", "path": "/v1/tablesdb/transactions"}
STAGE = {"method": "POST", "path": "/v1/tablesdb/transactions/*/operations"}
SEND = {"method": "POST", "path": "/v1/tablesdb/*/tables/chat_messages/rows"}
READ = {"method": "GET", "path": "/v1/tablesdb/*/rows"}


def error_body(status: int, kind: str) -> dict[str, Any]:
    """Appwrite's error body."""
    return {"message": "Planted.", "code": status, "type": kind, "version": "1.9.6"}


#: Every way in which a call can go wrong that may pass.
ANSWERS: Mapping[str, dict[str, Any]] = {
    "409": {"status": 409, "body": error_body(409, "transaction_conflict")},
    "429": {"status": 429, "body": error_body(429, "general_rate_limit_exceeded")},
    "500": {"status": 500, "body": error_body(500, "general_unknown")},
    "503": {"status": 503},
    "dropped": {"drop": True},
    "too late": {"delaySeconds": DELAY},
}


@dataclass
class Faults:
    """The faults that are planted into an emulator."""

    emulator: Emulator

    def plant(self, where: Mapping[str, str], action: Mapping[str, Any], **how: Any) -> None:
        """Plant one; `how` is `times` (None: always), `skip`, `when`."""
        self.emulator.control("POST", "faults", {**where, "action": dict(action), **how})

    def met(self) -> int:
        """How often they struck."""
        return sum(each["met"] for each in self.emulator.control("GET", "faults")["faults"])

    def settle(self) -> None:
        """Remove them all, and wait until what they delayed has happened."""
        planted = self.emulator.control("GET", "faults")["faults"]
        self.clear()
        time.sleep(max((each["action"].get("delaySeconds", 0.0) for each in planted if each["met"]), default=0.0))

    def clear(self) -> None:
        """Remove them all."""
        self.emulator.control("DELETE", "faults")


@dataclass(frozen=True)
class Work:
    """Something that ends in one write.

    Attributes:
        set_up: makes what it needs; the result is handed to the others.
        do: the work.
        found: what is there of it, looked at with the key.
        write: the call that writes.

    """

    set_up: Callable[[AsyncMassageLink, Market], Awaitable[Any]]
    do: Callable[[AsyncMassageLink, Any], Awaitable[Any]]
    found: Callable[[AsyncMassageLink, Any], Awaitable[list[Any]]]
    write: Mapping[str, str]


async def _nothing(link: AsyncMassageLink, market: Market) -> dict[str, Any]:
    return market.wish()


async def _key(link: AsyncMassageLink, market: Market) -> dict[str, Any]:
    return market.wish(idempotency_key="once")


async def _requested(link: AsyncMassageLink, market: Market) -> Booking:
    return await link.bookings.request(**market.wish(address="Linienstraße 1"))


async def _with_commission(link: AsyncMassageLink, market: Market) -> Booking:
    booking = await _with_room(link, market)
    await link.run(ensure_commission(link.ports, booking.id))
    return booking


async def _accepted(link: AsyncMassageLink, market: Market) -> Booking:
    return await link.bookings.accept((await _with_commission(link, market)).id)


async def _with_room(link: AsyncMassageLink, market: Market) -> Booking:
    booking = await _requested(link, market)
    await link.run(ensure_room(link.ports, booking.id))
    return booking


async def _bookings(link: AsyncMassageLink, wish: dict[str, Any]) -> list[Booking]:
    return [each async for each in link.bookings.list(therapist_id=wish["therapist_id"])]


async def _second_versions(link: AsyncMassageLink, booking: Booking) -> list[Booking]:
    now = await link.bookings.get(booking.id)
    return [now] if now.version > booking.version else []


async def _commissions(link: AsyncMassageLink, booking: Booking) -> list[Commission]:
    return [each async for each in link.commissions.list(therapist_id=booking.therapist_id)]


async def _messages(link: AsyncMassageLink, booking: Booking) -> list[ChatMessage]:
    return [each async for each in link.chat.messages(booking.id, after=1)]


WORK: Mapping[str, Work] = {
    "request": Work(_nothing, lambda link, wish: link.bookings.request(**wish), _bookings, COMMIT),
    "request by key": Work(_key, lambda link, wish: link.bookings.request(**wish), _bookings, COMMIT),
    "accept": Work(
        _with_room, lambda link, it: link.bookings.accept(it.id, by=it.therapist_id), _second_versions, COMMIT
    ),
    "decline": Work(_with_commission, lambda link, it: link.bookings.decline(it.id), _second_versions, COMMIT),
    "cancel": Work(
        _accepted, lambda link, it: link.bookings.cancel(it.id, by=it.customer_id), _second_versions, COMMIT
    ),
    "complete": Work(_accepted, lambda link, it: link.bookings.complete(it.id), _second_versions, COMMIT),
    "ensure commission": Work(
        _requested, lambda link, it: link.run(ensure_commission(link.ports, it.id)), _commissions, COMMIT
    ),
    "send": Work(
        _with_room, lambda link, it: link.chat.send(it.id, "Hello", sender_id=it.customer_id), _messages, SEND
    ),
}
#: Those that are one transaction.
TRANSACTIONS = {name: work for name, work in WORK.items() if work.write is COMMIT}
