"""The frame of a page: head, navigation, state of the connection, and what happens when somebody was away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from nicegui import background_tasks, ui
from nicegui.context import context

from massage_link import __version__
from massage_link.domain.chat import ChatMessage
from massage_link.errors import MassageLinkError
from massage_link.web import texts
from massage_link.web.chat import ChatCorner
from massage_link.web.feed import News
from massage_link.web.kit import Tag, button, heading, link_to, say, tag
from massage_link.web.site import Site
from massage_link.web.visitors import Part, Visitor

__all__ = ["ASSETS", "Page", "bare_page", "private_page", "shell"]

#: Where scripts and styles are served.
ASSETS = "/assets"
_PATIENCE = 2.0
#: A browser says how long it was away; that word is under way for a moment, too: better told twice than not at all.
_UNDER_WAY = timedelta(seconds=1)
_NAVIGATION = {
    Part.THERAPIST: (("/desk", texts.NAV_DESK), ("/earnings", texts.NAV_EARNINGS)),
    Part.CUSTOMER: (("/book", texts.NAV_BOOK), ("/mine", texts.NAV_MINE)),
    Part.OPS: (("/business", texts.NAV_BUSINESS),),
}
_PILLS = {
    "connecting": (texts.CONNECTING, "waiting"),
    "catching up": (texts.CATCHING_UP, "waiting"),
    "live": (texts.LIVE, "live"),
    "reconnecting": (texts.RECONNECTING, "waiting"),
    "closed": (texts.CLOSED, "bad"),
}


class Page:
    """A page that somebody signed in looks at.

    Args:
        site: its site.
        visitor: who looks.
        title: its name.

    """

    def __init__(self, site: Site, visitor: Visitor, title: str) -> None:
        self.site = site
        self.visitor = visitor
        self.title = title
        self.client = context.client
        self.chat: ChatCorner | None = None
        self._was = visitor.feed.state.name
        self._listeners: list[Callable[[News], None]] = []
        self._badges: list[tuple[Tag, str | None]] = []
        leave = visitor.feed.listen(self._heard)
        self.client.on_delete(leave)

    def on_news(self, listener: Callable[[News], None]) -> None:
        """Call it, in this page, with whatever happens."""
        self._listeners.append(listener)

    def run(self, function: str, *arguments: object) -> None:
        """Call one of the functions of ``assets/app.js``; the arguments travel as JSON."""
        said = ", ".join(json.dumps(argument) for argument in arguments)
        self.client.run_javascript(f"massageLink.{function}({said})")

    def add_badge(self, badge: Tag, booking_id: str | None) -> None:
        """Let an element show how much is unread in a conversation, or in all (None), from now on."""
        self._badges.append((badge, booking_id))
        self._show_badge(badge, booking_id)

    def _show_badge(self, badge: Tag, booking_id: str | None) -> None:
        unread = self.visitor.feed.unread
        number = sum(unread.values()) if booking_id is None else unread.get(booking_id, 0)
        badge.set_text(str(number))
        badge.set(title=texts.unread(number))
        badge.set_visibility(number > 0)

    def run_later(self, action: Callable[[], Awaitable[None]]) -> None:
        """Do something in this page as soon as the page is there."""

        async def later() -> None:
            await self.client.connected()
            if not self.client.is_deleted:
                with self.client:
                    await action()

        background_tasks.create(later(), name=f"{self.title} of {self.visitor.id}")

    async def open_chat(self, booking_id: str) -> None:
        """Open the conversation about a booking in the corner."""
        assert self.chat is not None, "the corner is built with the page"
        await self.chat.open(booking_id)

    def build_frame(self, current: str) -> ui.element:
        """Everything around the content; gives the element for the content."""
        with tag("header", classes="top"), tag("div", classes="top-inner"):
            with link_to("/", "", "brand", aria_label=texts.BRAND):
                tag("span", texts.BRAND)
            with tag("nav", classes="nav", aria_label=texts.MAIN_NAVIGATION):
                for target, name in (*_NAVIGATION[self.visitor.part], ("/status", texts.NAV_STATUS)):
                    link_to(target, name, **({"aria_current": "page"} if target == current else {}))
            with tag("div", classes="who"):
                self._pill = tag("span", classes="pill", role="status")
                with button(texts.INBOX, self._open_unread, "quiet", title=texts.INBOX_HINT) as inbox:
                    self.add_badge(tag("span", classes="badge"), None)
                inbox.classes("inbox")
                theme_button()
                tag("span", self.visitor.name, "who-name", title=self.visitor.name)
                with tag("form", method="post", action="/sign-out"):
                    tag("button", texts.SIGN_OUT, "button quiet", type="submit")
        self._banner = tag("div", classes="banner", aria_live="polite")
        main = tag("main", classes="main", id="content")
        self._show_state()
        ui.on("back", self._back)
        return main

    # --- what happens -------------------------------------------------------------------------------------------------
    def _heard(self, news: News) -> None:
        if self.client.is_deleted:
            return
        with self.client:
            if news.row is None:
                self._show_state()
            for listener in self._listeners:
                listener(news)
            self._badges = [each for each in self._badges if not each[0].is_deleted]
            for badge, booking_id in self._badges:
                self._show_badge(badge, booking_id)

    async def _open_unread(self) -> None:
        """The conversation with the most that is unread, or the latest booking's."""
        feed = self.visitor.feed
        waiting = [booking_id for booking_id, number in feed.unread.items() if number]
        newest = max(feed.bookings.values(), key=lambda each: each.updated_at or each.starts_at, default=None)
        if waiting:
            await self.open_chat(max(waiting, key=lambda booking_id: feed.unread[booking_id]))
        elif newest is not None:
            await self.open_chat(newest.id)
        else:
            say(texts.NO_CHATS)

    def _show_state(self) -> None:
        feed = self.visitor.feed
        if feed.signed_out:
            self.client.open("/sign-in?again=1")
            return
        name, kind = _PILLS[feed.state.name]
        self._pill.set_text(name)
        self._pill.classes(replace=f"pill {kind}")
        self._banner.clear()
        if feed.state.name in {"reconnecting", "closed"}:
            with self._banner:
                tag("p", texts.WAITING_FOR_SERVER, "notice")
        was, self._was = self._was, feed.state.name if feed.state.name in {"live", "reconnecting"} else self._was
        if was == "reconnecting" and feed.state.name == "live":
            say(texts.caught_up(feed.missed))

    def _back(self, event: Any) -> None:
        """The browser was without a connection for a while: sleep, a lost network, or a restart of this server."""
        away = timedelta(seconds=float(event.args.get("seconds", 0)))
        happened = self.visitor.feed.since(datetime.now(UTC) - away - _UNDER_WAY)
        requests = len({news.row.id for news in happened if news.is_request and news.row is not None})
        messages = sum(isinstance(news.row, ChatMessage) for news in happened)
        others = {news.row.id for news in happened if not isinstance(news.row, ChatMessage) and news.row is not None}
        say(texts.welcome_back(away, requests, messages, len(others) - requests))


def theme_button() -> None:
    """Switches between light and dark, in the browser alone."""
    made = tag("button", "◐", "button quiet icon", type="button", aria_label=texts.THEME, title=texts.THEME)
    made.on("click", js_handler="() => massageLink.theme()")


@contextmanager
def shell(request: Request, title: str) -> Iterator[None]:
    """What every page has: scripts, styles, colour scheme, title, a way past the navigation."""
    client = context.client
    client.title = f"{title} · {texts.BRAND}"
    theme = request.cookies.get("massage_link_theme")
    ui.dark_mode(None if theme is None else theme == "dark")
    ui.add_head_html(
        f'<link rel="stylesheet" href="{ASSETS}/app.css?v={_stamp()}">'
        f'<script src="{ASSETS}/app.js?v={_stamp()}" defer></script>'
    )
    link_to("#content", texts.SKIP, "skip")
    yield


def _stamp() -> str:
    size = sum(len(files("massage_link.web").joinpath(f"assets/{name}").read_bytes()) for name in ("app.css", "app.js"))
    return f"{__version__}-{size}"


Builder = Callable[[Page, ui.element], Awaitable[None] | None]


def private_page(site: Site, path: str, title: str, builder: Callable[..., Any], *, current: str | None = None) -> None:
    """Register a page for signed-in users; `builder` is called with the page, its content, and the path's parts."""

    @ui.page(path, title=title, response_timeout=10.0)
    async def show(request: Request) -> Response | None:
        try:
            visitor = await site.visitor(request)
        except MassageLinkError as error:
            return _unreachable(request, error)
        if visitor is None:
            known = "&again=1" if request.cookies else ""
            return RedirectResponse(f"/sign-in?next={quote(request.url.path)}{known}", 303)
        with shell(request, title):
            page = Page(site, visitor, title)
            main = page.build_frame(current or path)
            with suppress(TimeoutError):
                await asyncio.wait_for(visitor.feed.loaded.wait(), _PATIENCE)
            with main:
                made = builder(page, **request.path_params)
                if made is not None:
                    await made
            ChatCorner(page)
        return None


def _unreachable(request: Request, error: MassageLinkError) -> Response | None:
    with bare_page(request, texts.SIGN_IN):
        heading(1, texts.BRAND)
        tag("p", texts.NO_SERVER, "notice bad")
        tag("p", texts.refusal(error), "muted")
        link_to(request.url.path, texts.BACK)
    return None


@contextmanager
def bare_page(request: Request, title: str) -> Iterator[None]:
    """A page without navigation, for guests and for what cannot be shown."""
    with shell(request, title), tag("main", classes="main", id="content"):
        yield
