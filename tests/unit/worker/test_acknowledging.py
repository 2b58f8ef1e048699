"""What is acknowledged, and when: never anything that has not been dealt with."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.errors import CheckpointInUse
from massage_link.realtime import MemoryCheckpoint
from massage_link.realtime.checkpoint import Progress
from massage_link.realtime.ledger import Mark
from massage_link.worker.acknowledging import LateCheckpoint, Ticket
from worker_world import NOW

SOURCES = ("bookings", "messages")


def mark(key: str, version: int) -> Mark:
    return Mark(key, version, "", NOW + timedelta(seconds=version))


class Consumer:
    """A late checkpoint in front of one in memory, with both sources begun."""

    def __init__(self) -> None:
        self.inner = MemoryCheckpoint()
        self.late = LateCheckpoint(self.inner, prefix="ana/", numbered=["messages"])
        self.late.open()
        for source in SOURCES:
            self.late.begin(source, Progress(NOW, NOW, ()))

    def take(self, source: str, key: str, version: int) -> Ticket:
        self.late.acknowledge(source, mark(key, version))
        return self.late.take()

    def marks(self, source: str) -> dict[str, int | None]:
        progress = self.late.load(source)
        assert progress is not None
        return {each.key: each.version for each in progress.marks}

    def high_water(self, source: str) -> int:
        progress = self.late.load(source)
        assert progress is not None
        return (progress.high_water - NOW) // timedelta(seconds=1)

    def advance(self, source: str, seconds: int) -> None:
        self.late.advance(source, NOW + timedelta(seconds=seconds), NOW)


def test_nothing_is_acknowledged_before_it_is_done() -> None:
    consumer = Consumer()
    first, second = consumer.take("bookings", "a", 1), consumer.take("bookings", "b", 1)
    assert consumer.marks("bookings") == {}
    consumer.late.done(second)
    assert consumer.marks("bookings") == {"b": 1}
    consumer.late.done(first)
    assert consumer.marks("bookings") == {"a": 1, "b": 1}


def test_the_high_water_waits_for_all_that_came_before_it() -> None:
    consumer = Consumer()
    first, second = consumer.take("bookings", "a", 1), consumer.take("bookings", "b", 1)
    consumer.advance("bookings", 10)
    third = consumer.take("bookings", "c", 1)
    consumer.advance("bookings", 20)
    consumer.late.done(second)
    consumer.late.done(third)
    assert consumer.high_water("bookings") == 0
    consumer.late.done(first)
    assert consumer.high_water("bookings") == 20


def test_one_source_does_not_wait_for_another() -> None:
    consumer = Consumer()
    consumer.take("bookings", "a", 1)
    consumer.advance("messages", 10)
    assert (consumer.high_water("bookings"), consumer.high_water("messages")) == (0, 10)


def test_a_change_that_is_never_done_holds_back_the_high_water() -> None:
    consumer = Consumer()
    consumer.take("bookings", "a", 1)
    consumer.advance("bookings", 10)
    consumer.late.done(consumer.take("bookings", "b", 1))
    consumer.advance("bookings", 20)
    assert consumer.marks("bookings") == {"b": 1}
    assert consumer.high_water("bookings") == 0


def test_a_later_version_replaces_one_that_was_not_done() -> None:
    consumer = Consumer()
    consumer.take("bookings", "a", 1)
    consumer.advance("bookings", 10)
    consumer.late.done(consumer.take("bookings", "a", 2))
    assert consumer.marks("bookings") == {"a": 2}
    assert consumer.high_water("bookings") == 10


def test_a_later_number_is_held_back_by_one_that_was_not_done() -> None:
    consumer = Consumer()
    consumer.take("messages", "room", 1)
    consumer.late.done(consumer.take("messages", "room", 2))
    consumer.late.done(consumer.take("messages", "room", 3))
    consumer.late.done(consumer.take("messages", "other", 7))
    assert consumer.marks("messages") == {"other": 7}


def test_it_opens_its_checkpoint_once_and_lets_go_of_it_once() -> None:
    inner = MemoryCheckpoint()
    late = LateCheckpoint(inner)
    late.open()
    late.open()
    with pytest.raises(CheckpointInUse):
        inner.open()
    late.close()
    late.close()
    inner.open()


def test_two_consumers_of_one_file_do_not_see_each_others_progress() -> None:
    inner = MemoryCheckpoint()
    for name in ("ana", "eva"):
        late = LateCheckpoint(inner, prefix=f"{name}/")
        assert late.load("bookings") is None
        late.begin("bookings", Progress(NOW, NOW, ()))


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.sampled_from(SOURCES), st.sampled_from("abc")),
        st.tuples(st.just("advance"), st.sampled_from(SOURCES), st.just("")),
        st.tuples(st.sampled_from(["done", "give up"]), st.sampled_from(SOURCES), st.sampled_from("abc")),
    ),
    max_size=60,
)


@given(steps=_STEPS)
def test_whatever_the_order_nothing_unfinished_counts_as_done(steps: list[tuple[str, str, str]]) -> None:
    """Handlers of one key run in turn; those of different keys in any order. The clock ticks with every step."""
    consumer = Consumer()
    running: dict[tuple[str, str], list[tuple[Ticket, int]]] = {}
    finished: set[Ticket] = set()
    taken: list[tuple[Ticket, int]] = []
    versions: dict[tuple[str, str], int] = {}
    for now, (step, source, key) in enumerate(steps, start=1):
        if step == "take":
            versions[source, key] = versions.get((source, key), 0) + 1
            ticket = consumer.take(source, key, versions[source, key])
            running.setdefault((source, key), []).append((ticket, now))
            taken.append((ticket, now))
        elif step == "advance":
            consumer.advance(source, now)
        elif running.get((source, key)):
            ticket, _ = running[source, key].pop(0)  # parked or interrupted, unless it is done
            if step == "done":
                consumer.late.done(ticket)
                finished.add(ticket)
        for ticket, at in taken:
            if ticket in finished:
                continue
            marks = consumer.marks(ticket.source)
            number, acknowledged = ticket.mark.version or 0, marks.get(ticket.mark.key) or 0
            if acknowledged < number:
                assert consumer.high_water(ticket.source) < at
            else:  # only a later version of the same booking may stand for it
                assert ticket.source == "bookings"
                assert acknowledged > number
