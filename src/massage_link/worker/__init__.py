"""The therapist process: listen, answer, and run handlers until they have succeeded."""

from __future__ import annotations

from massage_link.worker.answering import AutoAccept, answer
from massage_link.worker.handling import Handler, HandlerTimedOut, Parked, Retries
from massage_link.worker.kinds import Dispatcher, Therapist
from massage_link.worker.listener import Listener
from massage_link.worker.observing import LogObserver, Observer
from massage_link.worker.rules import Hours, Rules

__all__ = [
    "AutoAccept",
    "Dispatcher",
    "Handler",
    "HandlerTimedOut",
    "Hours",
    "Listener",
    "LogObserver",
    "Observer",
    "Parked",
    "Retries",
    "Rules",
    "Therapist",
    "answer",
]
