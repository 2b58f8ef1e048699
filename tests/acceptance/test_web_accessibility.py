"""No page has a fault of level A or AA that axe-core finds, in light and in dark, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from massage_link import Booking
from pages import Pages, Visit, Visitors, browser
from salon import SERVICE, Salon

pytestmark = [pytest.mark.long, pytest.mark.emulator_only]

AXE = Path(__file__).parents[1] / "node" / "node_modules" / "axe-core" / "axe.min.js"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SIZES = {"desk": {"width": 1280, "height": 860}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def booking(salon: Salon, visitors: Visitors) -> Iterator[Booking]:
    """A request with everything that can be shown, after one that was accepted for today."""
    facts = {"customer_name": "Carla", "area": "Mitte", "address": "Torstraße 1", "note": "Please ring twice."}
    soon = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=65)
    soon -= timedelta(minutes=soon.minute % 5)
    accepted = salon.link.bookings.request(**salon.wish(starts_at=soon, **facts))
    salon.link.bookings.accept(accepted.id, by=accepted.therapist_id)
    made = salon.link.bookings.request(**salon.wish(**facts))
    salon.link.chat.send(made.id, "Is there parking?", sender_id=made.customer_id)
    yield made
    salon.link.bookings.cancel(accepted.id)  # its time is free for the next look


@pytest.fixture(scope="module", params=[("desk", "light"), ("phone", "dark")], ids="-".join)
def visitors(request: pytest.FixtureRequest, pages: Pages) -> Iterator[Visitors]:
    size, scheme = request.param
    with browser() as chromium, ExitStack() as leaving:
        yield Visitors(chromium, pages, leaving, viewport=SIZES[size], color_scheme=scheme)


@pytest.fixture(scope="module")
def therapist(salon: Salon, visitors: Visitors) -> Visit:
    return visitors.come(salon.people.therapist)


@pytest.fixture(scope="module")
def customer(salon: Salon, visitors: Visitors) -> Visit:
    return visitors.come(salon.people.customer)


def _faults(visit: Visit) -> list[str]:
    visit.page.wait_for_timeout(600)  # what is faded in has no contrast while it is on its way
    visit.page.add_script_tag(path=str(AXE))
    found: dict[str, Any] = visit.page.evaluate("levels => axe.run(document, {runOnly: levels})", LEVELS)
    assert found["passes"], "axe has looked at something"
    return [
        f"{fault['id']} at {node['target']}: {node['failureSummary']}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]


def test_signing_in(visitors: Visitors) -> None:
    visit = visitors.come()
    visit.go("/sign-in?fault=wrong")
    visit.sees("No account has this email and password.")
    assert _faults(visit) == []


def test_the_desk_with_a_request_that_is_being_declined(therapist: Visit, booking: Booking) -> None:
    therapist.go("/desk")
    card = therapist.page.locator(f"article[data-booking='{booking.id}']")
    card.wait_for()
    assert _faults(therapist) == []
    card.locator("button[aria-label^='Decline']").click()
    card.locator("input[name=reason]").wait_for()
    assert _faults(therapist) == []


def test_a_booking_with_its_conversation(therapist: Visit, booking: Booking) -> None:
    therapist.go(f"/bookings/{booking.id}")
    therapist.page.click("main button:has-text('Chat')")
    therapist.sees("Is there parking?", ".bubble")
    assert _faults(therapist) == []
    therapist.page.click(".chat button[aria-label=Close]")


def test_the_earnings(salon: Salon, therapist: Visit, booking: Booking) -> None:
    done = salon.link.bookings.request(**salon.wish(customer_name="Carla"))
    salon.link.bookings.accept(done.id, by=done.therapist_id)
    salon.link.bookings.complete(done.id, by=done.therapist_id)
    therapist.go("/earnings")
    therapist.sees("66.53 EUR", "table")
    assert _faults(therapist) == []


def test_the_business(salon: Salon, visitors: Visitors, booking: Booking) -> None:
    ops = visitors.come(salon.people.ops)
    ops.page.locator("[data-books]").wait_for()
    ops.page.locator("[aria-labelledby=by-service] table").first.wait_for()
    assert _faults(ops) == []


def test_booking_a_massage_step_by_step(customer: Visit, booking: Booking) -> None:
    customer.go("/book")
    customer.page.click("button.choice:has-text('Thea') >> nth=0")
    customer.page.click(f"button.choice:has-text('{SERVICE}')")
    customer.page.click(".chips:not(.days) .chip >> nth=0")
    customer.page.wait_for_selector("#area")
    assert _faults(customer) == []


def test_ones_bookings_with_one_that_is_being_cancelled(customer: Visit, booking: Booking) -> None:
    customer.go("/mine")
    card = customer.page.locator(f"article[data-booking='{booking.id}']")
    card.locator("button:has-text('Cancel booking')").click()
    card.locator("button:has-text('Keep it')").wait_for()
    assert _faults(customer) == []


def test_the_status_page(visitors: Visitors) -> None:
    visit = visitors.come()
    visit.go("/status")
    visit.page.locator("[data-probe=endpoint] .pill").wait_for()
    assert _faults(visit) == []


def test_an_address_with_nothing_behind_it(customer: Visit) -> None:
    customer.go("/nothing")
    customer.sees("There is nothing here")
    assert _faults(customer) == []


def test_the_keyboard_reaches_the_answer_to_a_request(therapist: Visit, booking: Booking) -> None:
    therapist.go("/desk")
    therapist.is_live()
    card = therapist.page.locator(f"article[data-booking='{booking.id}']")
    card.wait_for()
    accept = f"document.activeElement.closest('[data-booking=\"{booking.id}\"]') && "
    accept += "document.activeElement.textContent === 'Accept'"
    for _ in range(60):
        therapist.page.keyboard.press("Tab")
        if therapist.page.evaluate(accept):
            break
    else:
        pytest.fail("sixty times Tab do not reach it")
    therapist.page.keyboard.press("Enter")
    therapist.sees("Accepted. The customer has been told.")
