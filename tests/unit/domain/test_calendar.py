"""A therapist's calendar: local hours as instants, over every kind of clock change, and what is offered within them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massage_link.domain.calendar import (
    Availability,
    BlockedTime,
    FreeSlot,
    Service,
    free_slots,
    instant,
    openings,
    parse_availability,
    parse_services,
    refusal,
)
from massage_link.domain.slots import buckets
from massage_link.errors import InvalidInput

MINUTE = timedelta(minutes=1)
EVERY_DAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: A day in each zone on which its clocks change.
CHANGES = [
    ("Europe/Berlin", date(2026, 3, 29)),  # 02:00 → 03:00
    ("Europe/Berlin", date(2026, 10, 25)),  # 03:00 → 02:00
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),  # half an hour: 02:00 → 01:30
    ("Australia/Lord_Howe", date(2026, 10, 4)),  # 02:00 → 02:30
    ("Africa/Cairo", date(2026, 4, 24)),  # at midnight: 00:00 → 01:00
    ("Africa/Cairo", date(2026, 10, 29)),  # 24:00 → 23:00 of the same day
    ("America/St_Johns", date(2010, 11, 6)),  # a minute after midnight, back into the day before
    ("Asia/Kathmandu", date(2026, 5, 5)),  # no change, and an offset of 5:45
]


@lru_cache
def minutes_of(day: date, zone: ZoneInfo) -> list[tuple[datetime, str]]:
    """Every minute of a local date as it passes: the instant, and what the clock on the wall shows."""
    first = datetime.combine(day, time(), UTC) - timedelta(days=1)
    passing = [first + n * MINUTE for n in range(3 * 24 * 60)]
    local = [(each, each.astimezone(zone)) for each in passing]
    return [(each, f"{wall:%H:%M}") for each, wall in local if wall.date() == day]


def availability(*spans: tuple[str, str], **more: Any) -> Availability:
    return Availability(weekly={day: list(spans) for day in EVERY_DAY}, **more)


def service(minutes: int = 60, buffer: int = 0) -> Service:
    return Service(name="Deep tissue", minutes=minutes, price_minor=9_505, currency="EUR", buffer_minutes=buffer)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def spans_of(hours: Availability, zone: str, start: str, end: str) -> list[str]:
    found = openings(hours, ZoneInfo(zone), utc(start), utc(end))
    return [f"{each.start:%d %H:%M}-{each.end:%d %H:%M}" for each in found]


# --- instants ---------------------------------------------------------------------------------------------------------
_CLOCKS = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")


@pytest.mark.parametrize(("name", "day"), CHANGES)
@given(clock=_CLOCKS, days=st.integers(-1, 1))
def test_an_opening_begins_with_the_first_minute_at_which_the_clock_has_come_so_far(
    name: str, day: date, clock: str, days: int
) -> None:
    day, zone = day + timedelta(days=days), ZoneInfo(name)
    expected = next(moment for moment, wall in minutes_of(day, zone) if wall >= clock)
    assert instant(day, clock, zone) == expected


@pytest.mark.parametrize(("name", "day"), CHANGES)
@given(clock=_CLOCKS.filter(lambda clock: clock > "00:00") | st.just("24:00"), days=st.integers(-1, 1))
def test_an_opening_ends_after_the_last_minute_at_which_the_clock_has_not_come_so_far(
    name: str, day: date, clock: str, days: int
) -> None:
    day, zone = day + timedelta(days=days), ZoneInfo(name)
    before = [moment for moment, wall in minutes_of(day, zone) if wall < clock]
    expected = before[-1] + MINUTE if before else minutes_of(day, zone)[0][0]
    assert instant(day, clock, zone, fold=1) == expected


@pytest.mark.parametrize(
    ("name", "day", "clock", "first", "second"),
    [
        ("Europe/Berlin", date(2026, 3, 29), "01:59", "2026-03-29 00:59", "2026-03-29 00:59"),
        ("Europe/Berlin", date(2026, 3, 29), "02:30", "2026-03-29 01:00", "2026-03-29 01:00"),
        ("Europe/Berlin", date(2026, 3, 29), "03:00", "2026-03-29 01:00", "2026-03-29 01:00"),
        ("Europe/Berlin", date(2026, 10, 25), "02:30", "2026-10-25 00:30", "2026-10-25 01:30"),
        ("America/New_York", date(2026, 3, 8), "02:30", "2026-03-08 07:00", "2026-03-08 07:00"),
        ("America/New_York", date(2026, 11, 1), "01:30", "2026-11-01 05:30", "2026-11-01 06:30"),
        ("Australia/Lord_Howe", date(2026, 10, 4), "02:15", "2026-10-03 15:30", "2026-10-03 15:30"),
        ("Australia/Lord_Howe", date(2026, 4, 5), "01:45", "2026-04-04 14:45", "2026-04-04 15:15"),
    ],
)
def test_times_that_are_skipped_or_come_twice(name: str, day: date, clock: str, first: str, second: str) -> None:
    assert instant(day, clock, ZoneInfo(name)) == utc(first)
    assert instant(day, clock, ZoneInfo(name), fold=1) == utc(second)


def test_a_day_that_a_country_skipped_has_no_hours() -> None:
    """Samoa went from the 29th to the 31st of December 2011."""
    assert spans_of(availability(("09:00", "17:00")), "Pacific/Apia", "2011-12-29 00:00", "2012-01-01 00:00") == [
        "27 19:00-28 03:00",
        "28 19:00-29 03:00",
        "29 19:00-30 03:00",
        "30 19:00-31 03:00",
        "31 19:00-01 03:00",
    ]
    skipped = availability(exceptions={"2011-12-30": [("09:00", "17:00")]})
    assert spans_of(skipped, "Pacific/Apia", "2011-12-29 00:00", "2012-01-01 00:00") == []


# --- openings ---------------------------------------------------------------------------------------------------------
def test_hours_that_meet_at_midnight_are_one_opening() -> None:
    night = availability(("00:00", "02:00"), ("22:00", "24:00"))
    assert spans_of(night, "Europe/Berlin", "2026-06-02 12:00", "2026-06-03 12:00") == [
        "31 22:00-01 00:00",
        "01 20:00-02 00:00",
        "02 20:00-03 00:00",
        "03 20:00-03 22:00",
    ]


def test_hours_that_meet_at_midnight_meet_over_a_change_of_clocks_too() -> None:
    always = availability(("00:00", "24:00"))
    assert spans_of(always, "Africa/Cairo", "2026-04-24 12:00", "2026-04-24 13:00") == ["22 22:00-24 21:00"]
    assert spans_of(always, "Africa/Cairo", "2026-10-29 12:00", "2026-10-30 12:00") == ["27 21:00-30 22:00"]


def test_an_exception_takes_the_place_of_the_weekly_hours() -> None:
    hours = availability(("09:00", "17:00"), exceptions={"2026-06-02": [], "2026-06-03": [("20:00", "21:00")]})
    found = spans_of(hours, "UTC", "2026-06-02 00:00", "2026-06-04 23:00")
    assert found == ["01 09:00-01 17:00", "03 20:00-03 21:00", "04 09:00-04 17:00"]


def test_blocked_time_divides_an_opening() -> None:
    blocked = [("2026-06-02 10:07", "2026-06-02 11:00"), ("2026-06-02 10:30", "2026-06-02 12:00")]
    blocked += [("2026-06-02 16:00", "2026-06-03 09:00"), ("2026-06-02 06:00", "2026-06-02 09:00")]
    hours = availability(
        ("09:00", "17:00"), blocked=tuple(BlockedTime(start=utc(start), end=utc(end)) for start, end in blocked)
    )
    found = spans_of(hours, "UTC", "2026-06-02 12:00", "2026-06-02 13:00")
    assert found == ["01 09:00-01 17:00", "02 09:00-02 10:07", "02 12:00-02 16:00"]


# --- free slots -------------------------------------------------------------------------------------------------------
_MARKS = st.integers(0, 24 * 12).map(lambda mark: f"{mark * 5 // 60:02}:{mark * 5 % 60:02}")


@st.composite
def _days(draw: st.DrawFn) -> list[tuple[str, str]]:
    marks = sorted(draw(st.sets(_MARKS, max_size=6)))
    return list(zip(marks[::2], marks[1::2], strict=False))


@st.composite
def _situations(draw: st.DrawFn) -> dict[str, Any]:
    """A calendar around a change of clocks, somebody who asks at some moment for some range, and what is taken."""
    name, day = draw(st.sampled_from(CHANGES))
    noon = datetime.combine(day, time(12), UTC)
    minutes = st.integers(-40 * 60, 40 * 60)
    moments = minutes.map(lambda some: noon + some * MINUTE)
    start, end = sorted((draw(moments), draw(moments)))
    blocked = draw(st.lists(st.tuples(moments, st.integers(1, 600)), max_size=2))
    always = draw(st.booleans())
    days = st.just([("00:00", "24:00")]) if always else _days()
    hours = Availability(
        weekly={each: draw(days) for each in EVERY_DAY},
        exceptions=draw(st.dictionaries(st.just(day), days, max_size=1)),
        blocked=tuple(BlockedTime(start=moment, end=moment + long * MINUTE) for moment, long in blocked),
        notice_minutes=draw(st.sampled_from([0, 7, 120])),
        horizon_days=draw(st.sampled_from([1, 90])),
        step_minutes=draw(st.sampled_from([5, 15, 25, 50])),
    )
    others = draw(st.lists(st.tuples(moments, st.integers(5, 240)), max_size=3))
    return {
        "availability": hours,
        "zone": ZoneInfo(name),
        "service": service(draw(st.sampled_from([5, 30, 50, 60, 90, 240])), draw(st.sampled_from([0, 5, 17]))),
        "start": start,
        "end": end,
        "now": draw(moments),
        "taken": {bucket for moment, long in others for bucket in buckets(moment, moment + long * MINUTE)},
    }


def bookable(at: datetime, situation: dict[str, Any]) -> bool:
    """Whether a booking at this moment would go through."""
    wanted: Service = situation["service"]
    calendar = (situation["availability"], situation["zone"])
    finish = at + wanted.duration
    refused = refusal(*calendar, starts_at=at, ends_at=finish, now=situation["now"])
    return refused is None and situation["taken"].isdisjoint(buckets(at, finish, wanted.buffer))


@settings(max_examples=300)
@given(_situations())
def test_what_is_offered_can_be_booked_and_comes_in_order(situation: dict[str, Any]) -> None:
    offered = list(free_slots(**situation))
    starts = [slot.starts_at for slot in offered]
    assert starts == sorted(set(starts))
    for slot in offered:
        assert slot.ends_at - slot.starts_at == situation["service"].duration
        assert situation["start"] <= slot.starts_at < situation["end"]
        assert bookable(slot.starts_at, situation)


def test_what_is_offered_where_clocks_go_back_over_midnight_can_be_booked() -> None:
    """In Newfoundland, until 2010, a minute past midnight became a minute past eleven of the day before."""
    noon = datetime(2010, 11, 6, 12, tzinfo=UTC)
    situation: dict[str, Any] = {
        "availability": Availability(weekly={"sun": [("00:00", "00:05")]}, horizon_days=1, step_minutes=5),
        "zone": ZoneInfo("America/St_Johns"),
        "service": service(5, 0),
        "start": noon,
        "end": noon + 925 * MINUTE,
        "now": noon,
        "taken": set(),
    }
    offered = [slot.starts_at for slot in free_slots(**situation)]
    assert offered[0] == datetime(2010, 11, 7, 2, 30, tzinfo=UTC)
    assert all(bookable(at, situation) for at in offered)


@settings(max_examples=150)
@given(_situations())
def test_what_can_be_booked_on_a_five_minute_mark_is_offered_in_steps_of_five(situation: dict[str, Any]) -> None:
    situation["availability"] = situation["availability"].model_copy(update={"step_minutes": 5})
    offered = {slot.starts_at for slot in free_slots(**situation)}
    marks = _marks(situation["start"], situation["end"])
    assert offered == {mark for mark in marks if bookable(mark, situation)}


@given(_situations(), st.integers(0, 40 * 60))
def test_what_is_offered_does_not_depend_on_the_range_that_is_asked_for(situation: dict[str, Any], more: int) -> None:
    within = list(free_slots(**situation))
    wider = {**situation, "start": situation["start"] - more * MINUTE, "end": situation["end"] + more * MINUTE}
    assert [slot for slot in free_slots(**wider) if situation["start"] <= slot.starts_at < situation["end"]] == within


def _marks(start: datetime, end: datetime) -> Iterable[datetime]:
    five = 5 * MINUTE
    mark = start + (-(start.minute * MINUTE)) % five
    while mark < end:
        yield mark
        mark += five


def offered(hours: Availability, zone: str, start: str, end: str, **more: Any) -> list[str]:
    now = more.pop("now", utc(start) - timedelta(days=1))
    wanted = more.pop("service", service())
    found: Iterable[FreeSlot] = free_slots(
        hours, ZoneInfo(zone), wanted, start=utc(start), end=utc(end), now=now, taken=more.pop("taken", set())
    )
    return [f"{slot.starts_at:%H:%M}-{slot.ends_at:%H:%M}" for slot in found]


def test_an_hour_over_a_change_of_clocks_lasts_an_hour() -> None:
    night = availability(("01:00", "05:00"), step_minutes=60)
    spring = offered(night, "Europe/Berlin", "2026-03-28 22:00", "2026-03-29 22:00")
    assert spring == ["00:00-01:00", "01:00-02:00", "02:00-03:00"]
    autumn = offered(night, "Europe/Berlin", "2026-10-24 21:00", "2026-10-25 22:00")
    assert autumn == ["23:00-00:00", "00:00-01:00", "01:00-02:00", "02:00-03:00", "03:00-04:00"]


def test_half_an_hour_that_is_skipped_is_not_offered() -> None:
    night = availability(("01:00", "04:00"), step_minutes=30)
    wanted = service(30)
    spring = offered(night, "Australia/Lord_Howe", "2026-10-03 12:00", "2026-10-03 22:00", service=wanted)
    autumn = offered(night, "Australia/Lord_Howe", "2026-04-04 12:00", "2026-04-04 22:00", service=wanted)
    assert (len(spring), len(autumn)) == (5, 7)


def test_starts_are_counted_from_where_the_hours_begin() -> None:
    hours = availability(("09:10", "11:00"), ("13:05", "14:35"), step_minutes=30)
    assert offered(hours, "UTC", "2026-06-02 00:00", "2026-06-03 00:00") == [
        "09:10-10:10",
        "09:40-10:40",
        "13:05-14:05",
        "13:35-14:35",
    ]


def test_a_service_that_runs_past_midnight_is_offered_on_the_last_day_of_the_range() -> None:
    always = availability(("00:00", "24:00"), step_minutes=30)
    assert offered(always, "UTC", "2026-06-02 23:00", "2026-06-02 23:45") == ["23:00-00:00", "23:30-00:30"]


def test_notice_and_horizon_bound_what_is_offered() -> None:
    hours = availability(("09:00", "17:00"), notice_minutes=90, horizon_days=1, step_minutes=60)
    found = offered(hours, "UTC", "2026-06-02 00:00", "2026-06-05 00:00", now=utc("2026-06-02 13:31"))
    assert found == ["16:00-17:00", "09:00-10:00", "10:00-11:00", "11:00-12:00", "12:00-13:00", "13:00-14:00"]


def test_a_buffer_keeps_the_distance_to_other_bookings_and_not_to_the_end_of_the_hours() -> None:
    hours = availability(("09:00", "13:00"), step_minutes=60)
    other = set(buckets(utc("2026-06-02 10:00"), utc("2026-06-02 11:00")))
    found = offered(hours, "UTC", "2026-06-02 00:00", "2026-06-03 00:00", taken=other, service=service(60, buffer=15))
    assert found == ["12:00-13:00"]


# --- refusals ---------------------------------------------------------------------------------------------------------
def refused(start: str, end: str, *, now: str = "2026-06-01 00:00", **more: Any) -> str | None:
    hours = availability(("09:00", "17:00"), **more)
    zone = ZoneInfo("Europe/Berlin")
    return refusal(hours, zone, starts_at=utc(start), ends_at=utc(end), now=utc(now))


def test_a_refusal_says_why_in_the_therapists_own_time() -> None:
    assert refused("2026-06-02 07:00", "2026-06-02 08:00") is None
    assert refused("2026-06-02 06:45", "2026-06-02 07:45") == (
        "Tuesday 2026-06-02 08:45 (Europe/Berlin) for 1:00:00 is outside the therapist's hours"
    )
    assert refused("2026-06-02 14:30", "2026-06-02 15:30") is not None
    late = refused("2026-06-02 07:00", "2026-06-02 08:00", now="2026-06-02 06:01", notice_minutes=60)
    assert late == "bookings are made at least 60 minutes ahead"
    early = refused("2026-06-02 07:00", "2026-06-02 08:00", now="2026-05-26 07:00", horizon_days=7)
    assert early == "bookings are taken up to 7 days ahead"


# --- what a catalogue row holds ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("hours", "said"),
    [
        ({"weekly": {"mon": [["9:00", "12:00"]]}}, "weekly.mon.0.0: Value error, '9:00' is not a time of day"),
        ({"weekly": {"mon": [["12:00", "09:00"]]}}, "weekly.mon: Value error, spans of a day follow one another"),
        ({"weekly": {"mon": [["09:00", "09:00"]]}}, "spans of a day follow one another"),
        ({"weekly": {"mon": [["09:00", "12:00"], ["11:00", "13:00"]]}}, "spans of a day follow one another"),
        ({"weekly": {"mon": [["24:01", "24:30"]]}}, "not a time of day"),
        ({"weekly": {"monday": []}}, "weekly.monday"),
        ({"exceptions": {"2026-02-30": []}}, "exceptions.2026-02-30"),
        ({"blocked": [{"start": "2026-06-02T10:00", "end": "2026-06-02T11:00"}]}, "a time needs a time zone"),
        ({"blocked": [{"start": "2026-06-02T10:00Z", "end": "2026-06-02T10:00Z"}]}, "ends after it starts"),
        ({"stepMinutes": 7}, "stepMinutes"),
        ({"hours": []}, "hours"),
    ],
)
def test_malformed_hours_are_refused_and_the_message_says_where(hours: object, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_availability(json.dumps(hours))
    assert str(refused.value).startswith("the therapist's hours are malformed: ")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"minutes": 4}, "0.minutes"),
        ({"priceMinor": -1}, "0.priceMinor"),
        ({"priceMinor": 95.0}, None),
        ({"priceMinor": 95.5}, "0.priceMinor"),
        ({"currency": "eur"}, "is not an ISO 4217 currency"),
        ({"minutes": 480, "bufferMinutes": 10}, "with its buffers a service lasts at most 8:15:00"),
        ({"discount": 1}, "0.discount"),
    ],
)
def test_malformed_services_are_refused_and_the_message_says_where(change: dict[str, object], said: str | None) -> None:
    text = json.dumps([{"name": "Deep", "minutes": 60, "priceMinor": 9_505, "currency": "EUR", **change}])
    if said is None:
        assert parse_services(text)[0].price_minor == 95
        return
    with pytest.raises(InvalidInput) as refused:
        parse_services(text)
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["", "[", '[] , "more": 1', "null", '{"a": 1}'])
def test_services_that_are_no_list_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="services are malformed"):
        parse_services(text)


def test_hours_read_back_as_they_were_written() -> None:
    hours = availability(
        ("09:00", "24:00"),
        exceptions={date(2026, 12, 24): []},
        blocked=(BlockedTime(start=utc("2026-06-02 10:00"), end=utc("2026-06-02 11:00")),),
        notice_minutes=60,
    )
    assert parse_availability(hours.model_dump_json(by_alias=True)) == hours
