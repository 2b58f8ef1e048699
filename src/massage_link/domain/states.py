"""The state machine of a booking, as data: from, to, who may, until when, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from massage_link.domain.booking import Booking, BookingEvent, BookingEventType, Role, Status
from massage_link.domain.commission import CommissionStatus
from massage_link.domain.ids import event_id
from massage_link.errors import IllegalTransition, InvalidInput, NotAllowed

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["LIVE", "TRANSITIONS", "Actor", "Command", "Decision", "Transition", "decide", "role_in"]

_MAX_REASON = 500


class Command(StrEnum):
    """What somebody may want of a booking."""

    ACCEPT = "accept"
    DECLINE = "decline"
    EXPIRE = "expire"
    CANCEL = "cancel"
    START = "start"
    COMPLETE = "complete"
    NO_SHOW = "no_show"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts on a booking, and in what part."""

    id: str
    role: Role


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow of the state machine.

    Attributes:
        until_expiry: only while the request has not expired.
        releases_slots: the therapist's time becomes free.
        reveals_place: the therapist may read the address from now on.
        commission: what becomes of the commission; None leaves it as it is.

    """

    command: Command
    source: Status
    target: Status
    event: BookingEventType
    who: frozenset[Role]
    until_expiry: bool = False
    releases_slots: bool = False
    reveals_place: bool = False
    commission: CommissionStatus | None = None


_C, _T, _O, _S = Role.CUSTOMER, Role.THERAPIST, Role.OPS, Role.SYSTEM
_VOID, _DUE = CommissionStatus.VOID, CommissionStatus.DUE


def _arrow(command: Command, source: Status, target: Status, event: str, *who: Role, **effects: Any) -> Transition:
    return Transition(command, source, target, BookingEventType(event), frozenset(who), **effects)


def _ending(command: Command, source: Status, target: Status, event: str, *who: Role, **effects: Any) -> Transition:
    return _arrow(command, source, target, event, *who, releases_slots=True, **effects)


#: Every change that is possible. A no-show keeps its commission pending until a policy splits the fee.
TRANSITIONS: tuple[Transition, ...] = (
    _arrow(Command.ACCEPT, Status.PENDING, Status.ACCEPTED, "accepted", _T, _O, until_expiry=True, reveals_place=True),
    _ending(Command.DECLINE, Status.PENDING, Status.DECLINED, "declined", _T, _O, _S, commission=_VOID),
    _ending(Command.EXPIRE, Status.PENDING, Status.EXPIRED, "expired", _S, commission=_VOID),
    _ending(Command.CANCEL, Status.PENDING, Status.CANCELLED, "cancelled", _C, _O, commission=_VOID),
    _ending(Command.CANCEL, Status.ACCEPTED, Status.CANCELLED, "cancelled", _C, _T, _O, commission=_VOID),
    _ending(Command.CANCEL, Status.IN_PROGRESS, Status.CANCELLED, "cancelled", _T, _O, commission=_VOID),
    _arrow(Command.START, Status.ACCEPTED, Status.IN_PROGRESS, "started", _T, _O),
    _ending(Command.COMPLETE, Status.ACCEPTED, Status.COMPLETED, "completed", _T, _O, commission=_DUE),
    _ending(Command.COMPLETE, Status.IN_PROGRESS, Status.COMPLETED, "completed", _T, _O, commission=_DUE),
    _ending(Command.NO_SHOW, Status.ACCEPTED, Status.NO_SHOW, "no_show", _T, _O),
    _ending(Command.NO_SHOW, Status.IN_PROGRESS, Status.NO_SHOW, "no_show", _T, _O),
)
#: States in which a booking holds its slots.
LIVE = frozenset({Status.PENDING, Status.ACCEPTED, Status.IN_PROGRESS})


@dataclass(frozen=True, slots=True)
class Decision:
    """What a command does: the booking as it will be, its event, and the arrow that was taken."""

    booking: Booking
    event: BookingEvent
    transition: Transition

    @property
    def changes(self) -> dict[str, Any]:
        """The columns of the booking that change, as they go over the wire."""
        after = self.booking.columns()
        return {name: after[name] for name in ("status", "statusReason", "version", "respondedAt", "expiresAt")}


def role_in(booking: Booking, user_id: str) -> Role:
    """The part that a user has in a booking.

    Raises:
        NotAllowed: none.

    """
    if user_id == booking.customer_id:
        return Role.CUSTOMER
    if user_id == booking.therapist_id:
        return Role.THERAPIST
    raise NotAllowed(f"user {user_id} is neither the customer nor the therapist of booking {booking.id}.")


def decide(
    booking: Booking, command: Command, actor: Actor, *, now: datetime, command_id: str, reason: str = ""
) -> Decision:
    """What the command makes of the booking.

    Args:
        booking: as it is now.
        command: what is wanted.
        actor: by whom.
        now: the instant, aware.
        command_id: id of this command; it is written into the event.
        reason: said to the other side, at most 500 characters.

    Raises:
        IllegalTransition: not from the state in which the booking is, or too late.
        NotAllowed: not by this actor.
        InvalidInput: the reason is too long.

    """
    arrow = _allowed(booking, command, actor)
    if arrow.until_expiry and booking.expires_at is not None and now >= booking.expires_at:
        raise IllegalTransition(
            f"booking {booking.id} could be answered until {booking.expires_at:%Y-%m-%d %H:%M} UTC."
        )
    if len(reason) > _MAX_REASON:
        raise InvalidInput(f"a reason has at most {_MAX_REASON} characters, this one has {len(reason)}.")
    answered = booking.status is Status.PENDING and actor.role is not Role.SYSTEM
    after = booking.model_copy(
        update={
            "status": arrow.target,
            "status_reason": reason,
            "version": booking.version + 1,
            "responded_at": now if answered and command is not Command.CANCEL else booking.responded_at,
            "expires_at": None,
        }
    )
    event = BookingEvent(
        id=event_id(booking.id, after.version),
        booking_id=booking.id,
        version=after.version,
        command_id=command_id,
        type=arrow.event,
        actor=actor.id,
        actor_role=actor.role,
        from_status=booking.status,
        to_status=after.status,
        reason=reason,
        at=now,
    )
    return Decision(after, event, arrow)


def _allowed(booking: Booking, command: Command, actor: Actor) -> Transition:
    arrows = [arrow for arrow in TRANSITIONS if arrow.command is command]
    for arrow in arrows:
        if arrow.source is not booking.status:
            continue
        if actor.role not in arrow.who:
            raise NotAllowed(
                f"a {booking.status} booking can be {arrow.event} by {_listed(arrow.who)}, "
                f"not by {actor.role} {actor.id}."
            )
        return arrow
    sources = _listed(arrow.source for arrow in arrows)
    raise IllegalTransition(f"booking {booking.id} is {booking.status}; {command} is possible while it is {sources}.")


def _listed(words: Any) -> str:
    return " or ".join(sorted(words))
