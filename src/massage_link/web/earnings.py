"""What a therapist earns: the statement of a month, on the page and as a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from massage_link.domain.commission import Commission, CommissionStatus
from massage_link.domain.money import Money
from massage_link.domain.statement import Account, Statement
from massage_link.domain.statement_text import KIND_NAMES, statement_csv
from massage_link.errors import MassageLinkError, UsageError
from massage_link.web import texts
from massage_link.web.feed import News
from massage_link.web.frame import Page, private_page
from massage_link.web.kit import heading, link_to, tag
from massage_link.web.missing import nothing_here
from massage_link.web.pieces import empty, now, tile
from massage_link.web.site import Site
from massage_link.web.visitors import Part

__all__ = ["earned_this_month", "register", "routes"]

_EARNED = frozenset({CommissionStatus.DUE, CommissionStatus.PAID})


def earned_this_month(commissions: Iterable[Commission], moment: datetime) -> str:
    """The therapist's share of what was completed in this month, per currency."""
    sums: dict[str, int] = defaultdict(int)
    for each in commissions:
        changed = each.updated_at or moment
        if each.status in _EARNED and (changed.year, changed.month) == (moment.year, moment.month):
            sums[each.currency] += each.net_minor
    return " + ".join(str(Money(minor, currency)) for currency, minor in sorted(sums.items())) or "–"


def register(site: Site) -> None:
    """The page."""
    private_page(site, "/earnings", texts.NAV_EARNINGS, _build)


async def _build(page: Page) -> None:
    if page.visitor.part is not Part.THERAPIST:
        nothing_here()
        return
    period = page.client.request.query_params.get("period") or f"{now():%Y-%m}"
    try:
        month = date.fromisoformat(f"{period}-01")
    except ValueError:
        nothing_here()
        return
    with tag("div", classes="page-head"):
        heading(1, texts.month(month))
        with tag("div", classes="row"):
            link_to(f"/earnings?period={month - timedelta(days=1):%Y-%m}", texts.EARLIER_MONTH, "button")
            link_to(f"/earnings?period={month + timedelta(days=31):%Y-%m}", texts.LATER_MONTH, "button")
            link_to(f"/earnings/statement.csv?period={period}", texts.AS_CSV, "button", download=f"{period}.csv")
    box = tag("div", classes="stack", style="gap: 24px")

    async def show() -> None:
        statement = await page.visitor.link.commissions.statement(page.visitor.id, period)
        box.clear()
        with box:
            _statement(statement)

    def heard(news: News) -> None:
        if isinstance(news.row, Commission):
            page.run_later(show)

    await show()
    page.on_news(heard)


def _statement(statement: Statement) -> None:
    if not any(account.lines or account.closing for account in statement.accounts):
        empty(texts.NOTHING_EARNED, texts.NOTHING_EARNED_HINT)
    for account in statement.accounts:
        with tag("section", classes="stack", aria_label=account.currency):
            heading(2, account.currency)
            with tag("div", classes="tiles"):
                tile(texts.OPENING, str(account.opening))
                tile(texts.EARNED_SHARE, str(account.earned))
                tile(texts.PAID_OUT, str(account.paid))
                tile(texts.OWED, str(account.closing))
            if account.lines:
                _lines(statement, account)


def _lines(statement: Statement, account: Account) -> None:
    box = tag("div", classes="card table-box", tabindex=0, role="region", aria_label=texts.LINES)
    with box, tag("table", classes="plain"):
        with tag("thead"), tag("tr"):
            for name in (texts.DAY, texts.WHAT):
                tag("th", name, scope="col")
            for name in (texts.PRICE, texts.COMMISSION, texts.AMOUNT, texts.BALANCE):
                tag("th", name, "end", scope="col")
        with tag("tbody"):
            for line in account.lines:
                with tag("tr"):
                    tag("td", f"{statement.period.local(line.at):%d %b %H:%M}", "number")
                    with tag("td"):
                        tag("span", f"{KIND_NAMES[line.kind]} ")
                        link_to(f"/bookings/{line.booking_id}", texts.BOOKING)
                        tag("span", f" {line.reason}" if line.reason else "", "muted wrap")
                    for amount in (line.gross, line.commission, line.amount, line.balance):
                        tag("td", str(amount), "end")


def routes(site: Site) -> APIRouter:
    """The statement as a file."""
    router = APIRouter()

    @router.get("/earnings/statement.csv")
    async def csv(request: Request, period: str = "") -> Response:
        try:
            visitor = await site.visitor(request)
            if visitor is None:
                return RedirectResponse("/sign-in?next=/earnings", 303)
            statement = await visitor.link.commissions.statement(visitor.id, period)
        except UsageError as error:
            return PlainTextResponse(texts.refusal(error), 400)
        except MassageLinkError as error:
            return PlainTextResponse(texts.refusal(error), 503)
        return PlainTextResponse(
            statement_csv(statement),
            media_type="text/csv",
            headers={"Content-Disposition": 'attachment; filename="statement.csv"'},
        )

    return router
