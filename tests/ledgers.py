"""A database of its own for whole-ledger tests, bookings in every state, and hands that tamper with rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from marketplace import Market, Server, own_database
from massage_link import Booking, MassageLink, Money
from massage_link.domain.commission import Commission, CommissionStatus, split
from massage_link.domain.policy import CancellationPolicy
from massage_link.domain.tables import Table
from massage_link.usecases.commissions import ensure_commission
from massage_link.usecases.ports import Ports
from massage_link.wire.call import Call, nothing, path

AT = datetime(2026, 7, 1, 9, tzinfo=UTC)
POLICY = CancellationPolicy(free_until_hours=24, fee_bps=5_000, no_show_bps=10_000, platform_bps=2_000)
#: How a booking can end, and what its commission is then: status, gross of 95.05, commission.
ENDS: Mapping[str, tuple[str, int, int]] = {
    "pending": ("pending", 9_505, 2_852),
    "accepted": ("pending", 9_505, 2_852),
    "in progress": ("pending", 9_505, 2_852),
    "completed": ("due", 9_505, 2_852),
    "declined": ("void", 0, 0),
    "expired": ("void", 0, 0),
    "cancelled": ("void", 0, 0),
    "cancelled late": ("due", 4_753, 951),
    "no-show": ("due", 9_505, 1_901),
    "no-show, waived": ("void", 0, 0),
}


@dataclass(frozen=True)
class Till:
    """A database with tables and nothing else in it.

    Attributes:
        server: where.
        link: with the key.
        market: what tests ask for.

    """

    server: Server
    link: MassageLink
    market: Market

    def at(self, now: datetime) -> MassageLink:
        """A link for which it is another time."""
        return self.server.link(ports=replace(Ports(), now=lambda: now))

    def booking(self, end: str = "completed", **changes: Any) -> Booking:
        """A booking for 95.05 EUR that has come so far."""
        booking = self.link.bookings.request(**self.market.wish(**{"cancellation_policy": POLICY, **changes}))
        self.link.run(ensure_commission(self.link.ports, booking.id))
        return self.moved(booking, end)

    def moved(self, booking: Booking, end: str) -> Booking:
        """The booking, when it has come so far."""
        ops, customer = self.link.bookings, booking.customer_id
        if end in {"accepted", "in progress", "completed", "cancelled late", "no-show", "no-show, waived"}:
            booking = ops.accept(booking.id)
        with self.at(booking.starts_at - timedelta(hours=1)) as late:
            match end:
                case "in progress":
                    return ops.start(booking.id)
                case "completed":
                    return ops.complete(booking.id)
                case "declined":
                    return ops.decline(booking.id)
                case "cancelled":
                    return ops.cancel(booking.id, by=customer)
                case "cancelled late":
                    return late.bookings.cancel(booking.id, by=customer)
                case "no-show" | "no-show, waived":
                    return ops.no_show(booking.id, "Waited for 20 minutes.", waive_fee=end == "no-show, waived")
                case "expired":
                    late.bookings.expire_due()
                    return ops.get(booking.id)
        return booking

    def write(self, table: Table[Any], row_id: str, **columns: Any) -> None:
        """Change a row behind everybody's back."""
        self.link.send(Call("PATCH", self._row(table, row_id), nothing, {"data": columns}))

    def delete(self, table: Table[Any], *row_ids: str) -> None:
        """Take rows away."""
        for row_id in row_ids:
            self.link.send(Call("DELETE", self._row(table, row_id), nothing))

    def create(self, table: Table[Any], row_id: str, **columns: Any) -> None:
        """Put a row there."""
        self.link.send(Call("POST", self._row(table), nothing, {"rowId": row_id, "data": columns}))

    def _row(self, table: Table[Any], *row_id: str) -> str:
        return path("tablesdb", self.server.database, "tables", table.id, "rows", *row_id)


@contextmanager
def opened_till(server: Server) -> Iterator[Till]:
    """A till in a new database of the server."""
    with own_database(server) as own, own.link() as link:
        yield Till(own, link, Market(own, link))


def euros(text: str) -> Money:
    """An amount."""
    return Money.parse(text, "EUR")


def opened(gross: Money, rate: int = 3_000) -> Commission:
    """A commission as it is when the booking is made."""
    shares = split(gross, rate)
    return Commission(
        id="b1",
        therapist_id="t1",
        gross_minor=gross.minor,
        rate_bps=rate,
        commission_minor=shares.commission.minor,
        net_minor=shares.net.minor,
        currency=gross.currency,
        status=CommissionStatus.PENDING,
    )
