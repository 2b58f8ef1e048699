"""Realtime that loses nothing: a live stream, and a read-back that fills whatever the stream missed."""

from massage_link.realtime.blocking import BlockingSubscriber
from massage_link.realtime.checkpoint import Checkpoint, MemoryCheckpoint
from massage_link.realtime.checkpoint_file import FileCheckpoint
from massage_link.realtime.delivering import Statistics
from massage_link.realtime.policy import Policy
from massage_link.realtime.source import (
    Change,
    Credential,
    Fetch,
    Identity,
    Mutable,
    Numbered,
    Page,
    Position,
    RawRow,
    ReadBack,
    Source,
)
from massage_link.realtime.state import ConnectionState
from massage_link.realtime.subscriber import Subscriber

__all__ = [
    "BlockingSubscriber",
    "Change",
    "Checkpoint",
    "ConnectionState",
    "Credential",
    "Fetch",
    "FileCheckpoint",
    "Identity",
    "MemoryCheckpoint",
    "Mutable",
    "Numbered",
    "Page",
    "Policy",
    "Position",
    "RawRow",
    "ReadBack",
    "Source",
    "Statistics",
    "Subscriber",
]
