"""Does everything that is told of the money of a booking tell the same? Pure: what was read goes in, faults come out.

A booking says what its commission should be; its ledger entries add up to what it is; the stored commission is the
projection of these. The three are compared for each booking, and summed up per currency.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from massage_link.domain.booking import Booking, BookingEvent, BookingTerms
from massage_link.domain.commission import Commission, CommissionEntry, CommissionStatus
from massage_link.domain.entries import computed, settlement
from massage_link.domain.ledger import after, rebuilt
from massage_link.domain.states import LIVE
from massage_link.errors import BrokenLedger, InvalidInput

__all__ = [
    "REPAIRABLE",
    "Amounts",
    "BookingBooks",
    "CurrencyCheck",
    "Fault",
    "Finding",
    "Verdict",
    "by_code",
    "examine",
]


class Fault(StrEnum):
    """What can be wrong."""

    NO_COMMISSION = "no_commission"  # a booking without a commission
    NO_ENTRIES = "no_entries"  # a commission without ledger entries
    NO_TERMS = "no_terms"  # a booking whose frozen rate is lost
    BROKEN_LEDGER = "broken_ledger"  # the entries do not fit together
    STALE_PROJECTION = "stale_projection"  # the commission says something else than its entries
    WRONG_AMOUNT = "wrong_amount"  # the entries add up to something else than the booking asks for
    WRONG_STATUS = "wrong_status"  # the booking has ended otherwise than the entries say
    ORPHAN_COMMISSION = "orphan_commission"  # a commission without a booking
    ORPHAN_ENTRIES = "orphan_entries"  # ledger entries without a booking
    MALFORMED = "malformed"  # a row that cannot be read
    ORPHAN_SLOTS = "orphan_slots"  # slots that no live booking holds
    MISSING_SLOTS = "missing_slots"  # a live booking that does not hold its time
    FORGED_STAMP = "forged_stamp"  # a row whose stamps cannot be the server's


#: What `massage-link reconcile` can put right by itself.
REPAIRABLE = frozenset({Fault.NO_COMMISSION, Fault.STALE_PROJECTION, Fault.ORPHAN_SLOTS, Fault.MISSING_SLOTS})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        fault: what.
        row_id: of the booking, or of the row of another table that it is about.
        text: a sentence about it.
        repaired: whether it has been put right since.

    """

    fault: Fault
    row_id: str
    text: str
    repaired: bool = False

    def __str__(self) -> str:
        return f"{self.row_id}: {self.fault}: {self.text}"


@dataclass(frozen=True, slots=True)
class Amounts:
    """What somebody tells of the money of bookings in one currency, in minor units."""

    gross: int = 0
    commission: int = 0
    net: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(self.gross + other.gross, self.commission + other.commission, self.net + other.net)

    def distance(self, other: Amounts) -> int:
        """The largest difference between two who should tell the same."""
        pairs = ((self.gross, other.gross), (self.commission, other.commission), (self.net, other.net))
        return max(abs(one - two) for one, two in pairs)


@dataclass(frozen=True, slots=True)
class CurrencyCheck:
    """What bookings, commissions and ledger entries tell of one currency, each summed up by itself.

    Attributes:
        bookings: how many.
        asked: what the bookings ask for.
        projected: what the stored commissions say.
        entered: what the ledger entries add up to, before refunds.
        difference: in minor units, summed over the bookings so that two faults never cancel out: by how much the three
            differ at most.

    """

    currency: str
    bookings: int = 0
    asked: Amounts = field(default_factory=Amounts)
    projected: Amounts = field(default_factory=Amounts)
    entered: Amounts = field(default_factory=Amounts)
    difference: int = 0

    def with_booking(self, verdict: Verdict) -> CurrencyCheck:
        """The sums with one booking more."""
        return replace(
            self,
            bookings=self.bookings + 1,
            asked=self.asked + verdict.asked,
            projected=self.projected + verdict.projected,
            entered=self.entered + verdict.entered,
            difference=self.difference + verdict.difference,
        )


@dataclass(frozen=True, slots=True)
class BookingBooks:
    """All that the tables hold about the money of one booking.

    Attributes:
        terms: None when they are lost.
        ending: the event by which it has its version; None while it is not needed, or lost.
        commission: None when it is not there.
        unreadable: ids of rows that cannot be read.

    """

    booking: Booking
    terms: BookingTerms | None
    ending: BookingEvent | None
    commission: Commission | None
    entries: Sequence[CommissionEntry]
    unreadable: Sequence[str] = ()

    @property
    def mark(self) -> tuple[int, int, int]:
        """Grows with each change."""
        return self.booking.version, self.commission.version if self.commission else 0, len(self.entries)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about one booking."""

    findings: Sequence[Finding] = ()
    asked: Amounts = field(default_factory=Amounts)
    projected: Amounts = field(default_factory=Amounts)
    entered: Amounts = field(default_factory=Amounts)

    @property
    def difference(self) -> int:
        """By how much what is told of it differs at most, in minor units."""
        return max(self.asked.distance(self.entered), self.entered.distance(self.projected))


def examine(books: BookingBooks) -> Verdict:
    """Compare what is told of one booking."""
    try:
        return _compared(books)
    except InvalidInput as error:  # a currency or a policy that is none
        return Verdict((Finding(Fault.MALFORMED, books.booking.id, str(error)),))


def _compared(books: BookingBooks) -> Verdict:
    asked = _asked(books)
    told, broken = _told(books)
    stored = books.commission
    return Verdict(
        tuple(
            Finding(fault, books.booking.id, text)
            for fault, text in (*broken, *_missing(books), *_unlike(asked, told), *_stale(told, stored))
        ),
        _amounts(asked),
        _amounts(stored),
        _amounts(told),
    )


def _asked(books: BookingBooks) -> Commission | None:
    """The commission that the booking asks for."""
    booking, terms = books.booking, books.terms
    if terms is None:
        return None
    agreed = computed(booking, terms.commission_bps)
    if booking.status in LIVE:
        return agreed
    owed = None if books.ending is None else books.ending.fee
    at = booking.starts_at  # any instant does: when it fell due is not compared
    return after(agreed, settlement(agreed, booking, owed=owed, version=booking.version, at=at))


def _told(books: BookingBooks) -> tuple[Commission | None, list[tuple[Fault, str]]]:
    if not books.entries:
        return None, []
    try:
        return rebuilt(books.entries), []
    except BrokenLedger as error:
        return None, [(Fault.BROKEN_LEDGER, str(error))]


def _missing(books: BookingBooks) -> Iterator[tuple[Fault, str]]:
    for row_id in books.unreadable:
        yield Fault.MALFORMED, f"row {row_id} cannot be read."
    if books.terms is None:
        yield Fault.NO_TERMS, "its terms, with the rate that was agreed, are not there."
    if books.commission is None and not books.unreadable:
        yield Fault.NO_COMMISSION, f"a booking of {books.booking.price} has no commission on the books."
    if books.commission is not None and not books.entries and not books.unreadable:
        yield Fault.NO_ENTRIES, f"its commission of {books.commission.commission} has no ledger entries."


def _unlike(asked: Commission | None, told: Commission | None) -> Iterator[tuple[Fault, str]]:
    if asked is None or told is None:
        return
    columns = ("therapist_id", "currency", "gross_minor", "rate_bps", "commission_minor", "net_minor", "canary")
    unlike = _differences(asked, told, columns)
    if unlike:
        yield Fault.WRONG_AMOUNT, f"the booking asks for {unlike[0]}, and its ledger entries tell {unlike[1]}."
    possible = {asked.status} | ({CommissionStatus.PAID} if asked.status is CommissionStatus.DUE else set())
    if told.status not in possible:
        yield Fault.WRONG_STATUS, f"the booking makes it {asked.status}, and its ledger entries {told.status}."


def _stale(told: Commission | None, stored: Commission | None) -> Iterator[tuple[Fault, str]]:
    if told is None or stored is None:
        return
    unlike = _differences(told, stored, tuple(set(type(told).model_fields) - set(_METADATA)))
    if unlike:
        yield Fault.STALE_PROJECTION, f"its ledger entries tell {unlike[0]}, and the commission says {unlike[1]}."


_METADATA = ("id", "created_at", "updated_at", "permissions")


def _differences(one: Commission, other: Commission, columns: Sequence[str]) -> tuple[str, str] | None:
    unlike = [name for name in sorted(columns) if getattr(one, name) != getattr(other, name)]
    if not unlike:
        return None
    return _said(one, unlike), _said(other, unlike)


def _said(commission: Commission, columns: Sequence[str]) -> str:
    return ", ".join(f"{name} {getattr(commission, name)}" for name in columns)


def _amounts(commission: Commission | None) -> Amounts:
    if commission is None:
        return Amounts()
    return Amounts(commission.gross_minor, commission.commission_minor, commission.net_minor)


def by_code(checks: Mapping[str, CurrencyCheck]) -> tuple[CurrencyCheck, ...]:
    """The sums, ordered by currency."""
    return tuple(checks[currency] for currency in sorted(checks))
