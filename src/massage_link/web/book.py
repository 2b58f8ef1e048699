"""Booking a massage: who, which, when, where; four steps on one page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from massage_link.domain.calendar import FreeSlot, Service
from massage_link.domain.people import Therapist
from massage_link.errors import InvalidInput, NotAvailable, SlotTaken
from massage_link.web import texts
from massage_link.web.frame import Page, private_page
from massage_link.web.kit import Choice, Tag, carefully, heading, tag
from massage_link.web.pieces import avatar, empty, now
from massage_link.web.site import Site

__all__ = ["register"]

_DAYS = 14
_MOST = 200
_COLLECT = "(e) => { e.preventDefault(); emit(Object.fromEntries(new FormData(e.target))); }"


def register(site: Site) -> None:
    """The page."""
    private_page(site, "/book", texts.NAV_BOOK, lambda page: _Counter(page).build())


class _Counter:
    """Where bookings are asked for: what has been chosen so far, and the steps that follow from it."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._therapist: Therapist | None = None
        self._service: Service | None = None
        self._day: datetime | None = None
        self._slot: FreeSlot | None = None

    async def build(self) -> None:
        therapists = [each async for each in self._page.visitor.link.availability.therapists(limit=_MOST)]
        with tag("div", classes="page-head"):
            heading(1, texts.BOOK_ONE)
        with tag("div", classes="booking"):
            with tag("div", classes="stack", style="gap: 28px"):
                with _step(1, texts.CHOOSE_THERAPIST):
                    self._show_therapists([each for each in therapists if _services(each)])
                self._services = _step(2, texts.CHOOSE_SERVICE)
                self._times = _step(3, texts.CHOOSE_TIME)
                self._details = _step(4, texts.YOUR_DETAILS)
            self._summary = tag("aside", classes="card stack summary", aria_label=texts.SUMMARY, aria_live="polite")
        self._from(2)

    def _from(self, step: int) -> None:
        """Show this step if it can be taken, and hide those that follow."""
        for number, section in ((2, self._services), (3, self._times), (4, self._details)):
            if number >= step:
                section.set_visibility(False)
        self._show_summary()

    # --- who ----------------------------------------------------------------------------------------------------------
    def _show_therapists(self, therapists: Sequence[Therapist]) -> None:
        if not therapists:
            empty(texts.NO_THERAPISTS)
            return
        with tag("div", classes="choices"):
            choice = Choice()
            for each in therapists:
                cheapest = min(_services(each), key=lambda service: service.price_minor)
                with choice.option("", lambda each=each: self._chose_therapist(each), "choice"):  # type: ignore[misc]
                    avatar(each.name)
                    with tag("span", classes="choice-text"):
                        tag("span", each.name, "strong wrap")
                        tag("span", texts.place_of_zone(each.zone), "muted small")
                        tag("span", texts.from_price(str(cheapest.price)), "muted small")

    def _chose_therapist(self, therapist: Therapist) -> None:
        self._therapist, self._service, self._day, self._slot = therapist, None, None, None
        self._from(2)
        with _emptied(self._services, 2, texts.CHOOSE_SERVICE), tag("div", classes="choices"):
            choice = Choice()
            for each in _services(therapist):
                with choice.option("", lambda each=each: self._chose_service(each), "choice"):  # type: ignore[misc]
                    with tag("span", classes="choice-text"):
                        tag("span", each.name, "strong wrap")
                        tag("span", texts.minutes(each.minutes), "muted small")
                    tag("span", str(each.price), "strong number")

    # --- which and when -----------------------------------------------------------------------------------------------
    async def _chose_service(self, service: Service) -> None:
        assert self._therapist is not None
        self._service, self._day, self._slot = service, None, None
        self._from(3)
        zone = self._therapist.zone
        today = now().astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        with _emptied(self._times, 3, texts.CHOOSE_TIME):
            tag("p", texts.clocks_of(zone), "muted small")
            choice = Choice()
            with tag("div", classes="chips days", role="group", aria_label=texts.DAY):
                chips = [self._day_chip(choice, today + timedelta(days=number)) for number in range(_DAYS)]
            self._slots = tag("div", classes="chips", role="group", aria_label=texts.TIME, aria_live="polite")
        choice.press(chips[0])
        await self._chose_day(today)

    def _day_chip(self, choice: Choice, day: datetime) -> Tag:
        with choice.option("", lambda: self._chose_day(day), "chip") as made:
            made.set(data_day=f"{day:%Y-%m-%d}")
            tag("span", f"{day:%a}", "muted small")
            tag("span", f"{day.day} {day:%b}")
        return made

    async def _chose_day(self, day: datetime) -> None:
        assert self._therapist is not None
        assert self._service is not None
        self._day, self._slot = day, None
        self._from(4)
        self._slots.clear()
        self._slots.set(data_day=None)
        with self._slots:
            tag("p", texts.LOOKING, "muted")
        end = (day + timedelta(days=1)).replace(hour=0)
        found: list[FreeSlot] = []

        async def look() -> None:
            slots = self._page.visitor.link.availability.slots
            assert self._therapist is not None
            assert self._service is not None
            found.extend(await slots(self._therapist.id, self._service.name, max(day, now()), end))

        await carefully(look)
        if self._day == day:
            self._show_slots(found)

    def _show_slots(self, found: Sequence[FreeSlot]) -> None:
        assert self._therapist is not None
        zone = self._therapist.zone
        self._slots.clear()
        assert self._day is not None
        self._slots.set(data_day=f"{self._day:%Y-%m-%d}")
        with self._slots:
            if not found:
                tag("p", texts.NO_SLOTS, "muted")
            choice = Choice()
            for each in found:
                with choice.option("", lambda each=each: self._chose_slot(each), "chip"):  # type: ignore[misc]
                    tag("span", f"{each.starts_at.astimezone(zone):%H:%M}")

    # --- where --------------------------------------------------------------------------------------------------------
    def _chose_slot(self, slot: FreeSlot) -> None:
        self._slot = slot
        self._show_summary()
        if self._details.visible:
            return
        with _emptied(self._details, 4, texts.YOUR_DETAILS), tag("form", classes="card stack") as form:
            _field("area", texts.AREA, texts.AREA_HINT, maxlength=128, autocomplete="address-level3")
            _field("address", texts.FULL_ADDRESS, texts.FULL_ADDRESS_HINT, maxlength=500, autocomplete="street-address")
            _field("note", texts.NOTE, "", element="textarea", maxlength=2_000)
            self._submit = tag("button", texts.SEND_REQUEST, "button primary", type="submit")
        form.on("submit", self._request, js_handler=_COLLECT)

    async def _request(self, event: Any) -> None:
        said: dict[str, str] = {name: str(value).strip() for name, value in event.args.items()}
        therapist, service, slot = self._therapist, self._service, self._slot
        if therapist is None or service is None or slot is None:
            return
        visitor = self._page.visitor

        async def send() -> None:
            try:
                booking = await visitor.link.bookings.request(
                    customer_id=visitor.id,
                    therapist_id=therapist.id,
                    service=service.name,
                    starts_at=slot.starts_at,
                    timezone=therapist.timezone,
                    customer_name=visitor.name,
                    area=said.get("area", ""),
                    address=said.get("address", ""),
                    note=said.get("note", ""),
                )
            except (SlotTaken, NotAvailable):
                assert self._day is not None
                await self._chose_day(self._day)
                raise
            visitor.feed.put(booking)
            self._page.client.open(f"/mine?sent={booking.id}")

        self._submit.set(disabled=True)
        if not await carefully(send):
            self._submit.set(disabled=False)

    def _show_summary(self) -> None:
        self._summary.clear()
        with self._summary:
            heading(2, texts.SUMMARY)
            if self._therapist is None:
                tag("p", texts.SUMMARY_HINT, "muted")
                return
            with tag("dl", classes="facts"):
                _fact(texts.WHO, self._therapist.name)
                if self._service is not None:
                    _fact(texts.SERVICE, f"{self._service.name}, {texts.minutes(self._service.minutes)}")
                if self._slot is not None:
                    begins = self._slot.starts_at.astimezone(self._therapist.zone)
                    day = texts.day(begins, now().astimezone(self._therapist.zone))
                    _fact(texts.WHEN, f"{day}, {begins:%H:%M}")
                if self._service is not None:
                    _fact(texts.PRICE, str(self._service.price))
            policy = self._therapist.cancellation_policy
            if self._service is not None and policy is not None:
                tag("p", texts.policy(policy), "muted small")


def _services(therapist: Therapist) -> tuple[Service, ...]:
    try:
        return therapist.offers
    except InvalidInput:  # a row that operators broke must not take the whole page along
        return ()


def _step(number: int, title: str) -> Tag:
    with tag("section", classes="stack", aria_label=title) as section:
        _step_title(number, title)
    return section


def _step_title(number: int, title: str) -> None:
    with heading(2, "", "row") as made:
        made.style("gap: 0")
        tag("span", str(number), "step-number", aria_hidden="true")
        tag("span", title)


def _emptied(section: Tag, number: int, title: str) -> Tag:
    section.clear()
    section.set_visibility(True)
    with section:
        _step_title(number, title)
    return section


def _field(
    name: str, label: str, hint: str, *, maxlength: int, element: str = "input", autocomplete: str = "off"
) -> None:
    with tag("div", classes="field"):
        tag("label", label, for_=name)
        field = tag(element, classes="input", id=name, name=name, maxlength=maxlength, autocomplete=autocomplete)
        if hint:
            field.set(aria_describedby=f"{name}-hint")
            tag("p", hint, "hint", id=f"{name}-hint")


def _fact(name: str, value: str) -> None:
    tag("dt", name)
    tag("dd", value)
