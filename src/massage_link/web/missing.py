"""What is shown where there is nothing."""

from __future__ import annotations

from fastapi import Request
from nicegui import ui
from nicegui.context import context

from massage_link.web import texts
from massage_link.web.frame import bare_page
from massage_link.web.kit import heading, link_to, tag
from massage_link.web.site import Site

__all__ = ["nothing_here", "register"]


def register(site: Site) -> None:  # noqa: ARG001 - as every module of pages
    """The page of last resort."""

    @ui.page("/{anything:path}", title=texts.NOT_THERE)
    def show(request: Request) -> None:
        with bare_page(request, texts.NOT_THERE):
            nothing_here()


def nothing_here() -> None:
    """There is nothing, or nothing that the visitor may see: which of the two is not said."""
    context.client.status_code = 404
    with tag("div", classes="empty stack"):
        heading(1, texts.NOT_THERE)
        tag("p", texts.NOT_THERE_HINT)
        link_to("/", texts.BACK)
