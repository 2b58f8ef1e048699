"""Everything that massage-link raises, as one tree.

::

    MassageLinkError
    ├── UsageError                  the calling code or its configuration is wrong; retrying changes nothing
    │   ├── SettingsError           a setting is missing or malformed
    │   ├── InvalidInput            an argument is not acceptable (also a ValueError)
    │   │   ├── InvalidMoney
    │   │   ├── InvalidBooking
    │   │   └── InvalidMessage
    │   ├── CredentialRequired      this call needs another kind of credential
    │   ├── CheckpointInUse         another process holds this checkpoint
    │   └── SchemaError             the model does not fit Appwrite's limits, or a server's schema differs
    ├── RuleError                   the marketplace's rules refuse it; the message says what is possible
    │   ├── IllegalTransition       not from this state
    │   ├── NotAllowed              not by this person
    │   ├── SlotTaken               the therapist's time is held by another booking; carries free times nearby
    │   ├── NotAvailable            the therapist takes no bookings at that time
    │   ├── StaleBooking            somebody changed the booking first; carries the current one
    │   ├── IdempotencyMismatch     the key was used for a different request
    │   ├── AmountTooLarge          more than is left of what it is taken from
    │   ├── RoomFrozen              the conversation is closed
    │   └── TooLate                 the time for it is over
    ├── NotFound                    no such booking, room, … (or not visible to this credential)
    ├── TransportError              no answer came
    │   ├── ConnectionFailed        the request was certainly not processed
    │   └── NoAnswer                it may have been processed (time-out, dropped connection)
    ├── StatusError                 the server answered with an error: status, type, request
    │   ├── BadRequest              400
    │   ├── Unauthorized            401 and 403: wrong key, expired session, missing scope
    │   ├── RowNotFound             404 (also a NotFound)
    │   ├── Conflict                409
    │   ├── RateLimited             429: carries the instant at which to try again
    │   ├── ServerError             5xx
    │   └── NotAppwrite             the answer did not come from Appwrite's API
    ├── UnexpectedAnswer            a 2xx whose body is not what the API documents
    ├── BrokenLedger                the ledger entries of a booking do not fit together
    ├── OutcomeUnknown              a commit was sent and its outcome could not be read
    ├── CheckpointFailed            the progress of a consumer could not be read or written: a full disk, a damaged file
    └── RealtimeError
        └── RealtimeRefused         the server refuses this connection for good

No message and no repr holds a key, session, token or password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "AmountTooLarge",
    "BadRequest",
    "BrokenLedger",
    "CheckpointFailed",
    "CheckpointInUse",
    "Conflict",
    "ConnectionFailed",
    "CredentialRequired",
    "IdempotencyMismatch",
    "IllegalTransition",
    "InvalidBooking",
    "InvalidInput",
    "InvalidMessage",
    "InvalidMoney",
    "MassageLinkError",
    "NoAnswer",
    "NotAllowed",
    "NotAppwrite",
    "NotAvailable",
    "NotFound",
    "OutcomeUnknown",
    "RateLimited",
    "RealtimeError",
    "RealtimeRefused",
    "RoomFrozen",
    "RowNotFound",
    "RuleError",
    "SchemaError",
    "ServerError",
    "SettingsError",
    "SlotTaken",
    "StaleBooking",
    "StatusError",
    "TooLate",
    "TransportError",
    "Unauthorized",
    "UnexpectedAnswer",
    "UsageError",
]


class MassageLinkError(Exception):
    """The root: catching it catches everything that massage-link raises on purpose."""


# --- the calling code -------------------------------------------------------------------------------------------------
class UsageError(MassageLinkError):
    """The calling code or its configuration is wrong; retrying changes nothing."""


class SettingsError(UsageError):
    """A setting is missing or malformed; the message names it and says where it is set."""


class InvalidInput(UsageError, ValueError):
    """An argument is not acceptable; the message names it, the value and what is asked for."""


class InvalidMoney(InvalidInput):
    """An amount or currency that money cannot be made of."""


class InvalidBooking(InvalidInput):
    """A booking request that breaks a rule of form: times, price, length of texts."""


class InvalidMessage(InvalidInput):
    """A chat message that is empty, too long, or otherwise not sendable."""


class CredentialRequired(UsageError):
    """This call needs another kind of credential than the link was made with."""


class CheckpointInUse(UsageError):
    """Another process holds this checkpoint; the message names the file."""


class SchemaError(UsageError):
    """The model does not fit Appwrite's limits, or a server's schema differs from the model."""


# --- the marketplace's rules ------------------------------------------------------------------------------------------
class RuleError(MassageLinkError):
    """The marketplace's rules refuse it; the message says what is possible instead."""


class IllegalTransition(RuleError):
    """The booking is not in a state from which this is possible."""


class NotAllowed(RuleError):
    """This person may not do this to this booking."""


class SlotTaken(RuleError):
    """The therapist's time is held by another booking.

    Attributes:
        taken: starts of the five-minute slots that are held, UTC, ascending.
        nearest: starts of the nearest times at which the service is free, UTC, ascending; empty when the therapist
            has no catalogue to tell them by.

    """

    def __init__(self, message: str, *, taken: tuple[datetime, ...] = (), nearest: tuple[datetime, ...] = ()) -> None:
        super().__init__(message)
        self.taken = taken
        self.nearest = nearest


class NotAvailable(RuleError):
    """The therapist takes no bookings at that time: outside the hours, too soon, too far ahead, or not at all."""


class StaleBooking(RuleError):
    """Somebody changed the booking first.

    Attributes:
        current: the booking as it is now (`massage_link.Booking`).

    """

    def __init__(self, message: str, *, current: Any) -> None:
        super().__init__(message)
        self.current = current


class IdempotencyMismatch(RuleError):
    """The idempotency key was used before, for a request with other content."""


class AmountTooLarge(RuleError):
    """More is asked for than is left of what it is taken from; the message says how much is."""


class RoomFrozen(RuleError):
    """The conversation is closed; nothing can be written to it."""


class TooLate(RuleError):
    """The time for it is over: a message can be changed for some minutes only."""


class NotFound(MassageLinkError):
    """No such booking, room or commission, or none that this credential may see."""


# --- no answer --------------------------------------------------------------------------------------------------------
class TransportError(MassageLinkError):
    """No answer came from the server.

    Attributes:
        request: method and URL of the call, without credentials.

    """

    def __init__(self, message: str, *, request: str = "") -> None:
        super().__init__(message)
        self.request = request


class ConnectionFailed(TransportError):
    """No connection could be made: the request was certainly not processed."""


class NoAnswer(TransportError):
    """The connection broke or timed out after the request was sent: it may have been processed."""


# --- an error as the answer -------------------------------------------------------------------------------------------
class StatusError(MassageLinkError):
    """The server answered with an error.

    Attributes:
        status: HTTP status.
        type: Appwrite's error type, such as ``row_not_found``; empty when there was none. Act on this, never on
            the text.
        request: method and URL of the call, without credentials.

    """

    def __init__(self, message: str, *, status: int, type: str = "", request: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.request = request


class BadRequest(StatusError):
    """400: the server found the request malformed or the row invalid."""


class Unauthorized(StatusError):
    """401 or 403: wrong key, expired session, or a missing scope or permission."""


class RowNotFound(StatusError, NotFound):
    """404: the row, table, database, function or project is not there, or not visible to this credential."""


class Conflict(StatusError):
    """409: an id or unique value is taken, or a row changed meanwhile."""


class RateLimited(StatusError):
    """429: too many requests.

    Attributes:
        retry_at: unix time in seconds at which the limit is reset, when the server said so.

    """

    def __init__(
        self, message: str, *, status: int, type: str = "", request: str = "", retry_at: float | None = None
    ) -> None:
        super().__init__(message, status=status, type=type, request=request)
        self.retry_at = retry_at


class ServerError(StatusError):
    """5xx: the server failed; whether the call took effect is not known."""


class NotAppwrite(StatusError):
    """The answer is not one of Appwrite's API: most often the endpoint lacks ``/v1`` or names another server."""


class UnexpectedAnswer(MassageLinkError):
    """The server answered 2xx with a body that is not what its API documents."""


class BrokenLedger(MassageLinkError):
    """The ledger entries of a booking do not fit together: one is missing, or not of this booking.

    Nothing is written to such a ledger. ``massage-link reconcile --check`` says what is wrong.
    """


class OutcomeUnknown(MassageLinkError):
    """A commit was sent, no clear answer came, and its outcome could not be read either.

    Repeating the same call with the same idempotency key (for a request) or reading the booking (for anything else)
    tells what happened.
    """


# --- realtime ---------------------------------------------------------------------------------------------------------
class CheckpointFailed(MassageLinkError):
    """A consumer's progress could not be read or written; what it does not say is dealt with comes again."""


class RealtimeError(MassageLinkError):
    """The realtime connection cannot do what was asked."""


class RealtimeRefused(RealtimeError):
    """The server refuses this connection for good (wrong project, origin or credential): retrying is pointless.

    Attributes:
        code: the server's code, 1003 or 1008, when it gave one.

    """

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code
