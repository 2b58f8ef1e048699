"""What a sweeper remembers from run to run, and what a run reports.

Times are the server's: sweepers' clocks may differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from massage_link.domain.rows import UtcDatetime

__all__ = ["MOST_FAILED", "STATE_ID", "Lease", "Pass", "Stage", "SweepReport", "SweepState"]

#: Row id in `system_state`.
STATE_ID = "sweep"
#: So many rows that could not be dealt with are remembered and tried again; with more the watermark stays.
MOST_FAILED = 80


class Stage(StrEnum):
    """What is read in a pass, in this order."""

    DRAFTS = "drafts"
    EVENTS = "events"
    MESSAGES = "messages"
    ENTRIES = "entries"


class _Memory(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Lease(_Memory):
    """Who sweeps, and until when nobody else does."""

    holder: str
    until: UtcDatetime


class Pass(_Memory):
    """A way through what changed, with the place that it has reached. It may take several runs.

    Attributes:
        since: rows from this time on are looked at.
        begun: when it began; once it is over, the watermark.
        stage: which table it is in.
        at: the stamp of the last row that was dealt with there; None at the beginning of a stage.
        after: the id of that row, to go on behind it; empty goes on with its stamp.

    """

    since: UtcDatetime
    begun: UtcDatetime
    stage: Stage = Stage.DRAFTS
    after: str = ""
    at: UtcDatetime | None = None


class SweepState(_Memory):
    """What is kept in `system_state`.

    Attributes:
        watermark: whatever was written before it has been dealt with; None before the first pass is over.
        current: the pass that is not over yet.
        failed: ids of bookings that could not be dealt with, and since when; tried again in each run.
        lease: who sweeps now.
        report: of the last run, as JSON.

    """

    watermark: UtcDatetime | None = None
    current: Pass | None = None
    failed: dict[str, UtcDatetime] = Field(default_factory=dict)
    lease: Lease | None = None
    report: dict[str, object] = Field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> SweepState:
        """What the row says; as if there were none when it cannot be read, so that a sweep begins anew."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return cls()

    def leased_by_another(self, holder: str, now: datetime) -> bool:
        """Whether somebody else sweeps at this moment."""
        return self.lease is not None and self.lease.holder != holder and self.lease.until > now


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep did; with `dry_run`, what it would have done.

    Attributes:
        since, until: what was written in this span of time was looked at, ISO 8601.
        checked: bookings that were looked at; one with changes that lie apart is counted with each.
        expired: pending bookings whose time to answer was over.
        admitted, declined: drafts that no event had brought to `admit_booking`; a dry run cannot tell which, and
            counts them as `drafts`.
        rooms: rooms that were missing.
        lines: lines of changes that rooms lacked.
        commissions: commissions that were missing.
        stale_rooms, stale_commissions: rows that lagged behind the messages, entries or booking that they show.
        frozen: rooms whose time had come.
        canaries: health checks that had left something behind.
        failed: ids of bookings that could not be dealt with (the first twenty); the next run begins with them.
        complete: False when time ran out or the lease was lost, and the next run goes on.
        elsewhere: another sweeper was at work, so this one left.
        dry_run: nothing was written.

    """

    since: str = ""
    until: str = ""
    checked: int = 0
    expired: int = 0
    drafts: int = 0
    admitted: int = 0
    declined: int = 0
    rooms: int = 0
    lines: int = 0
    commissions: int = 0
    stale_rooms: int = 0
    stale_commissions: int = 0
    frozen: int = 0
    canaries: int = 0
    failed: tuple[str, ...] = ()
    complete: bool = False
    elsewhere: bool = False
    dry_run: bool = False

    @property
    def repaired(self) -> int:
        """How many things were put right."""
        return sum(getattr(self, name) for name in _REPAIRS)


_REPAIRS = (
    "expired",
    "drafts",
    "admitted",
    "declined",
    "rooms",
    "lines",
    "commissions",
    "stale_rooms",
    "stale_commissions",
    "frozen",
    "canaries",
)
