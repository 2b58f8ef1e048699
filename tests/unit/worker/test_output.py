"""Lines on standard output, and noticing that nobody reads them."""

from __future__ import annotations

import asyncio
import io
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import pytest

from massage_link.realtime import Change, ConnectionState
from massage_link.worker.output import Lines, reader_leaves
from worker_world import NOW, PATIENCE, booking, change


def _name(change: Change[Any]) -> str:
    return change.row_id


@contextmanager
def _pipe() -> Iterator[tuple[TextIO, int]]:
    """The writing end as a file, and the reading end."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out:
        yield out, reading


async def test_each_change_is_a_line_and_is_flushed() -> None:
    ends: list[bool] = []
    with _pipe() as (out, reading):
        lines = Lines(_name, out, io.StringIO(), on_end=lambda: ends.append(True))
        await asyncio.gather(*(lines(change(booking(f"b{n}"))) for n in range(3)))
        assert os.read(reading, 100) == b"b0\nb1\nb2\n"
        os.close(reading)
    assert ends == []


async def test_a_line_that_nobody_reads_ends_it_and_is_not_taken_for_written() -> None:
    ends: list[bool] = []
    with _pipe() as (out, reading):
        os.close(reading)
        lines = Lines(_name, out, io.StringIO(), on_end=lambda: ends.append(True))
        with pytest.raises(BrokenPipeError):
            await lines(change(booking()))
    assert ends == [True]


async def test_a_reader_who_leaves_is_noticed_without_a_line() -> None:
    left = asyncio.Event()
    with _pipe() as (out, reading), reader_leaves(out, left.set):
        os.close(reading)
        async with asyncio.timeout(PATIENCE):
            await left.wait()


async def test_a_reader_who_stays_is_not_taken_for_gone() -> None:
    left = asyncio.Event()
    with _pipe() as (out, reading), reader_leaves(out, left.set):
        out.write("x\n")
        out.flush()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not left.is_set()
        os.close(reading)


async def test_a_socket_may_be_written_to_and_is_gone_when_it_is_closed() -> None:
    left = asyncio.Event()
    ours, theirs = socket.socketpair()
    with ours, ours.makefile("w") as out, reader_leaves(out, left.set):
        theirs.send(b"whatever")
        for _ in range(5):
            await asyncio.sleep(0)
        assert not left.is_set()
        theirs.close()
        async with asyncio.timeout(PATIENCE):
            await left.wait()


async def test_a_file_has_no_reader_who_could_leave(tmp_path: Any) -> None:
    left = asyncio.Event()
    with (tmp_path / "out").open("w") as out, reader_leaves(out, left.set):
        await asyncio.sleep(0)
    with reader_leaves(io.StringIO(), left.set):
        await asyncio.sleep(0)
    assert not left.is_set()


def test_notes_and_states_go_to_standard_error() -> None:
    notes = io.StringIO()
    lines = Lines(_name, io.StringIO(), notes, on_end=lambda: None)
    lines.connection(ConnectionState("live", NOW), 0)
    lines.connection(ConnectionState("live", NOW), 3)
    lines.connection(ConnectionState("reconnecting", NOW, reason="closed\x1b[2J"), 0)
    lines.note("That is all.")
    assert notes.getvalue().splitlines() == [
        "massage-link: live",
        "massage-link: caught up: 3 missed changes replayed",
        "massage-link: reconnecting: closed [2J",
        "massage-link: That is all.",
    ]


def test_notes_that_nobody_reads_are_no_error() -> None:
    notes = io.StringIO()
    notes.close()
    Lines(_name, io.StringIO(), notes, on_end=lambda: None).note("That is all.")
