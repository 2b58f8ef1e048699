"""The state machine of a booking, as data: from, to, who may, until when, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from massage_link.domain.booking import Booking, BookingEvent, BookingEventType, Role, Status
from massage_link.domain.commission import CommissionStatus
from massage_link.domain.ids import checked_text, event_id
from massage_link.domain.money import Money
from massage_link.domain.rows import to_wire_time
from massage_link.domain.slots import buckets
from massage_link.errors import IllegalTransition, InvalidBooking, InvalidInput, NotAllowed

__all__ = [
    "ANSWER_WITHIN",
    "EVENT_OF",
    "LIVE",
    "TRANSITIONS",
    "Actor",
    "Command",
    "Decision",
    "Transition",
    "answer_by",
    "checked_reason",
    "decide",
    "owed_for",
    "role_in",
]

#: How long a therapist has to answer a request; never past its start.
ANSWER_WITHIN = timedelta(hours=24)
_MAX_REASON = 500


def answer_by(now: datetime, starts_at: datetime) -> datetime:
    """Until when a request that is made now may be answered."""
    return min(now + ANSWER_WITHIN, starts_at)


class Command(StrEnum):
    """What somebody may want of a booking."""

    ACCEPT = "accept"
    DECLINE = "decline"
    EXPIRE = "expire"
    CANCEL = "cancel"
    START = "start"
    COMPLETE = "complete"
    NO_SHOW = "no_show"
    RESCHEDULE = "reschedule"


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
        after_expiry: only once it has.
        from_start: only from the booking's start on.
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
    after_expiry: bool = False
    from_start: bool = False
    releases_slots: bool = False
    reveals_place: bool = False
    commission: CommissionStatus | None = None


_C, _T, _O, _S = Role.CUSTOMER, Role.THERAPIST, Role.OPS, Role.SYSTEM
_VOID, _DUE = CommissionStatus.VOID, CommissionStatus.DUE


def _arrow(command: Command, source: Status, target: Status, event: str, *who: Role, **effects: Any) -> Transition:
    return Transition(command, source, target, BookingEventType(event), frozenset(who), **effects)


def _ending(command: Command, source: Status, target: Status, event: str, *who: Role, **effects: Any) -> Transition:
    return _arrow(command, source, target, event, *who, releases_slots=True, **effects)


_PENDING, _ACCEPTED, _IN_PROGRESS = Status.PENDING, Status.ACCEPTED, Status.IN_PROGRESS
#: Every change that is possible. Where two arrows share command and source, who acts decides which one is taken.
TRANSITIONS: tuple[Transition, ...] = (
    _arrow(Command.ACCEPT, _PENDING, _ACCEPTED, "accepted", _T, _O, until_expiry=True, reveals_place=True),
    _ending(Command.DECLINE, _PENDING, Status.DECLINED, "declined", _T, _O, _S, commission=_VOID),
    _ending(Command.EXPIRE, _PENDING, Status.EXPIRED, "expired", _S, after_expiry=True, commission=_VOID),
    _ending(Command.CANCEL, _PENDING, Status.CANCELLED, "cancelled", _C, _O, commission=_VOID),
    _ending(Command.CANCEL, _ACCEPTED, Status.CANCELLED, "cancelled", _C, _T, _O, commission=_VOID),
    _ending(Command.CANCEL, _IN_PROGRESS, Status.CANCELLED, "cancelled", _T, _O, commission=_VOID),
    _arrow(Command.RESCHEDULE, _PENDING, _PENDING, "rescheduled", _C, _O, until_expiry=True),
    _arrow(Command.RESCHEDULE, _ACCEPTED, _PENDING, "rescheduled", _C),
    _arrow(Command.RESCHEDULE, _ACCEPTED, _ACCEPTED, "rescheduled", _T, _O),
    _arrow(Command.START, _ACCEPTED, _IN_PROGRESS, "started", _T, _O),
    _ending(Command.COMPLETE, _ACCEPTED, Status.COMPLETED, "completed", _T, _O, commission=_DUE),
    _ending(Command.COMPLETE, _IN_PROGRESS, Status.COMPLETED, "completed", _T, _O, commission=_DUE),
    # A no-show may cost the customer the whole price: who gains by it cannot claim it before it can have happened.
    _ending(Command.NO_SHOW, _ACCEPTED, Status.NO_SHOW, "no_show", _T, from_start=True, commission=_VOID),
    _ending(Command.NO_SHOW, _ACCEPTED, Status.NO_SHOW, "no_show", _O, commission=_VOID),
    _ending(Command.NO_SHOW, _IN_PROGRESS, Status.NO_SHOW, "no_show", _T, from_start=True, commission=_VOID),
    _ending(Command.NO_SHOW, _IN_PROGRESS, Status.NO_SHOW, "no_show", _O, commission=_VOID),
)
#: States in which a booking holds its slots.
LIVE = frozenset({Status.PENDING, Status.ACCEPTED, Status.IN_PROGRESS})
#: By which event a command shows in the history.
EVENT_OF: Mapping[Command, BookingEventType] = {arrow.command: arrow.event for arrow in TRANSITIONS}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a command does.

    Attributes:
        before, booking: the booking as it is and as it will be.
        event: the line of its history.
        transition: the arrow that was taken.
        owed: what the customer owes instead of the price (a fee); None when there is no fee.

    """

    before: Booking
    booking: Booking
    event: BookingEvent
    transition: Transition
    owed: Money | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """The columns of the booking that change, as they go over the wire."""
        before, after = self.before.columns(), self.booking.columns()
        return {name: value for name, value in after.items() if before[name] != value}


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


def owed_for(booking: Booking, command: Command, role: Role, now: datetime) -> Money | None:
    """The fee that a command costs the customer at this moment, by the policy frozen on the booking; None for none."""
    late = command is Command.CANCEL and role is Role.CUSTOMER and booking.status is Status.ACCEPTED
    policy = booking.policy if late or command is Command.NO_SHOW else None
    if policy is None:
        return None
    if late:
        return policy.cancellation_fee(booking.price, starts_at=booking.starts_at, now=now) or None
    return policy.no_show_fee(booking.price) or None


def decide(
    booking: Booking,
    command: Command,
    actor: Actor,
    *,
    now: datetime,
    command_id: str,
    reason: str = "",
    starts_at: datetime | None = None,
    waive_fee: bool = False,
) -> Decision:
    """What the command makes of the booking.

    Args:
        booking: as it is now.
        command: what is wanted.
        actor: by whom.
        now: the instant, aware.
        command_id: id of this command; it is written into the event.
        reason: said to the other side, at most 500 characters. A no-show asks for one: what was seen.
        starts_at: the new beginning, for a reschedule; the length stays.
        waive_fee: no fee although the policy asks for one; ops only, with a reason.

    Raises:
        IllegalTransition: not from the state in which the booking is, or not at this time.
        NotAllowed: not by this actor.
        InvalidInput: the reason is too long or missing.
        InvalidBooking: the new time can not be.

    """
    arrow = _allowed(booking, command, actor)
    _check_deadline(booking, arrow, now)
    _check_move(booking, arrow, actor, now)
    _check_reason(command, actor, reason, waive_fee=waive_fee)
    owed = None if waive_fee else owed_for(booking, command, actor.role, now)
    after = _after(booking, arrow, actor, now=now, reason=reason, starts_at=starts_at)
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
        data=json.dumps(_facts(booking, after, owed, waive_fee=waive_fee), sort_keys=True),
    )
    return Decision(booking, after, event, arrow, owed)


def _allowed(booking: Booking, command: Command, actor: Actor) -> Transition:
    arrows = [arrow for arrow in TRANSITIONS if arrow.command is command]
    possible = [arrow for arrow in arrows if arrow.source is booking.status]
    for arrow in possible:
        if actor.role in arrow.who:
            return arrow
    if possible:
        who = _listed(role for arrow in possible for role in arrow.who)
        raise NotAllowed(
            f"a {booking.status} booking can be {possible[0].event} by {who}, not by {actor.role} {actor.id}."
        )
    sources = _listed(arrow.source for arrow in arrows)
    raise IllegalTransition(f"booking {booking.id} is {booking.status}; {command} is possible while it is {sources}.")


def _check_deadline(booking: Booking, arrow: Transition, now: datetime) -> None:
    expires = booking.expires_at
    if arrow.until_expiry and expires is not None and now >= expires:
        raise IllegalTransition(f"booking {booking.id} could be answered until {expires:%Y-%m-%d %H:%M} UTC.")
    if arrow.after_expiry and (expires is None or now < expires):
        until = "no time limit" if expires is None else f"until {expires:%Y-%m-%d %H:%M} UTC"
        raise IllegalTransition(f"booking {booking.id} has not expired: it can be answered {until}.")
    if arrow.from_start and now < booking.starts_at:
        raise IllegalTransition(f"booking {booking.id} begins at {booking.starts_at:%Y-%m-%d %H:%M} UTC, not before.")


def _check_move(booking: Booking, arrow: Transition, actor: Actor, now: datetime) -> None:
    """A customer moves an accepted booking only while it could be cancelled free of charge.

    Otherwise the fee could be dodged: moved far away it is pending again, and what is pending is cancelled for nothing.
    """
    if arrow.command is not Command.RESCHEDULE or actor.role is not Role.CUSTOMER:
        return
    if owed_for(booking, Command.CANCEL, actor.role, now) is not None:
        raise IllegalTransition(
            f"booking {booking.id} could be moved by its customer until {booking.free_until:%Y-%m-%d %H:%M} UTC, as it "
            "could be cancelled free of charge; ask the therapist, or cancel it."
        )


def checked_reason(reason: str) -> str:
    """The reason, when it is a text that an event can hold; InvalidInput when it is not."""
    if len(checked_text("reason", reason)) > _MAX_REASON:
        raise InvalidInput(f"a reason has at most {_MAX_REASON} characters, this one has {len(reason)}.")
    return reason


def _check_reason(command: Command, actor: Actor, reason: str, *, waive_fee: bool) -> None:
    checked_reason(reason)
    if command is Command.NO_SHOW and not reason.strip():
        raise InvalidInput("a no-show needs a reason: say what was seen (when, for how long somebody waited).")
    if waive_fee and actor.role is not Role.OPS:
        raise NotAllowed(f"only ops may waive a fee, not {actor.role} {actor.id}.")
    if waive_fee and not reason.strip():
        raise InvalidInput("waiving a fee needs a reason.")


def _after(
    booking: Booking, arrow: Transition, actor: Actor, *, now: datetime, reason: str, starts_at: datetime | None
) -> Booking:
    changes: dict[str, Any] = {
        "status": arrow.target,
        "status_reason": reason,
        "version": booking.version + 1,
        "expires_at": None,
    }
    if arrow.command in {Command.ACCEPT, Command.DECLINE} and actor.role is not Role.SYSTEM:
        changes["responded_at"] = now
    if arrow.command is Command.RESCHEDULE:
        begin = _checked_start(booking, starts_at, now)
        changes |= {"starts_at": begin, "ends_at": begin + (booking.ends_at - booking.starts_at)}
        if arrow.target is Status.PENDING:
            changes |= {"expires_at": answer_by(now, begin), "responded_at": None}
        if actor.role is Role.THERAPIST:
            # The customer has not chosen this time: to miss it or to cancel it costs them nothing.
            changes["cancellation_policy"] = ""
    return booking.model_copy(update=changes)


def _checked_start(booking: Booking, starts_at: datetime | None, now: datetime) -> datetime:
    if not isinstance(starts_at, datetime) or starts_at.tzinfo is None:
        raise InvalidBooking(f"a reschedule needs the new start, a datetime with a time zone, not {starts_at!r}.")
    if starts_at.second or starts_at.microsecond:
        raise InvalidBooking(f"starts_at {starts_at.isoformat()} is not on a whole minute.")
    if starts_at <= now:
        raise InvalidBooking(f"starts_at {starts_at.isoformat()} is in the past (it is {now.isoformat()}).")
    if starts_at == booking.starts_at:
        raise InvalidBooking(f"booking {booking.id} begins at {starts_at.isoformat()} already.")
    try:
        begin = starts_at.astimezone(UTC)
        buckets(begin, begin + (booking.ends_at - booking.starts_at), booking.buffer)
    except OverflowError:
        raise InvalidBooking(f"starts_at {starts_at.isoformat()} lies beyond the calendar.") from None
    return begin


def _facts(before: Booking, after: Booking, owed: Money | None, *, waive_fee: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if before.starts_at != after.starts_at:
        facts |= {"fromStartsAt": to_wire_time(before.starts_at), "toStartsAt": to_wire_time(after.starts_at)}
    if before.cancellation_policy != after.cancellation_policy:
        facts["policyWaived"] = True
    if owed is not None:
        facts |= {"feeMinor": owed.minor, "currency": owed.currency}
    if waive_fee:
        facts["feeWaived"] = True
    return facts


def _listed(words: Iterable[str]) -> str:
    return " or ".join(sorted(set(words)))
