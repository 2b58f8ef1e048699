"""Take the pictures of docs/web.md: each page of the demonstration, on a desk in light and on a phone in dark.

Needs Chromium (`scripts/setup browser`) and fonts for every script in the names (on Debian: fonts-wqy-microhei,
fonts-noto-color-emoji). Run `python scripts/docs/screenshots.py` after the pages have changed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
LOOKS: dict[str, dict[str, Any]] = {
    "desk": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}
THERAPIST, CUSTOMER, OPS = "Mara", "Lena", "Olivia"


@contextmanager
def demonstration() -> Iterator[str]:
    """The address of the demonstration's pages."""
    command = [str(Path(sys.executable).parent / "massage-link"), "demo", "--web", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip().partition(" web: ")[2]
    finally:
        process.terminate()
        process.wait(20)


def at_the_desk(page: Any) -> None:
    """With a card that is being read."""
    page.wait_for_selector("article.request")


def booking(page: Any) -> None:
    """Up to the choice of a time."""
    page.click("button.choice:has-text('Mara')")
    page.click("button.choice:has-text('Sports massage')")
    chip = page.locator(".chips.days .chip").nth(2)
    chip.click()
    page.click(f".chips[data-day='{chip.get_attribute('data-day')}'] .chip >> nth=5")
    page.wait_for_selector("#area")
    page.evaluate("document.querySelector('.chips.days').scrollIntoView({block: 'center'})")


def talking(page: Any) -> None:
    """With a conversation, if there is room for it beside the list."""
    page.wait_for_selector("article")
    page.click("article:has(.accepted, .in_progress, .completed) button:has-text('Chat') >> nth=0")
    page.wait_for_selector(".bubble")


def one_booking(page: Any) -> None:
    """The first of the list."""
    page.click(".chat button[aria-label=Close]")
    page.click("article:has(.accepted, .in_progress, .completed) a:has-text('Details') >> nth=0")
    page.wait_for_selector(".timeline li")


def analysed(page: Any) -> None:
    """Down to the analytics, once they are counted."""
    page.locator("[data-analytics]").wait_for()
    page.locator("#analytics").evaluate("it => window.scrollTo(0, it.getBoundingClientRect().top - 90)")


def measured(page: Any) -> None:
    """Once something was measured."""
    page.locator("tr[data-step=alert]").wait_for(timeout=120_000)


#: Name of the picture → who looks (None: nobody in particular), at which path, and what is done before it is taken.
PICTURES: dict[str, tuple[str | None, str, Callable[[Any], None] | None]] = {
    "sign-in": (None, "/sign-in", None),
    "desk": (THERAPIST, "/desk", at_the_desk),
    "earnings": (THERAPIST, "/earnings", None),
    "book": (CUSTOMER, "/book", booking),
    "mine": (CUSTOMER, "/mine", talking),
    "booking": (CUSTOMER, "", one_booking),
    "business": (OPS, "/business", None),
    "analytics": (OPS, "/business", analysed),
    "status": (None, "/status", measured),
}


def take(browser: Any, address: str, look: str) -> None:
    """All pictures of one look."""
    context = browser.new_context(**LOOKS[look])
    page = context.new_page()
    somebody = None
    for name, (who, path, before) in PICTURES.items():
        if who is not None and who != somebody:
            page.goto(f"{address}/sign-in")
            page.click(f"button.sample:has-text('{who}')")
            page.wait_for_selector(".pill.live")
            somebody = who
        if path:
            page.goto(f"{address}{path}")
        page.wait_for_selector("h1")
        if before is not None:
            before(page)
        page.wait_for_timeout(700)
        page.screenshot(path=str(IMAGES / f"web-{name}-{look}.jpg"), type="jpeg", quality=70)
    context.close()


def main() -> None:
    """Take all of them."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only this script needs it

    IMAGES.mkdir(exist_ok=True)
    with demonstration() as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for look in LOOKS:
            take(browser, address, look)
        browser.close()


if __name__ == "__main__":
    main()
