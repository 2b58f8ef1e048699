"""`massage-link health`: everything is looked at, the probe that is red is the one to look at, and nothing is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from marketplace import without_settings
from massage_link import CommissionEntry, HealthReport, MassageLink, Money, State
from massage_link.cli.app import app
from massage_link.domain.tables import BOOKINGS, CHAT_ROOMS, COMMISSION_ENTRIES, SLOTS, TABLES
from massage_link.health import WITHIN
from massage_link.health.check import DEEP, SHALLOW
from massage_link.testing import Emulator, running_emulator
from massage_link.usecases.canary import hire, new_canary
from massage_link.usecases.chat import ensure_room
from massage_link.usecases.commissions import ensure_commission
from massage_link.usecases.ports import Ports
from massage_link.usecases.provision import push_functions, push_schema
from massage_link.wire.call import Call, nothing, path
from massage_link.wire.control import delete_column, list_functions, list_users, update_function
from massage_link.wire.executions import execute
from massage_link.wire.rows import delete_rows, list_raw_rows, update_row, with_ids

ROOT = Path(__file__).parents[2]
RUNNER = CliRunner()
SHALLOW_NAMES = [each.name for each in SHALLOW]
ALL_NAMES = [*SHALLOW_NAMES, *(each.name for each in DEEP), "removal"]


@dataclass(frozen=True)
class Place:
    """A server with everything deployed, and ways to look at its health."""

    emulator: Emulator
    link: MassageLink

    def settings(self, **changes: str) -> dict[str, str]:
        """The environment that leads there."""
        return {
            "APPWRITE_ENDPOINT": self.emulator.endpoint,
            "APPWRITE_PROJECT_ID": self.emulator.project_id,
            "APPWRITE_API_KEY": self.emulator.api_key,
            **changes,
        }

    def health(self, *options: str, **changes: str) -> Result:
        """The command."""
        return RUNNER.invoke(app, ["health", *options], env=self.settings(**changes))

    def report(self, *options: str, **changes: str) -> tuple[int, dict[str, Any]]:
        """Exit code and report."""
        done = self.health("--json", *options, **changes)
        return done.exit_code, json.loads(done.stdout)

    def contents(self) -> dict[str, set[str]]:
        """Row ids of every table."""
        return {
            table.id: {row["$id"] for row in self.link.send(list_raw_rows(self.link.ports.address(table), [])).rows}
            for table in TABLES
        }

    def users(self) -> set[str]:
        """Ids of all users."""
        return {user["$id"] for user in self.link.send(list_users(100))}


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """All functions are deployed, warm, and have been run."""
    with running_emulator(functions=ROOT / "functions", direct_write=True) as emulator, emulator.link() as link:
        link.send(execute("sweep", {}))
        place = Place(emulator, link)
        place.report("--deep")  # whatever it says: the functions are warm now
        yield place


@pytest.fixture(autouse=True)
def _nothing_is_left(place: Place) -> Iterator[None]:
    before, users = place.contents(), place.users()
    yield
    with suppress(Exception):
        place.emulator.control("DELETE", "faults")
    assert place.contents() == before
    assert place.users() == users


def states(report: Mapping[str, Any]) -> dict[str, str]:
    """State by probe; a canary that was only slow, as on a machine that does other things, counts as arrived."""
    found = {probe["name"]: probe["state"] for probe in report["probes"]}
    for probe in report["probes"]:
        slow = probe["state"] == "degraded" and "slower than it shall" in probe["found"]
        found[probe["name"]] = "ok" if probe["name"] == "canary" and slow else probe["state"]
    return found


def probe_of(report: Mapping[str, Any], name: str) -> dict[str, Any]:
    (probe,) = [each for each in report["probes"] if each["name"] == name]
    return dict(probe)


# --- all is well ------------------------------------------------------------------------------------------------------
def test_a_healthy_server_passes_every_probe_and_each_has_its_time(place: Place) -> None:
    for _ in range(5):  # a machine that does other things may miss an objective; not five times on end
        code, report = place.report("--deep")
        assert states(report) == dict.fromkeys(ALL_NAMES, "ok")
        if code == 0:
            break
    assert code == 0, probe_of(report, "canary")
    assert report["state"] == "ok"
    assert all(probe["milliseconds"] > 0 for probe in report["probes"])
    assert all(probe["means"] and probe["found"] and not probe["action"] for probe in report["probes"])
    steps = {step["name"]: step for step in probe_of(report, "canary")["steps"]}
    assert {name: step["objectiveMs"] for name, step in steps.items() if step["objectiveMs"]} == {
        "alert": 100,
        "chat": 500,
        "direct write": 500,
    }
    assert {"room", "commission", "answer", "command"} <= set(steps)
    assert (steps["alert"]["samples"], steps["chat"]["samples"], steps["direct write"]["samples"]) == (5, 6, 3)
    assert report["seconds"] < WITHIN


def test_without_deep_no_booking_is_sent(place: Place) -> None:
    code, report = place.report()
    assert (code, states(report)) == (0, dict.fromkeys(SHALLOW_NAMES, "ok"))


def test_the_table_tells_the_same_to_people(place: Place) -> None:
    done = place.health()
    assert done.exit_code == 0
    assert all(name in done.stdout for name in SHALLOW_NAMES)
    assert "All is well: 9 of 9 probes are ok" in done.stdout


def test_the_script_of_a_checkout_does_the_same(place: Place) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "health_check.py", "--json"],
        env={**os.environ, **place.settings()}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert states(json.loads(done.stdout)) == dict.fromkeys(SHALLOW_NAMES, "ok")


def test_both_links_give_the_same_typed_report(place: Place) -> None:
    report = place.link.verify_integration()
    assert isinstance(report, HealthReport)
    assert (report.state, report.exit_code, report.deep) == (State.OK, 0, False)
    assert [probe.name for probe in report.probes] == SHALLOW_NAMES
    assert report["realtime"].steps[0].name == "realtime connect"


async def test_the_awaited_link_checks_too_and_from_within_a_loop_the_blocking_one_does(place: Place) -> None:
    async with place.emulator.async_link() as link:
        report = await link.verify_integration(deep=True)
    assert [probe.name for probe in report.probes] == ALL_NAMES
    assert place.link.verify_integration().state is State.OK


def test_prometheus_reads_the_numbers(place: Place) -> None:
    done = place.health("--prometheus")
    assert done.exit_code == 0
    assert 'massage_link_health_probe_state{probe="sweeper"} 0\n' in done.stdout
    assert 'massage_link_health_step_seconds{step="realtime connect",quantile="0.95"} 0.' in done.stdout


# --- one thing is wrong -----------------------------------------------------------------------------------------------
def _refuse_realtime(place: Place) -> Callable[[], object]:
    place.emulator.control("POST", "realtime", {"refuse": 1_000})
    return lambda: place.emulator.control("POST", "realtime", {"clear": True})


def _undeploy_a_function(place: Place) -> Callable[[], object]:
    function_id = "compute_commission"
    (function,) = [each for each in place.link.send(list_functions()) if each["$id"] == function_id]
    deployment = path("functions", function_id, "deployments", function["deploymentId"])
    place.link.send(Call("DELETE", deployment, nothing))
    return lambda: _deploy_again(place, function_id)


def _remove_a_function(place: Place) -> Callable[[], object]:
    place.link.send(Call("DELETE", path("functions", "sweep"), nothing))
    return lambda: place.link.run(push_functions(direct_write=True))


def _deploy_again(place: Place, function_id: str) -> None:
    place.link.send(Call("DELETE", path("functions", function_id), nothing))
    place.link.run(push_functions(direct_write=True))


def _switch_a_function_off(place: Place) -> Callable[[], object]:
    (function,) = [each for each in place.link.send(list_functions()) if each["$id"] == "commands"]
    place.link.send(update_function({**function, "enabled": False}))
    return lambda: place.link.run(push_functions(direct_write=True))


def _drop_a_column(place: Place) -> Callable[[], object]:
    place.link.send(delete_column(place.link.ports.address(BOOKINGS), "note"))
    return lambda: place.link.run(push_schema(place.link.ports, direct_write=True))


#: What is wrong → the probe that is red, how it is, those that can not run, what it says, a word of its advice.
ONE_WRONG: Mapping[str, tuple[Callable[[Place], Callable[[], object]], str, set[str], str, str]] = {
    "realtime is refused": (_refuse_realtime, "realtime", {"canary"}, "HTTP 503", "realtime process runs"),
    "a function is undeployed": (
        _undeploy_a_function, "functions", {"canary"}, "function compute_commission: deploymentId is ''",
        "appwrite push functions",
    ),
    "a function is not there": (
        _remove_a_function, "functions", {"canary"}, "function sweep: is missing", "appwrite push functions",
    ),
    "a function is switched off": (
        _switch_a_function_off, "functions", {"canary"}, "function commands: enabled is False",
        "appwrite push functions",
    ),
    "a column is missing": (
        _drop_a_column, "schema", {"tables", "ledger", "canary", "atomicity"}, "column bookings.note: is missing",
        "run `massage-link schema push`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", ONE_WRONG)
def test_the_probe_that_is_red_is_the_one_that_is_wrong_and_says_what_to_do(place: Place, wrong: str) -> None:
    plant, red, silent, found, advice = ONE_WRONG[wrong]
    mend = plant(place)
    try:
        code, report = place.report("--deep")
    finally:
        mend()
    expected = {name: "could not run" if name in silent else "ok" for name in ALL_NAMES}
    assert states(report) == {**expected, red: "down"}
    assert code == 2
    probe = probe_of(report, red)
    assert found in probe["found"]
    assert advice in probe["action"]
    assert report["seconds"] < WITHIN


def test_a_wrong_key_is_said_to_be_one(place: Place) -> None:
    code, report = place.report("--deep", APPWRITE_API_KEY="wrong")
    answered = {"endpoint": "ok", "clock": "ok", "credentials": "down", "removal": "ok"}
    assert states(report) == {**dict.fromkeys(ALL_NAMES, "could not run"), **answered}
    assert code == 2
    assert "does not take the API key" in probe_of(report, "credentials")["found"]
    assert "APPWRITE_API_KEY" in probe_of(report, "credentials")["action"]


def test_a_key_without_a_scope_is_told_which(place: Place) -> None:
    scopes = ["rows.read", "rows.write", "users.read", "users.write", "tables.read", "execution.read"]
    secret = place.emulator.control("POST", "keys", {"scopes": scopes})["secret"]
    code, report = place.report("--deep", APPWRITE_API_KEY=secret)
    assert code == 1
    assert states(report)["credentials"] == "degraded"
    assert states(report)["functions"] == "could not run"
    assert "lacks scopes: functions.read (the functions probe)" in probe_of(report, "credentials")["found"]


def test_a_key_that_may_not_write_is_no_key(place: Place) -> None:
    secret = place.emulator.control("POST", "keys", {"scopes": ["rows.read", "users.read", "tables.read"]})["secret"]
    code, report = place.report(APPWRITE_API_KEY=secret)
    assert (code, states(report)["credentials"]) == (2, "down")
    assert "rows.write (writes bookings)" in probe_of(report, "credentials")["found"]


def test_another_project_is_told(place: Place) -> None:
    code, report = place.report(APPWRITE_PROJECT_ID="another")
    assert (code, states(report)["endpoint"]) == (2, "down")
    assert "no project 'another'" in probe_of(report, "endpoint")["found"]


@pytest.mark.long
def test_a_server_that_hangs_does_not_hang_the_check(place: Place) -> None:
    for skip, red in ((0, "endpoint"), (3, "credentials")):
        fault = {"method": "GET", "path": "/v1/*", "times": None, "skip": skip, "action": {"delaySeconds": 8}}
        place.emulator.control("POST", "faults", fault)
        code, report = place.report("--deep")
        place.emulator.control("DELETE", "faults")
        assert (code, states(report)[red]) == (2, "down")
        assert "No answer within" in probe_of(report, red)["found"] or "no answer" in probe_of(report, red)["found"]
        assert report["seconds"] < WITHIN


def test_books_that_do_not_agree_are_told_with_what_they_differ_by(place: Place) -> None:
    start = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=9)
    wish: dict[str, Any] = {
        "customer_id": "zoe",
        "therapist_id": "mara",
        "service": "Deep tissue",
        "price": Money(9_505, "EUR"),
    }
    before = place.contents()
    then = replace(Ports(), now=lambda: Ports().now() - timedelta(hours=1))
    with place.emulator.link(ports=then) as earlier:
        wish |= {"starts_at": start, "ends_at": start + timedelta(minutes=60), "price": Money(9_505, "EUR")}
        booking = earlier.bookings.request(**wish)
        earlier.run(ensure_commission(earlier.ports, booking.id))
        earlier.run(ensure_room(earlier.ports, booking.id))
    entry = place.link.ports.address(COMMISSION_ENTRIES)
    wrong = {"grossMinor": 9_506, "netMinor": 6_654}
    place.link.send(update_row(entry, CommissionEntry, f"{booking.id}_1", wrong))
    code, report = place.report()
    for table in TABLES:
        new = place.contents()[table.id] - before[table.id]
        if new:
            place.link.send(delete_rows(place.link.ports.address(table), [with_ids(new)]))
    assert (code, states(report)["ledger"]) == (2, "down")
    assert "the books differ by 1 EUR" in probe_of(report, "ledger")["found"]
    assert booking.id not in probe_of(report, "ledger")["found"]


def test_rows_that_a_stranger_can_read_are_an_alarm(place: Place) -> None:
    address = place.link.ports.address(CHAT_ROOMS)
    columns = {"customerId": "a", "therapistId": "b", "service": "s"}
    body = {"rowId": "0" * 28, "data": columns, "permissions": ['read("users")']}
    rows = path("tablesdb", address.database, "tables", address.table, "rows")
    place.link.send(Call("POST", rows, nothing, body))
    code, report = place.report()
    place.link.send(Call("DELETE", f"{rows}/{'0' * 28}", nothing))
    assert (code, states(report)["tables"]) == (2, "down")
    assert "can read rows of chat_rooms" in probe_of(report, "tables")["found"]


def test_a_server_that_is_stopped_is_told_at_once() -> None:
    with running_emulator(schema=False) as emulator:
        pass
    environment = {
        "APPWRITE_ENDPOINT": emulator.endpoint,
        "APPWRITE_PROJECT_ID": emulator.project_id,
        "APPWRITE_API_KEY": emulator.api_key,
    }
    done = RUNNER.invoke(app, ["health", "--json", "--deep"], env=environment)
    report = json.loads(done.stdout)
    assert done.exit_code == 2
    assert states(report) == {**dict.fromkeys(ALL_NAMES, "could not run"), "endpoint": "down", "removal": "ok"}
    assert "Start the server" in probe_of(report, "endpoint")["action"]
    assert emulator.api_key not in done.output


@pytest.mark.long
def test_functions_that_fail_show_in_both_probes(tmp_path: Path) -> None:
    for folder in (ROOT / "functions").iterdir():
        (tmp_path / folder.name).mkdir()
        (tmp_path / folder.name / "main.py").write_text((folder / "main.py").read_text("utf-8"), "utf-8")
    broken = "async def main(context):\n    raise ValueError('no luck')\n"
    (tmp_path / "compute_commission" / "main.py").write_text(broken, "utf-8")
    with running_emulator(functions=tmp_path) as emulator, emulator.link() as link:
        link.send(execute("sweep", {}))
        first, second = link.verify_integration(deep=True), link.verify_integration()
    assert first["canary"].state is State.DOWN
    assert first["canary"].found.startswith("The commission did not become pending")
    assert "compute_commission" in first["canary"].action
    assert second["functions"].state is State.DEGRADED
    assert "Function compute_commission failed" in second["functions"].found
    assert "no luck" not in second["functions"].found, "what a function says may be a customer's"
    assert (first.exit_code, second.exit_code) == (2, 1)


# --- nothing is left --------------------------------------------------------------------------------------------------
@pytest.fixture
def under_way(place: Place) -> Iterator[subprocess.Popen[str]]:
    """A deep check whose canary waits for functions: it has written what it has, and goes on for some seconds."""
    place.emulator.control("POST", "functions/faults", {"delaySeconds": 3})
    command = [str(Path(sys.executable).parent / "massage-link"), "health", "--json", "--deep"]
    process = subprocess.Popen(
        command, env={**os.environ, **place.settings()}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    slots = place.link.ports.address(SLOTS)
    while not place.link.send(list_raw_rows(slots, [])).rows:
        assert process.poll() is None, process.communicate()
    yield process
    process.kill()
    process.communicate()
    place.emulator.control("POST", "functions/faults", {"clear": True})
    while place.emulator.control("GET", "functions")["pending"]:
        pass


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.long)]
)
def test_a_check_that_is_interrupted_cleans_up_first(
    place: Place, under_way: subprocess.Popen[str], number: signal.Signals, code: int
) -> None:
    assert place.link.commissions.totals() == [], "and is in no total"
    assert place.contents()["therapists"] == set(), "nor in the catalogue"
    under_way.send_signal(number)
    output, errors = under_way.communicate()
    assert (under_way.returncode, output, errors) == (code, "", "")


@pytest.mark.long
def test_what_a_killed_check_left_is_removed_by_a_later_one(place: Place, under_way: subprocess.Popen[str]) -> None:
    under_way.kill()
    under_way.wait()
    assert place.contents()["bookings"]
    ahead = replace(Ports(), now=lambda: Ports().now() + timedelta(minutes=10))
    with place.emulator.link(ports=ahead) as link:
        report = link.verify_integration()
    # Ten minutes ahead, the clock probe is red, and nothing else; that something was left is told.
    assert [probe.name for probe in report.probes if probe.state is not State.OK] == ["clock"]


def test_an_account_that_is_named_like_a_canary_is_nobodys_to_remove(place: Place) -> None:
    impostor = new_canary()
    place.link.run(hire(impostor.people))
    ahead = replace(Ports(), now=lambda: Ports().now() + timedelta(minutes=10))
    with place.emulator.link(ports=ahead) as link:
        link.verify_integration()
    assert set(impostor.people) <= place.users()
    for user_id in impostor.people:
        place.link.send(Call("DELETE", path("users", user_id), nothing))


# --- wrong use --------------------------------------------------------------------------------------------------------
def test_without_a_key_it_says_that_one_is_needed(place: Place) -> None:
    with without_settings():
        environment = {**place.settings(), "APPWRITE_API_KEY": ""}
        done = RUNNER.invoke(app, ["health"], env=environment)
    assert done.exit_code == 2
    assert "APPWRITE_API_KEY" in done.stderr


def test_two_ways_to_print_are_one_too_many(place: Place) -> None:
    done = place.health("--json", "--prometheus")
    assert done.exit_code == 2
    assert "choose one" in done.stderr


def test_watching_prints_a_report_a_line_until_it_is_interrupted(place: Place) -> None:
    command = [str(Path(sys.executable).parent / "massage-link"), "health", "--json", "--watch", "--every", "1"]
    environment = {**os.environ, **place.settings()}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert first["at"] < second["at"]
    assert states(second) == dict.fromkeys(SHALLOW_NAMES, "ok")
