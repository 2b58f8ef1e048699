"""What the pages say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from massage_link import errors
from massage_link.domain.booking import BookingEventType, Role, Status
from massage_link.health import State
from massage_link.web import texts

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("table", "names"),
    [(texts.STATUS, Status), (texts.EVENT, BookingEventType), (texts.ROLE, Role), (texts.STATE, State)],
)
def test_everything_that_can_be_has_a_name(table: dict[str, str], names: type) -> None:
    assert set(table) == set(names)  # type: ignore[call-overload]
    assert all(table.values())


@pytest.mark.parametrize(
    ("days", "said"),
    [(-1, "Yesterday, Wed 25 Nov"), (0, "Today, Thu 26 Nov"), (1, "Tomorrow, Fri 27 Nov"), (2, "Sat 28 Nov")],
)
def test_days_are_called_as_people_call_them(days: int, said: str) -> None:
    assert texts.day(NOW + timedelta(days=days), NOW) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(4, "4 s"), (89, "89 s"), (90, "2 min"), (3_600, "60 min"), (7_200, "2 h")]
)
def test_lengths_of_time_are_told_coarsely(seconds: int, said: str) -> None:
    assert texts.duration(timedelta(seconds=seconds)) == said


def test_what_happened_meanwhile_is_counted() -> None:
    away = timedelta(minutes=3)
    said = texts.welcome_back(away, requests=1, messages=2, changes=0)
    assert said == "Back after 3 min without a connection: 1 new request, 2 messages. Everything is up to date."
    assert "nothing new" in texts.welcome_back(away, requests=0, messages=0, changes=0)
    assert texts.caught_up(1) == "Connected again. 1 missed change was fetched. Everything is up to date."


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.SlotTaken("…"), "Somebody else was faster"),
        (errors.StaleBooking("…", current=None), "changed meanwhile"),
        (errors.NotFound("row 17 of table x"), "not yours to see"),
        (errors.ConnectionFailed("http://appwrite.internal: refused"), "No answer came"),
        (errors.Unauthorized("…", status=401), "sign in again"),
        (errors.InvalidMessage("a message needs some text."), "A message needs some text."),
    ],
)
def test_refusals_are_said_to_somebody_who_uses_a_page(error: errors.MassageLinkError, said: str) -> None:
    assert said in texts.refusal(error)


def test_a_time_zone_that_is_none_is_no_reason_to_show_nothing() -> None:
    assert texts.zone_of("Mars/Olympus").key == "UTC"


def test_what_was_counted_is_said_by_the_clocks_it_was_counted_by() -> None:
    said = texts.counted(NOW.date() - timedelta(days=29), NOW.date(), texts.zone_of("Europe/Berlin"), NOW)
    assert said == "28 Oct – 26 Nov 2026, by the days of Berlin. Counted at 13:00."


def test_a_share_of_nothing_and_an_answer_that_never_came_are_dashes() -> None:
    assert (texts.rate(None), texts.waited(None)) == ("–", "–")
    assert (texts.number_and_rate(12, 0.8), texts.waited(timedelta(minutes=3))) == ("12 (80%)", "3 min")


def test_a_drawing_of_days_is_told_to_those_who_cannot_see_it() -> None:
    assert texts.by_day("Requested", "30", NOW.date(), "12") == "Requested by day: 30 altogether; most on 26 Nov: 12"
    assert texts.by_day("Requested", "0", None, "") == "Requested by day: 0 altogether"
