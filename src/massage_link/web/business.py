"""The business, for operators: bookings live, how it does, money, whether the books agree; with their session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta

from massage_link.domain.booking import Booking, Status
from massage_link.domain.commission import Commission
from massage_link.usecases.reconciliation import Report, check_ledger
from massage_link.usecases.totals import CommissionTotal
from massage_link.web import texts
from massage_link.web.analysis import Analysis
from massage_link.web.drawing import bars
from massage_link.web.feed import News, is_open
from massage_link.web.frame import Page, private_page
from massage_link.web.kit import Keyed, Tag, button, heading, link_to, tag
from massage_link.web.missing import nothing_here
from massage_link.web.pieces import empty, now, status_badge, tile
from massage_link.web.site import Site
from massage_link.web.visitors import Part

__all__ = ["register"]

_LATEST = 25
_DAYS = 7
_BUSIEST = 8
#: So far back the books are compared; `massage-link reconcile` looks at everything.
_BOOKS = timedelta(hours=24)
#: So long a booking may wait for its commission.
_SETTLE = timedelta(minutes=3)


def register(site: Site) -> None:
    """The page."""
    private_page(site, "/business", texts.NAV_BUSINESS, _build)


async def _build(page: Page) -> None:
    if page.visitor.part is Part.OPS:
        await _Business(page).build()
    else:
        nothing_here()


class _Business:
    def __init__(self, page: Page) -> None:
        self._page = page

    async def build(self) -> None:
        with tag("div", classes="page-head"):
            heading(1, texts.BUSINESS)
        with tag("section", classes="tiles", aria_label=texts.OVERVIEW):
            names = (texts.REQUESTS, texts.IN_PROGRESS, texts.TODAY, texts.THIS_WEEK)
            self._tiles = [tile(name, "–") for name in names]
        with tag("div", classes="charts"):
            self._charts = [_chart(title) for title in (texts.BY_DAY, texts.BY_STATE, texts.BY_THERAPIST)]
        Analysis(self._page).build()
        with tag("section", classes="stack", aria_labelledby="latest"):
            heading(2, texts.LATEST, id="latest")
            self._latest = self._table()
        with tag("section", classes="stack", aria_labelledby="money"):
            heading(2, texts.MONEY, id="money")
            self._money = tag("div", classes="stack")
        with tag("section", classes="stack", aria_labelledby="books"):
            with tag("div", classes="row spread"):
                heading(2, texts.BOOKS, id="books")
                button(texts.COMPARE, self._compare)
            self._books = tag("div", classes="stack", aria_live="polite")
        self._show()
        await self._show_money()
        self._page.run_later(self._compare)
        self._page.on_news(self._heard)

    def _heard(self, news: News) -> None:
        self._show()
        if isinstance(news.row, Commission):
            self._page.run_later(self._show_money)

    # --- bookings -----------------------------------------------------------------------------------------------------
    def _table(self) -> Keyed[Booking]:
        box = tag("div", classes="card table-box", tabindex=0, role="region", aria_labelledby="latest")
        with box, tag("table", classes="plain"):
            with tag("thead"), tag("tr"):
                for name in (texts.WHEN, texts.SERVICE, texts.CUSTOMER, texts.THERAPIST):
                    tag("th", name, scope="col")
                tag("th", texts.PRICE, "end", scope="col")
                tag("th", texts.STATE_OF, scope="col")
            body = tag("tbody")
        return Keyed(body, self._row, key=lambda each: each.id, version=lambda each: each.version)

    def _row(self, booking: Booking) -> Tag:
        with tag("tr", data_booking=booking.id) as row:
            with tag("td", classes="number"):
                link_to(f"/bookings/{booking.id}", texts.when(booking, now()))
            for text in (booking.service, booking.customer_name, booking.therapist_name):
                tag("td", text, "wrap")
            tag("td", str(booking.price), "end")
            with tag("td"):
                status_badge(booking.status)
        return row

    def _show(self) -> None:
        moment = now()
        bookings = [each for each in self._page.visitor.feed.bookings.values() if not each.canary]
        agreed = [each for each in bookings if each.status in {Status.ACCEPTED, Status.IN_PROGRESS, Status.COMPLETED}]
        numbers = (
            sum(is_open(each) for each in bookings),
            sum(each.status is Status.IN_PROGRESS for each in bookings),
            sum(_days_ahead(each) == 0 for each in agreed),
            sum(moment <= each.starts_at < moment + timedelta(days=_DAYS) for each in agreed),
        )
        for made, number in zip(self._tiles, numbers, strict=True):
            made.set_text(str(number))
        self._latest.show(sorted(bookings, key=lambda each: each.updated_at or moment, reverse=True)[:_LATEST])
        days = Counter(_days_ahead(each) for each in agreed)
        by_day = [(texts.day_ahead(number, moment), days[number]) for number in range(_DAYS)]
        states = Counter(each.status for each in bookings)
        by_state = [(texts.STATUS[status], states[status]) for status in Status if states[status]]
        therapists = Counter(each.therapist_name or each.therapist_id for each in bookings).most_common(_BUSIEST)
        for box, values in zip(self._charts, (by_day, by_state, therapists), strict=True):
            _draw(box, values)

    # --- money --------------------------------------------------------------------------------------------------------
    async def _show_money(self) -> None:
        totals = await self._page.visitor.link.commissions.totals()
        self._money.clear()
        with self._money:
            if totals:
                _totals(totals)
            else:
                empty(texts.NO_MONEY)

    async def _compare(self) -> None:
        link = self._page.visitor.link
        self._books.clear()
        with self._books:
            tag("p", texts.COMPARING, "muted")
        report = await link.run(check_ledger(link.ports, since=now() - _BOOKS, settle=_SETTLE))
        self._books.clear()
        with self._books:
            _verdict(report)


def _chart(title: str) -> Tag:
    with tag("section", classes="card stack", aria_label=title):
        heading(2, title)
        return tag("div")


def _draw(box: Tag, values: Iterable[tuple[str, int]]) -> None:
    box.clear()
    with box:
        bars([(name, number, str(number)) for name, number in values], texts.BUSINESS)


def _totals(totals: Sequence[CommissionTotal]) -> None:
    names = (texts.GROSS, texts.EARNED_BY_US, texts.THERAPISTS_SHARE, texts.REFUNDED, texts.PAID_OUT, texts.BALANCE)
    box = tag("div", classes="card table-box", tabindex=0, role="region", aria_labelledby="money")
    with box, tag("table", classes="plain"):
        with tag("thead"), tag("tr"):
            tag("th", texts.CURRENCY, scope="col")
            for name in (texts.BOOKINGS, *names):
                tag("th", name, "end", scope="col")
        with tag("tbody"):
            for each in totals:
                with tag("tr"):
                    tag("th", each.currency, scope="row")
                    tag("td", str(each.count), "end")
                    for amount in (each.gross, each.earned, each.net, each.refunded, each.paid, each.balance):
                        tag("td", str(amount), "end")


def _verdict(report: Report) -> None:
    compared = texts.compared(report.bookings, report.commissions, report.entries)
    with tag("div", classes="card stack tight", data_books="ok" if report.ok else "differ"):
        with tag("div", classes="row spread"):
            tag("p", texts.BOOKS_AGREE if report.ok else texts.BOOKS_DIFFER, "strong")
            tag("span", texts.faults(report.faults), f"pill {'good' if report.ok else 'bad'}")
        tag("p", compared, "muted small")
        with tag("ul", classes="stack tight"):
            for finding in report.findings:
                with tag("li"):
                    link_to(f"/bookings/{finding.row_id}", finding.row_id, "number")
                    tag("span", f" {finding.text}", "wrap")


def _days_ahead(booking: Booking) -> int:
    zone = texts.zone_of(booking.timezone)
    return (booking.starts_at.astimezone(zone).date() - now().astimezone(zone).date()).days
