"""A request on the therapist's desk: how long there is to answer it, accept, or decline with a reason."""

from __future__ import annotations

from typing import Any

from massage_link.domain.booking import Booking
from massage_link.web import texts
from massage_link.web.frame import Page
from massage_link.web.kit import Countdown, Tag, button, carefully, say, tag
from massage_link.web.pieces import chat_button, details_link, now, who_and_what

__all__ = ["request_card"]

_COLLECT = "(e) => { e.preventDefault(); emit(Object.fromEntries(new FormData(e.target))); }"


def request_card(page: Page, booking: Booking, *, fresh: bool) -> Tag:
    """A card with everything that is needed to decide."""
    customer = booking.customer_name or booking.customer_id
    label = texts.request_of(customer)
    with tag("article", classes=f"card request stack{' fresh' if fresh else ''}", aria_label=label) as card:
        card.set(data_booking=booking.id)
        with tag("div", classes="row spread"):
            who_and_what(customer, booking)
            tag("p", str(booking.price), "price")
        _facts(booking)
        if booking.note:
            tag("p", booking.note, "note wrap")
        _answers(page, booking)
    return card


def _facts(booking: Booking) -> None:
    with tag("div", classes="row spread"):
        with tag("div"):
            tag("p", texts.when(booking, now()), "strong")
            place = " · ".join(part for part in (booking.area, texts.place_of_clock(booking)) if part)
            tag("p", place, "muted small wrap")
        if booking.expires_at is not None:
            with tag("p", classes="small"):
                Countdown((booking.expires_at - now()).total_seconds(), texts.EXPIRED)
                tag("span", f" {texts.TO_ANSWER}", "muted")


def _answers(page: Page, booking: Booking) -> None:
    async def accept() -> None:
        page.visitor.feed.put(await page.visitor.link.bookings.accept(booking.id))
        say(texts.ACCEPTED)

    async def decline(reason: str) -> None:
        page.visitor.feed.put(await page.visitor.link.bookings.decline(booking.id, reason=reason))
        say(texts.DECLINED)

    with tag("div", classes="actions") as answers:
        button(texts.ACCEPT, accept, "primary", aria_label=f"{texts.ACCEPT}: {booking.customer_name}")
        button(texts.DECLINE, lambda: _ask(True), aria_label=f"{texts.DECLINE}: {booking.customer_name}")
        chat_button(page, booking)
        details_link(booking)
    box = f"reason-{booking.id}"
    with tag("form", classes="stack") as form:
        with tag("div", classes="field"):
            tag("label", f"{texts.REASON}: {booking.customer_name}", for_=box)
            tag("input", classes="input", id=box, name="reason", maxlength=500, autocomplete="off")
            tag("p", texts.REASON_HINT, "hint")
        with tag("div", classes="actions"):
            tag("button", texts.WHY_DECLINE, "button danger", type="submit")
            button(texts.CANCEL, lambda: _ask(False), "quiet")
    form.set_visibility(False)

    def _ask(asking: bool) -> None:
        form.set_visibility(asking)
        answers.set_visibility(not asking)
        page.run("focus", box if asking else "content")

    async def submitted(event: Any) -> None:
        await carefully(lambda: decline(str(event.args.get("reason", ""))))

    form.on("submit", submitted, js_handler=_COLLECT)
