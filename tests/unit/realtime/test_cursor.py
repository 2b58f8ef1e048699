"""The promise of realtime, under every interleaving that hypothesis can think of."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from massage_link.realtime.source import Mutable, Numbered
from realtime_world import WINDOW, ModelConsumer, ModelServer

ROWS = ["a", "b"]
DELAYS = st.sampled_from([0, 1, WINDOW // 2, WINDOW])


class _Faults(RuleBasedStateMachine):
    """Time, the socket's faults, read-backs, slow consumption and crashes; what is written is the subclasses'."""

    identity: Mutable | Numbered

    def __init__(self) -> None:
        super().__init__()
        self.server = ModelServer()
        self.connected = True
        self.under_way: list[tuple[int, str]] = []  # (second of the commit's visibility, row id) of events not yet sent
        self.on_the_wire: list[tuple[int, dict[str, Any]]] = []
        self.consumer: ModelConsumer

    @initialize(
        capacity=st.integers(0, 3), before=st.lists(st.sampled_from(ROWS), max_size=6), pause=st.integers(0, 30)
    )
    def begin(self, capacity: int, before: list[str], pause: int) -> None:
        for name in before:
            self.write(name, skew=0, late=0)
        self.pass_time(pause)
        self.on_the_wire.clear()
        self.already = {row_id: write.version for row_id, write in self.server.visible().items()}
        self.consumer = ModelConsumer(self.server, self.identity, capacity=capacity)

    def write(self, name: str, *, skew: int, late: int) -> None:
        raise NotImplementedError

    def publish(self, row_id: str, visible: int) -> None:
        self.under_way.append((visible, row_id))
        self.pass_time(0)

    @rule(name=st.sampled_from(ROWS), skew=DELAYS, late=DELAYS)
    def commit(self, name: str, skew: int, late: int) -> None:
        self.write(name, skew=min(skew, WINDOW - late), late=late)

    @rule(seconds=st.integers(1, WINDOW) | st.just(2 * WINDOW))
    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds + 1):
            for event in [event for event in self.under_way if event[0] <= self.server.now]:
                self.under_way.remove(event)
                if self.connected:  # the payload is what the row holds now, maybe a later writer's
                    self.on_the_wire.append((self.server.now, self.server.visible()[event[1]].row()))
            self.server.now += 1
        self.server.now -= 1
        self.on_the_wire = [event for event in self.on_the_wire if event[0] >= self.server.now - WINDOW]

    @precondition(lambda self: self.on_the_wire)
    @rule(pick=st.integers(0, 3))
    def an_event_arrives_in_any_order(self, pick: int) -> None:
        _, row = self.on_the_wire.pop(pick % len(self.on_the_wire))
        self.consumer.receive(row)

    @precondition(lambda self: self.on_the_wire)
    @rule(pick=st.integers(0, 3))
    def an_event_is_doubled(self, pick: int) -> None:
        self.consumer.receive(self.on_the_wire[pick % len(self.on_the_wire)][1])

    @precondition(lambda self: self.on_the_wire)
    @rule(pick=st.integers(0, 3))
    def an_event_is_lost(self, pick: int) -> None:
        self.on_the_wire.pop(pick % len(self.on_the_wire))

    @rule(back=st.booleans())
    def the_connection_breaks_or_comes_back(self, back: bool) -> None:
        self.connected = back
        self.on_the_wire.clear()

    @rule()
    def a_read_back_begins(self) -> None:
        self.consumer.begin_read_back()

    @precondition(lambda self: self.consumer.position is not None)
    @rule()
    def a_page_is_read(self) -> None:
        self.consumer.turn_page()

    @rule()
    def a_read_back_runs_through(self) -> None:
        self.consumer.read_back()

    @precondition(lambda self: self.consumer.cursor.has_gaps)
    @rule()
    def missing_numbers_are_fetched(self) -> None:
        self.consumer.fill()

    @precondition(lambda self: self.consumer.queue)
    @rule(count=st.integers(1, 6))
    def the_handler_works(self, count: int) -> None:
        self.consumer.consume(count)

    @rule()
    def the_consumer_crashes(self) -> None:
        self.on_the_wire.clear()
        self.consumer.crash()

    def settle(self) -> None:
        """All becomes readable, and one read-back runs to its end."""
        self.pass_time(WINDOW)
        self.consumer.read_back()
        self.consumer.fill()
        self.consumer.consume()


class RowsThatChange(_Faults):
    identity = Mutable("version")

    def write(self, name: str, *, skew: int, late: int) -> None:
        history = self.server.history(name)
        if history and history[-1].visible > self.server.now:
            return  # writers of one row wait for each other
        write = self.server.write(name, len(history) + 1, skew=skew, late=late)
        self.publish(name, write.visible)

    @invariant()
    def versions_increase_strictly(self) -> None:
        for name in ROWS:
            versions = self.consumer.versions(name) if hasattr(self, "consumer") else []
            assert versions == sorted(set(versions))

    def teardown(self) -> None:
        self.settle()
        self.versions_increase_strictly()
        for name, newest in self.server.visible().items():
            if newest.version > self.already.get(name, 0):
                assert self.consumer.versions(name)[-1:] == [newest.version]
            else:
                assert self.consumer.versions(name) == []


class NumberedRows(_Faults):
    identity = Numbered(scope="scope", number="version")

    def write(self, name: str, *, skew: int, late: int) -> None:
        history = [write for write in self.server.writes if write.scope == name]
        if history and history[-1].visible > self.server.now:
            return  # the next number is given by whoever can read the one before
        number = len(history) + 1
        write = self.server.write(f"{name}_{number}", number, scope=name, skew=skew, late=late)
        self.publish(write.row_id, write.visible)

    @invariant()
    def every_number_comes_in_order(self) -> None:
        for scope in ROWS:
            numbers = self.consumer.numbers(scope) if hasattr(self, "consumer") else []
            first = self.first_number(scope)
            assert numbers == [*range(first, first + len(numbers))]

    def first_number(self, scope: str) -> int:
        return 1 + sum(row_id.startswith(f"{scope}_") for row_id in self.already)

    def teardown(self) -> None:
        self.settle()
        for scope in ROWS:
            written = [write.version for write in self.server.writes if write.scope == scope]
            assert self.consumer.numbers(scope) == written[self.first_number(scope) - 1 :]


_THOROUGH = settings(max_examples=120, stateful_step_count=50, deadline=None)


def test_rows_that_change_come_with_increasing_versions_and_the_newest_is_never_missed() -> None:
    run_state_machine_as_test(RowsThatChange, settings=_THOROUGH)


def test_numbered_rows_come_every_one_in_order() -> None:
    run_state_machine_as_test(NumberedRows, settings=_THOROUGH)


def _settled(consumer: ModelConsumer) -> None:
    consumer.read_back()
    consumer.fill()
    consumer.consume()


BEYOND = st.integers(WINDOW + 1, 10 * WINDOW)


@given(late=BEYOND, other=BEYOND)
def test_beyond_the_window_a_row_whose_event_is_lost_comes_with_its_next_version(late: int, other: int) -> None:
    server = ModelServer()
    consumer = ModelConsumer(server, Mutable("version"))
    server.write("late", 1, late=late + other)
    server.now += other
    server.write("other", 1)
    _settled(consumer)  # moves the high water past the late row's stamp
    server.now += late
    _settled(consumer)
    assert consumer.versions("late") == []
    server.write("late", 2)
    _settled(consumer)
    assert consumer.versions("late") == [2]


@given(late=BEYOND, other=BEYOND)
def test_beyond_the_window_an_event_that_arrives_is_delivered_all_the_same(late: int, other: int) -> None:
    server = ModelServer()
    consumer = ModelConsumer(server, Mutable("version"))
    write = server.write("late", 1, late=late + other)
    server.now += other
    server.write("other", 1)
    server.now += late
    consumer.receive(write.row())
    _settled(consumer)
    assert consumer.versions("late") == [1]


@given(late=BEYOND, other=BEYOND)
def test_beyond_the_window_a_missed_number_is_fetched_when_the_next_one_arrives(late: int, other: int) -> None:
    server = ModelServer()
    consumer = ModelConsumer(server, Numbered(scope="scope", number="version"), capacity=10)
    server.write("r_1", 1, scope="r")
    _settled(consumer)
    server.write("r_2", 2, scope="r", late=late + other)
    server.now += other
    server.write("s_1", 1, scope="s")
    _settled(consumer)
    server.now += late
    _settled(consumer)
    assert consumer.numbers("r") == [1]
    server.write("r_3", 3, scope="r")
    _settled(consumer)
    assert consumer.numbers("r") == [1, 2, 3]


def test_an_event_as_late_as_the_window_brings_no_older_version_back() -> None:
    server = ModelServer()
    consumer = ModelConsumer(server, Mutable("version"), capacity=0)
    server.now += WINDOW
    first = server.write("a", 1)
    second = server.write("a", 2, skew=WINDOW)
    consumer.receive(second.row())
    server.now += WINDOW
    server.write("b", 1)
    _settled(consumer)
    consumer.receive(first.row())
    consumer.consume()
    assert consumer.versions("a") == [2]
