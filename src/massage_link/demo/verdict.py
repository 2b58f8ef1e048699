"""Was anything lost, doubled or off by a cent? A pure function of what was recorded and what the tables hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal, NamedTuple, TypeAlias

from massage_link.demo.record import Kind, Record
from massage_link.domain.booking import Booking, Status
from massage_link.domain.chat import ChatMessage, ChatRoom
from massage_link.domain.commission import Commission, CommissionEntry, CommissionStatus, EntryKind
from massage_link.usecases.totals import CommissionTotal

__all__ = ["Books", "Problem", "Report", "Shares", "judge", "report", "shares_of"]

_PLATFORM_SHARE = Decimal("0.30")
Fault: TypeAlias = Literal["lost", "duplicate", "cents", "leak"]


class Shares(NamedTuple):
    """An amount and what becomes of it, in minor units."""

    gross: int
    commission: int
    net: int


def shares_of(price: str) -> Shares:
    """30 % of a price, half-up, reckoned apart from the product's own code.

    Args:
        price: with all decimals of its currency, as the demo's file has it: "9999" JPY, "95.05" EUR, "12.345" KWD.

    """
    gross = Decimal(price)
    smallest = Decimal(1).scaleb(int(gross.as_tuple().exponent))
    commission = (gross * _PLATFORM_SHARE).quantize(smallest, ROUND_HALF_UP)
    return Shares(int(gross / smallest), int(commission / smallest), int((gross - commission) / smallest))


@dataclass(frozen=True, slots=True)
class Books:
    """What the tables hold at the end, without the warm-up's rows."""

    bookings: Sequence[Booking]
    rooms: Sequence[ChatRoom]
    messages: Sequence[ChatMessage]
    commissions: Sequence[Commission]
    entries: Sequence[CommissionEntry]
    totals: Sequence[CommissionTotal]


class Problem(NamedTuple):
    """What went wrong, in a sentence."""

    fault: Fault
    text: str


def judge(record: Record, books: Books) -> list[Problem]:
    """Everything that is wrong; nothing is as it should be."""
    return [*_deliveries(record), *_rows(record, books), *_money(record, books)]


def _deliveries(record: Record) -> Iterable[Problem]:
    for user_id, kind, sight in record.unseen():
        yield Problem("lost", f"{user_id} never saw {kind} {sight.what} of booking {sight.booking_id}")
    for user_id, sight, extra in record.repeated():
        for _ in range(extra):
            yield Problem("duplicate", f"{user_id} saw {sight.table} {sight.what} of {sight.booking_id} once more")
    for user_id, sight in record.leaked():
        yield Problem("leak", f"{user_id} saw {sight.table} {sight.what} of {sight.booking_id}, a stranger's booking")


def _rows(record: Record, books: Books) -> Iterable[Problem]:
    accruals = [each.booking_id for each in books.entries if each.kind is EntryKind.ACCRUAL]
    yield from _one_each(record, "booking", [each.id for each in books.bookings])
    yield from _one_each(record, "room", [each.id for each in books.rooms])
    yield from _one_each(record, "commission", [each.id for each in books.commissions])
    yield from _one_each(record, "accrual in the ledger", accruals)
    for booking in books.bookings:
        if booking.status is not Status.COMPLETED:
            yield Problem("lost", f"booking {booking.id} ended as {booking.status}, not as completed")
    for commission in books.commissions:
        if commission.status is not CommissionStatus.DUE:
            yield Problem("lost", f"the commission of {commission.id} is {commission.status}, not due")
    yield from _messages(record, books)


def _one_each(record: Record, what: str, booking_ids: Sequence[str]) -> Iterable[Problem]:
    found = Counter(booking_ids)
    for booking_id in record.booked:
        if not found[booking_id]:
            yield Problem("lost", f"booking {booking_id} has no {what}")
    for booking_id, count in found.items():
        for _ in range(count - (booking_id in record.booked)):
            yield Problem("duplicate", f"booking {booking_id} has one {what} too many")


def _messages(record: Record, books: Books) -> Iterable[Problem]:
    by_room: defaultdict[str, list[ChatMessage]] = defaultdict(list)
    for message in books.messages:
        by_room[message.room_id].append(message)
    for booking_id, order in record.booked.items():
        numbers = sorted(message.n for message in by_room[booking_id])
        wanted = len(order.talk) + 3  # and the room's own: about the booking, that it was accepted, and completed
        for missing in set(range(1, wanted + 1)) - set(numbers):
            yield Problem("lost", f"message {missing} of booking {booking_id} is not in the table")
        for _ in range(len(numbers) - wanted):
            yield Problem("duplicate", f"booking {booking_id} has a message too many in the table")


def _money(record: Record, books: Books) -> Iterable[Problem]:
    wanted = {booking_id: shares_of(order.price) for booking_id, order in record.booked.items()}
    rows: list[tuple[str, str, Shares]] = [
        *(("commission", row.id, _shares(row)) for row in books.commissions),
        *(("accrual", row.booking_id, _shares(row)) for row in books.entries if row.kind is EntryKind.ACCRUAL),
    ]
    for what, booking_id, shares in rows:
        if booking_id in wanted and shares != wanted[booking_id]:
            yield Problem("cents", f"the {what} of {booking_id} is {shares}, and should be {wanted[booking_id]}")
    for booking in books.bookings:
        if booking.id in wanted and booking.price_minor != wanted[booking.id].gross:
            yield Problem("cents", f"booking {booking.id} costs {booking.price}, not {record.booked[booking.id].price}")
    yield from _totals(record, books, wanted)


def _totals(record: Record, books: Books, wanted: Mapping[str, Shares]) -> Iterable[Problem]:
    sums: defaultdict[str, list[Shares]] = defaultdict(list)
    for booking_id, order in record.booked.items():
        sums[order.request.price.currency].append(wanted[booking_id])
    found = {total.currency: (total.count, _total_shares(total)) for total in books.totals}
    for currency in sorted({*sums, *found}):
        expected = (
            len(sums[currency]),
            Shares(*map(sum, zip(*sums[currency], strict=True))) if sums[currency] else None,
        )
        if found.get(currency) != expected:
            yield Problem("cents", f"the ledger's {currency} are {found.get(currency)}, and should be {expected}")


def _shares(row: Commission | CommissionEntry) -> Shares:
    return Shares(row.gross_minor, row.commission_minor, row.net_minor)


def _total_shares(total: CommissionTotal) -> Shares:
    return Shares(total.gross.minor, total.commission.minor, total.net.minor)


@dataclass(frozen=True, slots=True)
class Report:
    """The demo's result; `as_json` is what ``--json`` prints.

    Attributes:
        alerts: `count` is how many alerts there were; the percentiles are those of the trusted path.
        direct_alerts: those of bookings that customers wrote directly, which a function has to admit first.

    """

    bookings: int
    alerts: Mapping[str, Any]
    messages: Mapping[str, Any]
    rooms: int
    commissions: Sequence[Mapping[str, Any]]
    statuses: Mapping[str, int]
    lost: int
    duplicates: int
    seconds: float
    direct_alerts: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def report(record: Record, books: Books, problems: Iterable[Problem], *, seconds: float) -> Report:
    """What is shown at the end.

    Args:
        record, books: what happened.
        problems: as `judge` found them.
        seconds: how long the whole run took.

    """
    faults = Counter(problem.fault for problem in problems)
    alerts, direct_alerts = record.latency(Kind.ALERT), record.latency(Kind.DIRECT_ALERT)
    return Report(
        bookings=len(books.bookings),
        alerts=asdict(replace(alerts, count=alerts.count + direct_alerts.count)),
        messages=asdict(record.latency(Kind.MESSAGE)),
        rooms=len(books.rooms),
        commissions=[
            {
                "currency": total.currency,
                "count": total.count,
                "gross_minor": total.gross.minor,
                "commission_minor": total.commission.minor,
                "net_minor": total.net.minor,
            }
            for total in books.totals
        ],
        statuses=dict(Counter(booking.status.value for booking in books.bookings)),
        lost=faults["lost"],
        duplicates=faults["duplicate"],
        seconds=round(seconds, 2),
        direct_alerts=asdict(direct_alerts),
    )
