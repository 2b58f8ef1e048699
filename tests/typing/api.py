"""What a type checker sees of the public names: checked by mypy, never run.

Each ignored error is one that has to be found: mypy complains about an ignore that nothing needs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import assert_type

from massage_link import (
    AsyncMassageLink,
    Booking,
    BookingEvent,
    ChatMessage,
    ChatRead,
    ChatRoom,
    Commission,
    CommissionEntry,
    Conversation,
    HealthReport,
    MassageLink,
    Money,
    PayoutReport,
    Statement,
)
from massage_link.domain.calendar import FreeSlot
from massage_link.realtime import BlockingSubscriber, Change, Subscriber


def blocking(link: MassageLink, when: datetime) -> None:
    """Each operation of a blocking link gives its result."""
    booking = link.bookings.request(
        customer_id="anna",
        therapist_id="tom",
        service="Swedish",
        starts_at=when,
        ends_at=when,
        price=Money(9_500, "EUR"),
    )
    assert_type(booking, Booking)
    assert_type(booking.price, Money)
    assert_type(link.bookings.accept(booking.id, by="tom"), Booking)
    assert_type(link.bookings.list(status=None, limit=5), Iterator[Booking])
    assert_type(link.bookings.history(booking.id), Iterator[BookingEvent])
    assert_type(link.availability.slots("tom", "Swedish", when, when), list[FreeSlot])
    assert_type(link.chat.send(booking.id, "hello", sender_id="anna"), ChatMessage)
    assert_type(link.chat.room(booking.id), ChatRoom)
    assert_type(link.chat.edit(booking.id, 2, "hello!", sender_id="anna"), ChatMessage)
    assert_type(link.chat.conversation(booking.id), Conversation)
    assert_type(link.chat.unread(booking.id, user_id="tom"), int)
    assert_type(link.chat.reads(booking.id), Iterator[ChatRead])
    assert_type(link.chat.watch_reads(), BlockingSubscriber[ChatRead])
    with link.chat.reading(user_id="tom") as reading:
        reading.seen(booking.id, 2)
    assert_type(link.commissions.get(booking.id), Commission)
    assert_type(link.commissions.refund(booking.id, booking.price, key="k", reason="ill"), CommissionEntry)
    assert_type(link.commissions.statement("tom", "2026-11"), Statement)
    assert_type(link.commissions.pay_out("2026-11"), PayoutReport)
    assert_type(link.as_user("anna"), MassageLink)
    assert_type(link.verify_integration(deep=True), HealthReport)
    assert_type(link.bookings.watch(), BlockingSubscriber[Booking])
    with link.as_user("tom").chat.watch() as changes:
        for change in changes:
            assert_type(change, Change[ChatMessage])
    with link as same:
        assert_type(same, MassageLink)


async def awaited(link: AsyncMassageLink, when: datetime) -> None:
    """The same operations of an async link are awaited, and its listings are iterated with ``async for``."""
    booking = await link.bookings.request(
        customer_id="anna",
        therapist_id="tom",
        service="Swedish",
        starts_at=when,
    )
    assert_type(booking, Booking)
    assert_type(await link.bookings.accept(booking.id, by="tom"), Booking)
    assert_type(link.bookings.list(), AsyncIterator[Booking])
    assert_type(await link.availability.slots("tom", "Swedish", when, when), list[FreeSlot])
    assert_type(await link.chat.send(booking.id, "hello", sender_id="anna"), ChatMessage)
    assert_type(await link.chat.delete(booking.id, 2, sender_id="anna"), ChatMessage)
    assert_type(await link.chat.reopen(booking.id), ChatRoom)
    assert_type(link.chat.reads(booking.id), AsyncIterator[ChatRead])
    async with link.chat.reading(user_id="tom") as reading:
        reading.seen(booking.id, 2)
    assert_type(await link.commissions.get(booking.id), Commission)
    assert_type(await link.commissions.pay_out("2026-11", dry_run=True), PayoutReport)
    assert_type(await link.verify_integration(), HealthReport)
    watching = link.as_user("tom").bookings.watch()
    assert_type(watching, Subscriber[Booking])
    async with watching as changes:
        async for change in changes:
            assert_type(change, Change[Booking])
            assert_type(change.row, Booking)
    async with link as same:
        assert_type(same, AsyncMassageLink)


async def mistakes(link: MassageLink, alink: AsyncMassageLink, when: datetime) -> None:
    """What a type checker has to find."""
    link.bookings.get(7)  # type: ignore[arg-type]
    link.bookings.get()  # type: ignore[call-arg]
    link.bookings.accept("b1", "tom")  # type: ignore[call-arg]
    link.bookings.request(customer_id="anna", service="Swedish", starts_at=when)  # type: ignore[call-arg]
    link.bookings.request(  # type: ignore[call-arg]
        customer_id="anna", therapist_id="tom", service="Swedish", starts_at=when, prize=Money(1, "EUR")
    )
    alink.bookings.get("b1").status  # type: ignore[attr-defined]  # noqa: B018 - forgot to await
    for booking in alink.bookings.list():  # type: ignore[attr-defined]
        print(booking)  # noqa: T201
    Money(9_500, "EUR") + 1  # type: ignore[operator]
    Money(95.0, "EUR")  # type: ignore[arg-type]
    link.bookings.get("b1").status = "accepted"  # type: ignore[misc, assignment]
