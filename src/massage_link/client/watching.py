"""Between the SDK and realtime: what each kind of row is watched by, and how it is read back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from appwrite.query import Query

from massage_link.domain.booking import Booking, BookingEvent
from massage_link.domain.chat import ChatMessage, ChatRead
from massage_link.domain.commission import Commission
from massage_link.domain.draft import Draft, is_booking_row
from massage_link.domain.ids import checked_text
from massage_link.domain.rows import Row, to_wire_time
from massage_link.domain.tables import BOOKING_EVENTS, BOOKINGS, CHAT_MESSAGES, CHAT_READS, COMMISSIONS, Table
from massage_link.errors import CredentialRequired
from massage_link.realtime import (
    Checkpoint,
    Credential,
    Identity,
    Mutable,
    Numbered,
    Page,
    Policy,
    Position,
    RawRow,
    Source,
    Subscriber,
)
from massage_link.wire.rows import list_raw_rows, with_ids

if TYPE_CHECKING:
    from massage_link.client.link import AsyncMassageLink, BaseLink

__all__ = [
    "booking_events",
    "bookings",
    "commissions",
    "drafts",
    "everything",
    "messages",
    "reads",
    "require_listener",
    "subscriber",
]

R = TypeVar("R", bound=Row)
T = TypeVar("T")
_MUTABLE = Mutable(version="version")


def bookings(
    link: AsyncMassageLink, *, therapist_id: str | None = None, customer_id: str | None = None
) -> Source[Booking]:
    """Bookings: the newest state of each, versions strictly increasing."""
    narrowed = {"therapistId": therapist_id, "customerId": customer_id}
    return replace(_source(link, BOOKINGS, _MUTABLE, narrowed), relevant=is_booking_row)


def drafts(link: AsyncMassageLink) -> Source[Draft]:
    """Rows that clients wrote and that are being checked; nothing in them is to be believed. Ops see them all."""

    def is_draft(raw: RawRow) -> bool:
        return not is_booking_row(raw)

    source = _source(link, BOOKINGS, Mutable(version=None), {})
    return replace(
        cast("Source[Any]", source),
        name="drafts",
        relevant=is_draft,
        decode=lambda raw: Draft.model_validate(dict(raw)),
    )


def booking_events(link: AsyncMassageLink, *, booking_id: str | None = None) -> Source[BookingEvent]:
    """What happened to bookings: every event, in order."""
    identity = Numbered(scope="bookingId", number="version")
    return _source(link, BOOKING_EVENTS, identity, {"bookingId": booking_id})


def messages(link: AsyncMassageLink, *, booking_id: str | None = None) -> Source[ChatMessage]:
    """Chat messages: every one, in order within its room."""
    return _source(link, CHAT_MESSAGES, Numbered(scope="roomId", number="n"), {"roomId": booking_id})


def reads(link: AsyncMassageLink, *, booking_id: str | None = None) -> Source[ChatRead]:
    """Read marks: the newest of each, and never back: how far it is read grows with each write, as a version does."""
    return _source(link, CHAT_READS, Mutable(version="n"), {"roomId": booking_id})


def commissions(link: AsyncMassageLink, *, therapist_id: str | None = None) -> Source[Commission]:
    """Commissions: the newest state of each, versions strictly increasing."""
    return _source(link, COMMISSIONS, _MUTABLE, {"therapistId": therapist_id})


def subscriber(
    link: AsyncMassageLink,
    sources: Sequence[Source[T]],
    *,
    checkpoint: Checkpoint | None = None,
    since: datetime | None = None,
    policy: Policy | None = None,
) -> Subscriber[T]:
    """A subscriber to these sources over one socket, as the link's user.

    Raises:
        CredentialRequired: the link acts with an API key, which has no rights in realtime, or as nobody.

    """
    require_listener(link)
    return Subscriber(
        endpoint=link.endpoint,
        project=link.project_id,
        sources=sources,
        credential=lambda: _credential(link),
        checkpoint=checkpoint,
        since=since,
        policy=policy,
    )


def require_listener(link: BaseLink) -> None:
    """Refuse to listen as somebody who has no rights in realtime; see `subscriber`."""
    if link.credential.kind not in {"session", "jwt"}:
        raise CredentialRequired(
            f"realtime listens as a user, and this link acts as a {link.credential.kind}; "
            "use link.as_user(user_id).bookings.watch() or sign in. A user with the label ops sees every booking."
        )


def everything(link: AsyncMassageLink, chosen: Collection[str]) -> list[Source[Any]]:
    """Sources of all that a user may see, as far as they are chosen: bookings, messages, commissions, read marks."""
    makers: dict[str, Callable[[AsyncMassageLink], Source[Any]]] = {
        "bookings": bookings,
        "messages": messages,
        "commissions": commissions,
        "reads": reads,
    }
    return [make(link) for name, make in makers.items() if name in chosen]


async def _credential(link: AsyncMassageLink) -> Credential:
    kind, secret = await link.proof()
    return Credential("session" if kind == "session" else "jwt", secret)


def _source(link: AsyncMassageLink, table: Table[R], identity: Identity, narrowed: dict[str, str | None]) -> Source[R]:
    queries = [
        Query.equal(column, [checked_text(column, value)]) for column, value in narrowed.items() if value is not None
    ]
    address = link.ports.address(table)

    async def read_back(after: Position, limit: int, /) -> Page:
        wanted = [*queries, _after(after), Query.order_asc("$updatedAt"), Query.order_asc("$sequence")]
        page = await link.send(list_raw_rows(address, [*wanted, Query.limit(limit)]))
        return Page(page.rows, page.server_time)

    async def fetch(ids: Sequence[str], /) -> Sequence[RawRow]:
        page = await link.send(list_raw_rows(address, [with_ids(ids), Query.limit(len(ids))]))
        return page.rows

    def decode(raw: RawRow) -> R:
        return table.model.model_validate(dict(raw))

    return Source(
        name=table.id,
        table=table.id,
        channels=[f"tablesdb.{address.database}.tables.{table.id}.rows"],
        queries=queries,
        identity=identity,
        decode=decode,
        read_back=read_back,
        fetch=fetch,
    )


def _after(position: Position) -> Any:
    """Rows after a place in the order of ($updatedAt, $sequence)."""
    stamp = to_wire_time(position.updated_at)
    if position.sequence is None:
        return Query.greater_than_equal("$updatedAt", stamp)
    later_in_order = [Query.equal("$updatedAt", [stamp]), Query.greater_than("$sequence", position.sequence)]
    return Query.or_queries([Query.greater_than("$updatedAt", stamp), Query.and_queries(later_in_order)])
