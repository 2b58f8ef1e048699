"""What a booking's events say of it is what the state machine made of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from massage_link.domain.booking import Booking, BookingEvent, Role
from massage_link.domain.history import began_with, beginning, replayed
from massage_link.domain.money import Money
from massage_link.domain.policy import CancellationPolicy
from massage_link.domain.request import BookingRequest, NewBooking, new_booking
from massage_link.domain.states import Actor, Command, decide
from massage_link.errors import MassageLinkError

NOW = datetime(2026, 7, 1, 9, 0, 0, 123_456, tzinfo=UTC)
STARTS = datetime(2026, 7, 3, 9, tzinfo=UTC)
_ACTORS = {
    Role.CUSTOMER: Actor("c1", Role.CUSTOMER),
    Role.THERAPIST: Actor("t1", Role.THERAPIST),
    Role.OPS: Actor("ops", Role.OPS),
    Role.SYSTEM: Actor("system", Role.SYSTEM),
}


def admitted(**texts: Any) -> NewBooking:
    request = BookingRequest(
        customer_id="c1",
        therapist_id="t1",
        service="Swedish",
        starts_at=STARTS,
        ends_at=STARTS + timedelta(hours=1),
        price=Money(9_500, "EUR"),
        timezone="Europe/Berlin",
        buffer=timedelta(minutes=10),
        cancellation_policy=CancellationPolicy(free_until_hours=24, fee_bps=5_000, no_show_bps=10_000),
        **texts,
    )
    return new_booking(request, booking_id="b1", command_id="k1", now=NOW)


def stored(event: BookingEvent) -> BookingEvent:
    """As the server answers it: to the millisecond."""
    return BookingEvent.model_validate({"$id": event.id, **event.columns()})


def first_event(new: NewBooking) -> BookingEvent:
    return stored(new.event.model_copy(update={"data": beginning(new.booking)}))


commands = st.tuples(
    st.sampled_from(Command), st.sampled_from(list(_ACTORS)), st.integers(0, 4_000), st.integers(1, 300)
)


@given(st.lists(commands, max_size=12))
def test_replayed_events_give_the_booking_whatever_was_done_to_it(wanted: list[tuple[Command, Role, int, int]]) -> None:
    new, now = admitted(note="“second” yard \\ 🌿", area="Mitte"), NOW
    booking, events = new.booking, [first_event(new)]
    for number, (command, role, minutes, hours) in enumerate(wanted):
        now += timedelta(minutes=minutes)
        try:
            decision = decide(
                booking,
                command,
                _ACTORS[role],
                now=now,
                command_id=f"c{number}",
                reason="seen",
                starts_at=(STARTS + timedelta(hours=hours)) if command is Command.RESCHEDULE else None,
            )
        except MassageLinkError:
            continue
        booking = decision.booking
        events.append(stored(decision.event))
    again = replayed(events)
    assert again is not None
    assert again.columns() == booking.columns()


@given(st.text(max_size=2_000), st.text(max_size=128))
def test_what_a_booking_began_with_fits_into_its_event_whatever_its_customer_wrote(note: str, name: str) -> None:
    new = admitted(note=note, customer_name=name, area=name)
    event = first_event(new)
    assert len(event.data) <= 4_000
    began = began_with(event)
    assert began is not None
    assert began.columns() in [{**new.booking.columns(), "note": kept} for kept in (note, "")]


def test_a_long_note_is_kept_unless_most_of_it_has_to_be_escaped() -> None:
    for note, kept in (("ü" * 2_000, True), ("line\n" * 400, True), ("\0" * 2_000, False)):
        began = began_with(first_event(admitted(note=note)))
        assert began is not None
        assert began.note == (note if kept else "")


def test_a_booking_whose_first_event_says_nothing_of_it_cannot_be_made_anew() -> None:
    assert replayed([]) is None
    assert replayed([stored(admitted().event)]) is None
    assert isinstance(replayed([first_event(admitted())]), Booking)
