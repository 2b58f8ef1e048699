"""What all pages share: where the marketplace is, who is signed in, what is shown to guests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import Request

from massage_link.client.link import AsyncMassageLink
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

    """

    guest: AsyncMassageLink
    sessions_file: Path | None = None
    samples: Sequence[Sample] = ()
    visitors: Visitors = field(init=False)

    def __post_init__(self) -> None:
        self.visitors = Visitors(self.guest, self.guest.with_session, self.sessions_file)

    async def visitor(self, request: Request) -> Visitor | None:
        """Who asks; None for a guest. Raises what `Visitors.find` raises."""
        return await self.visitors.find(request.cookies.get(COOKIE))

    async def aclose(self) -> None:
        """End what runs, and the connections."""
        await self.visitors.aclose()
        await self.guest.aclose()
