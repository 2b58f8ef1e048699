"""What all pages share: where the marketplace is, who is signed in, what is shown to guests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import Request

from massage_link.client.link import AsyncMassageLink
from massage_link.web.monitor import Monitor
from massage_link.web.visitors import COOKIE, Visitor, Visitors

__all__ = ["Sample", "Site"]


@dataclass(frozen=True, slots=True)
class Sample:
    """An account that the sign-in page of a demonstration offers."""

    name: str
    part: str
    email: str
    password: str = field(repr=False)


@dataclass(slots=True)
class Site:
    """One web server's pages.

    Args:
        guest: a link that acts as nobody; it belongs to the site.
        sessions_file: where sign-ins are kept over restarts; None keeps them in memory.
        samples: accounts that anybody may sign in with; for demonstrations only.
        every: seconds between two looks at the components, for the status page.
        canary_every: seconds between two canaries of the status page; 0 sends none.
        watching: a link with an API key, with which the status page looks; None looks as a guest.

    """

    guest: AsyncMassageLink
    sessions_file: Path | None = None
    samples: Sequence[Sample] = ()
    every: float = 30.0
    canary_every: float = 0.0
    watching: AsyncMassageLink | None = None
    visitors: Visitors = field(init=False)
    monitor: Monitor = field(init=False)

    def __post_init__(self) -> None:
        watching = self.watching or self.guest
        self.monitor = Monitor(watching, every=self.every, canary_every=self.canary_every)
        self.visitors = Visitors(self.guest, self.guest.with_session, self.sessions_file)

    async def visitor(self, request: Request) -> Visitor | None:
        """Who asks; None for a guest. Raises what `Visitors.find` raises."""
        return await self.visitors.find(request.cookies.get(COOKIE))

    async def aclose(self) -> None:
        """End what runs, and the connections."""
        await self.monitor.aclose()
        await self.visitors.aclose()
        await self.guest.aclose()
