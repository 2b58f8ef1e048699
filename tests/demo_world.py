"""A demo that went well, in memory: the record and the tables of two bookings, to be spoilt by tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from massage_link.demo.orders import Order, load_week, orders
from massage_link.demo.record import Record, client_id, expectations
from massage_link.demo.verdict import Books, shares_of
from massage_link.domain.booking import Booking, Status
from massage_link.domain.chat import SYSTEM_SENDER, ChatMessage, ChatRoom, message
from massage_link.domain.commission import Commission, CommissionEntry, CommissionStatus
from massage_link.domain.entries import accrual
from massage_link.domain.lines import OPENED, event_client_id
from massage_link.domain.request import new_booking
from massage_link.usecases.totals import totals_of

NOW = datetime(2026, 3, 2, 10, 30, tzinfo=UTC)
FIRST, SECOND = "b1", "b2"


def two_orders() -> list[Order]:
    """The first two of the file, as of `NOW`: in euros and in yen."""
    return orders(load_week(), 2, now=NOW)


def good_record() -> Record:
    """Everything was seen once, each alert and message ten milliseconds after it was sent."""
    record = Record(booked=dict(zip((FIRST, SECOND), two_orders(), strict=True)))
    for step, expected in enumerate(record.expected()):
        sent = float(step)
        record.sent.setdefault(expected.sight, sent)
        record.saw(expected.user_id, expected.sight, sent + 0.010)
    return record


def good_books(record: Record) -> Books:
    """The tables after two completed bookings."""
    bookings = [_booking(booking_id, order) for booking_id, order in record.booked.items()]
    commissions = [_commission(booking, record.booked[booking.id]) for booking in bookings]
    return Books(
        bookings=bookings,
        rooms=[ChatRoom(id=each.id, customer_id=each.customer_id, therapist_id=each.therapist_id) for each in bookings],
        messages=[line for booking in bookings for line in _messages(booking, record.booked[booking.id])],
        commissions=commissions,
        entries=[accrual(commission, NOW) for commission in commissions],
        totals=totals_of(commissions),
    )


def with_commissions(books: Books, commissions: list[Commission]) -> Books:
    """The same tables with other commissions, and the ledger and totals that follow from them."""
    entries: list[CommissionEntry] = [accrual(commission, NOW) for commission in commissions]
    return replace(books, commissions=commissions, entries=entries, totals=totals_of(commissions))


def expected_sights(record: Record) -> int:
    """How many things were to be seen."""
    return sum(len(expectations(booking_id, order)) for booking_id, order in record.booked.items())


def _booking(booking_id: str, order: Order) -> Booking:
    new = new_booking(order.request, booking_id=booking_id, command_id="c", now=NOW)
    return new.booking.model_copy(update={"status": Status.COMPLETED, "version": 3})


def _commission(booking: Booking, order: Order) -> Commission:
    shares = shares_of(order.price)
    return Commission(
        id=booking.id,
        therapist_id=booking.therapist_id,
        gross_minor=shares.gross,
        rate_bps=3_000,
        commission_minor=shares.commission,
        net_minor=shares.net,
        currency=booking.currency,
        status=CommissionStatus.DUE,
    )


def _messages(booking: Booking, order: Order) -> list[ChatMessage]:
    lines = [(SYSTEM_SENDER, OPENED), *((booking.customer_id, client_id(n)) for n in range(len(order.talk)))]
    lines += [(SYSTEM_SENDER, event_client_id(version)) for version in (2, 3)]
    return [
        message(booking.id, n, sender_id=sender, client_id=client, body="…", sent_at=NOW)
        for n, (sender, client) in enumerate(lines, start=1)
    ]
