"""The Python side of a massage marketplace on Appwrite.

>>> from massage_link import AsyncMassageLink, MassageLink, Money

Names are loaded on first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from massage_link._version import __version__

if TYPE_CHECKING:
    from massage_link import errors
    from massage_link.client.flow import RetryPolicy
    from massage_link.client.link import AsyncMassageLink, MassageLink
    from massage_link.domain.booking import Booking, BookingEvent, Role, Status
    from massage_link.domain.chat import ChatMessage, ChatRead, ChatRoom, MessageKind
    from massage_link.domain.commission import Commission, CommissionEntry, CommissionStatus
    from massage_link.domain.conversation import Conversation
    from massage_link.domain.money import Money
    from massage_link.domain.period import Period
    from massage_link.domain.statement import Statement
    from massage_link.errors import MassageLinkError
    from massage_link.health.report import HealthReport, Probe, State, Step
    from massage_link.realtime import Change, Checkpoint, Subscriber
    from massage_link.usecases.payouts import PayoutReport
    from massage_link.usecases.totals import CommissionTotal

_HOMES = {
    "AsyncMassageLink": "client.link",
    "Booking": "domain.booking",
    "BookingEvent": "domain.booking",
    "Change": "realtime",
    "ChatMessage": "domain.chat",
    "ChatRead": "domain.chat",
    "ChatRoom": "domain.chat",
    "Checkpoint": "realtime",
    "Commission": "domain.commission",
    "CommissionEntry": "domain.commission",
    "CommissionStatus": "domain.commission",
    "CommissionTotal": "usecases.totals",
    "Conversation": "domain.conversation",
    "HealthReport": "health.report",
    "MassageLink": "client.link",
    "MassageLinkError": "errors",
    "MessageKind": "domain.chat",
    "Money": "domain.money",
    "PayoutReport": "usecases.payouts",
    "Period": "domain.period",
    "Probe": "health.report",
    "RetryPolicy": "client.flow",
    "Role": "domain.booking",
    "State": "health.report",
    "Statement": "domain.statement",
    "Status": "domain.booking",
    "Step": "health.report",
    "Subscriber": "realtime",
}

__all__ = [
    "AsyncMassageLink",
    "Booking",
    "BookingEvent",
    "Change",
    "ChatMessage",
    "ChatRead",
    "ChatRoom",
    "Checkpoint",
    "Commission",
    "CommissionEntry",
    "CommissionStatus",
    "CommissionTotal",
    "Conversation",
    "HealthReport",
    "MassageLink",
    "MassageLinkError",
    "MessageKind",
    "Money",
    "PayoutReport",
    "Period",
    "Probe",
    "RetryPolicy",
    "Role",
    "State",
    "Statement",
    "Status",
    "Step",
    "Subscriber",
    "__version__",
    "errors",
]


def __getattr__(name: str) -> object:
    if name == "errors":
        return import_module("massage_link.errors")
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
