"""The live screen: requests with the time left to answer, drawn from a `Desk`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from massage_link.domain.booking import Booking
from massage_link.realtime import ConnectionState
from massage_link.worker.describing import countdown, plain, price, when
from massage_link.worker.desk import Desk

__all__ = ["Header", "draw"]

_COLOURS = {"live": "green", "connecting": "yellow", "catching up": "yellow", "reconnecting": "red", "closed": "red"}
_SOON, _URGENT = timedelta(hours=1), timedelta(minutes=10)
_HELP = "↑↓ select   a accept   d decline   q quit"
_HELP_REASON = "Enter declines   Esc keeps the request"
_TYPED = 40  # characters of the reason that are shown
_DETAILS, _LOG, _SMALL = 3, 8, 20  # lines; below so many lines in all the log is short


@dataclass(slots=True)
class Header:
    """What the top line says.

    Attributes:
        title: who listens.
        state: the connection; None before there is one.
        shows_therapists: requests are everybody's.

    """

    title: str
    state: ConnectionState | None = None
    shows_therapists: bool = False


def draw(desk: Desk, header: Header, now: datetime, *, height: int) -> RenderableType:
    """The whole screen.

    Args:
        desk: what there is to see.
        header: the top line.
        now: the present; times of the log are shown in its zone.
        height: lines of the terminal.

    """
    log = _LOG if height >= _SMALL else 3
    rows = max(1, height - log - _DETAILS - 6)
    layout = Layout()
    layout.split_column(
        Layout(Group(_top(desk, header), Rule(style="dim")), size=2),
        Layout(_requests(desk, header, now, rows), name="requests"),
        Layout(_details(desk), size=_DETAILS),
        Layout(Group(Rule(style="dim"), *_log(desk, now, log - 1)), size=log),
        Layout(_foot(desk), size=1),
    )
    return layout


def _top(desk: Desk, header: Header) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column(ratio=1, no_wrap=True)
    line.add_column(justify="right", no_wrap=True)
    count = len(desk.requests)
    waiting = f"{count} request{'' if count == 1 else 's'}"
    if desk.drafts:
        waiting += f", {len(desk.drafts)} being checked"
    line.add_row(Text.assemble((plain(header.title), "bold"), f" · {waiting}"), _connection(header.state))
    return line


def _connection(state: ConnectionState | None) -> Text:
    name = state.name if state is not None else "connecting"
    reason = f": {plain(state.reason)[:40]}" if state is not None and state.reason else ""
    return Text(f"● {name}{reason}", style=_COLOURS[name])


def _requests(desk: Desk, header: Header, now: datetime, rows: int) -> RenderableType:
    requests = desk.in_order()
    if not requests:
        return Text("No request waits for an answer.", style="dim")
    table = Table(box=None, expand=True, pad_edge=False)
    table.add_column("", width=1)
    for name in ("answer within", "when"):
        table.add_column(name, no_wrap=True)
    for name in ("service", "area", "customer", *(["therapist"] if header.shows_therapists else [])):
        table.add_column(name, no_wrap=True, ratio=1)
    table.add_column("price", justify="right", no_wrap=True)
    first = _first_shown([each.id for each in requests], desk.selected, rows)
    for booking in requests[first : first + rows]:
        _add(table, booking, desk, header, now)
    return table


def _first_shown(ids: list[str], selected: str | None, rows: int) -> int:
    if selected not in ids or len(ids) <= rows:
        return 0
    return min(max(0, ids.index(selected) - rows // 2), len(ids) - rows)


def _add(table: Table, booking: Booking, desk: Desk, header: Header, now: datetime) -> None:
    is_selected = booking.id == desk.selected
    texts = [booking.service, booking.area, booking.customer_name or booking.customer_id]
    if header.shows_therapists:
        texts.append(booking.therapist_name or booking.therapist_id)
    left = Text("answering…", "dim") if booking.id in desk.answering else _time_left(booking, now)
    table.add_row(
        "▸" if is_selected else "",
        left,
        Text(when(booking)),
        *(Text(plain(text), overflow="ellipsis") for text in texts),
        Text(price(booking.price_minor, booking.currency)),
        style="reverse" if is_selected else "",
    )


def _time_left(booking: Booking, now: datetime) -> Text:
    left = booking.expires_at - now if booking.expires_at is not None else _SOON
    style = "bold red" if left < _URGENT else "yellow" if left < _SOON else ""
    return Text(countdown(booking.expires_at, now), style)


def _details(desk: Desk) -> RenderableType:
    booking = desk.requests.get(desk.selected or "")
    if booking is None:
        return Text(" ")  # an empty one counts as nothing to draw, for which a placeholder is drawn
    about = f"booking {booking.id}, {booking.duration_minutes} minutes, times in {plain(booking.timezone)}"
    note = Text(plain(booking.note) or "no note", overflow="ellipsis", no_wrap=True)
    return Group(Text(), Text(about, style="dim", overflow="ellipsis", no_wrap=True), note)


def _log(desk: Desk, now: datetime, lines: int) -> list[Text]:
    zone = now.tzinfo or UTC
    latest = [*desk.lines][-lines:] if lines > 0 else []
    return [
        Text.assemble((f"{at.astimezone(zone):%H:%M:%S}  ", "dim"), text, overflow="ellipsis", no_wrap=True)
        for at, text in latest
    ]


def _foot(desk: Desk) -> RenderableType:
    if desk.reason is None:
        return Text(_HELP, style="dim")
    asked = f"Reason for declining, said to {plain(desk.reason.booking.customer_name) or 'the customer'}: "
    return Text.assemble((asked, "bold"), desk.reason.text[-_TYPED:], "▏", ("   " + _HELP_REASON, "dim"), no_wrap=True)
