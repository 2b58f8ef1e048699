"""Parts that several pages show."""

from __future__ import annotations

from datetime import UTC, datetime

from massage_link.domain.booking import Booking, Status
from massage_link.web import texts
from massage_link.web.frame import Page
from massage_link.web.kit import Tag, button, heading, link_to, tag

__all__ = [
    "avatar",
    "chat_button",
    "details_link",
    "empty",
    "now",
    "other_side",
    "status_badge",
    "tile",
    "who_and_what",
]


def now() -> datetime:
    """This moment, UTC."""
    return datetime.now(UTC)


def avatar(name: str) -> Tag:
    """Somebody's initial."""
    return tag("span", name.strip()[:1].upper() or "·", "avatar", aria_hidden="true")


def status_badge(status: Status) -> Tag:
    """A booking's state."""
    return tag("span", texts.STATUS[status], f"status {status.value}")


def tile(name: str, value: str) -> Tag:
    """A number with its name; gives the element of the number."""
    with tag("div", classes="tile"):
        tag("p", name, "muted small")
        return tag("p", value, "tile-value")


def empty(title: str, hint: str = "") -> Tag:
    """What is shown instead of a list without entries."""
    with tag("div", classes="empty") as made:
        tag("p", title, "strong")
        if hint:
            tag("p", hint)
    return made


def other_side(page: Page, booking: Booking) -> str:
    """The name of the other one of the two."""
    if booking.therapist_id == page.visitor.id:
        return booking.customer_name or booking.customer_id
    return booking.therapist_name or booking.therapist_id


def who_and_what(name: str, booking: Booking) -> None:
    """The head of a card: with whom, and which massage."""
    with tag("div", classes="row"):
        avatar(name)
        with tag("div"):
            heading(3, name, "wrap")
            tag("p", f"{booking.service} · {texts.minutes(booking.duration_minutes)}", "muted wrap")


def chat_button(page: Page, booking: Booking) -> Tag:
    """Opens the conversation about a booking; the name is for screen readers."""
    made = button(texts.CHAT, lambda: page.open_chat(booking.id))
    with made:
        page.add_badge(tag("span", classes="badge"), booking.id)
        tag("span", other_side(page, booking), "hidden-text")
    return made


def details_link(booking: Booking) -> Tag:
    """Leads to everything about a booking."""
    with link_to(f"/bookings/{booking.id}", texts.DETAILS, "button quiet") as made:
        tag("span", f"{booking.service} {booking.starts_at:%d %b}", "hidden-text")
    return made
