"""The web pages in a process of their own, in front of a server with our functions, and people with browsers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marketplace import Person
from salon import Salon

#: Where Debian puts it; `scripts/setup browser` installs it.
CHROMIUM = "/usr/bin/chromium"
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: Milliseconds after which a browser test has found a fault.
PATIENCE = 30_000


@dataclass
class Pages:
    """A running `massage-link web`."""

    salon: Salon
    arguments: tuple[str, ...]
    key: str = field(default="", repr=False)
    port: int = 0
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        """Start it, on the port that it had before if it ran already."""
        server = self.salon.server
        settings = {"APPWRITE_ENDPOINT": server.endpoint, "APPWRITE_PROJECT_ID": server.project_id}
        settings |= {"APPWRITE_API_KEY": self.key} if self.key else {}
        self.process = started(settings, "--port", str(self.port), *self.arguments)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.port = int(line.strip().rpartition(":")[2])

    def stop(self) -> None:
        """End it, as a deployment does."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()


def started(settings: Mapping[str, str], *arguments: str, stderr: int | None = None) -> subprocess.Popen[str]:
    """``massage-link web`` with these settings and no others."""
    command = [str(Path(sys.executable).parent / "massage-link"), "web", "--env-file", os.devnull, *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("APPWRITE_", "MASSAGE_"))}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, env={**environment, **settings}, cwd="/"
    )


@contextmanager
def serving(salon: Salon, *arguments: str, key: str = "") -> Iterator[Pages]:
    """The pages, until the end of the block; the status page looks with the key, if there is one."""
    pages = Pages(salon, arguments, key)
    pages.start()
    try:
        yield pages
    finally:
        pages.stop()


# --- browsers ---------------------------------------------------------------------------------------------------------
@contextmanager
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        try:
            yield chromium
        finally:
            chromium.close()


@dataclass
class Visit:
    """Somebody at a browser of their own.

    Attributes:
        page: playwright's.
        faults: what the browser's console complained about.

    """

    page: Any
    address: str
    faults: list[str] = field(default_factory=list)

    def sign_in(self, person: Person) -> None:
        """Through the form."""
        self.page.goto(f"{self.address}/sign-in")
        self.page.fill("#email", person.email)
        self.page.fill("#password", person.password)
        self.page.click("button:has-text('Sign in')")
        self.is_live()

    def is_live(self) -> None:
        """Wait until the page has its realtime connection."""
        self.page.wait_for_selector(".pill.live")

    def go(self, path: str) -> None:
        """To a page of the site."""
        self.page.goto(f"{self.address}{path}")

    def sees(self, text: str, within: str = "body") -> None:
        """Wait until a text is there."""
        self.page.locator(within, has_text=text).first.wait_for()


class Visitors:
    """Makes visits; each has cookies of its own."""

    def __init__(self, chromium: Any, pages: Pages, leaving: ExitStack, **context: Any) -> None:
        self._context = context
        self._chromium = chromium
        self._pages = pages
        self._leaving = leaving
        self.visits: list[Visit] = []

    def come(self, person: Person | None = None, *, start: str = "", **context: Any) -> Visit:
        """Open a browser and sign in, if somebody is named; `start` is a script that runs before every page."""
        made = self._chromium.new_context(**{**self._context, **context})
        self._leaving.callback(made.close)
        made.set_default_timeout(PATIENCE)
        if start:
            made.add_init_script(start)
        visit = Visit(made.new_page(), self._pages.address)
        visit.page.on("pageerror", lambda error: visit.faults.append(str(error)))
        visit.page.on("console", lambda message: visit.faults.append(message.text) if message.type == "error" else None)
        self.visits.append(visit)
        if person is not None:
            visit.sign_in(person)
        return visit
