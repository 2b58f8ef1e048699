"""The state machine of a booking, against a table written from the design by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.domain.booking import Booking, BookingEventType, Role, Status
from massage_link.domain.commission import CommissionStatus
from massage_link.domain.money import Money
from massage_link.domain.policy import CancellationPolicy
from massage_link.domain.states import LIVE, TRANSITIONS, Actor, Command, Decision, Transition, decide, role_in
from massage_link.errors import IllegalTransition, InvalidBooking, InvalidInput, NotAllowed

NOW = datetime(2026, 7, 1, 9, tzinfo=UTC)
STARTS = NOW + timedelta(days=2)

# status, command → what follows and who may. What is not here must not be possible.
ALLOWED: dict[tuple[str, str], dict[str, str]] = {
    ("pending", "accept"): {"accepted": "therapist ops"},
    ("pending", "decline"): {"declined": "therapist ops system"},
    ("pending", "expire"): {"expired": "system"},
    ("pending", "cancel"): {"cancelled": "customer ops"},
    ("pending", "reschedule"): {"pending": "customer ops"},
    ("accepted", "cancel"): {"cancelled": "customer therapist ops"},
    ("accepted", "reschedule"): {"pending": "customer", "accepted": "therapist ops"},
    ("accepted", "start"): {"in_progress": "therapist ops"},
    ("accepted", "complete"): {"completed": "therapist ops"},
    ("accepted", "no_show"): {"no_show": "therapist ops"},
    ("in_progress", "cancel"): {"cancelled": "therapist ops"},
    ("in_progress", "complete"): {"completed": "therapist ops"},
    ("in_progress", "no_show"): {"no_show": "therapist ops"},
}
#: status, command, role → the status that follows.
POSSIBLE = {
    (status, command, role): target
    for (status, command), targets in ALLOWED.items()
    for target, who in targets.items()
    for role in who.split()
}


def booking(status: str = "pending", version: int = 3, policy: CancellationPolicy | None = None) -> Booking:
    return Booking(
        id="b1",
        customer_id="c1",
        therapist_id="t1",
        service="Swedish",
        starts_at=STARTS,
        ends_at=STARTS + timedelta(hours=1),
        timezone="Europe/Berlin",
        duration_minutes=60,
        price_minor=9_500,
        currency="EUR",
        status=Status(status),
        version=version,
        expires_at=NOW + timedelta(hours=4) if status == "pending" else None,
        cancellation_policy="" if policy is None else policy.text(),
    )


def actor(role: str) -> Actor:
    return Actor({"customer": "c1", "therapist": "t1"}.get(role, role), Role(role))


def taken(status: str, command: str, role: str) -> Decision:
    """The decision on a command that has all it needs, at a time that suits it."""
    before = booking(status)
    suits = {"expire": before.expires_at or NOW, "no_show": STARTS}
    moved = STARTS + timedelta(hours=3) if command == "reschedule" else None
    return decide(
        before,
        Command(command),
        actor(role),
        now=suits.get(command, NOW),
        command_id="k1",
        reason="nobody was there",
        starts_at=moved,
    )


@pytest.mark.parametrize(("status", "command", "role"), list(product(Status, Command, Role)))
def test_exactly_the_designed_transitions_are_possible(status: Status, command: Command, role: Role) -> None:
    target = POSSIBLE.get((status.value, command.value, role.value))
    if target is not None:
        assert taken(status, command, role).booking.status == target
    else:
        refusal = NotAllowed if (status.value, command.value) in ALLOWED else IllegalTransition
        with pytest.raises(refusal):
            taken(status, command, role)


def test_a_refused_person_is_told_the_state_and_who_may() -> None:
    with pytest.raises(NotAllowed) as refusal:
        decide(booking(), Command.ACCEPT, actor("customer"), now=NOW, command_id="k")
    assert "pending" in str(refusal.value)
    assert "ops or therapist" in str(refusal.value)
    assert "customer c1" in str(refusal.value)


def test_a_refused_transition_names_the_state_and_those_from_which_it_is_possible() -> None:
    with pytest.raises(IllegalTransition) as refusal:
        decide(booking("completed"), Command.CANCEL, actor("customer"), now=NOW, command_id="k")
    assert "b1 is completed" in str(refusal.value)
    assert "accepted or in_progress or pending" in str(refusal.value)


@pytest.mark.parametrize(("status", "command", "role"), POSSIBLE)
def test_a_transition_makes_the_next_version_and_its_event(status: str, command: str, role: str) -> None:
    decision = taken(status, command, role)
    before, after, event = decision.before, decision.booking, decision.event
    assert after.version == event.version == before.version + 1
    assert event.id == f"b1_{event.version}"
    assert (event.from_status, event.to_status) == (before.status, after.status)
    assert (event.command_id, event.actor, event.actor_role) == ("k1", actor(role).id, role)
    assert event.reason == after.status_reason == "nobody was there"


@pytest.mark.parametrize(("status", "command", "role"), POSSIBLE)
def test_a_transition_changes_its_own_columns_and_says_which(status: str, command: str, role: str) -> None:
    decision = taken(status, command, role)
    before, after = decision.before.columns(), decision.booking.columns()
    may_change = {"status", "statusReason", "version", "respondedAt", "expiresAt"}
    if command == "reschedule":
        may_change |= {"startsAt", "endsAt"}
    assert set(decision.changes) <= may_change
    assert before | decision.changes == after


@pytest.mark.parametrize(("status", "command", "role"), POSSIBLE)
def test_a_booking_has_a_deadline_exactly_while_it_waits_for_an_answer(status: str, command: str, role: str) -> None:
    after = taken(status, command, role).booking
    assert (after.expires_at is not None) is (after.status is Status.PENDING)


@pytest.mark.parametrize("transition", TRANSITIONS)
def test_slots_are_released_exactly_when_a_booking_stops_holding_them(transition: Transition) -> None:
    assert transition.releases_slots == (transition.source in LIVE and transition.target not in LIVE)


@pytest.mark.parametrize("transition", TRANSITIONS)
def test_the_commission_falls_due_on_completion_and_is_void_when_no_massage_took_place(transition: Transition) -> None:
    expected = {
        Status.COMPLETED: CommissionStatus.DUE,
        Status.DECLINED: CommissionStatus.VOID,
        Status.EXPIRED: CommissionStatus.VOID,
        Status.CANCELLED: CommissionStatus.VOID,
        Status.NO_SHOW: CommissionStatus.VOID,
    }
    assert transition.commission == expected.get(transition.target)


def test_only_acceptance_reveals_the_place() -> None:
    assert {transition.command for transition in TRANSITIONS if transition.reveals_place} == {Command.ACCEPT}


def test_every_state_is_reached_and_every_live_one_can_be_left() -> None:
    assert {transition.target for transition in TRANSITIONS} == set(Status)
    assert {transition.source for transition in TRANSITIONS} == set(LIVE)


def test_every_kind_of_event_is_the_request_or_made_by_a_transition() -> None:
    assert {transition.event for transition in TRANSITIONS} == set(BookingEventType) - {BookingEventType.REQUESTED}


@pytest.mark.parametrize("late", [timedelta(0), timedelta(microseconds=1), timedelta(days=1)])
def test_an_expired_request_cannot_be_accepted_any_more(late: timedelta) -> None:
    deadline = booking().expires_at
    assert deadline is not None
    with pytest.raises(IllegalTransition, match=r"could be answered until 2026-07-01 13:00 UTC"):
        decide(booking(), Command.ACCEPT, actor("therapist"), now=deadline + late, command_id="k")


def test_a_request_can_be_accepted_until_it_expires() -> None:
    deadline = booking().expires_at
    assert deadline is not None
    moment = deadline - timedelta(microseconds=1)
    decision = decide(booking(), Command.ACCEPT, actor("therapist"), now=moment, command_id="k")
    assert decision.booking.responded_at == moment


@pytest.mark.parametrize(
    ("command", "role", "answered"),
    [
        ("accept", "therapist", True),
        ("decline", "ops", True),
        ("decline", "system", False),
        ("cancel", "customer", False),
        ("expire", "system", False),
    ],
)
def test_only_an_answer_of_the_other_side_counts_as_response(command: str, role: str, answered: bool) -> None:
    assert (taken("pending", command, role).booking.responded_at is not None) is answered


def test_a_request_expires_when_its_time_is_over_and_not_before() -> None:
    deadline = booking().expires_at
    assert deadline is not None
    with pytest.raises(IllegalTransition, match=r"can be answered until 2026-07-01 13:00 UTC"):
        decide(booking(), Command.EXPIRE, actor("system"), now=deadline - timedelta(seconds=1), command_id="k")
    assert taken("pending", "expire", "system").booking.status is Status.EXPIRED


def test_later_steps_keep_when_the_request_was_answered() -> None:
    accepted = decide(booking(), Command.ACCEPT, actor("therapist"), now=NOW, command_id="k").booking
    started = decide(accepted, Command.START, actor("therapist"), now=STARTS, command_id="k").booking
    assert started.responded_at == NOW


def test_a_reason_has_a_longest_length() -> None:
    decide(booking(), Command.CANCEL, actor("customer"), now=NOW, command_id="k", reason="r" * 500)
    with pytest.raises(InvalidInput, match="at most 500 characters, this one has 501"):
        decide(booking(), Command.CANCEL, actor("customer"), now=NOW, command_id="k", reason="r" * 501)


def test_a_no_show_needs_a_reason() -> None:
    with pytest.raises(InvalidInput, match="say what was seen"):
        decide(booking("accepted"), Command.NO_SHOW, actor("therapist"), now=STARTS, command_id="k", reason=" ")


@pytest.mark.parametrize("status", ["accepted", "in_progress"])
def test_a_therapist_cannot_claim_a_no_show_before_the_start(status: str) -> None:
    before, early = booking(status), STARTS - timedelta(microseconds=1)
    with pytest.raises(IllegalTransition, match="begins at 2026-07-03 09:00 UTC, not before"):
        decide(before, Command.NO_SHOW, actor("therapist"), now=early, command_id="k", reason="nobody came")
    at_start = decide(before, Command.NO_SHOW, actor("therapist"), now=STARTS, command_id="k", reason="nobody came")
    assert at_start.booking.status is Status.NO_SHOW
    by_ops = decide(before, Command.NO_SHOW, actor("ops"), now=early, command_id="k", reason="called us")
    assert by_ops.booking.status is Status.NO_SHOW


# --- what it costs ----------------------------------------------------------------------------------------------------
POLICY = CancellationPolicy(free_until_hours=24, fee_bps=5_000, no_show_bps=10_000)
LATE = STARTS - timedelta(hours=24) + timedelta(microseconds=1)


def cost(
    command: str, role: str, *, status: str = "accepted", now: datetime = LATE, waive_fee: bool = False
) -> Money | None:
    reason = "as it was" if command == "no_show" or waive_fee else ""
    before = booking(status, policy=POLICY)
    return decide(
        before, Command(command), actor(role), now=now, command_id="k", reason=reason, waive_fee=waive_fee
    ).owed


def test_a_customer_who_cancels_late_owes_the_share_of_the_policy() -> None:
    assert cost("cancel", "customer") == Money(4_750, "EUR")


@pytest.mark.parametrize(
    ("command", "role", "status", "now"),
    [
        ("cancel", "customer", "accepted", LATE - timedelta(microseconds=1)),  # the last moment that is free
        ("cancel", "customer", "pending", NOW),  # nobody has promised anything
        ("cancel", "therapist", "accepted", LATE),
        ("cancel", "ops", "accepted", LATE),
        ("cancel", "therapist", "in_progress", STARTS),
        ("complete", "therapist", "in_progress", STARTS),
    ],
)
def test_nothing_is_owed_beyond_the_policy(command: str, role: str, status: str, now: datetime) -> None:
    assert cost(command, role, status=status, now=now) is None


@pytest.mark.parametrize("status", ["accepted", "in_progress"])
def test_a_customer_who_does_not_come_owes_the_share_for_that(status: str) -> None:
    assert cost("no_show", "therapist", status=status, now=STARTS) == Money(9_500, "EUR")


def test_without_a_policy_nothing_is_owed() -> None:
    assert taken("accepted", "cancel", "customer").owed is None
    assert taken("accepted", "no_show", "therapist").owed is None


def test_a_fee_is_written_into_the_history() -> None:
    decision = decide(booking("accepted", policy=POLICY), Command.CANCEL, actor("customer"), now=LATE, command_id="k")
    assert decision.event.facts == {"currency": "EUR", "feeMinor": 4_750}


def test_only_ops_waive_a_fee_and_say_why() -> None:
    assert cost("no_show", "ops", now=STARTS, waive_fee=True) is None
    with pytest.raises(NotAllowed, match="only ops may waive a fee, not therapist t1"):
        cost("no_show", "therapist", now=STARTS, waive_fee=True)
    with pytest.raises(NotAllowed, match="only ops may waive a fee, not customer c1"):
        cost("cancel", "customer", waive_fee=True)
    with pytest.raises(InvalidInput, match="waiving a fee needs a reason"):
        decide(booking("accepted"), Command.CANCEL, actor("ops"), now=NOW, command_id="k", waive_fee=True)


def test_a_waived_fee_is_written_into_the_history() -> None:
    before = booking("accepted", policy=POLICY)
    decision = decide(
        before, Command.NO_SHOW, actor("ops"), now=STARTS, command_id="k", reason="hospital", waive_fee=True
    )
    assert decision.event.facts == {"feeWaived": True}


@given(
    command=st.sampled_from(Command),
    role=st.sampled_from(Role),
    status=st.sampled_from(sorted(LIVE)),
    hours=st.integers(-72, 72),
    bps=st.integers(0, 10_000),
)
def test_price_and_currency_never_change_and_a_fee_never_exceeds_the_price(
    command: Command, role: Role, status: Status, hours: int, bps: int
) -> None:
    policy = CancellationPolicy(free_until_hours=24, fee_bps=bps, no_show_bps=10_000 - bps)
    before, now = booking(status.value, policy=policy), STARTS + timedelta(hours=hours)
    try:
        decision = decide(
            before, command, actor(role), now=now, command_id="k", reason="r", starts_at=now + timedelta(days=1)
        )
    except (IllegalTransition, NotAllowed):
        return
    assert decision.booking.price == before.price
    assert decision.owed is None or Money(0, "EUR") < decision.owed <= before.price


# --- reschedule -------------------------------------------------------------------------------------------------------
def test_a_reschedule_moves_the_whole_booking_and_keeps_its_length() -> None:
    decision = taken("accepted", "reschedule", "therapist")
    assert decision.booking.starts_at == STARTS + timedelta(hours=3)
    assert decision.booking.ends_at - decision.booking.starts_at == timedelta(hours=1)
    assert decision.event.facts == {
        "fromStartsAt": "2026-07-03T09:00:00.000+00:00",
        "toStartsAt": "2026-07-03T12:00:00.000+00:00",
    }


def test_a_reschedule_over_a_change_of_clocks_keeps_the_length() -> None:
    starts_at = datetime(2027, 3, 28, 1, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    decision = decide(
        booking("accepted"), Command.RESCHEDULE, actor("therapist"), now=NOW, command_id="k", starts_at=starts_at
    )
    assert decision.booking.starts_at.tzinfo is UTC
    assert decision.booking.ends_at - decision.booking.starts_at == timedelta(hours=1)


def test_a_customers_new_time_waits_for_an_answer_again() -> None:
    after = taken("accepted", "reschedule", "customer").booking
    assert (after.status, after.responded_at) == (Status.PENDING, None)
    assert after.expires_at == NOW + timedelta(hours=24)


@pytest.mark.parametrize(
    ("starts_at", "said"),
    [
        (None, "needs the new start"),
        (STARTS.replace(tzinfo=None), "needs the new start"),
        (STARTS + timedelta(seconds=1), "not on a whole minute"),
        (NOW, "in the past"),
        (STARTS, "begins at 2026-07-03T09:00:00"),
    ],
)
def test_a_new_time_that_cannot_be_is_refused(starts_at: datetime | None, said: str) -> None:
    with pytest.raises(InvalidBooking, match=said):
        decide(booking("accepted"), Command.RESCHEDULE, actor("customer"), now=NOW, command_id="k", starts_at=starts_at)


def test_a_time_beyond_the_calendar_is_refused_when_a_booking_is_moved() -> None:
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    with pytest.raises(InvalidBooking, match="beyond the calendar"):
        decide(booking("accepted"), Command.RESCHEDULE, actor("ops"), now=NOW, command_id="k", starts_at=last)


def moved(role: str, *, status: str = "accepted", now: datetime = LATE) -> Booking:
    before = booking(status, policy=POLICY)
    later = STARTS + timedelta(days=30)
    return decide(before, Command.RESCHEDULE, actor(role), now=now, command_id="k", starts_at=later).booking


def test_a_customer_cannot_dodge_the_fee_by_moving_the_booking_first() -> None:
    with pytest.raises(IllegalTransition, match=r"moved by its customer until 2026-07-02 09:00 UTC"):
        moved("customer")
    assert moved("customer", now=LATE - timedelta(microseconds=1)).status is Status.PENDING
    assert moved("ops").status is Status.ACCEPTED


def test_a_time_that_the_therapist_chose_costs_the_customer_nothing() -> None:
    after = moved("therapist")
    assert after.policy is None
    assert decide(after, Command.CANCEL, actor("customer"), now=after.starts_at, command_id="k").owed is None
    assert moved("ops").policy == moved("customer", now=NOW).policy == POLICY


def test_a_pending_booking_that_is_moved_has_to_be_answered_anew() -> None:
    before = booking()
    now = NOW + timedelta(hours=3)
    after = decide(
        before, Command.RESCHEDULE, actor("customer"), now=now, command_id="k", starts_at=now + timedelta(hours=5)
    ).booking
    assert (after.status, after.expires_at) == (Status.PENDING, now + timedelta(hours=5))


def test_a_request_that_has_expired_cannot_be_moved_any_more() -> None:
    with pytest.raises(IllegalTransition, match="could be answered until"):
        decide(
            booking(),
            Command.RESCHEDULE,
            actor("customer"),
            now=NOW + timedelta(hours=4),
            command_id="k",
            starts_at=STARTS + timedelta(days=1),
        )


def test_a_users_part_in_a_booking_is_read_from_it() -> None:
    assert role_in(booking(), "c1") is Role.CUSTOMER
    assert role_in(booking(), "t1") is Role.THERAPIST
    with pytest.raises(NotAllowed, match="x1 is neither the customer nor the therapist of booking b1"):
        role_in(booking(), "x1")
