"""A handler is run until it succeeds, or is given up and reported."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tenacity import stop_after_attempt, wait_fixed, wait_none

from massage_link.realtime import Change
from massage_link.worker import HandlerTimedOut, Parked, Retries
from massage_link.worker.handling import Ending, Handler, Handling, Registered
from worker_world import booking, change

CHANGE = change(booking())
QUICK = Retries(stop=stop_after_attempt(3), wait=wait_none())


class Desk:
    """What a `Handling` tells."""

    def __init__(self, retries: Retries = QUICK, concurrency: int = 4) -> None:
        self.notes: list[str] = []
        self.parked: list[Parked] = []
        self.handling = Handling(retries, concurrency=concurrency, note=self.notes.append, park=self.parked.append)

    async def run(self, handler: Handler, *, limit: float | None = 60.0) -> Ending:
        return await self.handling.run(Registered(handler, lambda _: True, limit), CHANGE)


def failing(times: int, error: Exception, calls: list[Change[Any]]) -> Callable[[Change[Any]], None]:
    def handler(change: Change[Any]) -> None:
        calls.append(change)
        if len(calls) <= times:
            raise error

    return handler


async def test_a_plain_function_runs_in_a_thread_and_an_async_one_in_the_loop() -> None:
    threads: list[threading.Thread] = []

    def plain(change: Change[Any]) -> None:
        threads.append(threading.current_thread())

    async def in_loop(change: Change[Any]) -> None:
        threads.append(threading.current_thread())

    desk = Desk()
    assert await desk.run(plain) is Ending.DONE
    assert await desk.run(in_loop) is Ending.DONE
    assert threads[0] is not threading.main_thread()
    assert threads[1] is threading.current_thread()


async def test_an_object_with_an_async_call_is_awaited() -> None:
    class Handler:
        called = False

        async def __call__(self, change: Change[Any]) -> None:
            self.called = True

    handler = Handler()
    assert await Desk().run(handler) is Ending.DONE
    assert handler.called


async def test_a_plain_function_that_returns_an_awaitable_is_waited_for() -> None:
    desk = Desk()

    async def work() -> None:
        raise ValueError("it did not work")

    assert await desk.run(lambda _: work()) is Ending.PARKED
    assert str(desk.parked[0].error) == "it did not work"


async def test_a_failure_is_repeated_and_told() -> None:
    calls: list[Change[Any]] = []
    desk = Desk()
    assert await desk.run(failing(2, ValueError("no"), calls)) is Ending.DONE
    assert calls == [CHANGE] * 3
    assert len(desk.notes) == 2
    assert "failed on bookings/b1/1 and is run again in 0.0 s: ValueError: no" in desk.notes[0]
    assert desk.parked == []


@pytest.mark.parametrize("error", [ValueError("no"), KeyError(), StopIteration("odd")])
async def test_a_handler_that_keeps_failing_is_parked_and_reported(error: Exception) -> None:
    calls: list[Change[Any]] = []
    desk = Desk()
    assert await desk.run(failing(99, error, calls)) is Ending.PARKED
    assert len(calls) == 3
    (parked,) = desk.parked
    assert (parked.change, parked.attempts) == (CHANGE, 3)
    assert "failed 3 times on bookings/b1/1 and is given up" in str(parked)
    assert type(error).__name__ in str(parked)


async def test_a_handler_that_wants_to_leave_the_program_only_fails() -> None:
    desk = Desk()

    def leave(change: Change[Any]) -> None:
        raise SystemExit(3)

    assert await desk.run(leave) is Ending.PARKED


async def test_an_async_handler_that_takes_too_long_is_cancelled_and_run_again() -> None:
    begun = 0

    async def slow(change: Change[Any]) -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            await asyncio.Event().wait()

    desk = Desk()
    assert await desk.run(slow, limit=0.01) is Ending.DONE
    assert "took longer than 0.01 s" in desk.notes[0]


async def test_a_plain_function_that_takes_too_long_is_not_begun_a_second_time() -> None:
    gate, begun = threading.Event(), []

    def stuck(change: Change[Any]) -> None:
        begun.append(change)
        gate.wait()

    desk = Desk()
    try:
        assert await desk.run(stuck, limit=0.01) is Ending.PARKED
    finally:
        gate.set()
    assert len(begun) == 1
    assert isinstance(desk.parked[0].error, HandlerTimedOut)
    assert "still runs in its thread" in str(desk.parked[0])


async def test_a_time_out_of_the_handlers_own_is_a_failure_like_others() -> None:
    desk = Desk()

    async def gives_up(change: Change[Any]) -> None:
        raise TimeoutError("its own")

    assert await desk.run(gives_up) is Ending.PARKED
    assert str(desk.parked[0].error) == "its own"


async def test_a_handler_cancelled_from_within_is_a_failure_and_no_end() -> None:
    desk = Desk()

    async def cancelled(change: Change[Any]) -> None:
        raise asyncio.CancelledError

    assert await desk.run(cancelled) is Ending.PARKED
    assert "was cancelled from within" in str(desk.parked[0])


async def test_who_cancels_the_handling_cancels_the_handler() -> None:
    begun, ended = asyncio.Event(), False

    async def waits(change: Change[Any]) -> None:
        nonlocal ended
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    desk = Desk()
    running = asyncio.create_task(desk.run(waits))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended
    assert desk.parked == []


async def test_only_so_many_run_at_once_and_waiting_for_a_repeat_takes_no_place() -> None:
    failed, succeeded = asyncio.Event(), asyncio.Event()

    async def fails(change: Change[Any]) -> None:
        failed.set()
        raise ValueError

    async def succeeds(change: Change[Any]) -> None:
        succeeded.set()

    desk = Desk(Retries(stop=stop_after_attempt(2), wait=wait_fixed(3_600)), concurrency=1)
    waiting = asyncio.create_task(desk.run(fails))
    await failed.wait()
    assert await desk.run(succeeds) is Ending.DONE
    desk.handling.end()
    assert await waiting is Ending.LEFT


async def test_at_the_end_what_failed_is_neither_repeated_nor_given_up() -> None:
    desk = Desk(Retries(stop=stop_after_attempt(1)))

    async def fails(change: Change[Any]) -> None:
        desk.handling.end()
        raise ValueError

    assert await desk.run(fails) is Ending.LEFT
    assert desk.parked == []
    assert await desk.run(fails) is Ending.LEFT


def test_the_policy_waits_longer_and_longer_and_gives_up() -> None:
    from tenacity import RetryCallState

    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
    policy = Retries()
    for attempt in range(1, 9):
        state.attempt_number = attempt
        assert 0 <= policy.wait(state) <= min(30.0, 0.5 * 2**attempt)
        assert policy.stop(state) is (attempt == 8)
