"""One transaction, done once: commit, and read what happened when the answer does not say.

The real server's 409 does not tell what conflicted, and a commit that was not answered 200 may still have taken effect.
So after any answer but 200 the caller's `outcome` looks at the rows. Every attempt carries the same command and creates
the same row ids, of which the database lets only one through: trying again can never do a thing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from massage_link.errors import (
    Conflict,
    MassageLinkError,
    OutcomeUnknown,
    RateLimited,
    ServerError,
    StatusError,
    TransportError,
)
from massage_link.usecases.ports import Ports
from massage_link.wire.call import Flow, Sleep
from massage_link.wire.transactions import Operation, begin, commit, stage

__all__ = ["commit_once"]

T = TypeVar("T")
_ATTEMPTS = 5
_FIRST_PAUSE = 0.05


def commit_once(
    ports: Ports,
    prepare: Callable[[], Flow[tuple[Sequence[Operation], T]]],
    outcome: Callable[[], Flow[T | None]],
) -> Flow[T]:
    """Write one transaction exactly once and report the truth about it.

    Args:
        ports: surroundings.
        prepare: reads what is needed and gives the operations, with the result that the caller gets if they take
            effect. Asked anew for each attempt.
        outcome: looks at the rows after an unclear answer. Gives the result if the transaction took effect, None if it
            did not and may be tried again; raises a `RuleError` if it can not take effect any more.

    Raises:
        RuleError: from `outcome` or `prepare`.
        StatusError: the server refuses these operations, whoever else writes.
        OutcomeUnknown: a commit was sent and what became of it could not be read.
        TransportError: the server could not be reached; nothing was committed.

    """
    failure: MassageLinkError | None = None
    in_doubt = False
    for attempt in range(_ATTEMPTS):
        operations, result = yield from prepare()
        try:
            transaction = yield from begin()
            yield from stage(transaction, operations)
        except MassageLinkError as error:
            # This attempt committed nothing. An earlier one may be late, so its refusal is not final before a look.
            failure = error
            if not in_doubt and not _passing(error):
                raise
        else:
            try:
                yield from commit(transaction)
            except MassageLinkError as error:
                failure = error
                in_doubt = in_doubt or isinstance(error, TransportError | ServerError)
            else:
                return result
        known = yield from _look(outcome, failure, in_doubt=in_doubt)
        if known is not None:
            return known
        if not _passing(failure):
            raise failure
        yield from Sleep(ports.jitter(_FIRST_PAUSE * 2**attempt))
    raise _given_up(failure, in_doubt=in_doubt)


def _look(outcome: Callable[[], Flow[T | None]], failure: MassageLinkError, *, in_doubt: bool) -> Flow[T | None]:
    try:
        return (yield from outcome())
    except (TransportError, StatusError) as error:
        if in_doubt:
            raise OutcomeUnknown(
                f"a commit was sent ({failure}), and what became of it could not be read ({error}). "
                "Read the booking, or repeat the request with the same idempotency key, to learn it."
            ) from failure
        raise


def _passing(error: MassageLinkError) -> bool:
    """Whether a new transaction may fare better."""
    return isinstance(error, Conflict | ServerError | RateLimited | TransportError)


def _given_up(failure: MassageLinkError | None, *, in_doubt: bool) -> MassageLinkError:
    if in_doubt:
        return OutcomeUnknown(
            f"{_ATTEMPTS} transactions were sent without a clear answer ({failure}), and none had taken effect when we "
            "looked. Read the booking, or repeat the request with the same idempotency key, to learn the outcome."
        )
    return failure or OutcomeUnknown("no transaction was sent.")
