"""The two kinds of listeners: one therapist, or a service user of ops who watches everybody."""

from __future__ import annotations

from typing import Any

from massage_link.client import watching
from massage_link.client.link import AsyncMassageLink
from massage_link.errors import UsageError
from massage_link.realtime import Source
from massage_link.wire.users import Account
from massage_link.worker.listener import Listener

__all__ = ["Dispatcher", "Therapist"]

_OPS_LABEL = "ops"


class Therapist(Listener):
    """Handlers for what happens to one therapist::

        therapist = Therapist(link, "maria", checkpoint=FileCheckpoint("maria.progress"))

        @therapist.on_request
        async def ring(change: Change[Booking]) -> None:
            await therapist.accept(change.row)

        await therapist.run()

    Arguments as `Listener`; `user_id` is the therapist. With an API key their JWT is minted and renewed.
    """

    def _sources(self, user: AsyncMassageLink) -> list[Source[Any]]:
        return [watching.bookings(user, therapist_id=self._therapist_id()), watching.messages(user)]

    def _check(self, account: Account) -> None:
        """Anybody may be a therapist."""

    def _therapist_id(self) -> str | None:
        return self.account.id if self.account is not None else self._user_id

    def _answers_as(self) -> str | None:
        return self._therapist_id()


class Dispatcher(Listener):
    """Handlers for everything that happens: every therapist's bookings, drafts, messages and commissions.

    Arguments as `Listener`; `user_id` is a service user with the label ``ops``. It accepts and declines as ops.
    """

    def _sources(self, user: AsyncMassageLink) -> list[Source[Any]]:
        return [watching.bookings(user), watching.drafts(user), watching.messages(user), watching.commissions(user)]

    def _check(self, account: Account) -> None:
        if _OPS_LABEL not in account.labels:
            raise UsageError(
                f"user {account.id} does not have the label {_OPS_LABEL!r}, with which one sees everything."
            )

    def _therapist_id(self) -> str | None:
        return None

    def _answers_as(self) -> str | None:
        return None
