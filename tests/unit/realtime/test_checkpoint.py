from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from massage_link.errors import CheckpointFailed, CheckpointInUse, UsageError
from massage_link.realtime import Checkpoint, FileCheckpoint, MemoryCheckpoint
from massage_link.realtime.checkpoint import Progress
from massage_link.realtime.ledger import Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

START = datetime(2026, 11, 22, 14, 5, 37, 574000, UTC)


def mark(key: str, version: int | None = 1, *, age: int = 0) -> Mark:
    return Mark(key, version, "" if version else "digest", START - timedelta(seconds=age))


@pytest.fixture(params=["memory", "file"])
def reopened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Checkpoint]]:
    """Opens the same checkpoint again, after closing it."""
    memory = MemoryCheckpoint(capacity=2)
    opened: list[Checkpoint] = []

    def reopen() -> Checkpoint:
        if opened:
            opened.pop().close()
        checkpoint: Checkpoint = (
            memory if request.param == "memory" else FileCheckpoint(tmp_path / "progress", capacity=2)
        )
        checkpoint.open()
        opened.append(checkpoint)
        return checkpoint

    yield reopen
    opened.pop().close()


def test_a_new_checkpoint_knows_no_source(reopened: Callable[[], Checkpoint]) -> None:
    assert reopened().load("bookings") is None


def test_progress_is_kept_between_runs(reopened: Callable[[], Checkpoint]) -> None:
    checkpoint = reopened()
    checkpoint.begin("bookings", Progress(START, START, [mark("a"), mark("b", None)]))
    checkpoint.acknowledge("bookings", mark("a", 2, age=-1))
    checkpoint.advance("bookings", START + timedelta(seconds=9), START)
    loaded = reopened().load("bookings")
    assert loaded is not None
    assert (loaded.start, loaded.high_water) == (START, START + timedelta(seconds=9))
    assert [*loaded.marks] == [mark("b", None), mark("a", 2, age=-1)]


def test_sources_are_kept_apart(reopened: Callable[[], Checkpoint]) -> None:
    checkpoint = reopened()
    checkpoint.begin("bookings", Progress(START, START, ()))
    checkpoint.begin("messages", Progress(START, START, ()))
    checkpoint.acknowledge("messages", mark("room", 7))
    loaded = reopened().load("bookings")
    assert loaded is not None
    assert [*loaded.marks] == []


def test_only_marks_that_are_not_needed_any_more_are_thinned_out(reopened: Callable[[], Checkpoint]) -> None:
    checkpoint = reopened()
    checkpoint.begin("bookings", Progress(START, START, [mark("oldest", age=30), mark("old", age=20), mark("new")]))
    checkpoint.acknowledge("bookings", mark("newer", age=-1))
    checkpoint.acknowledge("bookings", mark("newest", age=-2))
    checkpoint.advance("bookings", START, START - timedelta(seconds=10))
    loaded = reopened().load("bookings")
    assert loaded is not None
    assert [one.key for one in loaded.marks] == ["new", "newer", "newest"]


def test_within_the_capacity_old_marks_stay(reopened: Callable[[], Checkpoint]) -> None:
    checkpoint = reopened()
    checkpoint.begin("bookings", Progress(START, START, [mark("old", age=20), mark("new")]))
    checkpoint.advance("bookings", START, START)
    loaded = reopened().load("bookings")
    assert loaded is not None
    assert [one.key for one in loaded.marks] == ["old", "new"]


def test_a_checkpoint_in_memory_serves_one_subscriber_at_a_time() -> None:
    checkpoint = MemoryCheckpoint()
    checkpoint.open()
    with pytest.raises(CheckpointInUse, match="another subscriber"):
        checkpoint.open()


def test_a_file_serves_one_subscriber_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    checkpoint = FileCheckpoint(path)
    checkpoint.open()
    with pytest.raises(CheckpointInUse, match="another subscriber"):
        checkpoint.open()
    with pytest.raises(CheckpointInUse, match=str(path)):
        FileCheckpoint(path).open()
    checkpoint.close()
    checkpoint.open()
    checkpoint.close()


def test_a_second_process_is_refused_until_the_first_one_dies(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    code = f"""
import sys
from massage_link.realtime import FileCheckpoint
checkpoint = FileCheckpoint({str(path)!r})
checkpoint.open()
print("open", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(CheckpointInUse, match="another process"):
            FileCheckpoint(path).open()
        holder.kill()
        holder.wait()
    checkpoint = FileCheckpoint(path)
    checkpoint.open()
    checkpoint.close()


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    code = f"""
import os, signal
from datetime import UTC, datetime
from massage_link.realtime import FileCheckpoint
from massage_link.realtime.checkpoint import Progress
from massage_link.realtime.ledger import Mark
now = datetime.now(UTC)
checkpoint = FileCheckpoint({str(path)!r})
checkpoint.open()
checkpoint.begin("bookings", Progress(now, now, ()))
checkpoint.acknowledge("bookings", Mark("b1", 3, "", now))
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    checkpoint = FileCheckpoint(path)
    checkpoint.open()
    loaded = checkpoint.load("bookings")
    assert loaded is not None
    assert [(one.key, one.version) for one in loaded.marks] == [("b1", 3)]
    checkpoint.close()


def test_a_file_that_is_no_checkpoint_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes, which are longer than the header of a database file" * 20)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="not a checkpoint"):
        FileCheckpoint(path).open()
    assert path.read_bytes() == before


def test_a_folder_that_does_not_exist_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be opened"):
        FileCheckpoint(tmp_path / "nowhere" / "progress").open()


def test_a_checkpoint_that_is_not_open_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not open"):
        FileCheckpoint(tmp_path / "progress").load("bookings")


def test_a_disk_that_is_full_is_told_and_what_was_acknowledged_before_stays(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    code = f"""
import resource
from datetime import UTC, datetime
from massage_link.errors import CheckpointFailed
from massage_link.realtime import FileCheckpoint
from massage_link.realtime.checkpoint import Progress
from massage_link.realtime.ledger import Mark
now = datetime.now(UTC)
checkpoint = FileCheckpoint({str(path)!r})
checkpoint.open()
checkpoint.begin("bookings", Progress(now, now, ()))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
number = 0
while True:
    try:
        checkpoint.acknowledge("bookings", Mark(f"b{{number:05}}", 1, "", now))
    except CheckpointFailed as error:
        print(number, error)
        break
    number += 1
"""
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    number, _, message = said.partition(" ")
    assert message.startswith(f"the checkpoint {path} cannot be read or written: ")
    checkpoint = FileCheckpoint(path)
    checkpoint.open()
    loaded = checkpoint.load("bookings")
    assert loaded is not None
    assert len([*loaded.marks]) == int(number) > 0
    checkpoint.close()


def test_a_baseline_that_cannot_be_written_is_not_begun(tmp_path: Path) -> None:
    checkpoint = FileCheckpoint(tmp_path / "progress")
    checkpoint.open()
    damaged = Mark("b1", 2**70, "", START)
    with pytest.raises(CheckpointFailed):
        checkpoint.begin("bookings", Progress(START, START, [mark("b0"), damaged]))
    assert checkpoint.load("bookings") is None
    checkpoint.begin("bookings", Progress(START, START, [mark("b0")]))
    assert checkpoint.load("bookings") is not None
    checkpoint.close()


def test_a_file_of_a_later_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 2")
    with pytest.raises(UsageError, match=r"made by a newer version of massage-link \(2\)"):
        FileCheckpoint(path).open()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_a_file_of_the_first_version_without_a_number_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    checkpoint = FileCheckpoint(path)
    checkpoint.open()
    checkpoint.begin("bookings", Progress(START, START, [mark("b1")]))
    checkpoint.close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 0")
    checkpoint.open()
    assert checkpoint.load("bookings") is not None
    checkpoint.close()


def test_progress_that_is_damaged_is_told(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    checkpoint = FileCheckpoint(path)
    checkpoint.open()
    checkpoint.begin("bookings", Progress(START, START, [mark("b1")]))
    checkpoint.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE sources SET high_water = 'yesterday'")
    checkpoint.open()
    with pytest.raises(CheckpointFailed, match=r"cannot be read or written: .*yesterday"):
        checkpoint.load("bookings")
    checkpoint.close()
