"""The commands that a signed-in user may give: names, arguments, and the use cases behind them.

The `commands` function runs them with its own key, for the user whom Appwrite vouches for. What a user may not decide
(price, hours, sender, who acts) is not among the arguments or is checked against who they are. A stranger is told the
same of a booking that exists as of one that does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError
from pydantic.alias_generators import to_camel

from massage_link.domain.booking import Booking, Role
from massage_link.domain.commission import CommissionEntry
from massage_link.domain.draft import Draft
from massage_link.domain.money import Money
from massage_link.domain.rows import UtcDatetime
from massage_link.domain.states import Actor, Command, role_in
from massage_link.domain.wish import BookingWish
from massage_link.errors import InvalidInput, NotAllowed, NotFound
from massage_link.usecases.amending import delete_message, edit_message
from massage_link.usecases.bookings import request_booking
from massage_link.usecases.chat import send_message
from massage_link.usecases.corrections import adjust_commission, refund_booking
from massage_link.usecases.lookups import BookingOrDraft, find_booking, get_booking
from massage_link.usecases.payouts import pay_out
from massage_link.usecases.ports import Ports
from massage_link.usecases.presence import appear
from massage_link.usecases.read_marks import mark_read
from massage_link.usecases.rescheduling import reschedule
from massage_link.usecases.rooms import freeze_room, reopen_room
from massage_link.usecases.slots import free_times, take_bookings
from massage_link.usecases.transitions import Wanted, quote, transition
from massage_link.wire.call import Flow
from massage_link.wire.users import labels_of

__all__ = ["COMMANDS", "OPS_LABEL", "Caller", "run_command"]

#: The label of the users who are ops.
OPS_LABEL = "ops"


@dataclass(frozen=True, slots=True)
class Caller:
    """The signed-in user who gives a command.

    Attributes:
        user_id: as Appwrite says, never as the request does.

    """

    user_id: str

    def is_ops(self) -> Flow[bool]:
        """Whether they carry the label of ops. Asked of the server, when it matters."""
        return OPS_LABEL in (yield from labels_of(self.user_id))


class _Arguments(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


_Id = Annotated[str, Field(min_length=1, max_length=36)]
_Key = Annotated[str, Field(min_length=1, max_length=50)]
#: How long one execution pays: well below what a function is given.
_PAYING = timedelta(seconds=8)


class RequestBooking(_Arguments):
    """``bookings.request``: price, end, buffer and policy come from the therapist's catalogue."""

    therapist_id: _Id
    service: str
    starts_at: UtcDatetime
    idempotency_key: Annotated[str, Field(min_length=1, max_length=200)]
    customer_id: _Id | None = None
    timezone: str | None = None
    area: str = ""
    address: str = ""
    note: str = ""
    customer_name: str = ""
    exception: str = ""


class MoveBooking(_Arguments):
    """``bookings.accept`` and all other moves; `by` may be said, and is the caller."""

    booking_id: _Id
    command_id: _Id
    by: _Id | None = None
    reason: str = ""
    starts_at: UtcDatetime | None = None
    waive_fee: bool = False
    expected_version: int | None = None
    at_most_minor: Annotated[int, Field(ge=0)] | None = None


class QuoteCancellation(_Arguments):
    """``bookings.quote_cancellation``."""

    booking_id: _Id
    by: _Id | None = None


class SendMessage(_Arguments):
    """``chat.send``; `senderId` may be said, and is the caller."""

    booking_id: _Id
    body: str
    client_id: _Id
    sender_id: _Id | None = None


class EditMessage(_Arguments):
    """``chat.edit``; `n` is the number of the message, `body` its new text."""

    booking_id: _Id
    n: int
    body: str
    client_id: _Id
    sender_id: _Id | None = None


class DeleteMessage(_Arguments):
    """``chat.delete``."""

    booking_id: _Id
    n: int
    client_id: _Id
    sender_id: _Id | None = None


class MarkRead(_Arguments):
    """``chat.mark_read``."""

    booking_id: _Id
    n: int
    user_id: _Id | None = None


class CorrectCommission(_Arguments):
    """``commissions.refund`` and ``commissions.adjust``; for ops."""

    booking_id: _Id
    amount_minor: int
    currency: Annotated[str, Field(max_length=3)]
    key: _Key
    reason: str


class PayOut(_Arguments):
    """``commissions.pay_out``; for ops. Repeated until the report is complete."""

    batch: _Key
    therapist_id: _Id | None = None
    until: UtcDatetime | None = None
    dry_run: bool = False


class Appear(_Arguments):
    """``chat.appear``."""

    booking_id: _Id
    typing: bool = False
    user_id: _Id | None = None


class FreezeRoom(_Arguments):
    """``chat.freeze``, for ops."""

    booking_id: _Id


class ReopenRoom(_Arguments):
    """``chat.reopen``, for ops."""

    booking_id: _Id
    until: UtcDatetime | None = None


class TakeBookings(_Arguments):
    """``availability.take_bookings``; `therapistId` may be said, and is the caller."""

    taking: StrictBool
    therapist_id: _Id | None = None


class FreeSlots(_Arguments):
    """``availability.slots``."""

    therapist_id: _Id
    service: str
    start: UtcDatetime
    end: UtcDatetime


def run_command(ports: Ports, caller: Caller, name: str, arguments: Mapping[str, Any]) -> Flow[Any]:
    """Run a command; the result is JSON: a row as Appwrite writes it, or what the command says.

    Raises:
        InvalidInput: there is no such command, or an argument is missing, unknown or malformed.

    and what the use case raises.

    """
    command = COMMANDS.get(name)
    if command is None:
        raise InvalidInput(f"there is no command {name!r}; there are {', '.join(sorted(COMMANDS))}.")
    try:
        parsed = command.arguments.model_validate(dict(arguments))
    except ValidationError as error:
        raise InvalidInput(f"{name}: {'; '.join(_faults(error))}.") from None
    return (yield from command.run(ports, caller, parsed))


def _faults(error: ValidationError) -> list[str]:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in faults]


def _row(row: BaseModel) -> dict[str, Any]:
    return row.model_dump(mode="json", by_alias=True)


def _is_caller(caller: Caller, name: str, said: str | None) -> None:
    if said is not None and said != caller.user_id:
        raise NotAllowed(f"{name} is {said}, and you are {caller.user_id}: a user acts for themselves.")


def _request(ports: Ports, caller: Caller, asked: RequestBooking) -> Flow[Any]:
    _is_caller(caller, "customerId", asked.customer_id)
    if asked.exception and not (yield from caller.is_ops()):
        raise NotAllowed("only ops may book outside a therapist's hours.")
    wish = BookingWish(
        customer_id=caller.user_id,
        therapist_id=asked.therapist_id,
        service=asked.service,
        starts_at=asked.starts_at,
        timezone=asked.timezone,
        area=asked.area,
        address=asked.address,
        note=asked.note,
        customer_name=asked.customer_name,
    )
    booking = yield from request_booking(ports, wish, idempotency_key=asked.idempotency_key, exception=asked.exception)
    return _row(booking)


def _actor(ports: Ports, caller: Caller, booking_id: str) -> Flow[Actor]:
    """In what part the caller acts; to a stranger, a booking that exists looks as one that does not, calls included."""
    booking = yield from find_booking(ports, booking_id)
    if isinstance(booking, Booking) and caller.user_id in {booking.customer_id, booking.therapist_id}:
        return Actor(caller.user_id, role_in(booking, caller.user_id))
    if not (yield from caller.is_ops()):
        raise _nothing_there(booking, caller, booking_id)
    return Actor(caller.user_id, Role.OPS)


def _mover(command: Command) -> Callable[[Ports, Caller, MoveBooking], Flow[Any]]:
    def run(ports: Ports, caller: Caller, asked: MoveBooking) -> Flow[Any]:
        _is_caller(caller, "by", asked.by)
        actor = yield from _actor(ports, caller, asked.booking_id)
        wanted = Wanted(
            command,
            reason=asked.reason,
            starts_at=asked.starts_at,
            waive_fee=asked.waive_fee,
            expected_version=asked.expected_version,
            at_most_minor=asked.at_most_minor,
            command_id=asked.command_id,
        )
        use_case = reschedule if command is Command.RESCHEDULE else transition
        booking: Booking = yield from use_case(ports, asked.booking_id, wanted, actor=lambda _: actor)
        return _row(booking)

    return run


def _quote(ports: Ports, caller: Caller, asked: QuoteCancellation) -> Flow[Any]:
    _is_caller(caller, "by", asked.by)
    actor = yield from _actor(ports, caller, asked.booking_id)
    booking = yield from get_booking(ports, asked.booking_id)
    offer = quote(booking, actor.role, ports.now())
    free_until: datetime | None = offer.free_until
    return {
        "feeMinor": offer.fee.minor,
        "currency": offer.fee.currency,
        "freeUntil": None if free_until is None else free_until.isoformat(),
        "version": offer.version,
    }


def _send(ports: Ports, caller: Caller, asked: SendMessage) -> Flow[Any]:
    _is_caller(caller, "senderId", asked.sender_id)
    yield from _participant(ports, caller, asked.booking_id)
    sent = yield from send_message(
        ports, asked.booking_id, sender_id=caller.user_id, body=asked.body, client_id=asked.client_id
    )
    return _row(sent)


def _mark_read(ports: Ports, caller: Caller, asked: MarkRead) -> Flow[Any]:
    _is_caller(caller, "userId", asked.user_id)
    yield from _participant(ports, caller, asked.booking_id)
    return _row((yield from mark_read(ports, asked.booking_id, user_id=caller.user_id, n=asked.n)))


def _edit(ports: Ports, caller: Caller, asked: EditMessage) -> Flow[Any]:
    _is_caller(caller, "senderId", asked.sender_id)
    yield from _participant(ports, caller, asked.booking_id)
    told = yield from edit_message(
        ports, asked.booking_id, asked.n, sender_id=caller.user_id, body=asked.body, client_id=asked.client_id
    )
    return _row(told)


def _delete(ports: Ports, caller: Caller, asked: DeleteMessage) -> Flow[Any]:
    _is_caller(caller, "senderId", asked.sender_id)
    yield from _participant(ports, caller, asked.booking_id)
    told = yield from delete_message(
        ports, asked.booking_id, asked.n, sender_id=caller.user_id, client_id=asked.client_id
    )
    return _row(told)


def _appear(ports: Ports, caller: Caller, asked: Appear) -> Flow[Any]:
    _is_caller(caller, "userId", asked.user_id)
    yield from _participant(ports, caller, asked.booking_id)
    said = yield from appear(ports, asked.booking_id, user_id=caller.user_id, typing=asked.typing)
    return None if said is None else said.as_json()


def _freeze(ports: Ports, caller: Caller, asked: FreezeRoom) -> Flow[Any]:
    yield from _ops(ports, caller, asked.booking_id, "close")
    return _row((yield from freeze_room(ports, asked.booking_id)))


def _reopen(ports: Ports, caller: Caller, asked: ReopenRoom) -> Flow[Any]:
    yield from _ops(ports, caller, asked.booking_id, "open")
    return _row((yield from reopen_room(ports, asked.booking_id, until=asked.until)))


def _ops(ports: Ports, caller: Caller, booking_id: str, what: str) -> Flow[None]:
    actor = yield from _actor(ports, caller, booking_id)
    if actor.role is not Role.OPS:
        raise NotAllowed(f"only ops may {what} a conversation, not {actor.role} {actor.id}.")


def _participant(ports: Ports, caller: Caller, booking_id: str) -> Flow[None]:
    booking = yield from find_booking(ports, booking_id)
    if isinstance(booking, Booking) and caller.user_id in {booking.customer_id, booking.therapist_id}:
        return
    raise _nothing_there(booking, caller, booking_id)


def _nothing_there(found: BookingOrDraft | None, caller: Caller, booking_id: str) -> NotFound:
    if isinstance(found, Draft) and caller.user_id in found.authors:
        return NotFound(f"booking {booking_id!r} is a draft that has not been admitted yet.")
    return NotFound(f"there is no booking {booking_id!r}, or it is not visible to this credential.")


def _corrector(
    use_case: Callable[..., Flow[CommissionEntry]],
) -> Callable[[Ports, Caller, CorrectCommission], Flow[Any]]:
    def run(ports: Ports, caller: Caller, asked: CorrectCommission) -> Flow[Any]:
        actor = yield from _actor(ports, caller, asked.booking_id)
        if actor.role is not Role.OPS:
            raise NotAllowed("only ops may change what a booking earns.")
        amount = Money(asked.amount_minor, asked.currency)
        entry = yield from use_case(ports, asked.booking_id, amount, key=asked.key, reason=asked.reason, actor=actor)
        return _row(entry)

    return run


def _pay_out(ports: Ports, caller: Caller, asked: PayOut) -> Flow[Any]:
    if not (yield from caller.is_ops()):
        raise NotAllowed("only ops may pay out.")
    report = yield from pay_out(
        ports,
        asked.batch,
        actor=Actor(caller.user_id, Role.OPS),
        therapist_id=asked.therapist_id,
        until=asked.until,
        dry_run=asked.dry_run,
        # What would be paid can only be said of all of it.
        budget=None if asked.dry_run else _PAYING,
    )
    return report.as_json()


def _slots(ports: Ports, caller: Caller, asked: FreeSlots) -> Flow[Any]:  # noqa: ARG001 - every user may ask
    free = yield from free_times(ports, asked.therapist_id, asked.service, start=asked.start, end=asked.end)
    return [{"startsAt": slot.starts_at.isoformat(), "endsAt": slot.ends_at.isoformat()} for slot in free]


def _take_bookings(ports: Ports, caller: Caller, asked: TakeBookings) -> Flow[Any]:
    _is_caller(caller, "therapistId", asked.therapist_id)
    return _row((yield from take_bookings(ports, caller.user_id, taking=asked.taking)))


@dataclass(frozen=True, slots=True)
class _CommandSpec:
    arguments: type[_Arguments]
    run: Callable[[Ports, Caller, Any], Flow[Any]]


_MOVES = (
    Command.ACCEPT,
    Command.DECLINE,
    Command.CANCEL,
    Command.START,
    Command.COMPLETE,
    Command.NO_SHOW,
    Command.RESCHEDULE,
)
#: Every command by its name.
COMMANDS: Mapping[str, _CommandSpec] = {
    "bookings.request": _CommandSpec(RequestBooking, _request),
    **{f"bookings.{command.value}": _CommandSpec(MoveBooking, _mover(command)) for command in _MOVES},
    "bookings.quote_cancellation": _CommandSpec(QuoteCancellation, _quote),
    "chat.send": _CommandSpec(SendMessage, _send),
    "chat.edit": _CommandSpec(EditMessage, _edit),
    "chat.delete": _CommandSpec(DeleteMessage, _delete),
    "chat.mark_read": _CommandSpec(MarkRead, _mark_read),
    "commissions.refund": _CommandSpec(CorrectCommission, _corrector(refund_booking)),
    "commissions.adjust": _CommandSpec(CorrectCommission, _corrector(adjust_commission)),
    "commissions.pay_out": _CommandSpec(PayOut, _pay_out),
    "chat.appear": _CommandSpec(Appear, _appear),
    "chat.freeze": _CommandSpec(FreezeRoom, _freeze),
    "chat.reopen": _CommandSpec(ReopenRoom, _reopen),
    "availability.slots": _CommandSpec(FreeSlots, _slots),
    "availability.take_bookings": _CommandSpec(TakeBookings, _take_bookings),
}
