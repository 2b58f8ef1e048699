"""The conversation about a booking, in a window at the corner of every page: it stays open over page changes."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from massage_link.domain.chat import MAX_BODY, ChatMessage, MessageKind
from massage_link.errors import MassageLinkError, NotFound
from massage_link.web import texts
from massage_link.web.kit import Tag, button, carefully, heading, tag

if TYPE_CHECKING:
    from massage_link.domain.booking import Booking
    from massage_link.web.feed import News
    from massage_link.web.frame import Page

__all__ = ["ChatCorner"]

_PAGE = 40
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
        self._log: Tag | None = None
        self._shown: dict[int, Tag] = {}
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
        self._log = None
        self._shown.clear()
        self._place.clear()
        self._page.run("unfocus")

    # --- building -----------------------------------------------------------------------------------------------------
    def _build(self, booking_id: str) -> None:
        self._place.clear()
        self._shown.clear()
        booking = self._visitor.feed.bookings.get(booking_id)
        title = texts.chat_with(self._other(booking)) if booking is not None else texts.CHAT
        with self._place, tag("section", classes="chat", role="dialog", aria_label=title):
            with tag("div", classes="chat-head"):
                heading(2, title)
                button("✕", self.close, "quiet icon", aria_label=texts.CLOSE)
            self._log = tag("div", classes="chat-log", id=_LOG, role="log", tabindex=0, aria_label=texts.CHAT)
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
        rows = self._visitor.link.chat.messages(booking_id, newest_first=True, limit=_PAGE)
        try:
            messages = [message async for message in rows]
        except MassageLinkError as error:
            messages = []
            self._say(texts.refusal(error))
        if self._visitor.chat != booking_id:
            return
        if not messages:
            self._say(texts.CHAT_NOT_OPEN)
        for message in reversed(messages):
            self._show(message)
        await self._read(booking_id)

    def _say(self, text: str) -> None:
        if self._log is not None and not self._log.is_deleted:
            with self._log:
                tag("p", text, "line")

    def _show(self, message: ChatMessage) -> None:
        if self._log is None or message.n in self._shown:
            return
        later = sum(n > message.n for n in self._shown)
        with self._log:
            made = self._bubble(message)
        if later:
            made.move(target_index=len(self._log.default_slot.children) - 1 - later)
        self._shown[message.n] = made
        self._page.run("toEnd", _LOG)

    def _bubble(self, message: ChatMessage) -> Tag:
        if message.kind is MessageKind.SYSTEM:
            return tag("p", message.body, "line")
        own = message.sender_id == self._visitor.id
        with tag("div", message.body, f"bubble{' own' if own else ''}") as bubble:
            booking = self._visitor.feed.bookings.get(message.room_id)
            zone = texts.zone_of(booking.timezone) if booking is not None else UTC
            tag("time", f"{message.sent_at.astimezone(zone):%H:%M}", datetime=message.sent_at.isoformat())
        return bubble

    def _heard(self, news: News) -> None:
        message = news.row
        if isinstance(message, ChatMessage) and message.room_id == self._visitor.chat:
            self._show(message)
            if message.sender_id != self._visitor.id:
                self._page.run_later(lambda: self._read(message.room_id))

    async def _send(self, booking_id: str, body: str) -> None:
        async def send() -> None:
            self._show(await self._visitor.link.chat.send(booking_id, body))
            self._visitor.drafts.pop(booking_id, None)

        if not await carefully(send):
            self._page.run("put", _TEXT, body)

    async def _read(self, booking_id: str) -> None:
        """What is on the screen counts as read."""
        newest = max(self._shown, default=0)
        try:
            if newest:
                await self._visitor.link.chat.mark_read(booking_id, newest)
        except NotFound:
            return  # the room is about to be opened; the next message marks it
        except MassageLinkError as error:
            self._say(texts.refusal(error))
