"""How the business does: the analytics of the last days for operators, drawn and in tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from massage_link.domain.analytics import AnalyticsReport, AnalyticsRow, Dimension
from massage_link.errors import MassageLinkError
from massage_link.web import texts
from massage_link.web.counting import PERIODS, USUAL, Found, counted
from massage_link.web.drawing import columns
from massage_link.web.frame import Page
from massage_link.web.kit import Choice, button, heading, link_to, tag
from massage_link.web.pieces import empty, tile

__all__ = ["Analysis"]

#: So many rows a table shows: those with the most requests.
_MOST_ROWS = 25
_DIVISIONS = tuple((each,) for each in Dimension)


class Analysis:
    """The part of a page that shows it; read when it is opened and when a period is chosen, as all of it is counted."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._days = USUAL
        self._currency = ""
        self._asked = 0

    def build(self) -> None:
        """Show it as soon as it is counted."""
        with tag("section", classes="stack", aria_labelledby="analytics"):
            with tag("div", classes="row spread"):
                heading(2, texts.ANALYTICS, id="analytics")
                with tag("div", classes="chips", role="group", aria_label=texts.PERIOD):
                    choice = Choice()
                    for days in PERIODS:
                        made = choice.option(texts.last_days(days), lambda days=days: self._choose(days))  # type: ignore[misc]
                        if days == USUAL:
                            choice.press(made)
            self._said = tag("p", classes="muted small", role="status")
            self._currencies = tag("div", classes="chips", role="group", aria_label=texts.CURRENCY)
            self._currencies.set_visibility(False)
            self._box = tag("div", classes="stack")
        self._page.run_later(self._count)

    async def _choose(self, days: int) -> None:
        self._days = days
        await self._count()

    async def _count(self) -> None:
        self._asked += 1
        asked, days = self._asked, self._days
        self._box.clear()
        self._currencies.set_visibility(False)
        self._said.set_text(texts.COUNTING)
        self._said.set(data_analytics=None)
        try:
            found = await counted(self._page.visitor.link, days)
        except MassageLinkError as error:
            self._refused(asked, error)
            return
        if asked == self._asked and not self._box.is_deleted:  # nobody has chosen another period meanwhile
            self._show(found)

    def _refused(self, asked: int, error: MassageLinkError) -> None:
        if asked == self._asked and not self._box.is_deleted:
            self._said.set_text(texts.refusal(error))
            with self._box:
                button(texts.COUNT_AGAIN, self._count)

    def _show(self, found: Found) -> None:
        days = list(found.by_day.by_day)
        self._said.set_text(texts.counted(days[0], days[-1], found.by_day.period.zone, found.at))
        self._said.set(data_analytics=self._days)
        self._show_currencies(found)
        self._draw(found)

    def _show_currencies(self, found: Found) -> None:
        """Which of them is drawn; the buttons stay when one is pressed, and so does the focus."""
        codes = found.by_day.currencies
        if self._currency not in codes:
            self._currency = codes[0] if codes else ""
        self._currencies.clear()
        self._currencies.set_visibility(len(codes) > 1)

        def choose(code: str) -> None:
            self._currency = code
            self._draw(found)

        choice = Choice()
        with self._currencies:
            for code in codes:
                made = choice.option(code, lambda code=code: choose(code))  # type: ignore[misc]
                if code == self._currency:
                    choice.press(made)

    def _draw(self, found: Found) -> None:
        self._box.clear()
        with self._box:
            if not found.by_day.rows:
                empty(texts.NOTHING_HAPPENED)
                return
            _tiles(found.by_day.total, self._currency)
            self._drawings(found.by_day)
            tag("p", texts.ANSWER_HINT, "muted small")
            self._table(texts.BY_THERAPIST, Dimension.THERAPIST, found.by_therapist, _named(found.names))
            self._table(texts.BY_SERVICE, Dimension.SERVICE, found.by_service, lambda row: row.service or "–")

    def _drawings(self, report: AnalyticsReport) -> None:
        code = self._currency
        with tag("div", classes="charts"):
            with tag("section", classes="card stack", aria_label=texts.BOOKINGS_A_DAY):
                with tag("div", classes="row spread"):
                    heading(3, texts.BOOKINGS_A_DAY)
                    self._as_csv(Dimension.DAY, texts.DAYS_AS_CSV)
                counts: list[_Course] = [
                    (texts.REQUESTED, lambda row: row.requests, str),
                    (texts.WAS_ACCEPTED, lambda row: row.accepted, str),
                    (texts.WAS_COMPLETED, lambda row: row.completed, str),
                ]
                _courses(report, counts)
            if code:
                with tag("section", classes="card stack", aria_label=texts.MONEY_A_DAY):
                    heading(3, f"{texts.MONEY_A_DAY}, {code}")
                    sums: list[_Course] = [
                        (texts.REVENUE, lambda row: row.revenue(code).decimal, _amount),
                        (texts.COMMISSION, lambda row: row.commission(code).decimal, _amount),
                    ]
                    _courses(report, sums)

    def _table(self, title: str, by: Dimension, report: AnalyticsReport, name: Callable[[AnalyticsRow], str]) -> None:
        columns_of = _columns(self._currency)
        with tag("div", classes="row spread"):
            heading(3, title, id=f"by-{by}")
            self._as_csv(by, texts.AS_CSV)
        box = tag("div", classes="card table-box", tabindex=0, role="region", aria_labelledby=f"by-{by}")
        with box, tag("table", classes="plain dense"):
            with tag("thead"), tag("tr"):
                tag("th", texts.THERAPIST if by is Dimension.THERAPIST else texts.SERVICE, scope="col")
                for head, _ in columns_of:
                    tag("th", head, "end", scope="col")
            with tag("tbody"):
                rows = sorted(report.rows, key=lambda row: (-row.requests, name(row)))
                for row in rows[:_MOST_ROWS]:
                    _line(name(row), row, columns_of)
            with tag("tfoot"):
                _line(texts.ALTOGETHER, report.total, columns_of)
        if len(rows) > _MOST_ROWS:
            tag("p", texts.and_more(len(rows) - _MOST_ROWS), "muted small")

    def _as_csv(self, by: Dimension, text: str) -> None:
        address = f"/business/analytics.csv?by={by}&days={self._days}"
        with link_to(address, text, "button quiet", download=f"{by}.csv"):
            tag("span", f" ({by})", "hidden-text")


# --- showing ----------------------------------------------------------------------------------------------------------
def _named(names: Mapping[str, str]) -> Callable[[AnalyticsRow], str]:
    return lambda row: names.get(row.therapist_id or "") or row.therapist_id or "–"


#: The name of what is drawn, its value on a day, and how a value is said.
_Number = Decimal | int
_Course = tuple[str, Callable[[AnalyticsRow], _Number], Callable[[_Number], str]]
_Column = tuple[str, Callable[[AnalyticsRow], str]]


#: What is told above the drawings; the tables tell everything.
_TILES = {texts.REQUESTED, texts.WAS_ACCEPTED, texts.ANSWER_P50, texts.WAS_COMPLETED, texts.REVENUE, texts.COMMISSION}


def _amount(value: _Number) -> str:
    return f"{Decimal(value):,f}"


def _tiles(total: AnalyticsRow, currency: str) -> None:
    with tag("div", classes="tiles"):
        for name, show in _columns(currency):
            if name in _TILES:
                tile(name, show(total))


def _columns(currency: str) -> Sequence[_Column]:
    columns_of: list[_Column] = [
        (texts.REQUESTED, lambda row: str(row.requests)),
        (texts.WAS_ACCEPTED, lambda row: texts.number_and_rate(row.accepted, row.acceptance_rate)),
        (texts.ANSWER_P50, lambda row: texts.waited(row.answer_p50)),
        (texts.ANSWER_P90, lambda row: texts.waited(row.answer_p90)),
        (texts.WAS_COMPLETED, lambda row: texts.number_and_rate(row.completed, row.completion_rate)),
        (texts.WAS_CANCELLED, lambda row: texts.number_and_rate(row.cancelled, row.cancellation_rate)),
        (texts.NO_SHOWS, lambda row: texts.number_and_rate(row.no_shows, row.no_show_rate)),
    ]
    if currency:
        columns_of.append((texts.REVENUE, lambda row: str(row.revenue(currency))))
        columns_of.append((texts.COMMISSION, lambda row: str(row.commission(currency))))
    return columns_of


def _line(name: str, row: AnalyticsRow, columns_of: Sequence[_Column]) -> None:
    with tag("tr"):
        tag("th", name, "wrap", scope="row")
        for _, show in columns_of:
            tag("td", show(row), "end")


def _courses(report: AnalyticsReport, courses: Sequence[_Course]) -> None:
    """One drawing below the other, to the same measure."""
    days = report.by_day
    top = max(float(value(row)) for _, value, _ in courses for row in days.values())
    for name, value, said in courses:
        values = {day: value(row) for day, row in days.items()}
        best = max(values, key=lambda day: values[day]) if any(values.values()) else None
        whole = said(value(report.total))
        with tag("div", classes="stack tight"):
            with tag("div", classes="row"):
                tag("span", name, "small")
                tag("span", whole, "small strong number")
            most = said(values[best]) if best is not None else ""
            columns([float(each) for each in values.values()], texts.by_day(name, whole, best, most), top=top)
    first, *_, last = days
    with tag("div", classes="row spread muted small number", aria_hidden="true"):
        tag("span", f"{first.day} {first:%b}")
        tag("span", f"{last.day} {last:%b}")
