"""Ids, stamps, the collation, dates, tokens and routes: the small facts beneath the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.emulator.dates import DateError, parse_date
from massage_link.emulator.kernel import Clock, fold, is_id, stamp, unique_id
from massage_link.emulator.routing import Call, Reply, Route, Router, gather
from massage_link.emulator.tokens import TokenError, sign, verify

if TYPE_CHECKING:
    from emulator_fixture import Caller


def test_fresh_ids_are_twenty_hex_digits_and_differ() -> None:
    ids = {unique_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(id_) == 20 and is_id(id_) and int(id_, 16) for id_ in ids)


@pytest.mark.parametrize(
    ("value", "valid"),
    [("a", True), ("a" * 36, True), ("a" * 37, False), ("-a", False), ("", False), (5, False), ("é", False)],
)
def test_what_may_be_an_id(value: object, valid: bool) -> None:
    assert is_id(value) is valid


@pytest.mark.parametrize(
    ("one", "other"),
    [("Zoë", "zoe"), ("STRASSE", "strasse  "), ("ß", "s"), ("😀", "🎉"), ("Ё", "е"), ("À la", "a LA ")],
)
def test_texts_that_the_collation_finds_equal(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("a", "b"), (" a", "a"), ("й", "и"), ("ł", "l"), ("漢", "字")])
def test_texts_that_it_does_not(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text(max_size=30))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_a_moment_that_was_ticked_is_never_stamped_again() -> None:
    clock = Clock()
    clock.frozen = datetime(2026, 1, 1, tzinfo=UTC)
    assert clock.tick() < clock.stamp() == clock.stamp()


@given(st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds carry none
def test_a_stamp_reads_back_as_the_same_moment_to_the_millisecond(moment: datetime) -> None:
    assert parse_date(stamp(moment), Clock()) == stamp(moment)
    assert abs(datetime.fromisoformat(stamp(moment)) - moment) < timedelta(milliseconds=1)


@given(st.text(max_size=12))
def test_no_text_upsets_the_reader_of_dates(text: str) -> None:
    try:
        read = parse_date(text, Clock())
    except DateError:
        return
    assert datetime.fromisoformat(read).tzinfo == UTC


@pytest.mark.parametrize("text", ["x", "m", "z", "+2 days", "3 hours ago", "tomorrow", "noon", "2026-1-2 3:04", "@12"])
def test_dates_in_words_are_read(text: str) -> None:
    assert parse_date(text, Clock()).endswith("+00:00")


@pytest.mark.parametrize("text", ["rubbish", "j", "2026-13-01", "2026-01-01T25:00", "99999-01-01"])
def test_other_texts_are_no_dates(text: str) -> None:
    with pytest.raises(DateError):
        parse_date(text, Clock())


def test_a_token_is_good_for_its_secret_and_its_time_only() -> None:
    token = sign({"exp": 100, "a": 1}, "s")
    assert verify(token, "s", 99)["a"] == 1
    for secret, now, what in (("other", 99, token), ("s", 101, token), ("s", 99, token[:-2]), ("s", 99, "a.b")):
        with pytest.raises(TokenError):
            verify(what, secret, now)


def _nothing(call: Call) -> Reply:
    del call
    return Reply()


def test_a_literal_segment_wins_over_a_parameter_and_leads_back_from_dead_ends() -> None:
    router = Router(
        [
            Route("GET", "a/{x}", _nothing),
            Route("GET", "a/b", _nothing),
            Route("GET", "a/b/c", _nothing),
            Route("POST", "a/{y}/d", _nothing),
        ]
    )
    found = router.find("GET", "/a/b")
    assert found is not None
    assert (found[0].path, found[1]) == ("a/b", {})
    deep = router.find("POST", "/a/b/d")
    assert deep is not None
    assert deep[1] == {"y": "b"}
    assert router.find("PUT", "/a/b") is None
    assert router.find("GET", "/a/b/c/d") is None


def test_fields_in_phps_spelling() -> None:
    pairs = [("a[]", "1"), ("a[]", "2"), ("d[x]", "3"), ("plain", "4"), ("n[0]", "5")]
    assert gather(pairs) == {"a": ["1", "2"], "d": {"x": "3"}, "plain": "4", "n": ["5"]}


def test_a_page_may_send_what_the_official_web_client_sends(call: Caller) -> None:
    allowed = call("OPTIONS", "/account", by="guest").headers["access-control-allow-headers"].lower().split(", ")
    sent = {"x-appwrite-locale", "x-appwrite-dev-key", "x-sdk-name", "x-fallback-cookies", "x-appwrite-id", "range"}
    assert sent <= set(allowed)


def test_a_method_that_a_path_does_not_take_is_answered_as_an_unknown_path(call: Caller, items: str) -> None:
    answers = [
        call("POST", "/tablesdb/db", {}),
        call("PUT", "/tablesdb", {}),
        call("DELETE", "/databases/db/collections"),
    ]
    assert [(answer.status, str(answer.body)[:14]) for answer in answers] == [(404, "<!DOCTYPE html")] * 3
    assert call("GET", "/tablesdb/db/tables/t/usage").status == 501
    assert items
