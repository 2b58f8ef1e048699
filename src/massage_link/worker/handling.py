"""Running one handler on one change: attempts, waits between them, a time limit, and how it ends."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from functools import partial
from typing import Any, TypeAlias

from tenacity import RetryCallState, stop_after_attempt, wait_random_exponential
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from massage_link.errors import MassageLinkError
from massage_link.realtime import Change

__all__ = ["Ending", "Handler", "HandlerTimedOut", "Handling", "Parked", "Registered", "Retries"]

#: Called with a `Change`; a coroutine function is awaited, a plain one runs in a thread. What it returns is ignored.
Handler: TypeAlias = Callable[[Change[Any]], Awaitable[object] | object]


class HandlerTimedOut(MassageLinkError):
    """A handler took longer than its time limit."""


class Ending(Enum):
    """How a handler's work on a change ended."""

    DONE = auto()
    PARKED = auto()
    LEFT = auto()  # interrupted by the end of the process between two attempts


@dataclass(frozen=True, kw_only=True, slots=True)
class Retries:
    """How often and with which waits a handler that raised is run again.

    Attributes:
        stop: tenacity's condition to give up; eight attempts unless said otherwise.
        wait: tenacity's wait before the next attempt, in seconds; full jitter, doubling from 0.5 s to 30 s.

    """

    stop: stop_base = field(default_factory=lambda: stop_after_attempt(8))
    wait: wait_base = field(default_factory=lambda: wait_random_exponential(multiplier=0.5, max=30))


@dataclass(frozen=True, slots=True)
class Parked:
    """A change that a handler was given up on.

    Attributes:
        change: what came.
        handler: the handler's name.
        error: what it raised last.
        attempts: how often it was run.
        at: when it was given up, UTC.

    """

    change: Change[Any]
    handler: str
    error: Exception
    attempts: int
    at: datetime

    def __str__(self) -> str:
        times = "once" if self.attempts == 1 else f"{self.attempts} times"
        return f"{self.handler} failed {times} on {self.change.id} and is given up: {said(self.error)}"


@dataclass(frozen=True, slots=True)
class Registered:
    """A handler and the changes that it is for.

    Attributes:
        handler: see `Handler`.
        wants: asked when a change's turn has come.
        time_limit: seconds that one attempt may take; None for no limit.

    """

    handler: Handler
    wants: Callable[[Change[Any]], bool]
    time_limit: float | None

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(getattr(self.handler, "__qualname__", None) or type(self.handler).__name__)


def said(error: BaseException) -> str:
    """An error in words; of our own errors the message, as it says everything."""
    if isinstance(error, MassageLinkError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class Handling:
    """Runs handlers, at most so many at once; waiting for the next attempt takes no place.

    Args:
        retries: policy.
        concurrency: how many attempts run at the same time.
        note: told, in words, of each attempt that failed and will be repeated.
        park: told of what was given up.

    """

    def __init__(
        self,
        retries: Retries,
        *,
        concurrency: int,
        note: Callable[[str], None],
        park: Callable[[Parked], None],
    ) -> None:
        self._retries = retries
        self._places = asyncio.Semaphore(concurrency)
        self._note = note
        self._park = park
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Let attempts that run finish, and begin no further one."""
        self._ending.set()

    async def run(self, registered: Registered, change: Change[Any]) -> Ending:
        """Run a handler on a change until it succeeds or is given up."""
        state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
        while not self._ending.is_set():
            try:
                async with self._places:
                    if self._ending.is_set():
                        break
                    await _attempt(registered, change)
            except Exception as error:  # noqa: BLE001 # whatever a handler raises is its failure, and is reported
                if not await self._again(registered, change, state, error):
                    return Ending.PARKED
            else:
                return Ending.DONE
        return Ending.LEFT

    async def _again(
        self, registered: Registered, change: Change[Any], state: RetryCallState, error: Exception
    ) -> bool:
        """After a failure: wait and say True, or park the change."""
        if self._ending.is_set():
            return True  # nobody has the time for another attempt, nor is it given up
        state.set_exception((type(error), error, error.__traceback__))
        wait = state.upcoming_sleep = self._retries.wait(state)
        if isinstance(error, _StillRunning) or self._retries.stop(state):
            self._park(Parked(change, registered.name, error, state.attempt_number, datetime.now(UTC)))
            return False
        self._note(f"{registered.name} failed on {change.id} and is run again in {wait:.1f} s: {said(error)}")
        state.prepare_for_next_attempt()
        try:
            async with asyncio.timeout(wait):
                await self._ending.wait()
        except TimeoutError:
            pass
        return True


class _StillRunning(HandlerTimedOut):
    """A plain function took longer than its time limit. It cannot be stopped, so it is not begun a second time."""


async def _attempt(registered: Registered, change: Change[Any]) -> None:
    outcome: object
    if _is_async(registered.handler):
        outcome = registered.handler(change)
    else:
        outcome = await _in_thread(registered, change)
    if inspect.isawaitable(outcome):
        await _in_time(registered, outcome)


async def _in_time(registered: Registered, outcome: Awaitable[object]) -> None:
    limit = asyncio.timeout(registered.time_limit)
    try:
        async with limit:
            await outcome
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise HandlerTimedOut(f"{registered.name} took longer than {registered.time_limit:g} s.") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise RuntimeError(f"{registered.name} was cancelled from within") from error


def _is_async(handler: Handler) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__)


async def _in_thread(registered: Registered, change: Change[Any]) -> object:
    running = _threaded(partial(contextvars.copy_context().run, registered.handler, change), registered.name)
    await asyncio.wait({running}, timeout=registered.time_limit)
    if not running.done():
        running.add_done_callback(_look_away)
        raise _StillRunning(
            f"{registered.name} took longer than {registered.time_limit:g} s; it still runs in its thread, "
            "as a plain function cannot be stopped."
        )
    return await running


def _threaded(work: Callable[[], object], name: str) -> asyncio.Future[object]:
    """Run it in a thread of its own: one that never ends takes no place in a pool, nor keeps the process alive."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[object] = loop.create_future()

    def run() -> None:
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 # raised again where the result is awaited
            tell(partial(_fail, error))
        else:
            tell(lambda: result.set_result(value))

    def _fail(error: BaseException) -> None:
        # A future refuses StopIteration, and SystemExit would end the loop: both are a handler's failure here.
        plain = isinstance(error, Exception) and not isinstance(error, StopIteration)
        result.set_exception(error if plain else RuntimeError(f"{name} raised {said(error)}"))

    def tell(outcome: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(outcome)

    threading.Thread(target=run, name=f"massage-link {name}", daemon=True).start()
    return result


def _look_away(running: asyncio.Future[Any]) -> None:
    if not running.cancelled():
        running.exception()  # it was given up and reported; asyncio need not report it once more
