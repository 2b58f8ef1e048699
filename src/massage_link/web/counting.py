"""What operators' pages show of the analytics: counted with their session, for the last days; and as files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from massage_link.client.link import AsyncMassageLink
from massage_link.domain.analytics import AnalyticsReport, Dimension, Period
from massage_link.domain.analytics_text import analytics_csv
from massage_link.domain.people import Therapist
from massage_link.domain.tables import THERAPISTS
from massage_link.errors import InvalidInput, MassageLinkError, NotAllowed, UsageError
from massage_link.usecases.analytics import analyse_each
from massage_link.usecases.ports import rows_with_ids
from massage_link.web import texts
from massage_link.web.pieces import now
from massage_link.web.site import Site
from massage_link.web.visitors import Part

__all__ = ["PERIODS", "USUAL", "Found", "counted", "routes"]

#: Days that can be chosen, and those that are shown if none are.
PERIODS = (7, 30, 90)
USUAL = 30
_CATALOGUED = 200
_DIVISIONS = tuple((each,) for each in Dimension)


@dataclass(frozen=True)
class Found:
    """What was counted, once for each division, and the therapists' names by id."""

    by_day: AnalyticsReport
    by_therapist: AnalyticsReport
    by_service: AnalyticsReport
    names: Mapping[str, str]
    at: datetime


async def counted(link: AsyncMassageLink, days: int) -> Found:
    """Everything that the page shows, read once."""
    period = await _period(link, days)
    by_day, by_therapist, by_service = await link.run(analyse_each(link.ports, period, _DIVISIONS))
    names = await _names(link, by_therapist)
    return Found(by_day, by_therapist, by_service, names, now())


async def _period(link: AsyncMassageLink, days: int) -> Period:
    """The last days, today among them, by the clocks that most therapists have."""
    zones = Counter([each.timezone async for each in link.availability.therapists(limit=_CATALOGUED)])
    zone: ZoneInfo = texts.zone_of(zones.most_common(1)[0][0] if zones else "UTC")
    tomorrow = now().astimezone(zone).date() + timedelta(days=1)
    return Period.parse(tomorrow - timedelta(days=days), tomorrow, zone.key)


async def _names(link: AsyncMassageLink, report: AnalyticsReport) -> Mapping[str, str]:
    ids = (row.therapist_id for row in report.rows if row.therapist_id is not None)
    found = await link.run(rows_with_ids(link.ports, THERAPISTS, Therapist, ids))
    return {each.id: each.name for each in found}


# --- as a file --------------------------------------------------------------------------------------------------------
def routes(site: Site) -> APIRouter:
    """The reports as files."""
    router = APIRouter()

    @router.get("/business/analytics.csv")
    async def csv(request: Request, by: str = "day", days: str = str(USUAL)) -> Response:
        try:
            visitor = await site.visitor(request)
            if visitor is None:
                return RedirectResponse("/sign-in?next=/business", 303)
            if visitor.part is not Part.OPS:
                return PlainTextResponse(texts.NOT_THERE, 404)
            if days not in map(str, PERIODS):
                raise InvalidInput(f"days is {', '.join(map(str, PERIODS))}, not {days!r}.")
            period = await _period(visitor.link, int(days))
            report = await visitor.link.analytics.report(period.start, period.end, by=by, timezone=period.zone.key)
            names = await _names(visitor.link, report)
        except NotAllowed:  # any more
            return PlainTextResponse(texts.NOT_THERE, 404)
        except UsageError as error:
            return PlainTextResponse(texts.refusal(error), 400)
        except MassageLinkError as error:
            return PlainTextResponse(texts.refusal(error), 503)
        return PlainTextResponse(
            analytics_csv(report, names),
            media_type="text/csv",
            headers={"Content-Disposition": f'attachment; filename="{by}-{days}.csv"'},
        )

    return router
