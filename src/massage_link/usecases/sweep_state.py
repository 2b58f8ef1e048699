"""The sweeper's memory: one row, changed only by who read it last, so that two sweepers never undo each other's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from appwrite.query import Query

from massage_link.domain.rows import to_wire_time
from massage_link.domain.sweeping import STATE_ID, Lease, SweepState
from massage_link.domain.system import SystemState
from massage_link.domain.tables import SYSTEM_STATE
from massage_link.errors import Conflict
from massage_link.usecases.ports import Ports
from massage_link.wire.call import Flow
from massage_link.wire.rows import create_row, list_raw_rows, patch_row, with_ids

__all__ = ["LEASE", "Held", "TakenOverError", "claim", "last_sweep", "look"]

#: How long nobody else sweeps after a sweeper has been heard of.
LEASE = timedelta(seconds=60)
_ATTEMPTS = 3


class TakenOverError(Exception):
    """The lease ran out while its holder was busy, and another sweeper has it now."""


@dataclass(slots=True)
class Seen:
    """The memory as it was read.

    Attributes:
        state: what it says; all defaults when there is none, or none that can be read.
        stamp: the row's `$updatedAt`; None when there is no row.
        now: the server's time.

    """

    state: SweepState
    stamp: str | None
    now: datetime


def look(ports: Ports) -> Flow[Seen]:
    """Read the memory."""
    page = yield from list_raw_rows(ports.address(SYSTEM_STATE), [with_ids([STATE_ID]), Query.limit(1)])
    row = page.rows[0] if page.rows else None
    state = SweepState() if row is None else SweepState.parse(row["value"])
    return Seen(state, None if row is None else row["$updatedAt"], page.server_time)


def last_sweep(ports: Ports) -> Flow[SweepState]:
    """What the sweeper remembers: watermark, lease, and the report of the last run."""
    return (yield from look(ports)).state


@dataclass(slots=True)
class Held:
    """The memory, while it is ours to change.

    Attributes:
        state: as it is stored.
        now: the server's time when it was read.
        last: the report of the run before.

    """

    ports: Ports
    holder: str
    state: SweepState
    now: datetime
    _stamp: str
    _saved: datetime

    @property
    def is_due(self) -> bool:
        """Whether it is time to say that we are still at work."""
        return self.ports.now() - self._saved > LEASE / 10

    def save(self, state: SweepState, *, release: bool = False) -> Flow[None]:
        """Write what was reached, and hold on to the lease or let go of it.

        Raises:
            TakenOverError: the lease was lost; nothing was written.

        """
        passed = self.ports.now() - self._saved
        self.now += max(passed, timedelta(0))
        lease = None if release else Lease(holder=self.holder, until=self.now + LEASE)
        state = state.model_copy(update={"lease": lease})
        try:
            row = yield from patch_row(
                self.ports.address(SYSTEM_STATE), SystemState, STATE_ID, _value(state), unless_changed=self._stamp
            )
        except Conflict:
            raise TakenOverError from None
        assert row.updated_at is not None
        self.state, self._stamp, self._saved = state, to_wire_time(row.updated_at), self.ports.now()


def claim(ports: Ports, holder: str) -> Flow[Held | None]:
    """Take the lease; None when another sweeper has it.

    Of two who try at once one gets it. The same holder gets it again, so who was killed can go on under its old name.
    """
    for _ in range(_ATTEMPTS):
        seen = yield from look(ports)
        if seen.state.leased_by_another(holder, seen.now):
            return None
        state = seen.state.model_copy(update={"lease": Lease(holder=holder, until=seen.now + LEASE)})
        address = ports.address(SYSTEM_STATE)
        try:
            if seen.stamp is None:
                row = yield from create_row(address, SystemState, STATE_ID, _value(state), [])
            else:
                row = yield from patch_row(address, SystemState, STATE_ID, _value(state), unless_changed=seen.stamp)
        except Conflict:
            continue  # somebody else came first: look who
        assert row.updated_at is not None
        return Held(ports, holder, state, seen.now, to_wire_time(row.updated_at), ports.now())
    return None


def _value(state: SweepState) -> dict[str, str]:
    return {"value": state.model_dump_json()}
