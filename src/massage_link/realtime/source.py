"""What is watched, how it is read back, and what comes out: the values that realtime works with.

Nothing here knows bookings, HTTP or sockets. A `Source` says which rows to watch and brings the two callables that read
them over HTTP; a `Change` is what the consumer receives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from massage_link.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

R_co = TypeVar("R_co", covariant=True)

RawRow: TypeAlias = "Mapping[str, Any]"
"""A row as Appwrite sends it: columns plus ``$id``, ``$sequence``, ``$createdAt``, ``$updatedAt``."""

_VALID_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,35}")  # the server takes it as a subscription id


@dataclass(frozen=True, slots=True)
class Credential:
    """Who the socket belongs to.

    Args:
        kind: ``"session"`` for a session's secret, ``"jwt"`` for a short-lived token. An API key gives no rights on a
            realtime connection.
        secret: the secret itself; it is left out of the repr.

    """

    kind: Literal["session", "jwt"]
    secret: str

    def __repr__(self) -> str:
        return f"Credential(kind={self.kind!r}, secret='…')"


@dataclass(frozen=True, slots=True)
class Mutable:
    """Rows that change: each version at most once, strictly increasing, the newest never missed.

    Args:
        version: the integer column that grows with every write; None, or null in a row, means that the content decides.

    """

    version: str | None = "version"


def joined_by_underscore(scope: str, number: int) -> str:
    """The row id ``{scope}_{number}``, as ``booking_events``, ``chat_messages`` and ``commission_entries`` have it."""
    return f"{scope}_{number}"


@dataclass(frozen=True, slots=True)
class Numbered:
    """Immutable rows, numbered without gaps within a scope: every one of them, in order.

    Args:
        scope: the column within which the numbers count, such as ``bookingId``.
        number: the integer column that holds the number.
        first: the number with which every scope begins.
        row_id: makes a row's id from its scope and number, so that a missing one can be asked for.

    """

    scope: str
    number: str
    first: int = 1
    row_id: Callable[[str, int], str] = joined_by_underscore


Identity: TypeAlias = Mutable | Numbered


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of (``$updatedAt``, ``$sequence``).

    Args:
        updated_at: rows at or after this instant are asked for.
        sequence: the ``$sequence`` of the last row that was read with exactly this stamp (opaque: only the server
            compares it), or None to include every row of that instant.

    """

    updated_at: datetime
    sequence: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to a read-back.

    Args:
        rows: ascending by (``$updatedAt``, ``$sequence``); fewer than the limit means that there are no more.
        server_time: the ``Date`` header of the answer, UTC.

    """

    rows: Sequence[RawRow]
    server_time: datetime


class ReadBack(Protocol):
    """Lists rows of one source by keyset."""

    async def __call__(self, after: Position, limit: int, /) -> Page:
        """The first `limit` rows after `after`, ascending by (``$updatedAt``, ``$sequence``).

        Raises what the client raises: a `TransportError`, `ServerError` or `RateLimited` is tried again, anything else
        ends the subscriber.
        """


class Fetch(Protocol):
    """Reads rows of one source by id, by list (never by ``GET row``, which may be stale)."""

    async def __call__(self, ids: Sequence[str], /) -> Sequence[RawRow]:
        """Those of the rows `ids` (at most 100) that exist and may be read, in any order. Raises like `ReadBack`."""


def every_row(row: RawRow) -> bool:  # noqa: ARG001 # the signature of `Source.relevant`
    """Every row counts."""
    return True


@dataclass(frozen=True, kw_only=True)
class Source(Generic[R_co]):
    """Rows of one table that a subscriber watches.

    Args:
        name: names the source in checkpoints and on the socket (it is the subscription id): at most 36 of
            ``a-zA-Z0-9._-``, unique within a subscriber, the same at every start.
        table: the table's id, for `Change.table` and `Change.id`.
        channels: realtime channels, without an action at the end, which would miss upserts.
        queries: realtime queries that narrow the channels, as JSON strings.
        relevant: whether a raw row counts at all; what does not is passed over before anything else looks at it.
        identity: how two states of one row are told apart.
        decode: makes the typed row from the raw one.
        read_back: lists what changed; it has to narrow the rows as `queries` do.
        fetch: reads rows by id; asked for when `identity` is `Numbered`.

    Raises:
        UsageError: the name is not a valid subscription id, or a numbered source has no `fetch`.

    """

    name: str
    table: str
    channels: Sequence[str]
    identity: Identity
    decode: Callable[[RawRow], R_co]
    read_back: ReadBack
    fetch: Fetch | None = None
    queries: Sequence[str] = ()
    relevant: Callable[[RawRow], bool] = every_row

    def __post_init__(self) -> None:
        if not _VALID_NAME.fullmatch(self.name):
            raise UsageError(f"a source's name has at most 36 of a-zA-Z0-9._- and no special first: {self.name!r}")
        if isinstance(self.identity, Numbered) and self.fetch is None:
            raise UsageError(f"source {self.name!r} has numbered rows and needs `fetch` to ask for missing ones")


@dataclass(frozen=True, slots=True)
class Change(Generic[R_co]):
    """One state of one row, delivered to the consumer.

    Attributes:
        id: the same whenever this state is delivered again: ``{table}/{row id}/{version, number or content}``.
        kind: ``created`` when the consumer had not seen the row and it was created after the consumer's start.
        row: the typed row.
        table: the table's id.
        row_id: the row's ``$id``.
        version: the row's version or number; None where a row has neither.
        live: True when it came through the socket, False when a read-back or a fetch filled it in.
        received_at: when this process received it, UTC.
        server_timestamp: the server's time of the event, or the row's ``$updatedAt`` when it was read back.
        watch: the name of the `Source`.

    """

    id: str
    kind: Literal["created", "updated"]
    row: R_co
    table: str
    row_id: str
    version: int | None
    live: bool
    received_at: datetime
    server_timestamp: datetime
    watch: str

    @property
    def source(self) -> Literal["live", "replay"]:
        """Where it came from: the socket (``live``) or a read-back or fetch (``replay``)."""
        return "live" if self.live else "replay"
