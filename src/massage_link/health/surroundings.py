"""What a probe is, and what it is given."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appwrite.permission import Permission
from appwrite.role import Role

from massage_link.domain.tables import BOOKINGS
from massage_link.errors import NotFound
from massage_link.wire.control import get_table

if TYPE_CHECKING:
    from massage_link.client.link import AsyncMassageLink
    from massage_link.health.report import Finding
    from massage_link.usecases.canary import Canary

__all__ = ["BY_THEN", "Asked", "Surroundings"]

#: Seconds after the beginning of a check by which its parts are over: what is asked of everybody, a canary's way, and
#: the clean-up. They leave a second and a half to start a program and to print.
BY_THEN = {"shallow": 6.5, "deep": 10.5, "removal": 13.5}


@dataclass(slots=True)
class Surroundings:
    """What the probes of one check share.

    Attributes:
        link: with the key.
        canary: the run; its people exist once `is_noted`.
        begun: when the check began, on the clock of `time.perf_counter`.
        deep: whether the canary is sent the whole way.
        is_noted: whether the run may have written anything.
        has_listener: whether the canary's customer can listen.

    """

    link: AsyncMassageLink
    canary: Canary
    begun: float
    deep: bool
    is_noted: bool = False
    has_listener: bool = False

    def left(self, until: float) -> float:
        """Seconds that are left until so many seconds after the beginning."""
        return self.begun + until - time.perf_counter()

    async def is_direct_write(self) -> bool:
        """Whether the server lets signed-in clients write booking rows; False when it has no such table."""
        try:
            table = await self.link.send(get_table(self.link.ports.address(BOOKINGS)))
        except NotFound:
            return False
        return Permission.create(Role.users()) in table["$permissions"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A probe to run.

    Attributes:
        name: what it is called.
        means: what it means for the marketplace when this does not work.
        run: looks, and says what was found.
        needs: probes that must not be down for this one to make sense.
        seconds: how long it may take.
        until: seconds after the beginning of the check by which it is over in any case.

    """

    name: str
    means: str
    run: Callable[[Surroundings], Awaitable[Finding]]
    needs: tuple[str, ...] = ()
    seconds: float = 4.0
    until: float = BY_THEN["shallow"]
