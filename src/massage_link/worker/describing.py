"""Changes in words and as JSON."""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from massage_link.domain.booking import Booking, Status
from massage_link.domain.chat import ChatMessage, MessageKind
from massage_link.domain.commission import Commission
from massage_link.domain.draft import Draft
from massage_link.domain.money import Money
from massage_link.domain.rows import Row
from massage_link.errors import InvalidMoney
from massage_link.realtime import Change

__all__ = ["as_json", "countdown", "described", "plain", "price", "row_as_json", "when"]

_LONGEST_QUOTE = 100


def plain(text: str) -> str:
    """The text without what steers a terminal: customers write names and notes, and may write escape sequences."""
    return "".join(" " if unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else sign for sign in text)


def row_as_json(row: Row) -> str:
    """A row as Appwrite writes it, in one line."""
    return json.dumps(row.model_dump(mode="json", by_alias=True), ensure_ascii=False)


def as_json(change: Change[Any]) -> str:
    """A change as one line of JSON: the attributes of `Change`, and the row as Appwrite writes it."""
    facts = {
        "id": change.id,
        "kind": change.kind,
        "table": change.table,
        "watch": change.watch,
        "row_id": change.row_id,
        "version": change.version,
        "source": change.source,
        "received_at": change.received_at.isoformat(),
        "server_timestamp": change.server_timestamp.isoformat(),
        "row": change.row.model_dump(mode="json", by_alias=True),
    }
    return json.dumps(facts)  # in ASCII: any terminal and any locale can take it


def when(booking: Booking) -> str:
    """The time of a booking on the clocks of where it takes place: ``Wed 25 Nov 12:00-13:00``."""
    try:
        zone = ZoneInfo(booking.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = ZoneInfo("UTC")
    return f"{booking.starts_at.astimezone(zone):%a %d %b %H:%M}-{booking.ends_at.astimezone(zone):%H:%M}"


def price(minor: int, currency: str) -> str:
    """An amount in words; of a currency that is none, the minor units."""
    try:
        return str(Money(minor, currency))
    except InvalidMoney:
        return f"{minor} {plain(currency)}"


def countdown(until: datetime | None, now: datetime) -> str:
    """The time that is left: ``23:59:41``, ``4:05``; empty without a limit."""
    if until is None:
        return ""
    seconds = max(0, (until - now) // timedelta(seconds=1))
    hours, rest = divmod(seconds, 3_600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def described(change: Change[Any]) -> str:
    """A change as a line for people."""
    row = change.row
    if isinstance(row, Booking):
        return plain(_booking(row))
    if isinstance(row, ChatMessage):
        return plain(f"{_said(row)} [{row.room_id}]")
    if isinstance(row, Draft):
        return plain(f"incoming, being checked: {row.service} for {row.therapist_id} [{row.id}]")
    if isinstance(row, Commission):
        amount, gross = price(row.commission_minor, row.currency), price(row.gross_minor, row.currency)
        return plain(f"commission: {amount} of {gross}, {row.status} [{row.id}]")
    return plain(change.id)


def _said(message: ChatMessage) -> str:
    match message.kind:
        case MessageKind.SYSTEM:
            return f"chat room: {_short(message.body)}"
        case MessageKind.EDIT:
            return f"{message.sender_id} changed message {message.refers_to}: {_short(message.body)}"
        case MessageKind.DELETE:
            return f"{message.sender_id} took message {message.refers_to} back"
        case _:
            return f"message from {message.sender_id}: {_short(message.body)}"


def _booking(booking: Booking) -> str:
    facts = [booking.service, when(booking), booking.area, booking.customer_name or booking.customer_id]
    if booking.status is Status.PENDING:
        facts.append(price(booking.price_minor, booking.currency))
    said = f" ({_short(booking.status_reason)})" if booking.status_reason else ""
    word = "request" if booking.status is Status.PENDING else booking.status.value.replace("_", " ")
    return f"{word}: {', '.join(fact for fact in facts if fact)}{said} [{booking.id}]"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…"
