"""The commission of a booking: computed once from the frozen terms, whoever asks first, and kept by its ledger."""

from __future__ import annotations

from collections.abc import Sequence

from appwrite.query import Query

from massage_link.domain.booking import Booking, BookingTerms
from massage_link.domain.commission import Commission, CommissionEntry
from massage_link.domain.entries import accrual, computed, settlement
from massage_link.domain.ids import checked_text, event_id
from massage_link.domain.ledger import after, rebuilt
from massage_link.domain.rows import Row
from massage_link.domain.states import LIVE
from massage_link.domain.tables import BOOKING_EVENTS, BOOKING_TERMS, COMMISSION_ENTRIES, COMMISSIONS, Table
from massage_link.errors import Conflict, MassageLinkError, NotFound, RowNotFound, ServerError, TransportError
from massage_link.usecases.commit import commit_once
from massage_link.usecases.lookups import admitted
from massage_link.usecases.ports import Ports, find
from massage_link.wire.call import Flow, Sleep
from massage_link.wire.rows import list_rows, read_by
from massage_link.wire.transactions import Operation, begin, commit, create, stage, update

__all__ = [
    "creation",
    "ensure_commission",
    "ensure_ledger",
    "entries_of",
    "get_commission",
    "posting",
    "refresh_commission",
    "same_columns",
]

_PAGE = 100
_ATTEMPTS = 5
_FIRST_PAUSE = 0.05


def get_commission(ports: Ports, booking_id: str) -> Flow[Commission]:
    """The commission of a booking.

    Raises:
        NotFound: none is on the books (yet), or none that the credential may see.

    """
    commission = yield from find(ports, COMMISSIONS, booking_id)
    if commission is None:
        raise NotFound(f"booking {booking_id!r} has no commission on the books that this credential may see.")
    return commission


def entries_of(ports: Ports, booking_id: str) -> Flow[list[CommissionEntry]]:
    """All ledger entries of a booking, by number."""
    same = Query.equal("bookingId", [checked_text("booking_id", booking_id)])
    entries: list[CommissionEntry] = []
    while True:
        queries = [same, Query.order_asc("n"), Query.limit(_PAGE)]
        if entries:
            queries.append(Query.greater_than("n", entries[-1].n))
        page = yield from list_rows(ports.address(COMMISSION_ENTRIES), CommissionEntry, queries)
        entries += page
        if len(page) < _PAGE:
            return entries


def ensure_commission(ports: Ports, booking_id: str) -> Flow[Commission | None]:
    """The commission of a booking, computed and written now if it is not there; None for a draft.

    The row id is the booking id and the accrual is entry 1, written in one transaction, so a repeat changes nothing.

    Raises:
        NotFound: there is no such booking.

    """
    known = yield from find(ports, COMMISSIONS, booking_id)
    if known is not None:
        return known
    return (yield from _open(ports, booking_id))


def ensure_ledger(ports: Ports, booking_id: str) -> Flow[Commission | None]:
    """The commission as the ledger entries tell it, whatever the stored projection says; the first is made if need be.

    Raises:
        NotFound: there is no such booking.
        BrokenLedger: the entries do not fit together.

    """
    entries = yield from entries_of(ports, booking_id)
    if entries:
        return rebuilt(entries)
    return (yield from _open(ports, booking_id))


def refresh_commission(ports: Ports, booking_id: str) -> Flow[Commission | None]:
    """The commission of a booking, made if it is missing and rebuilt from its entries if it says something else.

    Only something from outside can make the two differ: entry and projection are written in one transaction.

    Returns:
        The commission as it is stored now; None for a draft.

    Raises:
        NotFound: there is no such booking.
        BrokenLedger: the entries do not fit together; nothing was changed.

    """
    failure: MassageLinkError | None = None
    for attempt in range(_ATTEMPTS):
        stored = yield from find(ports, COMMISSIONS, booking_id)
        entries = yield from entries_of(ports, booking_id)
        if stored is None:
            return (yield from _open(ports, booking_id))
        told = rebuilt(entries)
        if same_columns(stored, told):
            return stored
        try:
            yield from _overwrite(ports, told, entries)
        except (Conflict, RowNotFound, ServerError, TransportError) as error:
            failure = error
            yield from Sleep(ports.jitter(_FIRST_PAUSE * 2**attempt))
    assert failure is not None
    raise failure


def same_columns(one: Commission, other: Commission) -> bool:
    """Whether two commissions say the same, apart from the server's own columns."""
    return one.columns() == other.columns()


def _overwrite(ports: Ports, told: Commission, entries: Sequence[CommissionEntry]) -> Flow[None]:
    """Write the projection, unless an entry was added meanwhile."""
    transaction = yield from begin()
    yield from stage(transaction, [update(ports.address(COMMISSIONS), told.id, told.columns())])
    # What is written after the staging refuses the commit; what was written before it is seen here.
    if [each.id for each in (yield from entries_of(ports, told.id))] == [each.id for each in entries]:
        yield from commit(transaction)


# --- the first entries ------------------------------------------------------------------------------------------------
def _open(ports: Ports, booking_id: str) -> Flow[Commission | None]:
    booking = yield from admitted(ports, booking_id)
    terms = None if booking is None else (yield from find(ports, BOOKING_TERMS, booking_id))
    if booking is None or terms is None:
        return None
    fresh = yield from _first_entries(ports, booking, terms)
    attempts = 0

    def prepare() -> Flow[tuple[list[Operation], Commission]]:
        nonlocal attempts
        attempts += 1
        # After a refusal there may be entries whose projection is lost.
        known = (yield from entries_of(ports, booking_id)) if attempts > 1 else []
        commission = rebuilt(known or fresh)
        return creation(ports, commission, [] if known else fresh), commission

    def outcome() -> Flow[Commission | None]:
        return (yield from find(ports, COMMISSIONS, booking_id))

    return (yield from commit_once(ports, prepare, outcome))


def _first_entries(ports: Ports, booking: Booking, terms: BookingTerms) -> Flow[list[CommissionEntry]]:
    """The accrual; and what followed from the booking's end, when it has ended before anybody kept its ledger."""
    agreed, at = computed(booking, terms.commission_bps), ports.now()
    first = accrual(agreed, at)
    if booking.status in LIVE:
        return [first]
    event = yield from find(ports, BOOKING_EVENTS, event_id(booking.id, booking.version))
    owed = None if event is None else event.fee
    return [first, settlement(agreed, booking, owed=owed, version=booking.version, at=at)]


# --- operations -------------------------------------------------------------------------------------------------------
def creation(ports: Ports, commission: Commission, entries: Sequence[CommissionEntry]) -> list[Operation]:
    """The operations that write a commission and its first entries."""
    rows: list[tuple[Table[Row], Row]] = [(COMMISSIONS, commission), *((COMMISSION_ENTRIES, each) for each in entries)]
    return [_created(ports, table, row, commission.therapist_id) for table, row in rows]


def posting(ports: Ports, commission: Commission, entry: CommissionEntry) -> list[Operation]:
    """The operations that write the next entry of a ledger, and what becomes of the commission with it.

    The entry's id is the compare-and-set: of two who write the same number, one is refused.
    """
    told = after(commission, entry)
    return [
        update(ports.address(COMMISSIONS), told.id, told.columns()),
        _created(ports, COMMISSION_ENTRIES, entry, told.therapist_id),
    ]


def _created(ports: Ports, table: Table[Row], row: Row, therapist_id: str) -> Operation:
    return create(ports.address(table), row.id, row.columns(), read_by(table.user_readers(therapist_id=therapist_id)))
