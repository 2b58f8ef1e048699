"""The web application: all pages, one ASGI app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from nicegui import app as toolkit
from nicegui import ui

from massage_link.web import book, booking, business, counting, desk, earnings, mine, missing, sign_in, status, texts
from massage_link.web.frame import ASSETS
from massage_link.web.site import Site

__all__ = ["create_app"]

#: A phone that goes through a tunnel keeps its page for so many seconds.
_RECONNECT = 30.0
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path fill="#1d6b59" '
    'd="M12 2h8a10 10 0 0 1 10 10v8a10 10 0 0 1-10 10H6a4 4 0 0 1-4-4V12A10 10 0 0 1 12 2z"/>'
    '<circle cx="21" cy="11" r="4" fill="#dcebe4"/></svg>'
)


def create_app(site: Site) -> FastAPI:
    """The pages of a site as an ASGI app. NiceGUI keeps its pages per process, so make one app in a process."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        site.monitor.start()
        yield
        await site.aclose()

    app = FastAPI(openapi_url=None, lifespan=lifespan)
    app.mount(ASSETS, StaticFiles(directory=str(files("massage_link.web").joinpath("assets"))))
    app.include_router(sign_in.routes(site))
    app.include_router(status.routes(site))
    app.include_router(earnings.routes(site))
    app.include_router(counting.routes(site))
    app.middleware("http")(_with_headers)
    for module in (sign_in, desk, earnings, business, book, mine, booking, status, missing):
        module.register(site)
    toolkit.config.endpoint_documentation = "none"
    toolkit.config.quasar_config["loadingBar"]["skipHijack"] = True  # a bar without a name, at every request
    ui.run_with(
        app,
        title=texts.BRAND,
        favicon=_ICON,
        language="en-US",
        dark=None,
        tailwind=False,
        reconnect_timeout=_RECONNECT,
        binding_refresh_interval=None,
        show_welcome_message=False,
    )
    return app


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    answer = await call_next(request)
    for name, value in _HEADERS.items():
        answer.headers.setdefault(name, value)
    return answer
