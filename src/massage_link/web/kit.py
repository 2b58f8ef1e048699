"""What pages are made of: HTML elements with text that stays text, buttons that wait, lists that keep their cards.

Nothing here takes markup. Texts are handed to the browser as text nodes and attributes, never as HTML.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from nicegui import ui
from nicegui.context import context
from nicegui.elements.mixins.text_element import TextElement

from massage_link.errors import MassageLinkError
from massage_link.web import texts

__all__ = ["Action", "Choice", "Countdown", "Keyed", "Tag", "button", "carefully", "heading", "link_to", "say", "tag"]

T = TypeVar("T")
Action: TypeAlias = Callable[[], Awaitable[None] | None]
_log = logging.getLogger("massage_link.web")


class Tag(TextElement):
    """An HTML element of any name, with a text.

    Args:
        element: its name, such as ``"section"``.
        text: shown as it is, whatever it holds.
        classes: CSS classes.
        attributes: HTML attributes; underscores stand for hyphens, and one at the end is dropped (``for_``).

    """

    def __init__(self, element: str, /, text: str = "", classes: str = "", **attributes: str | bool | int) -> None:
        super().__init__(tag=element, text=text)
        self.classes(classes)
        self.set(**attributes)

    def set(self, **attributes: str | bool | int | None) -> None:
        """Set attributes; False and None remove one."""
        before = dict(self._props)
        for name, value in attributes.items():
            # NiceGUI runs attributes that begin with a colon as code; names written as Python keywords cannot.
            key = name.rstrip("_").replace("_", "-")
            if value is None or value is False:
                self._props.pop(key, None)
            else:
                self._props[key] = "" if value is True else str(value)
        if before != dict(self._props):
            self.update()


#: ``with tag("section", classes="card"):``
tag = Tag


def heading(level: int, text: str, classes: str = "", **attributes: str) -> Tag:
    """A heading, 1 to 6."""
    return Tag(f"h{level}", text, classes, **attributes)


def link_to(target: str, text: str, classes: str = "", **attributes: str) -> Tag:
    """A link within the site."""
    return Tag("a", text, classes, href=target, **attributes)


def say(text: str, *, bad: bool = False) -> None:
    """A short message at the edge of the page; screen readers read it out."""
    ui.notify(text, position="top", type="negative" if bad else "positive", timeout=6_000 if bad else 3_500)


async def carefully(action: Action) -> bool:
    """Do something that may be refused, and say so when it is; False then."""
    with context.client:  # what was pressed may be gone by the time that there is an answer; the page is not
        try:
            outcome = action()
            if inspect.isawaitable(outcome):
                await outcome
        except MassageLinkError as error:
            _log.info("refused: %s", error)
            say(texts.refusal(error), bad=True)
            return False
        return True


def button(text: str, action: Action, classes: str = "", **attributes: str | bool) -> Tag:
    """A button; while what it does is under way, it cannot be pressed again."""
    made = Tag("button", text, f"button {classes}", type="button", **attributes)

    async def pressed() -> None:
        made.set(disabled=True, aria_busy="true")
        try:
            await carefully(action)
        finally:
            if not made.is_deleted:
                made.set(disabled=False, aria_busy=None)

    made.on("click", pressed)
    return made


class Choice:
    """Buttons of which one is pressed."""

    def __init__(self) -> None:
        self._options: list[Tag] = []

    def option(self, text: str, chosen: Action, classes: str = "chip") -> Tag:
        """One more; what it does may be refused."""
        made = Tag("button", text, classes, type="button", aria_pressed="false")
        self._options.append(made)

        async def pressed() -> None:
            self.press(made)
            await carefully(chosen)

        made.on("click", pressed)
        return made

    def press(self, option: Tag) -> None:
        """Show which one it is."""
        for each in self._options:
            each.set(aria_pressed="true" if each is option else "false")


class Countdown(ui.element, component="assets/countdown.js"):
    """Time that is left, counted down in the browser.

    Args:
        seconds: how many are left now.
        over: what it says when none is.

    """

    def __init__(self, seconds: float, over: str) -> None:
        super().__init__()
        self._props["seconds"] = round(seconds, 1)
        self._props["over"] = over


class Keyed(Generic[T]):
    """A list whose elements stay while what they show stays: focus and selection are kept when others come and go.

    Args:
        container: where the elements are.
        build: makes the element of an item; called inside the container.
        key, version: what an item is known by, and what changes when it has to be drawn anew.

    """

    def __init__(
        self,
        container: ui.element,
        build: Callable[[T], ui.element],
        *,
        key: Callable[[T], Hashable],
        version: Callable[[T], Hashable],
    ) -> None:
        self._container = container
        self._build = build
        self._key = key
        self._version = version
        self._shown: dict[Hashable, tuple[Hashable, ui.element]] = {}

    def show(self, items: Iterable[T]) -> None:
        """Show these, in this order."""
        wanted = {self._key(item): item for item in items}
        for key in [key for key in self._shown if key not in wanted or self._outdated(key, wanted[key])]:
            self._shown.pop(key)[1].delete()
        for index, (key, item) in enumerate(wanted.items()):
            if key not in self._shown:
                with self._container:
                    self._shown[key] = self._version(item), self._build(item)
            self._move(self._shown[key][1], index)

    def _outdated(self, key: Hashable, item: T) -> bool:
        return self._shown[key][0] != self._version(item)

    def _move(self, element: ui.element, index: int) -> None:
        children: Sequence[Any] = self._container.default_slot.children
        if children[index] is not element:
            element.move(target_index=index)
