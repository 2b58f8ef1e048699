"""The pages in a real browser: customer and therapist go the whole way, and nothing reaches those it is not for."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from cases import Run
from deployed import FUNCTIONS
from marketplace import Person, Server
from massage_link import Booking
from massage_link.domain.booking import Status
from massage_link.domain.tables import DATABASE
from massage_link.testing import running_emulator
from massage_link.usecases.bookings import request_booking
from pages import Pages, Visit, Visitors, browser, serving
from salon import SERVICE, Salon, opened

pytestmark = [pytest.mark.long, pytest.mark.emulator_only]

#: A script in a text is a text. Were it run, the page would say so.
SCRIPT = "<img src=x onerror=\"document.title='caught'\"><script>document.title='caught'</script>{{ 7 * 7 }}"
#: Chromium without a window grants notifications but shows none; what the page asks for is written down instead.
RECORD_NOTIFICATIONS = """
window.told = [];
class Recorded extends EventTarget {
  constructor(title, options) { super(); window.told.push({title, ...options}); }
  static permission = "granted";
  static requestPermission() { return Promise.resolve("granted"); }
  close() {}
}
window.Notification = Recorded;
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as chromium:
        yield chromium


@pytest.fixture
def visitors(chromium: Any, pages: Pages) -> Iterator[Visitors]:
    """Browsers to come with; at the end none of them has complained."""
    with ExitStack() as leaving:
        made = Visitors(chromium, pages, leaving)
        yield made
        assert [fault for visit in made.visits for fault in visit.faults] == []


@pytest.fixture
def therapist(salon: Salon, visitors: Visitors) -> Visit:
    return visitors.come(salon.people.therapist)


@pytest.fixture
def customer(salon: Salon, visitors: Visitors) -> Visit:
    return visitors.come(salon.people.customer)


def _requested(salon: Salon, by: Person | None = None, **changes: Any) -> Booking:
    facts = {"customer_name": "Carla", "area": "Mitte", "address": "Torstraße 1", **changes}
    return salon.link.bookings.request(**salon.wish(customer_id=(by or salon.people.customer).id, **facts))


def _card(visit: Visit, booking: Booking) -> Any:
    return visit.page.locator(f"article[data-booking='{booking.id}']")


def _newest(salon: Salon) -> Booking:
    mine = salon.link.bookings.list(customer_id=salon.people.customer.id)
    return max(mine, key=lambda each: each.created_at or datetime.min.replace(tzinfo=UTC))


# --- the whole way ----------------------------------------------------------------------------------------------------
def test_a_customer_books_and_both_talk_and_the_therapist_does_the_work(
    salon: Salon, therapist: Visit, customer: Visit
) -> None:
    customer.go("/book")
    customer.page.click("button.choice:has-text('Thea') >> nth=0")
    customer.page.click(f"button.choice:has-text('{SERVICE}')")
    chip = customer.page.locator(".chips.days .chip").nth(3)
    chip.click()
    customer.page.click(f".chips[data-day='{chip.get_attribute('data-day')}'] .chip >> nth=20")
    customer.page.fill("#area", "Mitte")
    customer.page.fill("#address", "Torstraße 140")
    customer.page.click("text=Request this booking")
    customer.sees("Your request is sent")
    booking = _newest(salon)
    _card(customer, booking).get_by_text("Waiting for the answer").wait_for()

    other = therapist if booking.therapist_id == salon.people.therapist.id else None
    assert other is not None, "the first therapist of the list is the one who looks at the desk"
    assert _card(therapist, booking).get_by_text("95.05 EUR").is_visible()
    _card(therapist, booking).locator("button:has-text('Accept')").click()
    therapist.sees("Accepted. The customer has been told.")
    _card(customer, booking).locator(".status", has_text="Accepted").wait_for()

    _card(customer, booking).locator("button:has-text('Chat')").click()
    customer.page.fill("#chat-text", "Is there parking?")
    customer.page.press("#chat-text", "Enter")
    customer.sees("Is there parking?", ".bubble.own")
    therapist.go(f"/bookings/{booking.id}")
    therapist.sees("Torstraße 140")
    therapist.page.click("button:has-text('Chat')")
    therapist.sees("Is there parking?", ".bubble")
    therapist.page.fill("#chat-text", "Yes, in the yard.")
    therapist.page.click(".chat button:has-text('Send')")
    customer.sees("Yes, in the yard.", ".bubble:not(.own)")
    salon.link.bookings.complete(booking.id, by=booking.therapist_id)
    _card(customer, booking).locator(".status", has_text="Completed").wait_for()


def test_a_request_reaches_the_open_desk_with_sound_and_notification(salon: Salon, visitors: Visitors) -> None:
    desk = visitors.come(salon.people.therapist, start=RECORD_NOTIFICATIONS, permissions=["notifications"])
    desk.page.click("#alerts-on")
    desk.sees("You will hear new requests.")
    desk.page.evaluate("window.marker = 'this page was not loaded again'")
    booking = _requested(salon)
    _card(desk, booking).wait_for()
    desk.page.wait_for_function("massageLink.rung === 1 && window.told.length === 1")
    told = desk.page.evaluate("window.told[0]")
    assert told["title"] == "New request"
    assert told["tag"] == booking.id
    assert "Carla" in told["body"]
    assert desk.page.title().startswith("(")
    assert desk.page.evaluate("window.marker") == "this page was not loaded again"


def test_a_desk_without_sound_and_notifications_works_all_the_same(salon: Salon, therapist: Visit) -> None:
    therapist.page.click("text=Not now")
    booking = _requested(salon)
    _card(therapist, booking).wait_for()
    therapist.page.reload()
    therapist.is_live()
    _card(therapist, booking).wait_for()
    assert not therapist.page.is_visible("#alerts-on")


def test_declining_asks_for_a_reason_that_the_customer_reads(salon: Salon, therapist: Visit, customer: Visit) -> None:
    booking = _requested(salon)
    customer.go("/mine")
    card = _card(therapist, booking)
    card.locator("button[aria-label^='Decline']").click()
    card.locator("input[name=reason]").fill("I am away that day.")
    card.locator("button:has-text('Decline this request')").click()
    card.wait_for(state="detached")
    _card(customer, booking).get_by_text("I am away that day.").wait_for()


def test_cancelling_shows_the_fee_first_and_then_costs_just_that(salon: Salon, customer: Visit) -> None:
    soon = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=3)
    booking = _requested(salon, starts_at=soon - timedelta(minutes=soon.minute % 5))
    salon.link.bookings.accept(booking.id, by=booking.therapist_id)
    customer.go("/mine")
    card = _card(customer, booking)
    card.locator("button:has-text('Cancel booking')").click()
    card.get_by_text("Cancelling now costs 47.53 EUR of the 95.05 EUR, as agreed when you booked.").wait_for()
    card.locator("button:has-text('Keep it')").click()
    assert salon.link.bookings.get(booking.id).status is Status.ACCEPTED
    card.locator("button:has-text('Cancel booking')").click()
    card.locator("button:has-text('Cancel this booking')").click()
    card.locator(".status", has_text="Cancelled").wait_for()
    assert salon.link.commissions.get(booking.id).gross_minor == 4_753


def test_what_is_completed_appears_in_the_statement_without_reload(salon: Salon, therapist: Visit) -> None:
    booking = _requested(salon)
    salon.link.bookings.accept(booking.id, by=booking.therapist_id)
    therapist.go("/earnings")
    therapist.is_live()
    line = therapist.page.locator(f"tr:has(a[href='/bookings/{booking.id}'])")
    assert line.count() == 0
    salon.link.bookings.complete(booking.id, by=booking.therapist_id)
    line.get_by_text("66.53 EUR").first.wait_for()
    with therapist.page.expect_download() as download:
        therapist.page.click("text=Download as CSV")
    assert booking.id in download.value.path().read_text("utf-8")


def test_a_therapist_who_takes_no_bookings_is_not_offered(salon: Salon, therapist: Visit, customer: Visit) -> None:
    whose = salon.people.therapist.id
    offered = customer.page.locator("button.choice:has-text('Thea')")
    customer.go("/book")
    offered.first.wait_for()
    both = offered.count()
    switch = therapist.page.get_by_role("switch")
    switch.click()
    therapist.sees("You cannot be booked for now.")
    assert not salon.link.availability.therapist(whose).active
    customer.page.reload()
    customer.page.wait_for_selector("h1")
    assert offered.count() == both - 1
    switch.click()
    therapist.sees("You can be booked.")
    assert salon.link.availability.therapist(whose).active


def test_operators_see_bookings_live_and_whether_the_books_agree(salon: Salon, visitors: Visitors) -> None:
    ops = visitors.come(salon.people.ops)
    ops.sees("the difference is 0", "[data-books=ok]")
    booking = _requested(salon)
    row = ops.page.locator(f"tr[data-booking='{booking.id}']")
    row.get_by_text("Waiting for the answer").wait_for()
    salon.link.bookings.accept(booking.id, by=booking.therapist_id)
    row.get_by_text("Accepted").wait_for()
    salon.link.bookings.complete(booking.id, by=booking.therapist_id)
    row.get_by_text("Completed").wait_for()
    ops.sees("EUR", "section[aria-labelledby=money]")


def test_operators_see_how_the_business_does_and_take_it_along_as_a_file(salon: Salon, visitors: Visitors) -> None:
    trial = Run(salon.link, salon.market).wish(salon.market.start(), canary=True)
    salon.link.run(request_booking(salon.link.ports, trial))
    done = _requested(salon)
    salon.link.bookings.accept(done.id, by=done.therapist_id)
    salon.link.bookings.complete(done.id, by=done.therapist_id)
    tomorrow = datetime.now(ZoneInfo("Europe/Berlin")).date() + timedelta(days=1)
    start, zone = tomorrow - timedelta(days=7), "Europe/Berlin"
    (told,) = salon.link.analytics.report(start, tomorrow, by=(), timezone=zone).rows
    ops = visitors.come(salon.people.ops)
    ops.page.locator("[data-analytics='30']").wait_for()
    ops.page.click("button.chip:has-text('7 days')")
    ops.page.locator("[data-analytics='7']").wait_for()
    table = ops.page.locator("[aria-labelledby=by-therapist] table")
    assert salon.people.therapist.id not in table.inner_text()
    cells = table.locator("tbody tr", has_text="Thea").first.locator("td").all_inner_texts()
    whole = table.locator("tfoot td").all_inner_texts()
    assert whole[0] == str(told.requests)
    assert whole[1] == f"{told.accepted} ({told.acceptance_rate:.0%})"
    assert whole[-2:] == [str(told.revenue("EUR")), str(told.commission("EUR"))]
    assert 1 <= int(cells[0]) <= told.requests
    label = ops.page.locator("svg.columns").first.get_attribute("aria-label")
    assert label.startswith(f"Requested by day: {told.requests} altogether; most on ")
    with ops.page.expect_download() as fetched:
        ops.page.click("a[href='/business/analytics.csv?by=therapist&days=7']")
    rows = list(csv.DictReader(Path(fetched.value.path()).read_text("utf-8").splitlines()))
    assert sum(int(row["requests"]) for row in rows) == told.requests
    assert salon.people.therapist.id in {row["therapist_id"] for row in rows if row["therapist"] == "Thea"}
    assert trial.therapist_id not in {row["therapist_id"] for row in rows}


def test_the_business_and_the_desk_are_nobody_elses(salon: Salon, customer: Visit) -> None:
    for path in ("/business", "/desk", "/earnings"):
        assert customer.page.goto(f"{customer.address}{path}").status == 404
        customer.sees("There is nothing here")
    customer.faults.clear()  # the browser complains about 404s


# --- who sees what ----------------------------------------------------------------------------------------------------
def test_script_in_a_name_a_note_or_a_message_stays_text(salon: Salon, therapist: Visit, customer: Visit) -> None:
    booking = _requested(salon, customer_name=SCRIPT[:120], note=SCRIPT, area=SCRIPT[:120])
    _card(therapist, booking).locator(".note", has_text=SCRIPT).wait_for()
    therapist.go(f"/bookings/{booking.id}")
    therapist.sees(SCRIPT)
    customer.go(f"/bookings/{booking.id}")
    customer.page.click("button:has-text('Chat')")
    customer.page.fill("#chat-text", SCRIPT)
    customer.page.press("#chat-text", "Enter")
    customer.sees(SCRIPT, ".bubble")
    for visit in (therapist, customer):
        assert "caught" not in visit.page.title()
        assert visit.page.locator("main img, .chat img, main script, .chat script").count() == 0


def test_a_stranger_sees_no_booking_by_changing_the_address(salon: Salon, visitors: Visitors) -> None:
    booking = _requested(salon)
    stranger = visitors.come(salon.people.other_therapist)
    assert _card(stranger, booking).count() == 0
    seen = []
    for booking_id in (booking.id, "0" * 28):
        answer = stranger.page.goto(f"{stranger.address}/bookings/{booking_id}")
        stranger.sees("There is nothing here")
        seen.append((answer.status, stranger.page.inner_text("main")))
    assert seen[0] == seen[1], "one that exists looks like one that does not"
    stranger.faults.clear()  # the browser complains about 404s
    assert seen[0][0] == 404


def test_nothing_that_a_browser_keeps_holds_the_session(salon: Salon, customer: Visit) -> None:
    stored = customer.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    jwt_or_secret = re.compile(r"[A-Za-z0-9+/=_-]{80,}")
    assert not jwt_or_secret.search(stored), stored
    cookies = {cookie["name"]: cookie for cookie in customer.page.context.cookies()}
    assert cookies["massage_link_visitor"]["httpOnly"]
    assert len(cookies["massage_link_visitor"]["value"]) == 43, "256 bits of chance, and nothing else"


# --- chat -------------------------------------------------------------------------------------------------------------
def test_the_chat_survives_navigation_and_reload_with_what_was_being_written(salon: Salon, customer: Visit) -> None:
    booking = _requested(salon)
    customer.go("/mine")
    _card(customer, booking).locator("button:has-text('Chat')").click()
    customer.page.type("#chat-text", "half a sen")
    customer.page.wait_for_timeout(700)  # typing is kept twice a second
    customer.page.click("nav a:has-text('Book')")
    kept = "document.querySelector('.chat #chat-text')?.value === 'half a sen'"
    customer.page.wait_for_function(kept)
    customer.page.reload()
    customer.page.wait_for_function(kept)
    customer.page.click(".chat button[aria-label=Close]")
    customer.page.wait_for_selector(".chat", state="detached")


def test_what_is_unread_is_counted_and_what_is_read_is_seen_by_the_other_side(
    salon: Salon, therapist: Visit, customer: Visit
) -> None:
    booking = _requested(salon)
    customer.go(f"/bookings/{booking.id}")
    customer.is_live()
    for number in range(2):
        salon.link.chat.send(booking.id, f"message {number}", sender_id=booking.customer_id)
    badge = _card(therapist, booking).locator(".badge")
    badge.filter(has_text="2").wait_for()
    therapist.page.reload()
    therapist.is_live()
    badge.filter(has_text="2").wait_for()
    customer.page.click("main button:has-text('Chat')")
    customer.sees("message 1", ".bubble.own")
    assert not customer.page.locator(".below", has_text="Read").count()
    _card(therapist, booking).locator("button:has-text('Chat')").click()
    therapist.sees("message 1", ".bubble")
    badge.wait_for(state="hidden")
    customer.sees("Read", ".below")
    assert salon.link.chat.unread(booking.id, user_id=booking.therapist_id) == 0


# --- status -----------------------------------------------------------------------------------------------------------
def test_the_status_page_tells_everybody_what_works_without_reload_and_tells_no_secret(
    salon: Salon, pages: Pages, visitors: Visitors
) -> None:
    emulator = salon.server.emulator
    assert emulator is not None
    visit = visitors.come()
    visit.go("/status")
    visit.page.locator("[data-probe=endpoint] .pill.good").wait_for()
    live = visit.page.locator("[data-probe=realtime]")
    live.locator(".pill.good").wait_for()
    emulator.control("POST", "realtime", {"refuse": 1_000})
    try:
        visit.page.wait_for_timeout(5_100)  # what was just found is not looked for again
        visit.page.click("text=Check now")
        live.locator(".pill.bad").wait_for()
        visit.sees("Something does not work")
        assert _healthz(pages) == (503, "down")
    finally:
        emulator.control("POST", "realtime", {"refuse": 0})
    visit.page.wait_for_timeout(5_100)
    visit.page.click("text=Check now")
    live.locator(".pill.good").wait_for()
    visit.sees("Live updates", "section[aria-labelledby=incidents]")
    everything = visit.page.content()
    for secret in (salon.server.api_key, salon.server.endpoint, salon.people.customer.id):
        assert secret not in everything


def _healthz(pages: Pages) -> tuple[int, str]:
    answer = httpx.get(f"{pages.address}/healthz")
    return answer.status_code, answer.json()["state"]


# --- away and back ----------------------------------------------------------------------------------------------------
def test_a_restart_of_the_web_server_is_recovered_from(salon: Salon, pages: Pages, therapist: Visit) -> None:
    pages.stop()
    booking = _requested(salon)
    pages.start()
    _card(therapist, booking).wait_for()
    therapist.sees("without a connection")
    therapist.is_live()
    therapist.faults.clear()  # the browser complains about refused connections


def test_a_lost_network_is_caught_up_with_and_it_is_said(salon: Salon, therapist: Visit) -> None:
    therapist.page.context.set_offline(True)
    therapist.page.evaluate("window.socket.io.engine.close()")  # as when a phone notices
    booking = _requested(salon)
    therapist.page.wait_for_timeout(500)
    therapist.page.context.set_offline(False)
    _card(therapist, booking).wait_for()
    therapist.sees("1 new request")
    therapist.faults.clear()


def test_a_lost_connection_to_the_server_is_said_and_recovered_from(salon: Salon, therapist: Visit) -> None:
    emulator = salon.server.emulator
    assert emulator is not None
    emulator.control("POST", "realtime", {"refuse": True, "drop": True})
    therapist.sees("The connection to the booking service is lost.")
    booking = _requested(salon)
    emulator.control("POST", "realtime", {"refuse": False})
    _card(therapist, booking).wait_for()
    therapist.sees("Connected again.")
    therapist.is_live()


def test_a_restart_of_the_server_itself_is_recovered_from(chromium: Any, tmp_path: Path) -> None:
    with ExitStack() as servers:
        first = servers.enter_context(running_emulator(data_dir=tmp_path, functions=FUNCTIONS))
        server = Server(first.endpoint, first.project_id, first.api_key, DATABASE, first)
        with opened(server) as salon, serving(salon) as pages, ExitStack() as leaving:
            therapist = Visitors(chromium, pages, leaving).come(salon.people.therapist)
            before = _requested(salon)
            _card(therapist, before).wait_for()
            first.kill()
            therapist.sees("The connection to the booking service is lost.")
            port = int(first.endpoint.rpartition(":")[2].partition("/")[0])
            again = running_emulator(data_dir=tmp_path, functions=FUNCTIONS, port=port, api_key=first.api_key)
            servers.enter_context(again)
            after = _requested(salon)
            _card(therapist, after).wait_for()
            therapist.is_live()
            _card(therapist, before).locator("button:has-text('Accept')").click()
            therapist.sees("Accepted. The customer has been told.")
            assert salon.link.bookings.get(before.id).status is Status.ACCEPTED
            assert therapist.faults == []
