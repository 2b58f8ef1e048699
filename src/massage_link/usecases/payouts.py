"""Payouts: what is due is paid in a batch, one transaction for each booking.

A batch that is stopped half-way is repeated under the same name: a booking that it has paid is not paid again, because
the ledger entry ``payout:{batch}`` is there. What a batch has paid is read from the ledger, never counted up.

What a therapist owes (a refund after the payout) is taken off what the batch pays the same therapist in the same
currency, as far as that goes; what is more is carried forward to a later batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from appwrite.query import Query

from massage_link.domain.commission import Commission, CommissionEntry, CommissionStatus
from massage_link.domain.entries import payout
from massage_link.domain.ids import checked_key, checked_text
from massage_link.domain.money import Money
from massage_link.domain.rows import to_wire_time
from massage_link.domain.states import Actor
from massage_link.domain.tables import COMMISSION_ENTRIES, COMMISSIONS
from massage_link.errors import IllegalTransition, InvalidInput, MassageLinkError, TransportError
from massage_link.usecases.corrections import post_once
from massage_link.usecases.ports import Ports
from massage_link.usecases.scanning import each_page, rows_of
from massage_link.wire.call import Flow

__all__ = ["PayoutLine", "PayoutReport", "pay_out", "payout_report"]

_PAGE = 100
_LEDGER_PAGE = 1_000
_MOST_FAILED = 20


@dataclass(frozen=True, slots=True)
class PayoutLine:
    """What a batch pays a therapist (or, as a total, all of them) in one currency, for so many bookings."""

    therapist_id: str
    currency: str
    count: int
    amount: Money


@dataclass(frozen=True, slots=True)
class PayoutReport:
    """What a batch pays.

    Attributes:
        batch: its name.
        dry_run: nothing was written; the lines say what would be.
        paid: bookings that this run paid (or would).
        lines: what the whole batch has paid by now, this run and the ones before it: who is to get how much.
        carried: bookings whose negative balance is more than what the batch pays their therapist.
        failed: ids of bookings that could not be paid, at most twenty; repeat the batch.
        complete: False when time ran out; repeat the batch to go on.

    """

    batch: str
    dry_run: bool
    paid: int = 0
    lines: tuple[PayoutLine, ...] = ()
    carried: int = 0
    failed: tuple[str, ...] = ()
    complete: bool = True

    @property
    def totals(self) -> tuple[PayoutLine, ...]:
        """The sums per currency, ordered by code; their therapist is empty."""
        sums: dict[str, PayoutLine] = {}
        for line in self.lines:
            _add(sums, line.currency, replace(line, therapist_id=""))
        return tuple(sums[currency] for currency in sorted(sums))

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "batch": self.batch,
            "dryRun": self.dry_run,
            "paid": self.paid,
            "lines": [_line_json(line) for line in self.lines],
            "totals": [_line_json(line) for line in self.totals],
            "carried": self.carried,
            "failed": list(self.failed),
            "complete": self.complete,
        }


def payout_report(told: Mapping[str, Any]) -> PayoutReport:
    """The report that `PayoutReport.as_json` made these values of."""
    lines = tuple(
        PayoutLine(each["therapistId"], each["currency"], each["count"], Money(each["amountMinor"], each["currency"]))
        for each in told["lines"]
    )
    return PayoutReport(
        told["batch"],
        told["dryRun"],
        told["paid"],
        lines,
        told["carried"],
        tuple(told["failed"]),
        told["complete"],
    )


def _line_json(line: PayoutLine) -> dict[str, Any]:
    return {
        "therapistId": line.therapist_id,
        "currency": line.currency,
        "count": line.count,
        "amountMinor": line.amount.minor,
    }


def _unheard(_: object) -> None:
    pass


def pay_out(
    ports: Ports,
    batch: str,
    *,
    actor: Actor,
    therapist_id: str | None = None,
    until: datetime | None = None,
    dry_run: bool = False,
    budget: timedelta | None = None,
    advance: Callable[[str], None] = _unheard,
) -> Flow[PayoutReport]:
    """Pay what is due, booking by booking; canaries are left out.

    Args:
        ports: surroundings.
        batch: its name, such as ``2026-11``; the same name goes on with the same batch. A key as for refunds.
        actor: who pays.
        therapist_id: only this therapist's.
        until: only what fell due before this instant; None takes all that is due now.
        dry_run: write nothing, and say what would be paid.
        budget: stop after so long, and say that it is not complete; None goes on to the end.
        advance: told the id of each booking that is dealt with.

    Raises:
        InvalidInput: the name is no key, or the instant none.
        TransportError: the server is not to be reached; what was paid is paid, and repeating the batch goes on.

    """
    checked_key("batch", batch)
    if until is not None and (not isinstance(until, datetime) or until.tzinfo is None):
        raise InvalidInput(f"until is a datetime with a time zone, not {until!r}.")
    theirs = [] if therapist_id is None else [Query.equal("therapistId", [checked_text("therapist_id", therapist_id)])]
    wanted = [*theirs] if until is None else [*theirs, Query.less_than("dueAt", to_wire_time(until))]
    run = _Run(ports, batch.lower(), actor, theirs, wanted, dry_run, budget, advance, ports.now(), ports.new_id())
    return (yield from run.all())


class _OutOfTimeError(Exception):
    pass


@dataclass(slots=True)
class _Run:
    ports: Ports
    batch: str
    actor: Actor
    theirs: Sequence[str]
    wanted: Sequence[str]
    dry_run: bool
    budget: timedelta | None
    advance: Callable[[str], None]
    begun: datetime
    command_id: str
    lines: dict[tuple[str, str], PayoutLine] = field(default_factory=dict)
    paid: int = 0
    carried: int = 0
    failed: list[str] = field(default_factory=list)

    def all(self) -> Flow[PayoutReport]:
        complete = True
        try:
            yield from self._ledger()
            yield from self._due(self._credit)
            if not self.dry_run:
                yield from self._ledger()
            yield from self._due(self._debit)
        except _OutOfTimeError:
            complete = False
        if not self.dry_run:
            yield from self._ledger()
        return PayoutReport(
            self.batch,
            self.dry_run,
            self.paid,
            tuple(self.lines[key] for key in sorted(self.lines)),
            self.carried,
            tuple(self.failed),
            complete,
        )

    def _ledger(self) -> Flow[None]:
        """What the batch has paid by now, as the ledger says."""
        self.lines = {}

        def deal(entries: list[CommissionEntry]) -> Flow[None]:
            yield from ()
            for entry in entries:
                self._count(entry.therapist_id, -entry.balance)

        yield from each_page(
            lambda queries: rows_of(self.ports, COMMISSION_ENTRIES, queries),
            [Query.equal("reference", [f"payout:{self.batch}"]), *self.theirs],
            deal,
            size=_LEDGER_PAGE,
            id_of=lambda entry: str(entry.id),
        )

    def _count(self, therapist_id: str, amount: Money) -> None:
        line = PayoutLine(therapist_id, amount.currency, 1, amount)
        _add(self.lines, (therapist_id, amount.currency), line)

    def _due(self, deal_with: Callable[[Commission], Flow[None]]) -> Flow[None]:
        def deal(commissions: list[Commission]) -> Flow[None]:
            for commission in commissions:
                if self.budget is not None and self.ports.now() - self.begun > self.budget:
                    raise _OutOfTimeError
                yield from deal_with(commission)

        due = [Query.equal("status", [CommissionStatus.DUE.value]), Query.equal("canary", [False])]
        yield from each_page(
            lambda queries: rows_of(self.ports, COMMISSIONS, queries),
            [*due, *self.wanted],
            deal,
            size=_PAGE,
            id_of=lambda commission: str(commission.id),
        )

    def _credit(self, commission: Commission) -> Flow[None]:
        if commission.balance_minor >= 0:
            yield from self._pay(commission, at_least=0)

    def _debit(self, commission: Commission) -> Flow[None]:
        if commission.balance_minor >= 0:
            return
        line = self.lines.get((commission.therapist_id, commission.currency))
        left = 0 if line is None else line.amount.minor
        if left + commission.balance_minor < 0:
            self.carried += 1
            return
        yield from self._pay(commission, at_least=-left)

    def _pay(self, commission: Commission, *, at_least: int) -> Flow[None]:
        if commission.paid_minor and (yield from self._has_paid(commission.id)):
            self.carried += 1  # something came after this batch had paid it: the next one settles that
        elif self.dry_run:
            self.paid += 1
            self._count(commission.therapist_id, commission.balance)
        else:
            yield from self._paid(commission.id, at_least)
        self.advance(commission.id)

    def _has_paid(self, booking_id: str) -> Flow[bool]:
        queries = [Query.equal("bookingId", [booking_id]), Query.equal("reference", [f"payout:{self.batch}"])]
        return bool((yield from rows_of(self.ports, COMMISSION_ENTRIES, [*queries, Query.limit(1)])))

    def _paid(self, booking_id: str, at_least: int) -> Flow[None]:
        try:
            entry, ours = yield from self._post(booking_id, at_least)
        except IllegalTransition:
            return  # somebody else has paid it, or less is owed by now
        except TransportError:
            raise
        except MassageLinkError:
            self.failed.append(booking_id)
            if len(self.failed) >= _MOST_FAILED:
                raise
            return
        if ours:
            self.paid += 1
            self._count(entry.therapist_id, -entry.balance)

    def _post(self, booking_id: str, at_least: int) -> Flow[tuple[CommissionEntry, bool]]:
        """The entry by which the batch pays a booking, and whether this run wrote it."""

        def make(commission: Commission) -> CommissionEntry:
            if commission.balance_minor < at_least:
                raise IllegalTransition(f"the therapist is owed {commission.balance} for booking {booking_id} by now.")
            facts = {"batch": self.batch, "actor": self.actor.id, "command_id": self.command_id}
            return payout(commission, at=self.ports.now(), **facts)

        entry = yield from post_once(self.ports, booking_id, f"payout:{self.batch}", make)
        return entry, entry.command_id == self.command_id


def _add(sums: dict[Any, PayoutLine], key: Any, line: PayoutLine) -> None:
    known = sums.get(key)
    if known is not None:
        line = replace(line, count=known.count + line.count, amount=known.amount + line.amount)
    sums[key] = line
