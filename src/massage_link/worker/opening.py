"""How a listener begins: who it is, and which changes of the past are still its business."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from massage_link.client.link import AsyncMassageLink
from massage_link.domain.booking import Booking, Status
from massage_link.domain.states import ANSWER_WITHIN
from massage_link.errors import (
    CredentialRequired,
    NotFound,
    RateLimited,
    RowNotFound,
    ServerError,
    TransportError,
    Unauthorized,
    UsageError,
)
from massage_link.realtime import Mutable, Page, Position, RawRow, Source
from massage_link.realtime.checkpoint import Checkpoint, Progress
from massage_link.realtime.ledger import Mark, VersionLedger, stamp_of
from massage_link.wire.users import Account
from massage_link.wire.users import account as who_it_is

__all__ = ["begin_with_open_requests", "is_open", "open_account", "patiently"]

T = TypeVar("T")
_PAGE = 500
#: A request that is open was written at most so long ago; an hour more, as this machine's clock may be off.
_REACH = ANSWER_WITHIN + timedelta(hours=1)


async def open_account(
    link: AsyncMassageLink, user_id: str | None, *, note: Callable[[str], None]
) -> tuple[AsyncMassageLink, Account]:
    """A link that acts as the user, and who they are; waits for a server that cannot be reached.

    Args:
        link: acts with an API key, or as the user already.
        user_id: the user; None takes the one whose session or JWT the link has.
        note: told of each attempt that failed.

    Raises:
        NotFound: there is no such user.
        UsageError: the link acts as another user, or as nobody, or does not say which user.
        Unauthorized: the server refuses the credential.

    """
    if link.acts_with_key:
        if user_id is None:
            raise CredentialRequired("with an API key, say which user listens: realtime takes no key.")
        user = link.as_user(user_id)
    else:
        link.require_user("listening")
        user = link
    try:
        account = await patiently(lambda: user.send(who_it_is()), note)
    except RowNotFound as error:
        if error.type != "user_not_found":
            raise
        raise NotFound(f"there is no user {user_id!r} in project {link.project_id!r}; check the id.") from error
    except Unauthorized as error:
        if link.acts_with_key:
            raise
        # To the server, a session that is not valid is a guest, who lacks a scope: that would mislead.
        text = f"the server does not accept this {link.credential.kind} (any more): sign in again."
        raise Unauthorized(text, status=error.status, type=error.type, request=error.request) from error
    if user_id not in {None, account.id}:
        raise UsageError(f"the credential is {account.id}'s, not {user_id}'s: leave the id out, or use an API key.")
    return user, account


async def patiently(ask: Callable[[], Awaitable[T]], note: Callable[[str], None]) -> T:
    """What `ask` answers, tried again for as long as the server cannot be reached."""

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        note(f"{error} Trying again in {state.upcoming_sleep:.1f} s.")

    async def attempt() -> T:
        return await ask()

    passing = retry_if_exception_type((TransportError, ServerError, RateLimited))
    wait = wait_random_exponential(multiplier=0.5, max=15)
    return await AsyncRetrying(retry=passing, wait=wait, before_sleep=tell, reraise=True)(attempt)


def is_open(booking: Booking, now: datetime) -> bool:
    """Whether it is a request that can be answered."""
    return booking.status is Status.PENDING and (booking.expires_at is None or now < booking.expires_at)


async def begin_with_open_requests(
    checkpoint: Checkpoint, source: Source[Any], *, now: datetime, window: timedelta, note: Callable[[str], None]
) -> bool:
    """Let a consumer that is new to a source of bookings begin with the requests that wait for an answer.

    Everything else that exists counts as known, so what follows are these requests and whatever changes from now on.

    Args:
        checkpoint: open; one that knows the source is left alone.
        source: bookings.
        now: the server's time.
        window: the subscriber's, see `massage_link.realtime.Policy`.
        note: told of attempts that failed.

    Returns:
        Whether the consumer was new.

    """
    if checkpoint.load(source.name) is not None:
        return False
    ledger, marks = VersionLedger(Mutable("version")), list[Mark]()
    since = now - _REACH
    position: Position | None = Position(since)
    while position is not None:
        page = await patiently(_reading(source, position), note)
        marks += [
            ledger.mark_of(row) for row in page.rows if source.relevant(row) and not _may_be_answered(source, row, now)
        ]
        last = page.rows[-1] if len(page.rows) == _PAGE else None
        position = None if last is None else Position(stamp_of(last), str(last["$sequence"]))
    checkpoint.begin(source.name, Progress(now, since + window, marks))
    return True


def _reading(source: Source[Any], position: Position) -> Callable[[], Awaitable[Page]]:
    return lambda: source.read_back(position, _PAGE)


def _may_be_answered(source: Source[Any], row: RawRow, now: datetime) -> bool:
    try:
        return is_open(source.decode(row), now)
    except ValueError:
        return True  # a row that is no booking: the subscriber reports it
