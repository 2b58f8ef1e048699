"""Answering requests: by somebody who has seen them, or by rules."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from massage_link.client.link import AsyncMassageLink
from massage_link.client.remote import remote
from massage_link.domain.booking import Booking, Status
from massage_link.domain.states import Command
from massage_link.errors import IllegalTransition, StaleBooking
from massage_link.realtime import Change
from massage_link.usecases.transitions import Wanted, acting, transition
from massage_link.wire.call import Flow
from massage_link.worker.rules import Rules

__all__ = ["AutoAccept", "answer"]

#: No booking is longer, so one that begins earlier than this before another cannot reach into it.
_LONGEST = timedelta(days=1)


async def answer(
    link: AsyncMassageLink, booking: Booking, command: Command, *, by: str | None, reason: str = ""
) -> Booking:
    """Accept or decline a request as it was seen: if it has changed since, it is not answered.

    With an API key the use case runs here; a signed-in user has the function `commands` run it.

    Args:
        link: who writes.
        booking: the request as it was seen.
        command: ACCEPT or DECLINE.
        by: the therapist who answers; None for ops, or the signed-in user.
        reason: said to the customer, at most 500 characters.

    Raises:
        StaleBooking: it has changed; carries it as it is now.
        IllegalTransition: it can not be answered any more.

    and what `link.bookings.accept` raises.

    """
    return await link.run(_answering(link, booking, command, by, reason))


def _answering(
    link: AsyncMassageLink, booking: Booking, command: Command, by: str | None, reason: str
) -> Flow[Booking]:
    command_id = link.ports.new_id()
    if link.acts_with_key:
        wanted = Wanted(command, reason=reason, expected_version=booking.version, command_id=command_id)
        return transition(link.ports, booking.id, wanted, actor=acting(by))
    asked = {
        "bookingId": booking.id,
        "commandId": command_id,
        "reason": reason,
        "expectedVersion": booking.version,
    }
    return remote(link.ports, f"bookings.{command}", asked, Booking.model_validate)


class AutoAccept:
    """A handler of requests that accepts those that the rules allow.

    Decisions on one therapist's requests are made one after another, so that two of them cannot both be accepted
    into one gap. That holds within this process only.

    Args:
        link: acts with an API key, or as the therapist.
        rules: what a request has to fulfil.
        note: told, in words, what was done with each request.

    """

    def __init__(self, link: AsyncMassageLink, rules: Rules, *, note: Callable[[str], None]) -> None:
        self._link = link
        self._rules = rules
        self._note = note
        self._deciding: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __call__(self, change: Change[Any]) -> None:
        """Accept the request, or leave it to a human."""
        booking: Booking = change.row
        async with self._deciding[booking.therapist_id]:
            objection = self._rules.objection(booking, await self._neighbours(booking))
            if objection is not None:
                self._note(f"booking {booking.id} is left to you: {objection}.")
                return
            try:
                await answer(self._link, booking, Command.ACCEPT, by=booking.therapist_id)
            except (StaleBooking, IllegalTransition) as overtaken:
                self._note(f"booking {booking.id} is not accepted: {overtaken}")
            else:
                self._note(f"booking {booking.id} is accepted by the rules.")

    async def _neighbours(self, booking: Booking) -> list[Booking]:
        gap = self._rules.gap
        if gap is None:
            return []
        around = self._link.bookings.list(
            therapist_id=booking.therapist_id,
            status=[Status.ACCEPTED, Status.IN_PROGRESS],
            starts_from=booking.starts_at - gap - _LONGEST,
            starts_before=booking.ends_at + gap,
        )
        return [each async for each in around]
