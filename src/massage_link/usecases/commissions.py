"""The commission of a booking: computed once from the frozen terms, whoever asks first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from massage_link.domain.booking import Booking, Status
from massage_link.domain.commission import Commission, CommissionEntry, CommissionStatus, accrual, split
from massage_link.domain.money import Money
from massage_link.domain.states import TRANSITIONS
from massage_link.domain.tables import BOOKING_TERMS, COMMISSION_ENTRIES, COMMISSIONS
from massage_link.errors import NotFound
from massage_link.usecases.commit import commit_once
from massage_link.usecases.lookups import admitted
from massage_link.usecases.ports import Ports, find
from massage_link.wire.call import Flow
from massage_link.wire.rows import read_by
from massage_link.wire.transactions import Operation, create

__all__ = ["CommissionTotal", "ensure_commission", "get_commission", "totals_of"]


@dataclass(frozen=True, slots=True)
class CommissionTotal:
    """Sums of one currency."""

    currency: str
    count: int
    gross: Money
    commission: Money
    net: Money


def get_commission(ports: Ports, booking_id: str) -> Flow[Commission]:
    """The commission of a booking.

    Raises:
        NotFound: none is on the books (yet), or none that the credential may see.

    """
    commission = yield from find(ports, COMMISSIONS, booking_id)
    if commission is None:
        raise NotFound(f"booking {booking_id!r} has no commission on the books that this credential may see.")
    return commission


def ensure_commission(ports: Ports, booking_id: str) -> Flow[Commission | None]:
    """The commission of a booking, computed and written now if it is not there; None for a draft.

    The row id is the booking id and the accrual is entry 1, written in one transaction, so a repeat changes nothing.

    Raises:
        NotFound: there is no such booking.

    """
    known = yield from find(ports, COMMISSIONS, booking_id)
    if known is not None:
        return known
    booking = yield from admitted(ports, booking_id)
    terms = None if booking is None else (yield from find(ports, BOOKING_TERMS, booking_id))
    if booking is None or terms is None:
        return None
    commission = _computed(booking, terms.commission_bps)
    entry = accrual(commission, ports.now())

    def prepare() -> Flow[tuple[list[Operation], Commission]]:
        yield from ()
        return _operations(ports, commission, entry), commission

    def outcome() -> Flow[Commission | None]:
        return (yield from find(ports, COMMISSIONS, booking_id))

    return (yield from commit_once(ports, prepare, outcome))


def _computed(booking: Booking, rate_bps: int) -> Commission:
    shares = split(booking.price, rate_bps)
    return Commission(
        id=booking.id,
        therapist_id=booking.therapist_id,
        gross_minor=shares.gross.minor,
        rate_bps=rate_bps,
        commission_minor=shares.commission.minor,
        net_minor=shares.net.minor,
        currency=booking.currency,
        status=_status_for(booking.status),
        canary=booking.canary,
    )


def _status_for(status: Status) -> CommissionStatus:
    """Where the commission stands when the booking does: what the arrows into that state say."""
    for arrow in TRANSITIONS:
        if arrow.target is status and arrow.commission is not None:
            return arrow.commission
    return CommissionStatus.PENDING


def _operations(ports: Ports, commission: Commission, entry: CommissionEntry) -> list[Operation]:
    return [
        create(
            ports.address(table),
            row.id,
            row.columns(),
            read_by(table.user_readers(therapist_id=commission.therapist_id)),
        )
        for table, row in ((COMMISSIONS, commission), (COMMISSION_ENTRIES, entry))
    ]


def totals_of(commissions: Iterable[Commission]) -> list[CommissionTotal]:
    """Sums per currency, ordered by code; canaries are left out."""
    by_currency: defaultdict[str, list[Commission]] = defaultdict(list)
    for each in commissions:
        if not each.canary:
            by_currency[each.currency].append(each)
    return [_total(currency, by_currency[currency]) for currency in sorted(by_currency)]


def _total(currency: str, commissions: list[Commission]) -> CommissionTotal:
    return CommissionTotal(
        currency,
        len(commissions),
        Money(sum(each.gross_minor for each in commissions), currency),
        Money(sum(each.commission_minor for each in commissions), currency),
        Money(sum(each.net_minor for each in commissions), currency),
    )
