"""The demo: every booking goes the whole way, and what goes wrong is found out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from massage_link.demo import run
from massage_link.demo.run import DemoFailed, functions_folder, run_demo
from massage_link.demo.verdict import shares_of
from massage_link.testing import Emulator, running_emulator

COMMAND = [sys.executable, "-c", "from massage_link.cli import main; main()", "demo"]
WRONG_BY_A_CENT = """
from massage_link.domain import entries
from massage_link.domain.commission import Split
from massage_link.domain.money import Money

right = entries.split


def wrong(gross, rate_bps):
    shares, cent = right(gross, rate_bps), Money(1, gross.currency)
    return Split(gross, shares.commission + cent, shares.net - cent)


entries.split = wrong
"""
THAT_CANNOT_START = "import nowhere_to_be_found\n"


class Silent:
    """Nobody is told."""

    def done(self, what: str) -> None:
        pass

    def taken(self) -> None:
        pass


@pytest.fixture(scope="module")
def demo() -> dict[str, Any]:
    """What `massage-link demo --json` prints."""
    finished = subprocess.run([*COMMAND, "--json"], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    printed: dict[str, Any] = json.loads(finished.stdout)
    return printed


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    """A copy of our function folders, to be spoilt."""
    return Path(shutil.copytree(functions_folder(), tmp_path / "functions"))


def test_sixty_bookings_are_completed_with_a_room_each(demo: dict[str, Any]) -> None:
    assert demo["bookings"] == demo["rooms"] == 60
    assert demo["statuses"] == {"completed": 60}


def test_every_therapist_is_alerted_and_every_message_read(demo: dict[str, Any]) -> None:
    assert demo["alerts"]["count"] == 60
    assert demo["messages"]["count"] >= 120


def test_half_of_the_bookings_are_written_by_the_customers_own_apps(demo: dict[str, Any]) -> None:
    assert demo["direct_alerts"]["count"] == 30
    assert demo["direct_alerts"]["p50_ms"] > demo["alerts"]["p50_ms"]


def test_nothing_is_lost_and_nothing_doubled(demo: dict[str, Any]) -> None:
    assert (demo["lost"], demo["duplicates"]) == (0, 0)


def test_the_ledger_has_a_commission_for_every_booking_in_currencies_of_all_kinds(demo: dict[str, Any]) -> None:
    assert sum(total["count"] for total in demo["commissions"]) == 60
    assert {"JPY", "EUR", "KWD"} <= {total["currency"] for total in demo["commissions"]}
    for total in demo["commissions"]:
        assert total["gross_minor"] == total["commission_minor"] + total["net_minor"]
        assert abs(total["commission_minor"] - total["gross_minor"] * 0.3) <= total["count"] / 2


def test_any_number_of_bookings_can_be_taken_and_is_shown_with_a_timeline() -> None:
    finished = subprocess.run([*COMMAND, "--bookings", "1"], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    steps = ["books", "is alerted", "is open to both", "writes", "accepts", "completes", "is due"]
    places = [finished.stdout.index(step) for step in steps]
    assert places == sorted(places)
    assert "Bookings: 1 (1 completed). Rooms: 1." in finished.stdout
    assert "Nothing lost, nothing doubled, not a cent off." in finished.stdout


def test_a_commission_that_is_off_by_a_cent_is_found(functions: Path) -> None:
    main = functions / "compute_commission" / "main.py"
    main.write_text(WRONG_BY_A_CENT + main.read_text())
    outcome = run_demo(1, Silent(), functions=functions)
    assert not outcome.is_good
    assert {problem.fault for problem in outcome.problems} == {"cents"}
    (total,) = outcome.report.commissions
    assert total["commission_minor"] == shares_of("95.05").commission + 1


def test_a_function_that_cannot_start_is_named_with_its_reason(
    functions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_PATIENCE", 8.0)  # as long as eighteen people may take to connect
    for function in ("create_chat_room", "sweep"):  # at the full minute the sweep would open the room
        (functions / function / "main.py").write_text(THAT_CANNOT_START)
    with pytest.raises(DemoFailed, match=r"create_chat_room failed .*nowhere_to_be_found"):
        run_demo(1, Silent(), functions=functions)


@pytest.fixture
def started() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo whose server is up, and the server's address."""
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stderr is not None
        said = next(line for line in process.stderr if "server at" in line)
        yield process, said.split()[-1]
        process.kill()


def test_an_interrupt_ends_it_cleanly_and_the_server_with_it(started: tuple[subprocess.Popen[str], str]) -> None:
    process, endpoint = started
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate()
    assert process.returncode == 130
    assert stdout == ""
    assert "Traceback" not in stderr
    with pytest.raises(httpx.ConnectError):
        httpx.get(endpoint)


def test_the_server_dies_with_a_demo_that_is_killed(started: tuple[subprocess.Popen[str], str]) -> None:
    process, endpoint = started
    process.kill()
    process.communicate()  # ends when the server, which shares the error stream, has ended, too
    with pytest.raises(httpx.ConnectError):
        httpx.get(endpoint)


@pytest.mark.long
@pytest.mark.parametrize("step", [0, 1, 2, 3, 4], ids=["start", "tables", "listening", "warm", "a booking"])
def test_a_server_that_dies_at_any_step_ends_the_demo_with_a_sentence(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers: list[Emulator] = []

    @contextmanager
    def doomed(**arguments: Any) -> Iterator[Emulator]:
        with running_emulator(**arguments) as server:
            servers.append(server)
            yield server

    class Killer(Silent):
        steps = 0

        def done(self, what: str) -> None:
            if self.steps == step:
                servers[0].process.kill()
            self.steps += 1

        def taken(self) -> None:
            self.done("a booking")

    monkeypatch.setattr(run, "running_emulator", doomed)
    with pytest.raises(DemoFailed, match=r"server ended meanwhile \(exit status -9\)"):
        run_demo(60, Killer())


@pytest.mark.long
def test_it_runs_from_an_installed_wheel_outside_of_any_checkout(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, root], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", tmp_path / "site", wheel], check=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    where = subprocess.run(
        [sys.executable, "-c", "from massage_link.demo.run import functions_folder as f; print(f())"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()) == tmp_path / "site" / "massage_link" / "_functions"
    arguments = [*COMMAND, "--json", "--bookings", "1"]
    finished = subprocess.run(arguments, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["lost"] == 0
