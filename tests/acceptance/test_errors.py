"""What goes wrong ends in a clear error of the tree, by SDK and command line, and nothing is half-written."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tenacity import wait_none

from faults import Faults
from marketplace import LinkMaker, Market, People, Server, all_of
from massage_link import AsyncMassageLink, Money, RetryPolicy
from massage_link.domain.chat import MessageKind
from massage_link.errors import (
    ConnectionFailed,
    InvalidBooking,
    InvalidInput,
    InvalidMoney,
    MassageLinkError,
    NotAppwrite,
    NotFound,
    OutcomeUnknown,
    RowNotFound,
    SettingsError,
    Unauthorized,
    UnexpectedAnswer,
)

pytestmark = pytest.mark.emulator_only
_AT_ONCE = RetryPolicy(wait=wait_none())
_SECRET = "standard_" + "5ecre7" * 20


def told(error: BaseException) -> str:
    """Everything that a person gets to read of an error."""
    return "".join([str(error), repr(error), *traceback.format_exception(error)])


# --- somewhere that is not our server ---------------------------------------------------------------------------------
class _Website(BaseHTTPRequestHandler):
    status: ClassVar[int] = 404

    def _answer(self) -> None:
        page = b"<!DOCTYPE html><title>Welcome</title>"
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Homepage(_Website):
    status = 200


@contextmanager
def website(handler: type[_Website]) -> Iterator[str]:
    """A web server that is not Appwrite; gives its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def elsewhere(server: Server) -> Iterator[Mapping[str, dict[str, str]]]:
    """Arguments with which a link reaches something else than what it should, by what is wrong with them."""
    with website(_Website) as site, website(_Homepage) as homepage:
        yield {
            "closed port": {"endpoint": "http://127.0.0.1:9/v1"},
            "no such host": {"endpoint": "http://appwrite.invalid/v1"},
            "a website": {"endpoint": f"{site}/v1"},
            "a homepage": {"endpoint": f"{homepage}/v1"},
            "no /v1": {"endpoint": server.endpoint.removesuffix("/v1")},
            "https": {"endpoint": server.endpoint.replace("http://", "https://")},
            "wrong project": {"project_id": "someone-elses"},
            "wrong key": {"api_key": _SECRET},
            "wrong database": {"database": "not-pushed"},
        }


_ELSEWHERE: Mapping[str, tuple[type[MassageLinkError] | tuple[type[MassageLinkError], ...], str]] = {
    "closed port": (ConnectionFailed, "Is the server running, and APPWRITE_ENDPOINT right"),
    "no such host": (ConnectionFailed, "Is the server running, and APPWRITE_ENDPOINT right"),
    "a website": (NotAppwrite, "check APPWRITE_ENDPOINT"),
    "a homepage": (UnexpectedAnswer, r"check that http://127\.0\.0\.1:\d+/v1 is an Appwrite"),
    "no /v1": (MassageLinkError, "/v1"),
    "https": (ConnectionFailed, "APPWRITE_ENDPOINT right"),
    "wrong project": (NotFound, "Check APPWRITE_PROJECT_ID"),
    "wrong key": (Unauthorized, "Check the API key|Check the credential"),
    "wrong database": (RowNotFound, "massage-link schema push"),
}


@pytest.mark.parametrize("wrong", _ELSEWHERE)
async def test_whatever_a_link_reaches_instead_of_its_server_it_says_what_to_check(
    links: LinkMaker,
    market: Market,
    elsewhere: Mapping[str, dict[str, str]],
    caplog: pytest.LogCaptureFixture,
    wrong: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    link = links(**{"retries": _AT_ONCE, **elsewhere[wrong]})
    error, words = _ELSEWHERE[wrong]
    before = market.contents()
    for work in (
        link.bookings.request(**market.wish()),
        link.bookings.request(**market.wish(idempotency_key="1")),
        link.bookings.get("any"),
        link.bookings.accept("any"),
        link.chat.send("any", "hello", sender_id="somebody"),
        link.commissions.totals(),
    ):
        with pytest.raises(error, match=words) as refused:
            await work
        assert not {_SECRET, market.server.api_key} & set(told(refused.value).split())
        for secret in (_SECRET, market.server.api_key):
            assert secret not in told(refused.value)
            assert secret not in caplog.text
    assert market.contents() == before


@pytest.mark.parametrize("endpoint", ["", "localhost:8080/v1", "ftp://example.com/v1", "http://", "http://[::1/v1"])
def test_an_endpoint_that_is_no_address_is_refused_at_once(links: LinkMaker, endpoint: str) -> None:
    with pytest.raises(SettingsError, match="APPWRITE_ENDPOINT"):
        links(endpoint=endpoint)


# --- the command line -------------------------------------------------------------------------------------------------
def _push(tmp_path: Path, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """`massage-link schema push` with nothing but these settings."""
    command = [sys.executable, "-c", "from massage_link.cli import main; main()", "schema", "push"]
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SYSTEMROOT") if name in os.environ}
    return subprocess.run(
        command, cwd=tmp_path, env={**kept, **settings}, capture_output=True, text=True, check=False, timeout=60
    )


def _settings(server: Server, changes: Mapping[str, str]) -> dict[str, str]:
    wanted = {
        "endpoint": server.endpoint,
        "project_id": server.project_id,
        "api_key": server.api_key,
        "database": server.database,
        **changes,
    }
    names = {"database": "MASSAGE_LINK_DATABASE"}
    return {names.get(name, f"APPWRITE_{name.upper()}"): value for name, value in wanted.items()}


@pytest.mark.parametrize("wrong", [name for name in _ELSEWHERE if name not in {"wrong database", "no such host"}])
def test_a_command_that_reaches_something_else_ends_with_one_sentence(
    server: Server, elsewhere: Mapping[str, dict[str, str]], tmp_path: Path, wrong: str
) -> None:
    ended = _push(tmp_path, _settings(server, elsewhere[wrong]))
    assert ended.returncode in {1, 2}
    assert ended.stdout == ""
    said = [line for line in ended.stderr.splitlines() if not line.startswith(("POST", "GET"))]
    assert len(said) == 1, ended.stderr
    assert said[0].startswith("massage-link: ")
    assert _SECRET not in ended.stderr
    assert server.api_key not in ended.stderr


@pytest.mark.parametrize("missing", ["APPWRITE_ENDPOINT", "APPWRITE_PROJECT_ID", "APPWRITE_API_KEY"])
def test_a_setting_that_is_missing_is_named(server: Server, tmp_path: Path, missing: str) -> None:
    settings = _settings(server, {})
    del settings[missing]
    ended = _push(tmp_path, settings)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("massage-link: ")
    assert missing.removeprefix("APPWRITE_").lower() in ended.stderr.lower()
    assert len(ended.stderr.splitlines()) == 1
    assert server.api_key not in ended.stderr


# --- bad bookings -----------------------------------------------------------------------------------------------------
_NOON = (datetime.now(UTC) + timedelta(days=365)).replace(hour=12, minute=0, second=0, microsecond=0)
_LATER = _NOON + timedelta(hours=1)

_BAD_BOOKINGS: Mapping[str, tuple[dict[str, Any], type[MassageLinkError], str]] = {
    "in the past": (
        {"starts_at": _NOON - timedelta(days=400), "ends_at": _LATER - timedelta(days=400)},
        InvalidBooking,
        "is in the past",
    ),
    "end before start": ({"starts_at": _LATER, "ends_at": _NOON}, InvalidBooking, "is not after starts_at"),
    "end at the start": ({"starts_at": _NOON, "ends_at": _NOON}, InvalidBooking, "is not after starts_at"),
    "a naive start": ({"starts_at": _NOON.replace(tzinfo=None)}, InvalidBooking, "time zone"),
    "a naive end": ({"starts_at": _NOON, "ends_at": _LATER.replace(tzinfo=None)}, InvalidBooking, "time zone"),
    "a time as text": ({"starts_at": _NOON, "ends_at": "2030-01-01T12:00:00Z"}, InvalidBooking, "time zone"),
    "in the middle of a minute": (
        {"starts_at": _NOON + timedelta(seconds=1), "ends_at": _LATER},
        InvalidBooking,
        "whole minute",
    ),
    "too long": ({"starts_at": _NOON, "ends_at": _NOON + timedelta(hours=9)}, InvalidBooking, "lasts at most"),
    "at the end of time": (
        {"starts_at": _NOON, "ends_at": datetime.max.replace(second=0, microsecond=0, tzinfo=UTC)},
        InvalidBooking,
        "lasts at most",
    ),
    "an unknown zone": ({"timezone": "Europe/Atlantis"}, InvalidBooking, "IANA zone"),
    "a zone of nowhere": ({"timezone": "../../etc/passwd"}, InvalidBooking, "IANA zone"),
    "a negative price": ({"price": Money(-1, "EUR")}, InvalidBooking, "out of range"),
    "a price without bounds": ({"price": Money(10**13, "EUR")}, InvalidBooking, "out of range"),
    "a price that is no money": ({"price": 95.0}, InvalidBooking, r"Money\(9500, \"EUR\"\)"),
    "a note of 10 kB": ({"note": "n" * 10_240}, InvalidBooking, "note has at most 2,000 characters"),
    "a note that is no text": ({"note": 5}, InvalidBooking, "note is a text"),
    "half a sign": ({"note": "half \ud83d"}, InvalidBooking, "surrogate"),
    "half a sign in a name": ({"customer_name": "\udc00"}, InvalidBooking, "surrogate"),
    "half a sign in an id": ({"customer_id": "\ud83d"}, InvalidBooking, "not an id"),
    "no service": ({"service": "  "}, InvalidBooking, "service is empty"),
    "a bad customer": ({"customer_id": "not an id!"}, InvalidBooking, "customer_id"),
    "a customer without id": ({"customer_id": None}, InvalidBooking, "customer_id"),
    "a bad therapist": ({"therapist_id": "-" * 40}, InvalidBooking, "therapist_id"),
    "with oneself": ({"customer_id": "Same", "therapist_id": "same"}, InvalidBooking, "same user"),
    "a negative buffer": ({"buffer": timedelta(minutes=-5)}, InvalidBooking, "buffer"),
    "a buffer that is no time": ({"buffer": 15}, InvalidBooking, "buffer"),
    "an empty key": ({"idempotency_key": ""}, InvalidInput, "idempotency key"),
    "an endless key": ({"idempotency_key": "k" * 201}, InvalidInput, "idempotency key"),
    "half a sign in a key": ({"idempotency_key": "\ud83d"}, InvalidInput, "surrogate"),
}


@pytest.mark.parametrize("key", [None, "key"], ids=["without key", "with key"])
@pytest.mark.parametrize("wrong", _BAD_BOOKINGS)
async def test_a_bad_booking_says_what_is_wrong_and_writes_nothing(
    link: AsyncMassageLink, market: Market, wrong: str, key: str | None
) -> None:
    changes, error, words = _BAD_BOOKINGS[wrong]
    before = market.contents()
    with pytest.raises(error, match=words):
        await link.bookings.request(**{**market.wish(), "idempotency_key": key, **changes})
    assert market.contents() == before


@pytest.mark.parametrize("amount", [95.0, "95", True, None, 9_500.5])
def test_money_is_never_made_of_anything_but_whole_minor_units(amount: Any) -> None:
    with pytest.raises(InvalidMoney, match="integer of minor units"):
        Money(amount, "EUR")


@pytest.mark.parametrize("currency", ["EURO", "eur", "XXX1", "", "ZZZ", None])
def test_a_currency_that_nobody_knows_is_refused(currency: Any) -> None:
    with pytest.raises(InvalidMoney, match="is not an ISO 4217 currency"):
        Money(100, currency)


@pytest.mark.parametrize(
    "name",
    ["💆🏽‍♀️ Zoë", "محمد عبد الله", "דנה כהן", "山田 太郎", "e\u0301", "a\u202eb", "Robert'); DROP TABLE", "<b>x</b>"],
)
async def test_every_name_and_note_reads_back_as_it_was_written(
    link: AsyncMassageLink, market: Market, name: str
) -> None:
    texts = {"customer_name": name, "therapist_name": name, "note": name * 5, "area": name, "service": name}
    booking = await link.bookings.request(**market.wish(**texts, address=name))
    stored = await link.bookings.get(booking.id)
    assert {field: getattr(stored, field) for field in texts} == texts
    assert await link.bookings.address(booking.id) == name
    accepted = await link.bookings.accept(booking.id, reason=name)
    assert accepted.status_reason == name
    assert (await link.chat.send(booking.id, name, sender_id=booking.customer_id)).body == name
    said = [each async for each in link.chat.messages(booking.id, after=1)]
    assert [each.body for each in said if each.kind is MessageKind.USER] == [name]


async def test_bad_arguments_elsewhere_are_refused_by_the_tree_as_well(link: AsyncMassageLink, market: Market) -> None:
    booking = await link.bookings.request(**market.wish())
    before = market.contents()
    for work in (
        link.bookings.decline(booking.id, reason="r" * 501),
        link.bookings.decline(booking.id, reason="half \ud83d"),
        link.bookings.get("\ud83d"),
        link.bookings.accept("\ud83d"),
        link.chat.room("\ud83d"),
        link.chat.send(booking.id, "x" * 5_001, sender_id=booking.customer_id),
        link.chat.send(booking.id, "hello", sender_id=booking.customer_id, client_id="not an id!"),
    ):
        with pytest.raises(InvalidInput):
            await work
    wrong_filters: list[dict[str, Any]] = [
        {"starts_from": datetime(2030, 1, 1)},  # noqa: DTZ001 - naive on purpose
        {"starts_before": datetime(2030, 1, 1)},  # noqa: DTZ001
        {"page_size": 0},
        {"page_size": 5_001},
        {"limit": -1},
        {"status": []},
        {"customer_id": "\ud83d"},
    ]
    for filters in wrong_filters:
        with pytest.raises(InvalidInput):
            await all_of(link.bookings.list(**filters))
    assert market.contents() == before


# --- a server that goes away ------------------------------------------------------------------------------------------
async def test_an_answer_that_never_comes_is_reported_as_what_it_is(
    hasty: AsyncMassageLink, market: Market, faults: Faults
) -> None:
    wish = market.wish()
    everything = {"method": "*", "path": "/v1/*"}
    faults.plant(everything, {"drop": True}, times=None)
    with pytest.raises(MassageLinkError, match="no answer") as nothing:
        await hasty.bookings.request(**wish)
    assert not isinstance(nothing.value, OutcomeUnknown)  # no commit was sent
    faults.clear()
    assert await all_of(hasty.bookings.list(therapist_id=wish["therapist_id"])) == []
    market.check()


async def test_a_proxy_of_the_environment_is_not_asked_for_a_server_on_this_machine(
    links: LinkMaker, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    booking = await links().bookings.request(**market.wish())
    assert booking.version == 1
    with pytest.raises(ConnectionFailed):
        await links(endpoint="http://appwrite.invalid/v1", retries=_AT_ONCE).bookings.get("any")


async def test_what_a_sign_in_answers_is_not_logged(
    links: LinkMaker, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    """Not by us, and not by httpx and httpcore, which log every header that arrives."""
    caplog.set_level(logging.DEBUG)
    user = await links(api_key=None).sign_in(people.customer.email, people.customer.password)
    secret = getattr(user.credential, "secret")  # noqa: B009 - only a session's credential has one
    assert "httpcore.http11" in {record.name for record in caplog.records}
    for text in (secret, people.customer.password):
        assert text not in caplog.text
    assert secret not in repr(user)


def test_a_link_s_repr_names_server_and_kind_of_credential(server: Server) -> None:
    with server.link() as link:
        assert repr(link) == f"MassageLink('{server.endpoint}', '{server.project_id}', as Secret(kind='key'))"
    assert server.api_key not in repr(replace(server))
