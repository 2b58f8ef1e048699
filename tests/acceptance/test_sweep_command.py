"""`massage-link sweep`, as an operator or a cron job runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from marketplace import Market, Server
from massage_link import Booking, CommissionStatus, Status
from massage_link.cli.app import app
from massage_link.usecases.ports import Ports
from massage_link.usecases.sweep import SweepReport
from massage_link.usecases.sweep_state import claim

RUNNER = CliRunner()


@pytest.fixture
def sweep(server: Server, tmp_path: Path) -> Callable[..., Result]:
    """Runs the command against the server."""
    command = ["sweep", "--env-file", str(server.env_file(tmp_path))]
    return lambda *options: RUNNER.invoke(app, [*command, *options])


@pytest.fixture(autouse=True)
def _alone(market: Market) -> None:
    market.empty()


@pytest.fixture
def unanswered(server: Server, market: Market) -> Booking:
    """A booking that was requested two days ago, and never answered; no function has seen it."""
    then = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    with server.link(ports=replace(Ports(), now=lambda: then)) as earlier:
        return earlier.bookings.request(**market.wish())


def test_what_nobody_answered_expires_and_its_time_becomes_free(
    sweep: Callable[..., Result], unanswered: Booking, market: Market
) -> None:
    done = sweep("--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["expired"] >= 1
    assert report["complete"] is True
    assert report["failed"] == []
    assert market.link.bookings.get(unanswered.id).status is Status.EXPIRED
    assert market.slots_of(unanswered) == []


def test_what_no_function_did_is_done(sweep: Callable[..., Result], unanswered: Booking, market: Market) -> None:
    done = sweep()
    assert done.exit_code == 0, done.output
    assert "expired" in done.stdout
    assert market.link.chat.room(unanswered.id).customer_id == unanswered.customer_id
    assert market.link.commissions.get(unanswered.id).status is CommissionStatus.VOID


def test_a_second_sweep_finds_nothing_to_do(sweep: Callable[..., Result], unanswered: Booking, market: Market) -> None:
    assert sweep().exit_code == 0
    before = {name: rows for name, rows in market.contents().items() if name != "system_state"}
    assert "Nothing was missing, and nothing was due." in sweep().stdout
    assert {name: rows for name, rows in market.contents().items() if name != "system_state"} == before


def test_a_booking_that_cannot_be_dealt_with_is_named_and_the_exit_code_is_one(
    sweep: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = SweepReport("2030-01-01", "2030-01-02", failed=("b1",))

    def found(ports: Ports, **_: object) -> SweepReport:
        return report

    monkeypatch.setattr("massage_link.usecases.sweep.sweep", found)
    monkeypatch.setattr("massage_link.client.link.MassageLink.run", lambda _, flow: flow)
    done = sweep()
    assert done.exit_code == 1
    assert done.stderr == "b1 could not be dealt with; see the log.\nTime ran out; run it again to go on.\n"


def test_a_dry_run_says_what_a_sweep_would_do_and_writes_nothing(
    sweep: Callable[..., Result], unanswered: Booking, market: Market
) -> None:
    before = market.contents()
    done = sweep("--dry-run")
    assert done.exit_code == 0, done.output
    assert "Nothing was written; a sweep would do this:\n  expired: 1" in done.stdout
    assert "rooms opened: 1\n  commissions computed: 1" in done.stdout
    assert market.contents() == before
    assert json.loads(sweep("--dry-run", "--json").stdout)["dry_run"] is True


def test_while_another_sweeper_is_at_work_it_leaves(
    sweep: Callable[..., Result], unanswered: Booking, market: Market
) -> None:
    held = market.link.run(claim(market.link.ports, "the function"))
    assert held is not None
    done = sweep()
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Another sweeper is at work; this one has left the rest to it.\n"
    market.link.run(held.save(held.state, release=True))
    assert sweep().exit_code == 0


@pytest.mark.parametrize("wrong", [["--since", "soon"], ["--seconds", "0"]])
def test_a_limit_that_is_none_is_refused(sweep: Callable[..., Result], wrong: list[str]) -> None:
    done = sweep(*wrong)
    assert (done.exit_code, done.stdout) == (2, "")
    assert wrong[0] in done.stderr


def test_a_session_cannot_sweep(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("APPWRITE_ENDPOINT=http://127.0.0.1:9/v1\nAPPWRITE_PROJECT_ID=p\nAPPWRITE_SESSION=s\n")
    done = RUNNER.invoke(app, ["sweep", "--env-file", str(env)])
    assert done.exit_code == 2
    assert "sweep" in done.stderr
    assert "API key" in done.stderr
