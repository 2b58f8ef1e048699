"""`massage-link book`, `bookings` and `chat`, as people type them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner

from marketplace import PATIENCE, Market, Server, hired_people
from massage_link import Booking
from massage_link.cli.app import app

RUNNER = CliRunner()
Run = Callable[..., str]


@pytest.fixture
def env_file(server: Server, tmp_path: Path) -> Path:
    """The settings of the server, with the key."""
    lines = {
        "APPWRITE_ENDPOINT": server.endpoint,
        "APPWRITE_PROJECT_ID": server.project_id,
        "APPWRITE_API_KEY": server.api_key,
        "MASSAGE_LINK_DATABASE": server.database,
    }
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    return tmp_path / ".env"


@pytest.fixture
def run(env_file: Path) -> Run:
    """Runs a command; gives what it printed, or the sentence with which it ended."""

    def run(*words: str, code: int = 0, typed: str | bytes | None = None) -> str:
        done = RUNNER.invoke(app, [*words, "--env-file", str(env_file)], input=typed)
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        return (done.stdout if code == 0 else done.stderr).strip()

    return run


@pytest.fixture
def booking(market: Market) -> Booking:
    """A request."""
    return market.link.bookings.request(**market.wish())


def facts(text: str) -> list[dict[str, Any]]:
    """The JSON objects that were printed, one a line."""
    return [json.loads(line) for line in text.splitlines()]


# --- chat -------------------------------------------------------------------------------------------------------------
def test_two_people_talk_by_commands(run: Run, booking: Booking) -> None:
    ann, tom = booking.customer_id, booking.therapist_id
    assert run("chat", "send", booking.id, "Is there a lfit?", "--as", ann) == "Sent as message 2."
    assert run("chat", "edit", booking.id, "2", "Is there a lift?", "--as", ann).startswith("Message 2 reads otherwise")
    assert run("chat", "send", booking.id, "-", "--as", tom, typed="Yes.\nRing twice 🔔\n") == "Sent as message 4."
    assert run("chat", "send", booking.id, "oops", "--as", tom) == "Sent as message 5."
    assert run("chat", "delete", booking.id, "5", "--as", tom).startswith("Message 5 is not shown")
    lines = run("chat", "read", booking.id).splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "4", "5"]
    assert lines[1].endswith(f"{ann}: Is there a lift? (edited)")
    assert lines[2].endswith(f"{tom}: Yes. Ring twice 🔔")
    assert lines[3].endswith(f"{tom}: (deleted)")
    raw = facts(run("chat", "read", booking.id, "--raw", "--json"))
    assert [each["kind"] for each in raw] == ["system", "user", "edit", "user", "user", "delete"]
    folded = facts(run("chat", "read", booking.id, "--json", "--last", "2"))
    assert [(each["n"], each["body"], each["deletedAt"] is None) for each in folded] == [(5, "", False)]


def test_unread_is_counted_and_marked(run: Run, booking: Booking) -> None:
    run("chat", "send", booking.id, "one", "--as", booking.customer_id)
    run("chat", "send", booking.id, "two", "--as", booking.customer_id)
    therapist = ("--as", booking.therapist_id)
    assert json.loads(run("chat", "unread", *therapist, "--json")) == {"total": 2, "rooms": {booking.id: 2}}
    assert run("chat", "mark", booking.id, "2", *therapist) == "Read up to message 2."
    assert run("chat", "unread", booking.id, *therapist).split() == ["1", booking.id, "1", "unread"]
    assert run("chat", "mark", booking.id, "3", *therapist, "--json").startswith("{")
    assert run("chat", "unread", *therapist) == "0  unread"


def test_rooms_are_listed(run: Run, booking: Booking) -> None:
    run("chat", "send", booking.id, "hello", "--as", booking.customer_id)
    for acting in (booking.customer_id, booking.therapist_id):
        (line,) = run("chat", "rooms", "--as", acting).splitlines()
        assert line.startswith(f"{booking.id}  open     2 messages")
    assert booking.id in [row["$id"] for row in facts(run("chat", "rooms", "--json"))]
    assert run("chat", "rooms", "--as", "nobody") == ""


def test_ops_close_and_open_a_conversation(run: Run, booking: Booking) -> None:
    run("chat", "send", booking.id, "hello", "--as", booking.customer_id)
    assert run("chat", "freeze", booking.id) == "Closed: nothing can be written to it."
    refused = run("chat", "send", booking.id, "more", "--as", booking.customer_id, code=1)
    assert refused == f"massage-link: the conversation about booking {booking.id} is closed."
    assert run("chat", "reopen", booking.id, "--until", "2100-01-01T01:00+01:00") == "Open until 2100-01-01 00:00 UTC."
    assert json.loads(run("chat", "reopen", booking.id, "--json"))["status"] == "open"


def test_what_people_write_steers_no_terminal(run: Run, booking: Booking) -> None:
    run("chat", "send", booking.id, "\x1b[31mred\u202e", "--as", booking.customer_id)
    assert run("chat", "read", booking.id).endswith(":  [31mred")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("chat", "send", "BOOKING", "hello"), 2, "sender_id is missing: with an API key, say who sends the message."),
        (("chat", "send", "BOOKING", " ", "--as", "CUSTOMER"), 2, "a message needs some text."),
        (("chat", "send", "BOOKING", "hi", "--as", "eve"), 1, "user eve does not take part in"),
        (("chat", "send", "no-such-booking", "hi", "--as", "eve"), 1, "there is no booking 'no-such-booking'."),
        (("chat", "edit", "BOOKING", "1", "x", "--as", "CUSTOMER"), 1, "is none that a person wrote"),
        (("chat", "delete", "BOOKING", "9", "--as", "CUSTOMER"), 1, "has no message 9."),
        (("chat", "read", "no-such-booking"), 1, "has no chat room that this credential may see."),
        (
            (
                "chat",
                "unread",
            ),
            2,
            "user_id is missing: with an API key, say who reads.",
        ),
        (("chat", "reopen", "BOOKING", "--until", "tomorrow"), 2, "--until is a time with its zone"),
        (("chat", "reopen", "BOOKING", "--until", "2020-01-01T00:00Z"), 2, "until is an instant to come"),
        (("chat", "watch", "BOOKING"), 2, "realtime listens as a user"),
        (("bookings", "list", "--status", "lost"), 2, "status is one of pending, accepted"),
        (("bookings", "show", "no-such-booking"), 1, "there is no booking"),
        (("bookings", "start", "BOOKING"), 1, "start is possible while it is accepted."),
        (("bookings", "move", "BOOKING", "2030-01-01T10:00"), 2, "TIME is a time with its zone"),
        (("bookings", "no-show", "BOOKING", ""), 1, "is pending; no_show is possible while it is"),
    ],
)
def test_what_does_not_work_out_ends_in_one_sentence(
    run: Run, booking: Booking, words: tuple[str, ...], code: int, said: str
) -> None:
    run("chat", "send", booking.id, "hello", "--as", booking.customer_id)
    names = {"BOOKING": booking.id, "CUSTOMER": booking.customer_id}
    told = run(*(names.get(word, word) for word in words), code=code)
    assert told.startswith("massage-link: ")
    assert said in told
    assert len(told.splitlines()) == 1


def test_a_text_that_is_none_is_refused(run: Run, booking: Booking) -> None:
    told = run("chat", "send", booking.id, "-", "--as", booking.customer_id, code=2, typed=b"\xff\xfe")
    assert told == "massage-link: standard input is no text in UTF-8."


def test_messages_are_followed_as_they_come(env_file: Path, server: Server, market: Market) -> None:
    link = market.link
    with hired_people(server) as people, ExitStack() as leaving:
        booking = link.bookings.request(**market.wish(customer_id=people.customer.id))
        words = ["chat", "watch", booking.id, "--as", people.customer.id, "--json", "--env-file", str(env_file)]
        program = Path(sys.executable).with_name("massage-link")
        watching = leaving.enter_context(subprocess.Popen([program, *words], stdout=subprocess.PIPE, text=True))
        leaving.callback(watching.terminate)
        told: Queue[dict[str, Any]] = Queue()
        Thread(target=_read_lines, args=(watching, told), daemon=True).start()
        for _ in range(300):  # until it listens: what was sent before is not its business
            sent = link.chat.send(booking.id, "knock", sender_id=booking.therapist_id)
            with suppress(Empty):
                first = told.get(timeout=0.1)
                break
        else:
            raise AssertionError("nothing came")
        numbers = [first["version"]]
        while numbers[-1] < sent.n:
            numbers.append(told.get(timeout=PATIENCE)["version"])
    assert numbers == list(range(numbers[0], sent.n + 1))
    assert (first["table"], first["row"]["roomId"]) == ("chat_messages", booking.id)


def _read_lines(watching: subprocess.Popen[str], told: Queue[dict[str, Any]]) -> None:
    assert watching.stdout is not None
    for line in watching.stdout:
        told.put(json.loads(line))


# --- bookings ---------------------------------------------------------------------------------------------------------
def test_a_booking_goes_its_way_by_commands(run: Run, market: Market) -> None:
    customer, therapist = market.someone("c"), market.someone("t")
    start = (datetime.now(UTC) + timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
    asked = ("--customer", customer, "--therapist", therapist, "--service", "Thai", "--start", start.isoformat())
    told = ("--end", (start + timedelta(hours=1)).isoformat(), "--price", "95.05 EUR", "--key", "order-1", "--json")
    booking, again = (json.loads(run("book", *asked, *told)) for _ in range(2))
    assert booking["$id"] == again["$id"]
    assert (booking["status"], booking["priceMinor"], booking["currency"]) == ("pending", 9505, "EUR")
    booking_id = booking["$id"]
    assert f"{booking_id}  accepted" in run("bookings", "accept", booking_id, "--as", therapist)
    assert run("bookings", "quote", booking_id) == "Cancelled now it costs 0.00 EUR."
    later = (start + timedelta(hours=5)).isoformat()
    assert datetime.fromisoformat(
        json.loads(run("bookings", "move", booking_id, later, "--as", therapist, "--json"))["startsAt"]
    ) == start + timedelta(hours=5)
    run("bookings", "start", booking_id)
    run("bookings", "complete", booking_id, "--as", therapist)
    types = [event["type"] for event in facts(run("bookings", "history", booking_id, "--json"))]
    assert types == ["requested", "accepted", "rescheduled", "started", "completed"]
    assert f"completed by therapist {therapist}" in run("bookings", "history", booking_id)
    (line,) = run("bookings", "list", "--therapist", therapist, "--status", "completed").splitlines()
    assert line.startswith(f"{booking_id}  completed")
    assert run("bookings", "list", "--therapist", therapist, "--status", "pending") == ""


def test_the_ways_a_booking_ends_early(run: Run, market: Market) -> None:
    def made() -> str:
        return market.link.bookings.request(**market.wish()).id

    assert "declined (away)" in run("bookings", "decline", made(), "--reason", "away")
    assert "cancelled" in run("bookings", "cancel", made())
    shown = made()
    run("bookings", "accept", shown)
    assert "no_show (Waited.)" in run("bookings", "no-show", shown, "Waited.")
    assert json.loads(run("bookings", "show", shown, "--json"))["statusReason"] == "Waited."


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--start", "2030-13-01T10:00Z", "--start is a time with its zone"),
        ("--price", "95.05", "--price is an amount and its currency"),
        ("--price", "95.055 EUR", "EUR"),
    ],
)
def test_a_request_that_is_malformed_says_which_part(run: Run, option: str, value: str, said: str) -> None:
    good = {"--customer": "c", "--therapist": "t", "--service": "Thai", "--start": "2030-01-01T10:00Z"}
    words = [word for pair in {**good, option: value}.items() for word in pair]
    assert said in run("book", *words, code=2)
