"""Faults planted through the control plane: calls that fail, connections that drop, stale reads, late commits."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from .errors import AppwriteError
from .kernel import fold, unique_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .sqlite import Document
    from .tablestore import Table

KINDS = ("call", "stale_get", "late_commit")


@dataclass(slots=True)
class Fault:
    """One planted fault: it lets `skip` occasions pass and then strikes `times` times (None: always)."""

    kind: Literal["call", "stale_get", "late_commit"] = "call"
    method: str = "*"
    path: str = "*"
    times: int | None = 1
    skip: int = 0
    when: Literal["before", "after"] = "before"
    action: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    id: str = field(default_factory=unique_id)
    met: int = 0

    def strikes(self) -> bool:
        """Whether it strikes on this occasion; counts it."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.met >= self.times:
            return False
        self.met += 1
        return True

    def wire(self) -> Document:
        """The fault as the control plane shows it; `met` says how often it struck."""
        return {
            "id": self.id,
            "kind": self.kind,
            "method": self.method,
            "path": self.path,
            "times": self.times,
            "skip": self.skip,
            "when": self.when,
            "action": dict(self.action),
            "seconds": self.seconds,
            "met": self.met,
        }


class Faults:
    """What shall go wrong, and how often it did."""

    def __init__(self) -> None:
        self._planted: list[Fault] = []
        self._stale: dict[tuple[int, str], str] = {}

    def plant(self, fault: Fault) -> Fault:
        """Add a fault."""
        self._planted.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults, and with them what stale reads remember."""
        self._planted.clear()
        self._stale.clear()

    def wire(self) -> list[Document]:
        """All faults as the control plane shows them."""
        return [fault.wire() for fault in self._planted]

    def for_call(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this call, if any."""
        if not self._planted:
            return None
        for fault in self._planted:
            wanted = fault.kind == "call" and fault.method in ("*", method) and fnmatchcase(path, fault.path)
            if wanted and fault.strikes():
                return fault
        return None

    def commit_delay(self) -> float:
        """Seconds by which this commit becomes visible later than its stamp says."""
        for fault in self._planted:
            if fault.kind == "late_commit" and fault.strikes():
                return fault.seconds
        return 0.0

    # Stale reads: what a cache would still hold after a commit

    def remembers(self) -> bool:
        """Whether commits must tell what the rows were before."""
        return any(fault.kind == "stale_get" for fault in self._planted)

    def remember(self, table: Table, row_id: str, text: str | None) -> None:
        """A commit is about to change the row whose JSON is `text` now."""
        if text is not None:
            self._stale.setdefault((table.number, fold(row_id)), text)

    def refresh(self, table: Table, row_id: str) -> None:
        """A plain write mends the cache."""
        self._stale.pop((table.number, fold(row_id)), None)

    def stale_text(self, table: Table, row_id: str) -> str | None:
        """The outdated JSON of a row that a stale cache would give, or None."""
        text = self._stale.get((table.number, fold(row_id))) if self._stale else None
        if text is None:
            return None
        struck = any(fault.kind == "stale_get" and fault.strikes() for fault in self._planted)
        return text if struck else None


def fault_from(body: Mapping[str, Any]) -> Fault:
    """The fault that a request describes.

    `{"method","path","times","skip","when","action"}` with an action of `{"status","body"?}`, `{"drop":true}` or
    `{"delaySeconds"}`; or `{"kind":"stale_get"}`, `{"kind":"late_commit","seconds"}`; `times` null: always.
    Raises AppwriteError (400).
    """
    kind = body.get("kind", "call")
    if kind not in KINDS:
        raise AppwriteError("general_bad_request", message=f"kind must be one of {', '.join(KINDS)}")
    when, action = body.get("when", "before"), body.get("action") or {}
    if when not in ("before", "after"):
        raise AppwriteError("general_bad_request", message="when must be before or after")
    if kind == "call" and not (isinstance(action, dict) and set(action) & {"status", "drop", "delaySeconds"}):
        raise AppwriteError("general_bad_request", message="action needs status, drop or delaySeconds")
    default_times = 1 if kind == "call" else None
    return Fault(
        kind=kind,
        method=str(body.get("method", "*")).upper(),
        path=str(body.get("path", "*")),
        times=body.get("times", default_times),
        skip=int(body.get("skip", 0)),
        when=when,
        action=action,
        seconds=float(body.get("seconds", 0)),
    )
