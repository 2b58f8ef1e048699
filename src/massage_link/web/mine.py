"""A customer's bookings: their state as it changes, and cancelling with the fee shown first."""

from __future__ import annotations

from massage_link.domain.booking import Booking, Status
from massage_link.domain.states import LIVE
from massage_link.usecases.transitions import Quote
from massage_link.web import texts
from massage_link.web.feed import News
from massage_link.web.frame import Page, private_page
from massage_link.web.kit import Countdown, Keyed, Tag, button, heading, link_to, say, tag
from massage_link.web.pieces import chat_button, details_link, empty, now, other_side, status_badge, who_and_what
from massage_link.web.site import Site

__all__ = ["cancel_box", "register"]

_PAST = 20
_CANCELLABLE = frozenset({Status.PENDING, Status.ACCEPTED})


def register(site: Site) -> None:
    """The page."""
    private_page(site, "/mine", texts.NAV_MINE, lambda page: _Bookings(page).build())


class _Bookings:
    def __init__(self, page: Page) -> None:
        self._page = page

    def build(self) -> None:
        with tag("div", classes="page-head"):
            heading(1, texts.NAV_MINE)
            link_to("/book", texts.BOOK_ONE, "button primary")
        if "sent" in self._page.client.request.query_params:
            tag("p", texts.REQUEST_SENT, "notice good", role="status")
        self._none = empty(texts.NO_BOOKINGS)
        self._live = self._keyed(tag("div", classes="stack", aria_live="polite"))
        with tag("section", classes="stack", aria_labelledby="past") as self._past_section:
            heading(2, texts.PAST, id="past")
            self._past = self._keyed(tag("div", classes="stack"))
        self._show()
        self._page.on_news(self._heard)

    def _keyed(self, box: Tag) -> Keyed[Booking]:
        return Keyed(box, self._card, key=lambda each: each.id, version=lambda each: each.version)

    def _heard(self, news: News) -> None:
        self._show()
        if isinstance(news.row, Booking) and news.row.customer_id == self._page.visitor.id and news.row.version > 1:
            say(texts.changed(news.row), bad=news.row.status in {Status.DECLINED, Status.EXPIRED})

    def _show(self) -> None:
        mine = [each for each in self._page.visitor.feed.bookings.values() if each.customer_id == self._page.visitor.id]
        live = sorted((each for each in mine if each.status in LIVE), key=lambda each: each.starts_at)
        past = sorted((each for each in mine if each.status not in LIVE), key=lambda each: each.starts_at, reverse=True)
        self._live.show(live)
        self._past.show(past[:_PAST])
        self._none.set_visibility(not mine)
        self._past_section.set_visibility(bool(past))

    def _card(self, booking: Booking) -> Tag:
        therapist = other_side(self._page, booking)
        with tag("article", classes="card stack", aria_label=f"{booking.service}, {therapist}") as card:
            card.set(data_booking=booking.id)
            with tag("div", classes="row spread"):
                who_and_what(therapist, booking)
                status_badge(booking.status)
            with tag("div", classes="row spread"):
                with tag("div"):
                    tag("p", texts.when(booking, now()), "strong")
                    tag("p", texts.place_of_clock(booking), "muted small")
                tag("p", str(booking.price), "price")
            if booking.status is Status.PENDING and booking.expires_at is not None:
                with tag("p", classes="small"):
                    tag("span", f"{texts.ANSWER_BY} ", "muted")
                    Countdown((booking.expires_at - now()).total_seconds(), texts.EXPIRED)
            if booking.status_reason:
                tag("p", booking.status_reason, "note wrap")
            cancel_box(self._page, booking)
        return card


def cancel_box(page: Page, booking: Booking, *, with_details: bool = True) -> None:
    """Buttons for a booking; cancelling shows what it costs before it is confirmed."""
    with tag("div", classes="actions") as actions:
        chat_button(page, booking)
        if with_details:
            details_link(booking)
    if booking.status not in _CANCELLABLE:
        return
    with tag("div", classes="note stack", role="group", aria_label=texts.CANCEL_BOOKING) as box:
        pass
    box.set_visibility(False)

    async def ask() -> None:
        quote = await page.visitor.link.bookings.quote_cancellation(booking.id)
        actions.set_visibility(False)
        box.clear()
        with box:
            free = quote.fee.minor == 0
            tag("p", texts.CANCEL_FREE if free else texts.cancel_fee(str(quote.fee), str(booking.price)), "strong")
            with tag("div", classes="actions"):
                confirm = f"confirm-{booking.id}"
                button(texts.CANCEL_CONFIRM, lambda: cancel(quote), "danger", id=confirm)
                button(texts.KEEP, keep)
        box.set_visibility(True)
        page.run("focus", confirm)

    async def cancel(quote: Quote) -> None:
        page.visitor.feed.put(await page.visitor.link.bookings.cancel(booking.id, quoted=quote))
        say(texts.CANCELLED)

    def keep() -> None:
        box.set_visibility(False)
        actions.set_visibility(True)

    with actions:
        button(texts.CANCEL_BOOKING, ask, "quiet")
