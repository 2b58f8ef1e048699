"""Read marks are coalesced: what is written when, by a clock that is an argument; and the two that drive it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from massage_link.client.reading import AsyncReading, Marks, Reading
from massage_link.errors import MassageLinkError, NoAnswer, NotAllowed

NEVER = 3_600.0


def test_the_first_message_is_marked_at_once_and_then_one_mark_each_two_seconds() -> None:
    marks = Marks(2.0)
    written = []
    for tick in range(100):  # ten seconds, a message each tenth
        marks.seen("b1", tick + 1)
        written += [(tick, n) for _, n in marks.due(tick / 10)]
    assert written == [(0, 1), (20, 21), (40, 41), (60, 61), (80, 81)]
    assert marks.rest() == [("b1", 100)]


def test_each_room_has_its_own_pace() -> None:
    marks = Marks(2.0)
    marks.seen("b1", 5)
    assert marks.due(0.0) == [("b1", 5)]
    marks.seen("b1", 6)
    marks.seen("b2", 1)
    assert marks.due(1.0) == [("b2", 1)]
    assert marks.wait(1.0) == 1.0
    assert marks.due(2.0) == [("b1", 6)]
    assert marks.wait(2.0) is None


def test_a_mark_never_goes_back_and_is_not_written_twice() -> None:
    marks = Marks(0.0)
    marks.seen("b1", 5)
    assert marks.due(0.0) == [("b1", 5)]
    for n in (4, 5, 1):
        marks.seen("b1", n)
    assert marks.due(1.0) == marks.rest() == []


def test_a_mark_that_failed_comes_again_unless_a_later_one_was_read() -> None:
    marks = Marks(2.0)
    marks.seen("b1", 5)
    marks.due(0.0)
    marks.failed("b1", 5)
    assert marks.due(1.0) == []
    assert marks.due(2.0) == [("b1", 5)]
    marks.seen("b1", 7)
    marks.failed("b1", 5)
    assert marks.due(4.0) == [("b1", 7)]


class Book:
    """What was written; the first `faults` of them raise."""

    def __init__(self, *faults: MassageLinkError) -> None:
        self.written: list[tuple[str, int]] = []
        self._faults = list(faults)
        self.first = threading.Event()

    def write(self, room_id: str, n: int) -> None:
        """As a blocking link does it."""
        self.first.set()
        if self._faults:
            raise self._faults.pop(0)
        self.written.append((room_id, n))

    async def awrite(self, room_id: str, n: int) -> None:
        """As an async link does it."""
        await asyncio.sleep(0)
        self.write(room_id, n)


def _read(book: Book, *numbers: int) -> None:
    with Reading(book.write, NEVER) as reading:
        reading.seen("b1", numbers[0])
        assert book.first.wait(10)
        for n in numbers[1:]:
            reading.seen("b1", n)


def _aread(book: Book, *numbers: int) -> None:
    async def read() -> None:
        async with AsyncReading(book.awrite, NEVER) as reading:
            reading.seen("b1", numbers[0])
            assert await asyncio.to_thread(book.first.wait, 10)
            for n in numbers[1:]:
                reading.seen("b1", n)

    asyncio.run(read())


both = pytest.mark.parametrize("read", [_read, _aread], ids=["blocking", "awaited"])


@both
def test_a_thousand_messages_are_two_writes(read: Callable[..., None]) -> None:
    book = Book()
    read(book, *range(1, 1_001))
    assert book.written == [("b1", 1), ("b1", 1_000)]


@both
def test_what_could_not_be_written_is_tried_once_more_at_the_end(read: Callable[..., None]) -> None:
    book = Book(NoAnswer("lost"))
    read(book, 1)
    assert book.written == [("b1", 1)]


@both
def test_leaving_tells_of_a_mark_that_was_not_written(read: Callable[..., None]) -> None:
    with pytest.raises(NoAnswer, match="again"):
        read(Book(NoAnswer("lost"), NoAnswer("again")), 1)
    with pytest.raises(NotAllowed):
        read(Book(NotAllowed("not yours")), 1)


@both
def test_nothing_read_is_nothing_written(read: Callable[..., None]) -> None:
    del read
    book = Book()
    with Reading(book.write):
        pass

    async def enter() -> None:
        async with AsyncReading(book.awrite):
            pass

    asyncio.run(enter())
    assert book.written == []


def test_the_block_s_own_error_goes_before_that_of_a_mark() -> None:
    def fail() -> None:
        with Reading(Book(NotAllowed("not yours")).write) as reading:
            reading.seen("b1", 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
