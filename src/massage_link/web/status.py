"""The status page: how every component is, for everybody. It shows no secret and nothing of a customer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from nicegui import ui
from nicegui.context import context

from massage_link.errors import MassageLinkError
from massage_link.health import Probe, State, prometheus
from massage_link.web import texts
from massage_link.web.drawing import sparkline
from massage_link.web.frame import shell, theme_button
from massage_link.web.kit import button, heading, link_to, tag
from massage_link.web.monitor import Incident, Monitor, Objective
from massage_link.web.site import Site
from massage_link.web.visitors import Part

__all__ = ["register", "routes"]

#: A check that is older than this many seconds says nothing about now.
_STALE = 180.0
_KINDS = {State.OK: "good", State.DEGRADED: "warn", State.DOWN: "bad", State.UNKNOWN: "plain-state"}
_RECENT = 60


def register(site: Site) -> None:
    """The page."""

    @ui.page("/status", title=texts.NAV_STATUS)
    async def show(request: Request) -> None:
        is_ops = await _is_ops(site, request)
        with shell(request, texts.NAV_STATUS):
            with tag("header", classes="top"), tag("div", classes="top-inner"):
                with link_to("/", "", "brand", aria_label=texts.BRAND):
                    tag("span", texts.BRAND)
                with tag("nav", classes="nav", aria_label=texts.MAIN_NAVIGATION):
                    link_to("/", texts.HOME)
                    link_to("/status", texts.NAV_STATUS, aria_current="page")
                with tag("div", classes="who"):
                    theme_button()
            with tag("main", classes="main", id="content"):
                _Board(site.monitor, is_ops=is_ops).build()


async def _is_ops(site: Site, request: Request) -> bool:
    try:
        visitor = await site.visitor(request)
    except MassageLinkError:  # the page that says that the server is down must not need the server
        return False
    return visitor is not None and visitor.part is Part.OPS


class _Board:
    def __init__(self, monitor: Monitor, *, is_ops: bool) -> None:
        self._monitor = monitor
        self._is_ops = is_ops
        self._client = context.client
        self._client.on_delete(monitor.listen(self._heard))

    def build(self) -> None:
        with tag("div", classes="page-head"):
            heading(1, texts.STATUS_TITLE)
            with tag("div", classes="row"):
                self._checked = tag("p", "", "muted small", role="status")
                button(texts.CHECK_NOW, self._monitor.check_now)
        self._box = tag("div", classes="stack", style="gap: 24px")
        self._show()

    def _heard(self) -> None:
        if not self._client.is_deleted:
            with self._client:
                self._show()

    def _show(self) -> None:
        report = self._monitor.report
        self._checked.set_text(texts.checked_at(report.at if report else None, checking=self._monitor.checking))
        if self._monitor.checking and report is not None:
            return  # what was found last stays until there is something newer
        self._box.clear()
        with self._box:
            if self._monitor.failed:
                tag("p", texts.CHECK_FAILED, "notice bad", role="alert")
            if report is None:
                tag("p", texts.FIRST_CHECK, "notice")
                return
            overall = f"card overall {_KINDS[report.state]}"
            with tag("section", classes=overall, aria_label=texts.OVERALL), tag("div"):
                heading(2, texts.OVERALL_STATE[report.state])
                tag("p", texts.watching_since(self._monitor.since), "muted")
            self._components(report.probes)
            self._objectives()
            self._incidents()

    # --- components ---------------------------------------------------------------------------------------------------
    def _components(self, probes: Sequence[Probe]) -> None:
        with tag("section", classes="stack", aria_labelledby="components"):
            heading(2, texts.COMPONENTS, id="components")
            with tag("ul", classes="components"):
                for probe in probes:
                    self._component(probe)

    def _component(self, probe: Probe) -> None:
        with tag("li", classes="card stack tight", data_probe=probe.name):
            with tag("div", classes="row spread"):
                heading(3, texts.PROBE.get(probe.name, probe.name))
                tag("span", texts.STATE[probe.state], f"pill {_KINDS[probe.state]}")
            tag("p", self._monitor.shown(probe.found), "small wrap")
            if probe.state is not State.OK:
                tag("p", f"{texts.IT_MEANS}: {probe.means}", "muted small wrap")
            if self._is_ops and probe.action:
                tag("p", f"{texts.TO_DO}: {self._monitor.shown(probe.action)}", "note small wrap")
            course = self._monitor.course(probe.name)[-_RECENT:]
            timed = [each.milliseconds for each in course if each.milliseconds is not None]
            with tag("div", classes="history", role="img", aria_label=texts.course([each.state for each in course])):
                for each in course:
                    tag("span", classes=f"tick {_KINDS[each.state]}")
            if timed:
                tag("p", texts.took(timed[-1]), "muted small number")

    # --- objectives ---------------------------------------------------------------------------------------------------
    def _objectives(self) -> None:
        with tag("section", classes="stack", aria_labelledby="objectives"):
            heading(2, texts.OBJECTIVES, id="objectives")
            objectives = self._monitor.objectives()
            if not objectives:
                tag("p", texts.FIRST_CANARY if self._monitor.sends_canaries else texts.NO_CANARY, "muted")
                return
            tag("p", texts.CANARY_HINT, "muted small")
            box = tag("div", classes="card table-box", tabindex=0, role="region", aria_labelledby="objectives")
            with box, tag("table", classes="plain"):
                with tag("thead"), tag("tr"):
                    for name in (texts.STEP, "p50", "p95", "p99", texts.OBJECTIVE, texts.OVER_TIME):
                        tag("th", name, "" if name in {texts.STEP, texts.OVER_TIME} else "end", scope="col")
                with tag("tbody"):
                    for each in objectives:
                        self._objective(each)

    def _objective(self, objective: Objective) -> None:
        step = objective.step
        with tag("tr", data_step=step.name):
            with tag("th", scope="row"):
                tag("span", texts.step_name(step.name))
            for percent in (50, 95, 99):
                tag("td", texts.milliseconds(step.percentile(percent)), "end")
            with tag("td", classes="end"):
                if step.objective_ms is None:
                    tag("span", texts.NONE, "muted")
                else:
                    limit = texts.milliseconds(step.objective_ms)
                    tag("span", texts.objective(limit, met=step.is_met), f"pill {'good' if step.is_met else 'warn'}")
            with tag("td"):
                label = texts.course_of(step.name, objective.course[-1])
                sparkline(objective.course[-_RECENT:], label, limit=step.objective_ms)

    # --- incidents ----------------------------------------------------------------------------------------------------
    def _incidents(self) -> None:
        with tag("section", classes="stack", aria_labelledby="incidents"):
            heading(2, texts.INCIDENTS, id="incidents")
            if not self._monitor.incidents:
                tag("p", texts.NO_INCIDENTS, "muted")
            with tag("ol", classes="stack"):
                for each in reversed(self._monitor.incidents):
                    self._incident(each)

    def _incident(self, incident: Incident) -> None:
        with tag("li", classes="card stack tight"):
            with tag("div", classes="row spread"):
                heading(3, texts.PROBE.get(incident.probe, incident.probe))
                kind = _KINDS[incident.state] if incident.ended is None else "plain-state"
                tag("span", texts.STATE[incident.state], f"pill {kind}")
            ended = incident.ended
            tag("p", texts.span(incident.began, ended, datetime.now(UTC)), "muted small number")
            tag("p", self._monitor.shown(incident.found), "small wrap")


def routes(site: Site) -> APIRouter:
    """For machines: ``/healthz`` and ``/metrics``."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> Response:
        report = site.monitor.report
        if report is None or site.monitor.failed:
            return JSONResponse({"state": State.UNKNOWN.value}, 503)
        age = (datetime.now(UTC) - report.at).total_seconds()
        facts = {
            "state": report.state.value,
            "at": report.at.isoformat(),
            "ageSeconds": round(age, 1),
            "probes": {probe.name: probe.state.value for probe in report.probes},
        }
        return JSONResponse(facts, 503 if report.state is State.DOWN or age > _STALE else 200)

    @router.get("/metrics")
    async def metrics() -> Response:
        report = site.monitor.report
        text = prometheus(report) if report is not None else ""
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    return router
