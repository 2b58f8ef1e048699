"""Errors that travel: from the `commands` function, which raises them, to the caller, who gets the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from massage_link import errors
from massage_link.domain.booking import Booking
from massage_link.domain.rows import to_wire_time
from massage_link.errors import (
    IdempotencyMismatch,
    IllegalTransition,
    MassageLinkError,
    NotAllowed,
    NotFound,
    OutcomeUnknown,
    RuleError,
    SlotTaken,
    StaleBooking,
    UnexpectedAnswer,
    UsageError,
)

__all__ = ["report", "revive", "status_of"]

_STATUS: Mapping[type[MassageLinkError], int] = {
    NotFound: 404,
    NotAllowed: 403,
    SlotTaken: 409,
    StaleBooking: 409,
    IllegalTransition: 409,
    IdempotencyMismatch: 409,
    RuleError: 409,
    UsageError: 400,
    OutcomeUnknown: 503,
}


def status_of(error: MassageLinkError) -> int:
    """The HTTP status with which a function answers an error; 500 for one that is not the caller's to mend."""
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


def report(error: MassageLinkError) -> dict[str, Any]:
    """The error as JSON: its type, its message, and what it carries."""
    facts: dict[str, Any] = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, SlotTaken):
        facts |= {
            "taken": [to_wire_time(at) for at in error.taken],
            "nearest": [to_wire_time(at) for at in error.nearest],
        }
    if isinstance(error, StaleBooking):
        facts["current"] = error.current.model_dump(mode="json", by_alias=True)
    return facts


def revive(facts: Mapping[str, Any]) -> MassageLinkError:
    """The error that was reported; `UnexpectedAnswer` for one that this version does not know."""
    message = str(facts.get("message", ""))
    kind = getattr(errors, str(facts.get("type")), None)
    if kind is SlotTaken:
        return SlotTaken(message, taken=_times(facts.get("taken")), nearest=_times(facts.get("nearest")))
    if kind is StaleBooking:
        return StaleBooking(message, current=Booking.model_validate(facts["current"]))
    if (isinstance(kind, type) and issubclass(kind, RuleError | UsageError | OutcomeUnknown)) or kind is NotFound:
        error: MassageLinkError = kind(message)
        return error
    return UnexpectedAnswer(f"the commands function failed: {message or 'without saying why'}")


def _times(texts: Any) -> tuple[datetime, ...]:
    return tuple(datetime.fromisoformat(text) for text in texts or ())
