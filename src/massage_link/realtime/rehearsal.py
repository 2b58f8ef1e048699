"""Try out a realtime connection: connect, be known as a user, subscribe, and leave."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from massage_link.errors import RealtimeError, RealtimeRefused
from massage_link.realtime.connection import ConnectionEnded, converse, first_to_end, realtime_url
from massage_link.realtime.policy import Policy
from massage_link.realtime.protocol import Remedy, Subscribed, Subscription

if TYPE_CHECKING:
    from collections.abc import Sequence

    from massage_link.realtime.protocol import Output
    from massage_link.realtime.source import Credential

__all__ = ["rehearse"]


@dataclass(slots=True)
class _Outcome:
    confirmed_at: float | None = None
    user_id: str | None = None


async def rehearse(
    endpoint: str, project: str, credential: Credential, channels: Sequence[str], *, within: float
) -> tuple[float, str | None]:
    """Connect and subscribe to channels, once.

    Args:
        endpoint: the API's address.
        project: its project.
        credential: of the user who listens.
        channels: to subscribe to.
        within: seconds for the handshake, and again for the confirmation.

    Returns:
        Seconds from the beginning to the confirmed subscription, and whom the server took us for.

    Raises:
        RealtimeRefused: the server refuses for good; the error carries its code or HTTP status.
        RealtimeError: it did not work this time.

    """
    outcome, confirmed = _Outcome(), asyncio.Event()
    begun = time.perf_counter()

    def handle(output: Output) -> None:
        if isinstance(output, Subscribed):
            outcome.confirmed_at, outcome.user_id = time.perf_counter(), output.user_id
            confirmed.set()

    async def until_confirmed() -> None:
        await confirmed.wait()

    conversation = converse(
        realtime_url(endpoint, project),
        credential,
        [Subscription("rehearsal", channels)],
        policy=Policy(open_within=within),
        handle=handle,
    )
    try:
        await first_to_end(conversation, until_confirmed())
    except ConnectionEnded as end:
        error = RealtimeRefused if end.remedy is Remedy.GIVE_UP else RealtimeError
        failure = error(end.reason)
        if isinstance(failure, RealtimeRefused):
            failure.code = end.code
        raise failure from end
    if outcome.confirmed_at is None:
        raise RealtimeError("the connection ended before the subscription was confirmed")
    return outcome.confirmed_at - begun, outcome.user_id
