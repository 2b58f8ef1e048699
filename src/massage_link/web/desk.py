"""The therapist's desk: requests with a countdown, today's and coming bookings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

from massage_link.domain.booking import Booking, Status
from massage_link.web import texts
from massage_link.web.agenda import agenda_item
from massage_link.web.alerts import alert, offer_alerts
from massage_link.web.earnings import earned_this_month
from massage_link.web.feed import News, is_open
from massage_link.web.frame import Page, private_page
from massage_link.web.kit import Keyed, Tag, button, heading, say, tag
from massage_link.web.missing import nothing_here
from massage_link.web.pieces import empty, now, tile
from massage_link.web.requests import request_card
from massage_link.web.site import Site
from massage_link.web.visitors import Part

__all__ = ["register"]

_COMING = 12
_AGREED = frozenset({Status.ACCEPTED, Status.IN_PROGRESS, Status.COMPLETED})


def register(site: Site) -> None:
    """The page."""
    private_page(site, "/desk", texts.NAV_DESK, _build)


def _build(page: Page) -> None:
    if page.visitor.part is Part.THERAPIST:
        _Desk(page).build()
    else:
        nothing_here()


class _Desk:
    def __init__(self, page: Page) -> None:
        self._page = page
        self._known: set[str] = set()
        self._began = False

    def build(self) -> None:
        with tag("div", classes="page-head"):
            heading(1, texts.greeting(self._page.visitor.name, now().astimezone(self._zone)))
            _online_switch(self._page)
        offer_alerts(self._page)
        with tag("section", classes="tiles", aria_label=texts.OVERVIEW):
            self._tiles = [tile(name, "–") for name in (texts.REQUESTS, texts.TODAY, texts.THIS_WEEK, texts.EARNED)]
        with tag("div", classes="desk"):
            with tag("section", classes="stack", aria_labelledby="requests"):
                heading(2, texts.REQUESTS, id="requests")
                self._no_requests = empty(texts.NO_REQUESTS, texts.NO_REQUESTS_HINT)
                self._requests = self._keyed(tag("div", classes="stack", aria_live="polite"), self._card)
            with tag("div", classes="stack"):
                self._today, self._no_today = self._list(texts.TODAY, texts.NOTHING_TODAY, with_day=False)
                self._coming, self._no_coming = self._list(texts.COMING, texts.NOTHING_COMING, with_day=True)
        self._show()
        self._page.on_news(self._heard)

    @property
    def _zone(self) -> ZoneInfo:
        catalogue = self._page.visitor.catalogue
        return texts.zone_of(catalogue.timezone if catalogue else "UTC")

    def _list(self, title: str, nothing: str, *, with_day: bool) -> tuple[Keyed[Booking], Tag]:
        with tag("section", classes="card stack", aria_label=title):
            heading(2, title)
            none = tag("p", nothing, "muted")
            box = tag("ol")
        return self._keyed(box, lambda booking: agenda_item(self._page, booking, with_day=with_day)), none

    def _keyed(self, box: Tag, build: Callable[[Booking], Tag]) -> Keyed[Booking]:
        return Keyed(box, build, key=lambda each: each.id, version=lambda each: each.version)

    def _card(self, booking: Booking) -> Tag:
        return request_card(self._page, booking, fresh=self._began)

    def _heard(self, news: News) -> None:
        self._show()
        if news.is_request and isinstance(news.row, Booking):
            alert(self._page, news.row)

    def _show(self) -> None:
        moment = now()
        visitor = self._page.visitor
        mine = [each for each in visitor.feed.bookings.values() if each.therapist_id == visitor.id]
        requests = sorted((each for each in mine if is_open(each)), key=lambda each: each.expires_at or each.starts_at)
        agreed = sorted((each for each in mine if each.status in _AGREED), key=lambda each: each.starts_at)
        today = [each for each in agreed if _days_ahead(each) == 0]
        coming = [each for each in agreed if _days_ahead(each) > 0 and each.status is Status.ACCEPTED]
        self._requests.show(requests)
        self._today.show(today)
        self._coming.show(coming[:_COMING])
        for none, some in ((self._no_requests, requests), (self._no_today, today), (self._no_coming, coming)):
            none.set_visibility(not some)
        week = sum(moment <= each.starts_at < moment + timedelta(days=7) for each in agreed)
        earned = earned_this_month(visitor.feed.commissions.values(), moment)
        for made, value in zip(self._tiles, (len(requests), len(today), week, earned), strict=True):
            made.set_text(str(value))
        self._page.run("waiting", len(requests), f"{texts.NAV_DESK} · {texts.BRAND}")
        self._began = True


def _online_switch(page: Page) -> None:
    """Whether bookings are taken: what is off cannot be requested."""

    async def turn() -> None:
        catalogue = page.visitor.catalogue
        assert catalogue is not None, "only therapists have a desk"
        page.visitor.catalogue = await page.visitor.link.availability.take_bookings(not catalogue.active)
        show()
        say(texts.ONLINE_SAID if page.visitor.catalogue.active else texts.OFFLINE_SAID)

    switch = button("", turn, "switch", role="switch")

    def show() -> None:
        is_on = page.visitor.catalogue is not None and page.visitor.catalogue.active
        switch.set_text(texts.ONLINE if is_on else texts.OFFLINE)
        switch.set(aria_checked="true" if is_on else "false")

    show()


def _days_ahead(booking: Booking) -> int:
    """How many days until it begins, on the calendar of the place."""
    zone = texts.zone_of(booking.timezone)
    return (booking.starts_at.astimezone(zone).date() - now().astimezone(zone).date()).days
