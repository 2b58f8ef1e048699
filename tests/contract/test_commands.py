"""Signed-in users act through the `commands` function: as by key, with the same errors, and as nobody else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from marketplace import LinkMaker, all_of
from massage_link import AsyncMassageLink, Booking, MassageLink, Money, Status, errors
from massage_link.errors import (
    CredentialRequired,
    IdempotencyMismatch,
    IllegalTransition,
    InvalidInput,
    MassageLinkError,
    NotAllowed,
    NotFound,
    StaleBooking,
    Unauthorized,
)
from massage_link.usecases.commands import COMMANDS
from massage_link.usecases.reported import revive
from massage_link.wire.executions import CALLER_JWT, execute
from salon import SERVICE, Browser, Salon

HOUR = timedelta(hours=1)
Everybody = Mapping[str, AsyncMassageLink]


@pytest.fixture(params=["jwt", "session"])
async def acting(request: pytest.FixtureRequest, desks: LinkMaker, salon: Salon) -> Everybody:
    """A link for each part, by JWTs that a key mints or by a session of their own."""
    key, nobody = desks(), desks(api_key=None)
    parts = {}
    for part in ("customer", "therapist", "other_customer", "ops"):
        person = getattr(salon.people, part)
        by_jwt = request.param == "jwt"
        parts[part] = key.as_user(person.id) if by_jwt else await nobody.sign_in(person.email, person.password)
    return parts


@pytest.fixture
async def clients(salon: Salon) -> AsyncIterator[Callable[[str], Browser]]:
    """Appwrite as somebody's own client sees it, by JWT."""
    made: list[Browser] = []

    def client(part: str) -> Browser:
        made.append(salon.client(getattr(salon.people, part)))
        return made[-1]

    yield client
    for each in made:
        await each.aclose()


async def run_raw(client: Browser, body: object, **headers: str) -> tuple[int, Any]:
    """Status and answer of the function for any body, as JSON or as it is."""
    answer = await client.run(body if isinstance(body, str) else json.dumps(body), **headers)
    assert answer.status_code == 201, answer.text
    return answer.json()["responseStatusCode"], json.loads(answer.json()["responseBody"])


# --- every command ----------------------------------------------------------------------------------------------------
async def test_a_booking_goes_all_its_ways_through_commands_alone(acting: Everybody, salon: Salon) -> None:
    customer, therapist, ops = acting["customer"], acting["therapist"], acting["ops"]
    start = salon.market.start()
    free = await customer.availability.slots(salon.people.therapist.id, SERVICE, start, start + HOUR)
    wish = salon.wish(starts_at=free[0].starts_at, address="Linienstraße 1", note="Hof 🙏")
    booking = await customer.bookings.request(**wish)
    assert booking.price == Money(9_505, "EUR")
    assert (await customer.bookings.get(booking.id)).note == "Hof 🙏"
    assert (await therapist.bookings.accept(booking.id, reason="See you")).status is Status.ACCEPTED
    sent = await customer.chat.send(booking.id, "Is there a lift?")
    assert (sent.sender_id, sent.n) == (salon.people.customer.id, 3)  # after two lines: opened, accepted
    assert (await therapist.chat.mark_read(booking.id, 3)).n == 3
    await _talk_about(booking, acting)
    moved = await therapist.bookings.reschedule(booking.id, booking.starts_at + HOUR)
    assert moved.starts_at == booking.starts_at + HOUR
    assert (await therapist.bookings.start(booking.id)).status is Status.IN_PROGRESS
    assert (await therapist.bookings.complete(booking.id)).status is Status.COMPLETED
    history = await all_of(ops.bookings.history(booking.id))
    actors = [(event.actor, event.type.value) for event in history]
    assert [who for who, _ in actors] == [salon.people.customer.id, *[salon.people.therapist.id] * 4]
    told = [each.client_id for each in await all_of(therapist.chat.messages(booking.id)) if each.kind.value == "system"]
    assert told == ["opened", "event:2", "event:3", "event:4", "event:5"]
    assert (await therapist.commissions.get(booking.id)).commission == Money(2_852, "EUR")


async def _talk_about(booking: Booking, acting: Everybody) -> None:
    """What else there is to do in a conversation."""
    customer, ops = acting["customer"], acting["ops"]
    sent = await customer.chat.send(booking.id, "Is there a lfit?")
    assert (await customer.chat.edit(booking.id, sent.n, "Is there a lift?")).refers_to == sent.n
    assert (await customer.chat.delete(booking.id, sent.n)).refers_to == sent.n
    here = await customer.chat.appear(booking.id, typing=True)
    assert here is not None
    assert (here.user_id, here.typing) == (booking.customer_id, True)
    assert (await ops.chat.freeze(booking.id)).status.value == "frozen"
    assert (await ops.chat.reopen(booking.id)).status.value == "open"


async def test_the_other_ways_a_booking_ends(acting: Everybody, salon: Salon) -> None:
    customer, therapist, ops = acting["customer"], acting["therapist"], acting["ops"]
    declined = await customer.bookings.request(**salon.wish())
    assert (await therapist.bookings.decline(declined.id, reason="away")).status is Status.DECLINED
    cancelled = await customer.bookings.request(**salon.wish())
    quote = await customer.bookings.quote_cancellation(cancelled.id)
    assert quote.fee == Money(0, "EUR")
    assert (await customer.bookings.cancel(cancelled.id, quoted=quote)).status is Status.CANCELLED
    missed = await customer.bookings.request(**salon.wish())
    await therapist.bookings.accept(missed.id)
    assert (await ops.bookings.no_show(missed.id, "called us", waive_fee=True)).status is Status.NO_SHOW


def test_these_tests_run_every_command() -> None:
    """The two tests above, command by command; what is for ops, and a therapist's switch, tests of their own run."""
    moves = ("accept", "decline", "cancel", "start", "complete", "no_show", "reschedule")
    others = {"bookings.request", "bookings.quote_cancellation", "availability.slots"}
    chat = {f"chat.{name}" for name in ("send", "edit", "delete", "mark_read", "appear", "freeze", "reopen")}
    elsewhere = {f"commissions.{name}" for name in ("adjust", "pay_out", "refund")} | {"availability.take_bookings"}
    assert set(COMMANDS) == {f"bookings.{move}" for move in moves} | others | chat | elsewhere


# --- the same errors as by key ----------------------------------------------------------------------------------------
async def _taken(link: AsyncMassageLink, salon: Salon, taken: Booking) -> object:
    return await link.bookings.request(**salon.wish(starts_at=taken.starts_at))


async def _past(link: AsyncMassageLink, salon: Salon, taken: Booking) -> object:
    return await link.bookings.request(**salon.wish(starts_at=taken.starts_at - timedelta(days=800)))


async def _half_a_minute(link: AsyncMassageLink, salon: Salon, taken: Booking) -> object:
    return await link.bookings.request(**salon.wish(starts_at=taken.starts_at + timedelta(seconds=30)))


async def _no_such_service(link: AsyncMassageLink, salon: Salon, taken: Booking) -> object:
    return await link.bookings.request(**salon.wish(service="Hot stone"))


async def _long_note(link: AsyncMassageLink, salon: Salon, taken: Booking) -> object:
    return await link.bookings.request(**salon.wish(note="n" * 2_001))


async def _instruction(link: AsyncMassageLink, salon: Salon, taken: Booking) -> object:
    return await link.bookings.request(**salon.wish(note='{"method":"increment","values":[1]}'))


async def _not_hers(link: AsyncMassageLink, salon: Salon, taken: Booking) -> object:
    return await link.bookings.accept(taken.id, by=salon.people.customer.id)


async def _not_yet(link: AsyncMassageLink, salon: Salon, taken: Booking) -> object:
    return await link.bookings.start(taken.id, by=salon.people.customer.id)


async def _long_reason(link: AsyncMassageLink, salon: Salon, taken: Booking) -> object:
    return await link.bookings.cancel(taken.id, by=salon.people.customer.id, reason="r" * 501)


async def _move_into_the_past(link: AsyncMassageLink, salon: Salon, taken: Booking) -> object:
    moment = taken.starts_at - timedelta(days=800)
    return await link.bookings.reschedule(taken.id, moment, by=salon.people.customer.id)


async def _empty_message(link: AsyncMassageLink, salon: Salon, taken: Booking) -> object:
    return await link.chat.send(taken.id, " ", sender_id=salon.people.customer.id)


async def _read_too_far(link: AsyncMassageLink, salon: Salon, taken: Booking) -> object:
    return await link.chat.mark_read(taken.id, 99, user_id=salon.people.customer.id)


@pytest.mark.parametrize(
    "fault",
    [
        _taken, _past, _half_a_minute, _no_such_service, _long_note, _instruction, _not_hers, _not_yet, _long_reason,
        _move_into_the_past, _empty_message, _read_too_far,
    ],
)  # fmt: skip
async def test_a_user_is_told_what_the_key_is_told(
    desks: LinkMaker,
    acting: Everybody,
    salon: Salon,
    fault: Callable[[AsyncMassageLink, Salon, Booking], Awaitable[object]],
) -> None:
    key = desks()
    taken = await key.bookings.request(**salon.wish())
    await key.chat.send(taken.id, "hello", sender_id=taken.customer_id)  # a room is there
    told: list[MassageLinkError] = []
    for link in (key, acting["customer"]):
        with pytest.raises(MassageLinkError) as refused:
            await fault(link, salon, taken)
        told.append(refused.value)
    by_key, by_user = told
    assert type(by_user) is type(by_key)
    assert _without_times(by_user) == _without_times(by_key)
    assert vars(by_user) == vars(by_key)


def _without_times(error: MassageLinkError) -> str:
    """The message without the present moment, which differs."""
    return str(error).partition(" (it is ")[0]


def test_every_error_of_the_rules_travels() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__]
    for kind in kinds:
        if issubclass(kind, errors.RuleError | errors.UsageError) and kind is not StaleBooking:
            assert type(revive({"type": kind.__name__, "message": "m"})) is kind
    assert type(revive({"type": "Unauthorized", "message": "m"})) is errors.UnexpectedAnswer
    assert type(revive({"type": "__builtins__", "message": "m"})) is errors.UnexpectedAnswer


async def test_a_user_who_is_late_sees_the_booking_as_it_is(acting: Everybody, desks: LinkMaker, salon: Salon) -> None:
    booking = await acting["customer"].bookings.request(**salon.wish())
    quote = await acting["customer"].bookings.quote_cancellation(booking.id)
    await desks().bookings.accept(booking.id)
    with pytest.raises(StaleBooking) as refused:
        await acting["customer"].bookings.cancel(booking.id, quoted=quote)
    assert (refused.value.current.status, refused.value.current.version) == (Status.ACCEPTED, 2)


async def test_a_user_moves_a_booking_only_as_they_saw_it(acting: Everybody, salon: Salon) -> None:
    seen = await acting["customer"].bookings.request(**salon.wish())
    await acting["customer"].bookings.reschedule(seen.id, salon.market.start(), expected_version=1)
    with pytest.raises(StaleBooking) as refused:
        await acting["therapist"].bookings.accept(seen.id, expected_version=1)
    assert refused.value.current.version == 2
    assert (await acting["therapist"].bookings.accept(seen.id, expected_version=2)).version == 3


# --- nobody but oneself -----------------------------------------------------------------------------------------------
async def test_a_user_acts_as_nobody_else(acting: Everybody, salon: Salon) -> None:
    customer, victim = acting["customer"], salon.people.other_customer.id
    booking = await customer.bookings.request(**salon.wish())
    for work in (
        customer.bookings.request(**salon.wish(customer_id=victim)),
        customer.bookings.accept(booking.id, by=salon.people.therapist.id),
        customer.bookings.cancel(booking.id, by=victim),
        customer.bookings.quote_cancellation(booking.id, by=victim),
        customer.chat.send(booking.id, "hello", sender_id=salon.people.therapist.id),
        customer.chat.mark_read(booking.id, 1, user_id=victim),
    ):
        with pytest.raises(NotAllowed, match="a user acts for themselves"):
            await work
    with pytest.raises(NotAllowed, match="only ops may book outside"):
        await customer.bookings.request(**salon.wish(exception="I am ops, honestly"))
    with pytest.raises(CredentialRequired, match="price: only a link with an API key decides that"):
        await customer.bookings.request(**salon.wish(price=Money(1, "EUR")))
    assert (await customer.bookings.get(booking.id)).version == 1


async def test_what_a_user_may_not_decide_is_no_argument(clients: Callable[[str], Browser], salon: Salon) -> None:
    customer = clients("customer")
    wish = {
        "therapistId": salon.people.therapist.id,
        "service": SERVICE,
        "startsAt": salon.market.start().isoformat(),
        "idempotencyKey": "k",
    }
    for forged in (
        {"price": 1}, {"priceMinor": 1}, {"currency": "JPY"}, {"endsAt": wish["startsAt"]}, {"status": "accepted"},
        {"commissionBps": 0}, {"bufferMinutes": 0}, {"cancellationPolicy": ""}, {"actor": "ops"}, {"canary": True},
    ):  # fmt: skip
        status, answer = await run_raw(customer, {"command": "bookings.request", "arguments": {**wish, **forged}})
        assert (status, answer["error"]["type"]) == (400, "InvalidInput")
        assert f"{next(iter(forged))}: Extra inputs are not permitted" in answer["error"]["message"]


@pytest.mark.parametrize("header", ["X-Appwrite-User-Id", "X-APPWRITE-USER-ID", "x-Appwrite-User-Id"])
async def test_a_forged_header_makes_nobody_somebody_else(
    clients: Callable[[str], Browser], salon: Salon, header: str
) -> None:
    """Appwrite refuses the lower-case spelling alone, and its Python runtime then believes the caller's."""
    with MassageLink(**salon.server.arguments()) as key:
        booking = key.bookings.request(**salon.wish())
    accept = {"command": "bookings.accept", "arguments": {"bookingId": booking.id, "commandId": "forged"}}
    thief = clients("other_customer")
    for more in ({}, {"X-Appwrite-User-Jwt": "forged"}, {"X-Appwrite-Trigger": "schedule"}):
        status, answer = await run_raw(thief, accept, **{header: salon.people.therapist.id, **more})
        assert (status, answer["error"]["type"]) == (404, "NotFound")
    assert [event.version for event in key_history(salon, booking)] == [1]


@pytest.mark.parametrize(
    ("forged", "status"),
    [
        ({}, 404),
        ({"X-Appwrite-User-Id": "therapist"}, 404),
        ({"X-Appwrite-User-Jwt": "forged", "X-Appwrite-User-Id": "therapist"}, 403),
        ({CALLER_JWT: "forged", "X-Appwrite-User-Id": "therapist"}, 403),
        ({"X-Appwrite-Key": "forged", "X-Appwrite-User-Id": "therapist"}, 500),
        ({"X-Appwrite-Trigger": "schedule", "X-Appwrite-Event": "databases.d.tables.t.rows.r.create"}, 404),
    ],
)
async def test_a_session_proves_who_calls_and_no_header_does(
    salon: Salon, forged: Mapping[str, str], status: int
) -> None:
    """What a caller sets goes before what Appwrite sets; a JWT can be sent, and not made up."""
    booking = salon.link.bookings.request(**salon.wish())
    accept = {"command": "bookings.accept", "arguments": {"bookingId": booking.id, "commandId": "forged"}}
    headers = {name: value.replace("therapist", salon.people.therapist.id) for name, value in forged.items()}
    async with salon.client_of_session(salon.people.other_customer) as thief:
        told, answer = await run_raw(thief, accept, **headers)
    assert told == status, answer
    assert [event.version for event in key_history(salon, booking)] == [1]
    async with salon.client_of_session(salon.people.therapist) as therapist:
        assert (await run_raw(therapist, accept))[0] == 200


def key_history(salon: Salon, booking: Booking) -> list[Any]:
    return list(salon.link.bookings.history(booking.id))


async def test_without_a_proof_of_who_calls_nothing_is_done(clients: Callable[[str], Browser]) -> None:
    client = clients("customer")
    for jwt in ("", "not.a.jwt", str(client.headers["X-Appwrite-JWT"])[:-4] + "AAAA"):
        status, answer = await run_raw(client, {"command": "bookings.accept", "arguments": {}}, **{CALLER_JWT: jwt})
        assert (status, answer["error"]["type"]) == (403, "NotAllowed")


async def test_a_guest_gives_no_commands_and_a_key_needs_none(desks: LinkMaker, salon: Salon) -> None:
    with pytest.raises((Unauthorized, CredentialRequired)):
        await desks(api_key=None).bookings.accept("any")
    execution = await desks().send(execute(salon.server.commands, {"command": "bookings.accept", "arguments": {}}))
    assert (execution.response_status, json.loads(execution.response_body)["error"]["type"]) == (403, "NotAllowed")


# --- what cannot be read ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "the body is JSON"),
        ("accept", "the body is JSON"),
        ("[]", "the body is JSON"),
        ("[" * 100_000, "the body is JSON"),
        ({"command": 1}, "the body is JSON"),
        ({"command": "bookings.accept", "arguments": []}, "are a JSON object"),
        ({"command": "bookings.delete"}, "there is no command 'bookings.delete'; there are availability.slots"),
        ({"command": "__class__"}, "there is no command '__class__'"),
        ({"command": "bookings.accept"}, "bookings.accept: bookingId: Field required; commandId: Field required"),
        ({"command": "bookings.accept", "arguments": {"bookingId": 1, "commandId": "k"}}, "bookingId: Input should be"),
        ({"command": "bookings.accept", "arguments": {"bookingId": "", "commandId": "k"}}, "bookingId: String should"),
        ({"command": "bookings.accept", "arguments": {"bookingId": "b", "commandId": "k" * 37}}, "commandId"),
        ({"command": "chat.send", "arguments": {"bookingId": "b", "clientId": "c"}}, "body: Field required"),
    ],
)
async def test_what_is_no_command_is_told_so(clients: Callable[[str], Browser], body: object, said: str) -> None:
    status, answer = await run_raw(clients("customer"), body)
    assert (status, answer["error"]["type"]) == (400, "InvalidInput")
    assert said in answer["error"]["message"]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:00+00:00", "2026-12-01T10:00:00"])
async def test_times_that_can_not_be_are_refused(clients: Callable[[str], Browser], salon: Salon, moment: str) -> None:
    customer = clients("customer")
    booking = salon.link.bookings.request(**salon.wish())
    asked = {"therapistId": salon.people.therapist.id, "service": SERVICE, "startsAt": moment, "idempotencyKey": "k"}
    move = {"bookingId": booking.id, "commandId": "k", "startsAt": moment}
    for command, arguments in (("bookings.request", asked), ("bookings.reschedule", move)):
        status, answer = await run_raw(customer, {"command": command, "arguments": arguments})
        assert status in {400, 409}, answer
        assert answer["error"]["type"] in {"InvalidInput", "InvalidBooking", "NotAvailable"}


# --- repeats ----------------------------------------------------------------------------------------------------------
async def test_a_command_that_is_repeated_changes_nothing_more(clients: Callable[[str], Browser], salon: Salon) -> None:
    customer = clients("customer")
    booking = salon.link.bookings.request(**salon.wish())
    new = booking.starts_at + HOUR
    arguments = {"bookingId": booking.id, "commandId": "move-1", "startsAt": new.isoformat()}
    move = {"command": "bookings.reschedule", "arguments": arguments}
    for _ in range(2):
        status, answer = await run_raw(customer, move)
        assert (status, answer["result"]["version"]) == (200, 2)
    # Also when more has happened since, which it must not undo.
    salon.link.bookings.reschedule(booking.id, new + HOUR)
    status, answer = await run_raw(customer, move)
    assert (status, answer["result"]["version"]) == (200, 3)
    assert salon.link.bookings.get(booking.id).starts_at == new + HOUR
    assert [event.version for event in key_history(salon, booking)] == [1, 2, 3]


async def test_a_command_id_serves_for_one_command_of_one_user(clients: Callable[[str], Browser], salon: Salon) -> None:
    booking = salon.link.bookings.request(**salon.wish())
    arguments = {"bookingId": booking.id, "commandId": "k-1"}
    accept = {"command": "bookings.accept", "arguments": arguments}
    assert (await run_raw(clients("therapist"), accept))[0] == 200
    for part, command in (("therapist", "bookings.start"), ("ops", "bookings.accept"), ("customer", "bookings.cancel")):
        status, answer = await run_raw(clients(part), {"command": command, "arguments": arguments})
        assert (status, answer["error"]["type"]) == (409, IdempotencyMismatch.__name__), part
    assert salon.link.bookings.get(booking.id).version == 2


async def test_a_request_that_is_repeated_gives_the_same_booking_and_another_one_is_refused(
    acting: Everybody, salon: Salon
) -> None:
    wish = salon.wish(idempotency_key=salon.market.someone("order"))
    first = await acting["customer"].bookings.request(**wish)
    assert (await acting["customer"].bookings.request(**wish)).id == first.id
    with pytest.raises(IdempotencyMismatch):
        await acting["customer"].bookings.request(**{**wish, "note": "another"})
    other = {**wish, "customer_id": salon.people.other_customer.id, "starts_at": salon.market.start()}
    assert (await acting["other_customer"].bookings.request(**other)).id != first.id


async def test_a_message_that_is_repeated_is_sent_once(acting: Everybody, salon: Salon) -> None:
    booking = await acting["customer"].bookings.request(**salon.wish())
    sent = [await acting["customer"].chat.send(booking.id, "hello", client_id="m1") for _ in range(2)]
    assert sent[0].id == sent[1].id
    with pytest.raises(IdempotencyMismatch):
        await acting["customer"].chat.send(booking.id, "other", client_id="m1")
    with pytest.raises(IdempotencyMismatch):
        await acting["therapist"].chat.send(booking.id, "hello", client_id="m1")


# --- ops --------------------------------------------------------------------------------------------------------------
async def test_ops_are_known_by_their_label_as_it_is_now(acting: Everybody, desks: LinkMaker, salon: Salon) -> None:
    booking = await acting["customer"].bookings.request(**salon.wish())
    with pytest.raises(NotFound):
        await acting["other_customer"].bookings.accept(booking.id)
    accepted = await acting["ops"].bookings.accept(booking.id, reason="on the phone")
    assert accepted.status is Status.ACCEPTED
    event = (await all_of(desks().bookings.history(booking.id)))[-1]
    assert (event.actor, event.actor_role.value) == (salon.people.ops.id, "ops")


async def test_ops_book_outside_the_hours_with_a_reason(acting: Everybody, salon: Salon) -> None:
    therapist = salon.therapist(hours={"weekly": {}})
    wish = salon.wish(therapist_id=therapist, customer_id=salon.people.ops.id, exception="A favour.")
    booking = await acting["ops"].bookings.request(**wish)
    assert next(iter(key_history(salon, booking))).reason == "A favour."


async def test_what_is_possible_is_told_to_a_user_too(acting: Everybody, salon: Salon) -> None:
    booking = await acting["customer"].bookings.request(**salon.wish())
    with pytest.raises(IllegalTransition, match="is pending; complete is possible while it is accepted or in_progress"):
        await acting["therapist"].bookings.complete(booking.id)
    with pytest.raises(InvalidInput, match="a range of at most 31 days"):
        await acting["customer"].availability.slots(
            booking.therapist_id, SERVICE, booking.starts_at, booking.starts_at - HOUR
        )
