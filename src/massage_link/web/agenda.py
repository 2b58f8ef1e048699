"""Appointments on the therapist's desk."""

from __future__ import annotations

from massage_link.domain.booking import Booking, Status
from massage_link.web import texts
from massage_link.web.frame import Page
from massage_link.web.kit import Tag, button, say, tag
from massage_link.web.pieces import chat_button, details_link, now, other_side, status_badge

__all__ = ["agenda_item"]


def agenda_item(page: Page, booking: Booking, *, with_day: bool) -> Tag:
    """An appointment, and what can be done with it now."""
    with tag("li", classes="agenda-item") as item:
        tag("p", texts.hours(booking), "agenda-time")
        with tag("div", classes="stack tight"):
            if with_day:
                zone = texts.zone_of(booking.timezone)
                tag("p", texts.day(booking.starts_at.astimezone(zone), now().astimezone(zone)), "muted small strong")
            tag("p", other_side(page, booking), "strong wrap")
            tag("p", f"{booking.service} · {texts.minutes(booking.duration_minutes)}", "muted wrap")
            if booking.area:
                tag("p", booking.area, "muted small wrap")
            if booking.status is not Status.ACCEPTED:
                with tag("p"):
                    status_badge(booking.status)
        with tag("div", classes="actions"):
            if not with_day:
                _next_step(page, booking)
            chat_button(page, booking)
            details_link(booking)
    return item


def _next_step(page: Page, booking: Booking) -> None:
    operations = page.visitor.link.bookings

    async def start() -> None:
        page.visitor.feed.put(await operations.start(booking.id))
        say(texts.STARTED)

    async def complete() -> None:
        page.visitor.feed.put(await operations.complete(booking.id))
        say(texts.COMPLETED)

    if booking.status is Status.ACCEPTED:
        button(texts.START, start, "primary")
    elif booking.status is Status.IN_PROGRESS:
        button(texts.COMPLETE, complete, "primary")
