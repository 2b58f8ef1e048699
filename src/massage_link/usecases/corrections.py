"""Refunds and adjustments: one ledger entry each, written once for its key, whatever becomes of the answers."""

from __future__ import annotations

from collections.abc import Callable

from massage_link.domain.commission import Commission, CommissionEntry
from massage_link.domain.entries import adjustment, refund
from massage_link.domain.ids import checked_key
from massage_link.domain.ledger import rebuilt
from massage_link.domain.money import Money
from massage_link.domain.states import Actor
from massage_link.errors import IdempotencyMismatch, NotFound, RowNotFound
from massage_link.usecases.commissions import ensure_commission, entries_of, posting, refresh_commission
from massage_link.usecases.commit import commit_once
from massage_link.usecases.ports import Ports
from massage_link.wire.call import Flow
from massage_link.wire.transactions import Operation

__all__ = ["adjust_commission", "post_once", "refund_booking"]


def refund_booking(
    ports: Ports, booking_id: str, amount: Money, *, key: str, reason: str, actor: Actor
) -> Flow[CommissionEntry]:
    """Give something back to the customer of a booking that is due or paid.

    The platform's and the therapist's shares of it are such that all refunds together are shared as one would be. After
    a payout the therapist's share makes the balance negative: it is taken off the next payout.

    Args:
        ports: surroundings.
        booking_id: which booking.
        amount: more than zero, at most what is left.
        key: repeating a refund with the same key changes nothing more; 1 to 50 of a-z, 0-9, '.', '_', ':', '-'.
        reason: kept in the ledger, which the therapist may read; at most 500 characters.
        actor: who gives it back.

    Returns:
        The ledger entry.

    Raises:
        NotFound: there is no such booking.
        IllegalTransition: nothing is due (yet).
        AmountTooLarge: more than is left.
        IdempotencyMismatch: the key was used for another amount.
        InvalidInput: no amount, no reason, or no key.

    """
    reference = f"refund:{checked_key('key', key)}"

    def make(commission: Commission) -> CommissionEntry:
        return refund(commission, amount, key=key, reason=reason, actor=actor.id, at=ports.now())

    def same(known: CommissionEntry) -> CommissionEntry:
        return _same(known, -known.gross, amount)

    return (yield from post_once(ports, booking_id, reference, make, same))


def adjust_commission(
    ports: Ports, booking_id: str, amount: Money, *, key: str, reason: str, actor: Actor
) -> Flow[CommissionEntry]:
    """Move something from the platform's share of a booking to the therapist's, or back when it is negative.

    Arguments and errors as `refund_booking`.
    """
    reference = f"adjustment:{checked_key('key', key)}"

    def make(commission: Commission) -> CommissionEntry:
        return adjustment(commission, amount, key=key, reason=reason, actor=actor.id, at=ports.now())

    def same(known: CommissionEntry) -> CommissionEntry:
        return _same(known, known.balance, amount)

    return (yield from post_once(ports, booking_id, reference, make, same))


def _same(known: CommissionEntry, before: Money, amount: Money) -> CommissionEntry:
    if before != amount:
        raise IdempotencyMismatch(
            f"{known.reference.replace(':', ' with the key ', 1)} was of {before}, not of {amount}; use a new key for "
            "another one."
        )
    return known


def post_once(
    ports: Ports,
    booking_id: str,
    reference: str,
    make: Callable[[Commission], CommissionEntry],
    same: Callable[[CommissionEntry], CommissionEntry] = lambda known: known,
) -> Flow[CommissionEntry]:
    """Add an entry to the ledger of a booking, unless there is one of this reference: then that one is the result.

    Args:
        ports: surroundings.
        booking_id: which booking.
        reference: of the entry.
        make: makes the entry from the commission as its ledger tells it; raises a `RuleError` when it can not be.
        same: asked whether an entry of this reference is the same; gives it, or raises.

    """
    try:
        return (yield from _posted(ports, booking_id, reference, make, same))
    except RowNotFound:
        # Only somebody from outside can have taken the stored commission away; its entries tell it.
        yield from refresh_commission(ports, booking_id)
        return (yield from _posted(ports, booking_id, reference, make, same))


def _posted(
    ports: Ports,
    booking_id: str,
    reference: str,
    make: Callable[[Commission], CommissionEntry],
    same: Callable[[CommissionEntry], CommissionEntry],
) -> Flow[CommissionEntry]:
    found = yield from _ledger(ports, booking_id)
    known = _by_reference(found, reference)
    if known is not None:
        return same(known)
    read: list[CommissionEntry] | None = found  # read by the attempt that is to use it

    def prepare() -> Flow[tuple[list[Operation], CommissionEntry]]:
        nonlocal read
        entries, read = (yield from _ledger(ports, booking_id)) if read is None else read, None
        commission = rebuilt(entries)
        entry = make(commission)
        return posting(ports, commission, entry), entry

    def outcome() -> Flow[CommissionEntry | None]:
        nonlocal read
        read = yield from _ledger(ports, booking_id)
        written = _by_reference(read, reference)
        return None if written is None else same(written)

    return (yield from commit_once(ports, prepare, outcome))


def _by_reference(entries: list[CommissionEntry], reference: str) -> CommissionEntry | None:
    return next((entry for entry in entries if entry.reference == reference), None)


def _ledger(ports: Ports, booking_id: str) -> Flow[list[CommissionEntry]]:
    """The entries of a booking; its accrual is written first when there is none."""
    entries = yield from entries_of(ports, booking_id)
    if not entries:
        if (yield from ensure_commission(ports, booking_id)) is None:
            raise NotFound(f"booking {booking_id!r} is a draft that has not been admitted yet.")
        entries = yield from entries_of(ports, booking_id)
    return entries
