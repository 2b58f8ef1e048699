"""`massage-link commissions …` and `massage-link reconcile`, as ops and a therapist run them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ledgers import Till, euros, opened_till
from marketplace import Server
from massage_link import Money
from massage_link.cli.app import app
from massage_link.domain.ids import slot_id
from massage_link.domain.tables import COMMISSIONS, SLOTS
from massage_link.errors import ServerError
from massage_link.usecases import corrections, payouts

RUNNER = CliRunner()
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def the_till(server: Server) -> Iterator[Till]:
    """One database for this module."""
    with opened_till(server) as till:
        yield till


@pytest.fixture
def till(the_till: Till) -> Till:
    """The till, empty."""
    the_till.market.empty()
    return the_till


@pytest.fixture
def run(till: Till, tmp_path: Path) -> Run:
    """Runs a command with the key."""
    lines = {
        "APPWRITE_ENDPOINT": till.server.endpoint,
        "APPWRITE_PROJECT_ID": till.server.project_id,
        "APPWRITE_API_KEY": till.server.api_key,
        "MASSAGE_LINK_DATABASE": till.server.database,
    }
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    return lambda *words: RUNNER.invoke(app, [*words, "--env-file", str(tmp_path / ".env")])


def told(result: Result) -> Any:
    """The JSON that a command printed, which ended well."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def lines(result: Result) -> list[str]:
    """What a command printed, which ended well."""
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


# --- commissions ------------------------------------------------------------------------------------------------------
def test_commissions_are_listed_shown_and_summed_up(till: Till, run: Run) -> None:
    one = till.booking(therapist_id="tina")
    two = till.booking("declined", therapist_id="tom", price=Money(9_999, "JPY"))
    assert [line.split() for line in lines(run("commissions", "list"))] == [
        ["booking", "therapist", "status", "currency", "gross", "commission", "net", "balance"],
        [one.id, "tina", "due", "EUR", "95.05", "28.52", "66.53", "66.53"],
        [two.id, "tom", "void", "JPY", "0", "0", "0", "0"],
    ]
    rows = [json.loads(line) for line in lines(run("commissions", "list", "--status", "due", "--json"))]
    assert [(row["$id"], row["grossMinor"]) for row in rows] == [(one.id, 9_505)]
    assert len(lines(run("commissions", "list", "--therapist", "tom", "--limit", "1"))) == 2
    shown = dict(line.split(maxsplit=1) for line in lines(run("commissions", "get", one.id)) if " " in line.strip())
    assert (shown["rate"].strip(), shown["earned"].strip(), shown["balance"].strip()) == (
        "30.00 %",
        "28.52 EUR",
        "66.53 EUR",
    )
    assert told(run("commissions", "get", one.id, "--json"))["dueAt"] is not None
    assert told(run("commissions", "totals", "--json"))["totals"][0] == {
        "currency": "EUR",
        "count": 1,
        "grossMinor": 9_505,
        "commissionMinor": 2_852,
        "netMinor": 6_653,
        "refundedMinor": 0,
        "earnedMinor": 2_852,
        "paidMinor": 0,
        "balanceMinor": 6_653,
    }
    assert lines(run("commissions", "totals"))[1].split() == [
        "EUR", "1", "95.05", "28.52", "66.53", "0.00", "28.52", "0.00", "66.53",
    ]  # fmt: skip


def test_something_is_given_back_and_adjusted(till: Till, run: Run) -> None:
    booking = till.booking()
    how = ("--key", "call-7", "--reason", "ill")
    entry = told(run("commissions", "refund", booking.id, "10.00", "EUR", *how, "--json"))
    assert (entry["grossMinor"], entry["commissionMinor"], entry["reference"]) == (-1_000, -300, "refund:call-7")
    assert "refund:call-7" in lines(run("commissions", "refund", booking.id, "10.00", "EUR", *how))[1]
    entry = told(run("commissions", "adjust", booking.id, "-1.00", "EUR", *how, "--json"))
    assert (entry["balanceMinor"], entry["actor"]) == (-100, "ops")
    table = lines(run("commissions", "entries", booking.id))
    assert [line.split()[4] for line in table[1:]] == ["accrual", "due:3", "refund:call-7", "adjustment:call-7"]
    assert len(lines(run("commissions", "entries", booking.id, "--json"))) == 4


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["refund", "{}", "5", "EURO", "--key", "k", "--reason", "r"], 2, "not an ISO 4217 currency"),
        (["refund", "{}", "5.001", "EUR", "--key", "k", "--reason", "r"], 2, "more decimals than EUR has"),
        (["refund", "{}", "500", "EUR", "--key", "k", "--reason", "r"], 1, "has 95.05 EUR left"),
        (["refund", "{}", "5", "EUR", "--key", "a b", "--reason", "r"], 2, "is not a key"),
        (["refund", "nosuch", "5", "EUR", "--key", "k", "--reason", "r"], 1, "no booking 'nosuch'"),
        (["get", "nosuch"], 1, "no commission on the books"),
        (["list", "--status", "open"], 2, "status is one of pending, due, void, paid"),
        (["statement", "tina", "november"], 2, 'a period is "2026"'),
        (["statement", "tina", "2026", "--timezone", "Berlin"], 2, "is not an IANA time zone"),
        (["statement", "tina", "2026", "--csv", "--html"], 2, "exclude each other"),
        (["statement", "tina", "2026", "--output", "x"], 2, "--output asks for"),
        (["payout", "no key"], 2, "is not a key"),
        (["payout", "b", "--until", "tomorrow"], 2, "a period is"),
    ],
)
def test_what_can_not_be_is_said_in_a_sentence(till: Till, run: Run, words: list[str], code: int, said: str) -> None:
    booking = till.booking()
    before = till.market.contents()
    done = run("commissions", *(word.format(booking.id) for word in words))
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.startswith("massage-link: ")
    assert done.stderr.count("\n") == 1
    assert till.market.contents() == before


# --- statements -------------------------------------------------------------------------------------------------------
def test_a_statement_is_a_table_a_csv_a_page_and_json(till: Till, run: Run, tmp_path: Path) -> None:
    booking = till.booking(therapist_id="tina")
    till.link.commissions.refund(booking.id, euros("10.00"), key="k", reason="ill\x1b[31m")
    year = f"{datetime.now(UTC):%Y}"
    words = ("commissions", "statement", "tina", year)
    table = lines(run(*words))
    assert table[0] == f"tina, {year}-01-01 00:00 until {int(year) + 1}-01-01 00:00 (UTC)"
    assert [line.split()[-1] for line in table[2:]] == ["balance", "0.00", "66.53", "59.53", "59.53"]
    assert "\x1b" not in "".join(table)
    rows = list(csv.DictReader(io.StringIO(run(*words, "--csv").stdout)))
    assert [row["balance"] for row in rows] == ["0.00", "66.53", "59.53", "59.53"]
    assert told(run(*words, "--json"))["accounts"][0]["closingMinor"] == 5_953
    page = tmp_path / "statement.html"
    assert lines(run(*words, "--html", "--output", str(page))) == []
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".statement")] == []
    assert lines(run("commissions", "statement", "nobody", "2020"))[1] == "Nothing was owed, and nothing came to it."


# --- payouts ----------------------------------------------------------------------------------------------------------
def test_a_batch_is_tried_paid_and_repeated(till: Till, run: Run) -> None:
    for therapist in ("tina", "tina", "tom"):
        till.booking(therapist_id=therapist)
    dry = lines(run("commissions", "payout", "nov", "--dry-run"))
    assert [line.split() for line in dry[1:4]] == [
        ["tina", "EUR", "2", "133.06"],
        ["tom", "EUR", "1", "66.53"],
        ["total", "EUR", "3", "199.59"],
    ]
    assert dry[4] == "Batch nov: this run would pay for 3 bookings."
    wet = lines(run("commissions", "payout", "nov"))
    assert (wet[:4], wet[4]) == (dry[:4], "Batch nov: this run has paid for 3 bookings.")
    again = told(run("commissions", "payout", "nov", "--json"))
    assert (again["paid"], again["totals"][0]["amountMinor"], again["complete"]) == (0, 19_959, True)
    assert told(run("commissions", "payout", "dec", "--until", "2020-01-01", "--json"))["lines"] == []


def test_a_booking_that_could_not_be_paid_is_named_and_the_exit_code_is_one(
    till: Till, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookings = [till.booking(), till.booking()]
    post = corrections.post_once

    def failing(ports: Any, booking_id: str, *rest: Any) -> Any:
        if booking_id == bookings[0].id:
            raise ServerError("the server failed.", status=500)
        return post(ports, booking_id, *rest)

    monkeypatch.setattr(payouts, "post_once", failing)
    done = run("commissions", "payout", "nov")
    assert done.exit_code == 1
    assert done.stderr == f"{bookings[0].id} could not be paid; repeat the batch.\n"
    assert "has paid for 1 booking." in done.stdout
    monkeypatch.undo()
    assert "has paid for 1 booking." in "".join(lines(run("commissions", "payout", "nov")))


# --- reconcile --------------------------------------------------------------------------------------------------------
def test_books_that_are_right_are_said_to_be(till: Till, run: Run) -> None:
    till.booking()
    till.booking(price=Money(9_999, "JPY"))
    till.booking(canary=True)
    shown = lines(run("reconcile", "--check", "--full"))
    assert [line.split() for line in shown[:3]] == [
        ["currency", "bookings", "asked", "commissions", "entries", "difference"],
        ["EUR", "1", "95.05", "95.05", "95.05", "0.00"],
        ["JPY", "1", "9,999", "9,999", "9,999", "0"],
    ]
    assert shown[3:] == [
        "Compared: 2 bookings, 2 commissions, 4 ledger lines; left out: 1 booking of health checks.",
        "They tell the same: the difference is zero.",
    ]
    report = told(run("reconcile", "--check", "--json"))
    assert (report["ok"], report["difference"], report["findings"]) == (True, {"EUR": 0, "JPY": 0}, [])


def test_what_differs_is_listed_then_mended(till: Till, run: Run) -> None:
    booking = till.booking()
    till.write(COMMISSIONS, booking.id, commissionMinor=2_851, netMinor=6_654)
    till.create(SLOTS, slot_id("tina", 7), therapistId="tina", bookingId="gone")
    before = till.market.contents()
    done = run("reconcile", "--check")
    assert done.exit_code == 1
    assert (
        f"{booking.id}: stale_projection: its ledger entries tell commission_minor 2852, net_minor 6653" in done.stdout
    )
    assert done.stderr == "Found: 1 fault; repaired: 0; left: 1.\n"
    dry = run("reconcile", "--full", "--dry-run")
    assert (dry.exit_code, dry.stdout.count("(would be repaired)")) == (1, 2)
    report = run("reconcile", "--check", "--full", "--json")
    assert report.exit_code == 1
    assert [(each["fault"], each["rowId"]) for each in json.loads(report.stdout)["findings"]] == [
        ("stale_projection", booking.id),
        ("orphan_slots", "gone"),
    ]
    assert json.loads(report.stdout)["difference"] == {"EUR": 1}
    assert till.market.contents() == before
    mended = run("reconcile", "--full")
    assert (mended.exit_code, mended.stdout.count("(repaired)")) == (0, 2)
    assert mended.stderr == "Found: 2 faults; repaired: 2; left: 0.\n"
    assert told(run("reconcile", "--check", "--full", "--json"))["ok"] is True


def test_a_booking_that_has_no_commission_yet_may_wait(till: Till, run: Run) -> None:
    till.link.bookings.request(**till.market.wish())
    assert run("reconcile", "--check").exit_code == 1
    assert "Still without a commission: 1 new booking." in lines(run("reconcile", "--check", "--settle", "60"))
    assert run("reconcile", "--check", "--settle", "-1").exit_code == 2
    assert lines(run("reconcile"))[-1].startswith("Compared: 1 booking, 0 commissions")


def test_a_session_cannot_reconcile(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("APPWRITE_ENDPOINT=http://127.0.0.1:9/v1\nAPPWRITE_PROJECT_ID=p\nAPPWRITE_SESSION=s\n")
    done = RUNNER.invoke(app, ["reconcile", "--env-file", str(env)])
    assert done.exit_code == 2
    assert "API key" in done.stderr
