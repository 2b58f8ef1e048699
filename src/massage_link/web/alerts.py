"""Sound and notifications for new requests: asked for politely, and everything works without."""

from __future__ import annotations

from contextlib import suppress

from massage_link.domain.booking import Booking
from massage_link.web import texts
from massage_link.web.frame import Page
from massage_link.web.kit import heading, say, tag
from massage_link.web.pieces import now

__all__ = ["alert", "offer_alerts"]


def offer_alerts(page: Page) -> None:
    """A card that offers them; it shows only while this browser has not been asked."""
    with tag("section", classes="card row spread", aria_label=texts.ALERTS) as offer:
        with tag("div"):
            heading(2, texts.ALERTS)
            tag("p", texts.ALERTS_HINT, "muted")
        with tag("div", classes="actions"):
            on = tag("button", texts.ALERTS_ON, "button primary", type="button", id="alerts-on")
            later = tag("button", texts.ALERTS_LATER, "button quiet", type="button")
    offer.set_visibility(False)

    def turned_on(event: object) -> None:
        granted = getattr(event, "args", None)
        offer.set_visibility(False)
        say(texts.ALERTS_DONE if granted == "granted" else texts.ALERTS_SOUND_ONLY)

    async def ask() -> None:
        with suppress(TimeoutError):  # a browser that does not say what it wants is not asked
            wanted = await page.client.run_javascript("massageLink.wantsAlerts()", timeout=5.0)
            if wanted is None and not offer.is_deleted:
                offer.set_visibility(True)

    # The browser wants to see the press of a button behind the sound and the question: it is answered right there.
    on.on("click", turned_on, js_handler="async () => emit(await massageLink.turnOn())")
    later.on("click", lambda: offer.set_visibility(False), js_handler="() => emit(massageLink.later())")
    page.run_later(ask)


def alert(page: Page, booking: Booking) -> None:
    """A new request has come."""
    facts = [booking.customer_name or booking.customer_id, booking.service, texts.when(booking, now()), booking.area]
    page.run("alert", texts.NEW_REQUEST, " · ".join(fact for fact in facts if fact), booking.id)
