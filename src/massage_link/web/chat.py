"""The conversation about a booking, in a window at the corner of every page: it stays open over page changes."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from massage_link.domain.chat import MAX_BODY, ChatMessage, ChatRead, MessageKind
from massage_link.domain.conversation import Conversation, Entry
from massage_link.errors import MassageLinkError
from massage_link.web import texts
from massage_link.web.kit import Keyed, Tag, button, carefully, heading, tag

if TYPE_CHECKING:
    from massage_link.domain.booking import Booking
    from massage_link.web.feed import News
    from massage_link.web.frame import Page

__all__ = ["ChatCorner"]

#: Messages that are shown; older ones are in the table.
_LAST = 200
_LOG, _TEXT = "chat-log", "chat-text"
_SUBMIT = "(e) => { e.preventDefault(); const text = massageLink.take('chat-text'); if (text.trim()) emit(text); }"
_TYPED = "(e) => emit(e.target.value)"
_ENTER = (
    "(e) => { if (e.key === 'Enter' && !e.shiftKey && !e.isComposing)"
    " { e.preventDefault(); e.target.form.requestSubmit(); } }"
)


class ChatCorner:
    """The window, as far as one is open.

    Args:
        page: where it is shown.

    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._visitor = page.visitor
        self._place = tag("div", id="chat-corner")
        self._list: Keyed[Entry] | None = None
        self._below: Tag | None = None
        self._conversation = Conversation()
        page.chat = self
        page.on_news(self._heard)
        if self._visitor.chat is not None:
            self._build(self._visitor.chat)

    async def open(self, booking_id: str) -> None:
        """Show the conversation about a booking."""
        self._visitor.chat = booking_id
        self._build(booking_id)
        self._page.run("focus", _TEXT)

    def close(self) -> None:
        """Put the window away."""
        self._visitor.chat = None
        self._list = self._below = None
        self._place.clear()
        self._page.run("unfocus")

    # --- building -----------------------------------------------------------------------------------------------------
    def _build(self, booking_id: str) -> None:
        self._place.clear()
        self._conversation = Conversation()
        booking = self._visitor.feed.bookings.get(booking_id)
        title = texts.chat_with(self._other(booking)) if booking is not None else texts.CHAT
        with self._place, tag("section", classes="chat", role="dialog", aria_label=title):
            with tag("div", classes="chat-head"):
                heading(2, title)
                button("✕", self.close, "quiet icon", aria_label=texts.CLOSE)
            with tag("div", classes="chat-log", id=_LOG, role="log", tabindex=0, aria_label=texts.CHAT):
                box = tag("div", classes="chat-list")
                self._below = tag("p", "", "line below")
            self._list = Keyed(box, self._entry, key=lambda each: each.n, version=lambda each: each.amended_by)
            with tag("form", classes="chat-form") as form:
                tag("label", texts.MESSAGE, "hidden-text", for_=_TEXT)
                self._box(booking_id)
                tag("button", texts.SEND, "button primary", type="submit")
            form.on("submit", lambda event: self._send(booking_id, event.args), js_handler=_SUBMIT)
        self._page.run_later(lambda: self._fill(booking_id))

    def _box(self, booking_id: str) -> None:
        box = tag("textarea", classes="input", id=_TEXT, rows=1, maxlength=MAX_BODY, placeholder=texts.MESSAGE)
        if draft := self._visitor.drafts.get(booking_id, ""):
            # Not as an attribute: with every change of the page the toolkit would set it again, over what is typed.
            self._page.run("put", _TEXT, draft)
        box.on("keydown", js_handler=_ENTER)
        box.on("input", lambda event: self._keep(booking_id, event.args), js_handler=_TYPED, throttle=0.4)

    def _keep(self, booking_id: str, typed: Any) -> None:
        self._visitor.drafts[booking_id] = str(typed)[:MAX_BODY]

    def _other(self, booking: Booking) -> str:
        if booking.therapist_id == self._visitor.id:
            return booking.customer_name or booking.customer_id
        return booking.therapist_name or booking.therapist_id

    # --- messages -----------------------------------------------------------------------------------------------------
    async def _fill(self, booking_id: str) -> None:
        chat = self._visitor.link.chat
        try:
            conversation = await chat.conversation(booking_id, last=_LAST)
            marks = {mark.user_id: mark.n async for mark in chat.reads(booking_id)}
        except MassageLinkError as error:
            self._said_below(texts.refusal(error))
            return
        if self._visitor.chat == booking_id:
            self._visitor.feed.read.setdefault(booking_id, {}).update(marks)
            self._conversation = conversation
            self._show(booking_id)

    def _show(self, booking_id: str) -> None:
        if self._list is None:
            return
        entries = list(self._conversation)
        self._list.show(entries)
        self._said_below("" if entries else texts.CHAT_NOT_OPEN)
        own = [entry.n for entry in entries if entry.sender_id == self._visitor.id and entry.deleted_at is None]
        marks = self._visitor.feed.read.get(booking_id, {})
        if own and any(n >= own[-1] for user_id, n in marks.items() if user_id != self._visitor.id):
            self._said_below(texts.READ)
        if self._conversation.newest > marks.get(self._visitor.id, 0):
            self._visitor.feed.seen(booking_id, self._conversation.newest)
        self._page.run("toEnd", _LOG)

    def _said_below(self, text: str) -> None:
        if self._below is not None:
            self._below.set_text(text)

    def _entry(self, entry: Entry) -> Tag:
        if entry.kind is MessageKind.SYSTEM:
            return tag("p", entry.body, "line")
        own = " own" if entry.sender_id == self._visitor.id else ""
        if entry.deleted_at is not None:
            return tag("p", texts.TAKEN_BACK, f"bubble gone{own}")
        with tag("div", entry.body, f"bubble{own}") as bubble:
            booking = self._visitor.feed.bookings.get(self._visitor.chat or "")
            zone = texts.zone_of(booking.timezone) if booking is not None else UTC
            sent = f"{entry.sent_at.astimezone(zone):%H:%M}"
            tag("time", f"{sent} · {texts.EDITED}" if entry.edited_at else sent, datetime=entry.sent_at.isoformat())
        return bubble

    def _heard(self, news: News) -> None:
        row = news.row
        if not isinstance(row, ChatMessage | ChatRead) or row.room_id != self._visitor.chat:
            return
        if isinstance(row, ChatMessage):
            self._conversation = self._conversation.adding(row)
        self._show(row.room_id)

    async def _send(self, booking_id: str, body: str) -> None:
        async def send() -> None:
            message = await self._visitor.link.chat.send(booking_id, body)
            self._visitor.drafts.pop(booking_id, None)
            self._conversation = self._conversation.adding(message)
            self._show(booking_id)

        if not await carefully(send):
            self._page.run("put", _TEXT, body)
