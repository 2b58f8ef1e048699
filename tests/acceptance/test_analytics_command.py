"""`massage-link analytics`, as somebody at the business runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cases import Run
from marketplace import Market, Person, Server, hired_people
from massage_link.cli.app import app
from massage_link.domain.states import Command
from massage_link.usecases.bookings import request_booking
from massage_link.wire.call import Call, path, raw_json

RUNNER = CliRunner()
#: A day of which no other test writes.
DAY = datetime(2043, 5, 4, 10, tzinfo=UTC)


@pytest.fixture
def analytics(server: Server, tmp_path: Path) -> Callable[..., Result]:
    """Runs the command against the server."""
    command = ["analytics", "--env-file", str(server.env_file(tmp_path))]
    return lambda *options: RUNNER.invoke(app, [*command, *options])


@pytest.fixture
def completed(market: Market) -> Run:
    """A booking that was completed on the day."""
    run = Run(market.link, market)
    wish = run.wish(DAY.replace(hour=15))
    run.booking_id = market.link.run(request_booking(run.ports(DAY), wish)).id
    for command, hour in ((Command.ACCEPT, 11), (Command.COMPLETE, 16)):
        market.link.run(run.move(command, now=DAY.replace(hour=hour)))
    return run


def test_the_day_is_reported_in_every_form(analytics: Callable[..., Result], completed: Run) -> None:
    asked = ["--from", "2043-05-04", "--to", "2043-05-04", "--timezone", "Europe/Berlin"]
    told = json.loads(analytics(*asked, "--json", "--by", "therapist").stdout)
    (row,) = [each for each in told["rows"] if each["therapist_id"] == completed.therapist]
    assert (row["requests"], row["acceptance_rate"], row["answer_p50_seconds"]) == (1, 1.0, 3600.0)
    assert row["earned"] == [{"currency": "EUR", "revenue_minor": 9_505, "commission_minor": 2_852}]
    assert told["start"] == "2043-05-03T22:00:00+00:00"
    for options in (["--csv"], ["--plot"], [], ["--by", "total"], ["--by", "day", "--by", "service"]):
        done = analytics(*asked, *options)
        assert (done.exit_code, done.stderr) == (0, "")
        assert "EUR" in done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--json", "--csv"], "exclude each other"),
        (["--by", "week"], "by names day, therapist, service"),
        (["--plot", "--by", "day", "--by", "service"], "--plot draws one thing"),
        (["--timezone", "Nowhere"], "IANA"),
        (["--from", "2026-02-02", "--to", "2026-02-01"], "--from 2026-02-02 is after --to 2026-02-01"),
        (["--to", "9999-12-31"], "beyond the calendar"),
        (["--from", "yesterday"], "does not match the formats"),
    ],
)
def test_what_cannot_be_reported_is_refused_in_one_sentence(
    analytics: Callable[..., Result], options: list[str], said: str
) -> None:
    done = analytics(*options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.replace("│", "").split())


def test_a_session_sees_the_business_if_it_is_that_of_ops(server: Server, tmp_path: Path, completed: Run) -> None:
    with hired_people(server) as people:
        told = _with_session(server, people.ops, tmp_path)
        assert told.exit_code == 0
        assert completed.therapist in told.stdout
        refused = _with_session(server, people.customer, tmp_path)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert f"analytics reads every booking, which is for ops; you are {people.customer.id}." in " ".join(
            refused.stderr.split()
        )


def _with_session(server: Server, person: Person, folder: Path) -> Result:
    with server.link() as link:
        secret = link.send(Call("POST", path("users", person.id, "sessions"), raw_json, {}))["secret"]
    env = folder / f"{person.id}.env"
    settings = {
        "APPWRITE_ENDPOINT": server.endpoint,
        "APPWRITE_PROJECT_ID": server.project_id,
        "APPWRITE_SESSION": secret,
        "MASSAGE_LINK_DATABASE": server.database,
    }
    env.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    days = ["--from", "2043-05-04", "--to", "2043-05-04", "--by", "therapist"]
    return RUNNER.invoke(app, ["analytics", "--env-file", str(env), *days])
