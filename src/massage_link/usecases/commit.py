"""One transaction, done once: commit, and read what happened when the answer does not say.

The real server's 409 does not tell what conflicted, and a commit that was not answered 200 may still have taken effect.
So after any answer but 200 the caller's `outcome` looks at the rows. Every attempt carries the same command and creates
the same row ids, of which the database lets only one through: trying again can never do a thing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from massage_link.errors import (
    BadRequest,
    Conflict,
    MassageLinkError,
    NoAnswer,
    NotAppwrite,
    OutcomeUnknown,
    RateLimited,
    RuleError,
    ServerError,
    TransportError,
    UnexpectedAnswer,
)
from massage_link.usecases.ports import Ports
from massage_link.wire.call import Flow, Sleep
from massage_link.wire.transactions import Operation, begin, commit, stage

__all__ = ["commit_once"]

T = TypeVar("T")
_ATTEMPTS = 5
_FIRST_PAUSE = 0.05
#: A new transaction may fare better.
_PASSING = (Conflict, ServerError, RateLimited, TransportError)
#: Answers after which a commit may still be under way. Appwrite's own refusals are final, as is no connection at all.
_UNCLEAR = (NoAnswer, ServerError, NotAppwrite, UnexpectedAnswer)
_ADVICE = "Read the booking, or repeat the request with the same idempotency key, to learn it."


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
        StatusError: the server refuses these operations, whoever else writes; nothing was written.
        OutcomeUnknown: a commit was sent and what became of it could not be read.
        TransportError: the server could not be reached; nothing was written.

    """
    failure: MassageLinkError | None = None
    unread = False  # a commit was sent, and nobody has looked since
    late = False  # a commit was sent that may still take effect after the look
    for attempt in range(_ATTEMPTS):
        try:
            operations, result = yield from prepare()
            transaction = yield from begin()
            yield from stage(transaction, operations)
        except MassageLinkError as error:
            # This attempt committed nothing. An earlier one may be late, so its refusal is not final before a look.
            failure = error
        else:
            try:
                yield from commit(transaction)
            except MassageLinkError as error:
                failure = error
                unread, late = True, late or isinstance(error, _UNCLEAR)
            else:
                return result
        if unread or late:
            known = yield from _look(outcome, failure)
            if known is not None:
                return known
            unread = False
        if not _may_pass(failure):
            break
        yield from Sleep(ports.jitter(_FIRST_PAUSE * 2**attempt))
    assert failure is not None
    raise _not_read(failure) if late else failure


def _may_pass(failure: MassageLinkError) -> bool:
    # A commit that was sent twice, because a 429 said that it had not been processed, and had been, is not ready.
    spent = isinstance(failure, BadRequest) and failure.type == "transaction_not_ready"
    return spent or isinstance(failure, _PASSING)


def _look(outcome: Callable[[], Flow[T | None]], failure: MassageLinkError) -> Flow[T | None]:
    try:
        return (yield from outcome())
    except RuleError:
        raise
    except MassageLinkError as error:
        raise OutcomeUnknown(
            f"a commit was sent ({failure}), and what became of it could not be read ({error}). {_ADVICE}"
        ) from failure


def _not_read(failure: MassageLinkError) -> OutcomeUnknown:
    unknown = OutcomeUnknown(
        f"a commit was sent without a clear answer ({failure}); it had not taken effect when we looked, but it may "
        f"still be under way. {_ADVICE}"
    )
    unknown.__cause__ = failure
    return unknown
