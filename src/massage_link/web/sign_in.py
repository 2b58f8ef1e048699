"""Signing in and out: plain forms, so that they work without scripts and with every password manager."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from nicegui import ui

from massage_link.errors import InvalidInput, MassageLinkError, RateLimited, Unauthorized
from massage_link.web import texts
from massage_link.web.frame import shell, theme_button
from massage_link.web.kit import heading, link_to, tag
from massage_link.web.site import Sample, Site
from massage_link.web.visitors import COOKIE, Part

__all__ = ["HOME", "register", "routes"]

#: Where somebody begins.
HOME = {Part.THERAPIST: "/desk", Part.CUSTOMER: "/book", Part.OPS: "/business"}
_MONTH = 30 * 24 * 3_600
_FAULTS = {
    "wrong": texts.WRONG_PASSWORD,
    "many": texts.TOO_MANY_TRIES,
    "server": texts.NO_SERVER,
    "origin": texts.NOT_FROM_HERE,
}


def register(site: Site) -> None:
    """The pages."""

    @ui.page("/")
    async def start(request: Request) -> Response:
        visitor = await site.visitor(request)
        return RedirectResponse("/sign-in" if visitor is None else HOME[visitor.part], 303)

    @ui.page("/sign-in", title=texts.SIGN_IN)
    def show(request: Request) -> None:
        with shell(request, texts.SIGN_IN), tag("main", classes="entrance", id="content"):
            with tag("div", classes="entrance-art"):
                link_to("/status", texts.BRAND, "brand", title=texts.NAV_STATUS)
                heading(1, texts.TAGLINE)
                tag("p", texts.ENTRANCE)
            with tag("div", classes="entrance-form"):
                _form(request, bool(site.samples))
                if site.samples:
                    _samples(site)


def _form(request: Request, is_demo: bool) -> None:
    asked = request.query_params
    with tag("div", classes="row spread"):
        heading(2, texts.WELCOME)
        theme_button()
    if fault := _FAULTS.get(asked.get("fault", "")):
        tag("p", fault, "notice bad", role="alert")
    elif "again" in asked:
        tag("p", texts.SIGN_IN_AGAIN, "notice", role="status")
    elif "out" in asked:
        tag("p", texts.SIGNED_OUT, "notice good", role="status")
    with tag("form", classes="stack", method="post", action="/sign-in"):
        tag("input", type="hidden", name="next", value=_inside(asked.get("next", "/")))
        _field("email", texts.EMAIL, type="email", autocomplete="username", autofocus=not is_demo)
        _field("password", texts.PASSWORD, type="password", autocomplete="current-password")
        tag("button", texts.SIGN_IN, "button primary", type="submit")


def _field(name: str, label: str, *, type: str, autocomplete: str, autofocus: bool = False) -> None:
    with tag("div", classes="field"):
        tag("label", label, for_=name)
        field = tag("input", classes="input", id=name, name=name, type=type, autocomplete=autocomplete)
        field.set(required=True, autofocus=autofocus)


def _samples(site: Site) -> None:
    with tag("section", classes="stack", aria_labelledby="samples"):
        heading(2, texts.SAMPLES, id="samples")
        tag("p", f"{texts.SAMPLES_HINT} {texts.SAMPLE_PASSWORD} “{site.samples[0].password}”.", "muted small")
        with tag("ul", classes="samples"):
            for sample in site.samples:
                _sample(sample)


def _sample(sample: Sample) -> None:
    with tag("li"), tag("form", method="post", action="/sign-in"):
        tag("input", type="hidden", name="email", value=sample.email)
        tag("input", type="hidden", name="password", value=sample.password)
        with tag("button", classes="sample", type="submit"):
            tag("span", sample.name[:1], "avatar", aria_hidden="true")
            with tag("span"):
                tag("span", sample.name, "sample-name")
                tag("br")
                tag("span", sample.part, "muted small")


def routes(site: Site) -> APIRouter:
    """What the forms are sent to."""
    router = APIRouter()

    @router.post("/sign-in")
    async def sign_in(
        request: Request,
        email: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "/",
    ) -> Response:
        target = _inside(next)
        if not _is_ours(request):
            return _back("origin", target)
        try:
            token = await site.visitors.sign_in(email.strip(), password)
        except (Unauthorized, InvalidInput):
            return _back("wrong", target)
        except RateLimited:
            return _back("many", target)
        except MassageLinkError as error:
            return _back("wrong" if getattr(error, "status", 0) == 400 else "server", target)
        answer = RedirectResponse(target, 303)
        answer.set_cookie(
            COOKIE, token, max_age=_MONTH, httponly=True, samesite="lax", secure=request.url.scheme == "https"
        )
        return answer

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        if _is_ours(request):
            await site.visitors.sign_out(request.cookies.get(COOKIE))
        answer = RedirectResponse("/sign-in?out=1", 303)
        answer.delete_cookie(COOKIE)
        return answer

    return router


def _back(fault: str, target: str) -> Response:
    return RedirectResponse(f"/sign-in?fault={fault}&next={quote(target)}", 303)


def _inside(target: str) -> str:
    """A path of this site; anything else would let a link lead elsewhere after signing in."""
    parts = urlsplit(target)
    is_path = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    return target if is_path else "/"


def _is_ours(request: Request) -> bool:
    """Whether a form was sent from one of our own pages; old browsers do not say."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
