"""Every table of the database: its model, who may read its rows, and the indexes that our queries need.

No client may create, update or delete a row of any table; what is not listed in `readers` is readable with a key only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from massage_link.domain.booking import Booking, BookingEvent, BookingKey, BookingPlace, BookingTerms, Slot
from massage_link.domain.chat import ChatMessage, ChatRead, ChatRoom
from massage_link.domain.commission import Commission, CommissionEntry
from massage_link.domain.people import Therapist, TherapistTerms
from massage_link.domain.rows import Row
from massage_link.domain.system import SystemState

__all__ = [
    "BOOKINGS",
    "BOOKING_EVENTS",
    "BOOKING_KEYS",
    "BOOKING_PLACES",
    "BOOKING_TERMS",
    "CHAT_MESSAGES",
    "CHAT_READS",
    "CHAT_ROOMS",
    "COMMISSIONS",
    "COMMISSION_ENTRIES",
    "DATABASE",
    "SLOTS",
    "SYSTEM_STATE",
    "TABLES",
    "THERAPISTS",
    "THERAPIST_TERMS",
    "Index",
    "Reader",
    "Table",
]

#: Id of the database, unless the settings name another.
DATABASE = "massage_link"
R_co = TypeVar("R_co", bound=Row, covariant=True)


class Reader(StrEnum):
    """Who may read a row."""

    ANY = "any"
    OPS = "ops"  # users with the label "ops"
    CUSTOMER = "customer"
    THERAPIST = "therapist"
    THERAPIST_ONCE_ACCEPTED = "therapist once accepted"


@dataclass(frozen=True, slots=True)
class Index:
    """An index. `columns` are wire names; a leading "-" orders descending."""

    columns: tuple[str, ...]
    unique: bool = False

    @property
    def key(self) -> str:
        """Its name: what it orders by."""
        return "_".join(("unique" if self.unique else "by", *(column.lstrip("-") for column in self.columns)))


@dataclass(frozen=True, slots=True)
class Table(Generic[R_co]):
    """A table: the model of its rows, who may read them, and its indexes.

    Attributes:
        optional: columns (wire names) that every row of ours has and that a client's own row may leave out.

    """

    id: str
    name: str
    model: type[R_co]
    readers: frozenset[Reader]
    indexes: tuple[Index, ...] = ()
    optional: frozenset[str] = frozenset()

    def user_readers(self, *, customer_id: str = "", therapist_id: str = "", accepted: bool = False) -> list[str]:
        """Ids of the users who may read a row that belongs to this customer and this therapist."""
        readers = []
        if customer_id and Reader.CUSTOMER in self.readers:
            readers.append(customer_id)
        once = Reader.THERAPIST_ONCE_ACCEPTED in self.readers and accepted
        if therapist_id and (Reader.THERAPIST in self.readers or once):
            readers.append(therapist_id)
        return readers


_OPS = frozenset({Reader.OPS})
_BOTH = frozenset({Reader.CUSTOMER, Reader.THERAPIST, Reader.OPS})
_THERAPIST = frozenset({Reader.THERAPIST, Reader.OPS})

# No unique index here: an upsert that collides on one would take over the other row (appwrite-oddities, 1), and in
# direct-write mode the main app may create bookings.
BOOKINGS = Table(
    "bookings",
    "Bookings",
    Booking,
    _BOTH,
    (
        Index(("customerId", "-startsAt")),
        Index(("therapistId", "-startsAt")),
        Index(("status", "-startsAt")),
        Index(("status", "expiresAt")),
        Index(("-startsAt",)),
    ),
    # In direct-write mode a client writes customer, therapist, service and start; the catalogue says the rest.
    optional=frozenset({"endsAt", "timezone", "durationMinutes", "priceMinor", "currency", "status"}),
)
BOOKING_KEYS = Table("booking_keys", "Booking keys", BookingKey, _OPS)
BOOKING_TERMS = Table("booking_terms", "Booking terms", BookingTerms, _THERAPIST)
BOOKING_PLACES = Table(
    "booking_places",
    "Booking places",
    BookingPlace,
    frozenset({Reader.CUSTOMER, Reader.THERAPIST_ONCE_ACCEPTED, Reader.OPS}),
)
BOOKING_EVENTS = Table("booking_events", "Booking events", BookingEvent, _BOTH, (Index(("bookingId", "version")),))
SLOTS = Table("slots", "Slots", Slot, _OPS, (Index(("bookingId",)), Index(("therapistId",))))
CHAT_ROOMS = Table(
    "chat_rooms",
    "Chat rooms",
    ChatRoom,
    _BOTH,
    (Index(("customerId",)), Index(("therapistId",)), Index(("status", "freezesAt"))),
)
CHAT_MESSAGES = Table(
    "chat_messages",
    "Chat messages",
    ChatMessage,
    _BOTH,
    (Index(("roomId", "clientId"), unique=True), Index(("roomId", "-n"))),
)
CHAT_READS = Table(
    "chat_reads",
    "Chat read marks",
    ChatRead,
    frozenset({Reader.CUSTOMER, Reader.THERAPIST}),
    (Index(("roomId",)), Index(("userId",))),
)
COMMISSIONS = Table(
    "commissions",
    "Commissions",
    Commission,
    _THERAPIST,
    (Index(("therapistId", "status")), Index(("currency", "status")), Index(("status", "dueAt"))),
)
COMMISSION_ENTRIES = Table(
    "commission_entries",
    "Commission entries",
    CommissionEntry,
    _THERAPIST,
    (
        Index(("bookingId", "reference"), unique=True),
        Index(("bookingId", "n")),
        Index(("therapistId", "at")),
        Index(("reference",)),
    ),
)
THERAPISTS = Table("therapists", "Therapists", Therapist, frozenset({Reader.ANY}), (Index(("active",)),))
THERAPIST_TERMS = Table("therapist_terms", "Therapist terms", TherapistTerms, _THERAPIST)
SYSTEM_STATE = Table("system_state", "System state", SystemState, _OPS)

#: All of them, in the order in which the design lists them.
TABLES: tuple[Table[Row], ...] = (
    BOOKINGS,
    BOOKING_KEYS,
    BOOKING_TERMS,
    BOOKING_PLACES,
    BOOKING_EVENTS,
    SLOTS,
    CHAT_ROOMS,
    CHAT_MESSAGES,
    CHAT_READS,
    COMMISSIONS,
    COMMISSION_ENTRIES,
    THERAPISTS,
    THERAPIST_TERMS,
    SYSTEM_STATE,
)
