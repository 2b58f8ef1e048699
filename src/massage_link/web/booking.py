"""Everything about one booking, for those who may see it."""

from __future__ import annotations

from massage_link.domain.booking import Booking, BookingEvent, Role
from massage_link.errors import NotFound
from massage_link.web import texts
from massage_link.web.feed import News
from massage_link.web.frame import Page, private_page
from massage_link.web.kit import heading, tag
from massage_link.web.mine import cancel_box
from massage_link.web.missing import nothing_here
from massage_link.web.pieces import chat_button, now, other_side, status_badge
from massage_link.web.site import Site

__all__ = ["register"]


def register(site: Site) -> None:
    """The page."""
    private_page(site, "/bookings/{booking_id}", texts.BOOKING, _build, current="")


async def _build(page: Page, booking_id: str) -> None:
    link = page.visitor.link
    try:
        booking = await link.bookings.get(booking_id)
    except NotFound:
        nothing_here()
        return
    page.visitor.feed.bookings.setdefault(booking.id, booking)
    box = tag("div", classes="stack")

    async def show() -> None:
        current = page.visitor.feed.bookings[booking_id]
        history = [event async for event in link.bookings.history(booking_id)]
        address = await _address(page, booking_id)
        box.clear()
        with box:
            _show(page, current, history, address)

    def heard(news: News) -> None:
        if isinstance(news.row, Booking) and news.row.id == booking_id:
            page.run_later(show)

    await show()
    page.on_news(heard)


async def _address(page: Page, booking_id: str) -> str:
    """The exact address; empty for those who may not see it yet."""
    try:
        return await page.visitor.link.bookings.address(booking_id)
    except NotFound:
        return ""


def _show(page: Page, booking: Booking, history: list[BookingEvent], address: str) -> None:
    with tag("div", classes="page-head"):
        heading(1, booking.service, "wrap")
        status_badge(booking.status)
    with tag("div", classes="booking"):
        with tag("section", classes="card stack", aria_label=texts.DETAILS):
            heading(2, texts.DETAILS)
            with tag("dl", classes="facts"):
                facts = {
                    texts.WHO: other_side(page, booking),
                    texts.WHEN: f"{texts.when(booking, now())} ({texts.place_of_clock(booking)})",
                    texts.PRICE: str(booking.price),
                    texts.AREA: booking.area,
                    texts.ADDRESS: address,
                    texts.NOTE: booking.note,
                    texts.REASON: booking.status_reason,
                }
                for name, value in facts.items():
                    if value:
                        tag("dt", name)
                        tag("dd", value, "wrap")
            if booking.customer_id == page.visitor.id:
                cancel_box(page, booking, with_details=False)
            else:
                with tag("div", classes="actions"):
                    chat_button(page, booking)
        with tag("section", classes="card stack", aria_label=texts.HISTORY):
            heading(2, texts.HISTORY)
            with tag("ol", classes="timeline"):
                for event in history:
                    _line(booking, event)


def _line(booking: Booking, event: BookingEvent) -> None:
    zone = texts.zone_of(booking.timezone)
    at = event.at.astimezone(zone)
    actor = {Role.CUSTOMER: booking.customer_name, Role.THERAPIST: booking.therapist_name}.get(event.actor_role, "")
    with tag("li"):
        tag("p", texts.EVENT[event.type], "strong")
        by = f"{texts.day(at, now().astimezone(zone))}, {at:%H:%M} · {actor or texts.ROLE[event.actor_role]}"
        tag("p", by, "muted small wrap")
        if event.reason:
            tag("p", event.reason, "wrap")
