"""The same changes for programs without an event loop: a plain iterator, fed by a thread."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from massage_link.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from massage_link.realtime.source import Change
    from massage_link.realtime.state import ConnectionState
    from massage_link.realtime.subscriber import Subscriber

R = TypeVar("R")
T = TypeVar("T")


class BlockingSubscriber(Generic[R]):
    """A `Subscriber` that is iterated without ``async``::

        with BlockingSubscriber(lambda: link.as_user("maria").bookings.watch()) as changes:
            for change in changes:
                handle(change)

    It promises what `Subscriber` promises: asking for the next change acknowledges the one before. It is to be used by
    one thread at a time; `close` may be called from any.

    Args:
        make: called in the thread that runs the event loop; gives what is entered to get the subscriber. Whatever else
            the subscriber needs (an `AsyncMassageLink`, say) is best made and closed there, too.

    Raises what `Subscriber` raises.

    """

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[Subscriber[R]]]) -> None:
        self._make = make
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._context: AbstractAsyncContextManager[Subscriber[R]] | None = None
        self._subscriber: Subscriber[R] | None = None
        self._asked: Future[Change[R]] | None = None
        self._closing = threading.Lock()

    def __enter__(self) -> Self:
        if self._loop is not None:
            raise UsageError("a BlockingSubscriber is used once; make a new one")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="massage-link realtime", daemon=True)
        self._thread.start()
        try:
            self._subscriber = self._wait_for(self._open())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Change[R]:
        if self._asked is None:
            self._asked = self._submit(self._entered().__anext__())
        try:
            change = self._asked.result()  # interrupted here, the answer is for whoever asks next: it is not lost
        except StopAsyncIteration:
            raise StopIteration from None
        self._asked = None
        return change

    def acknowledge(self) -> None:
        """The change that was handed out last has been dealt with. Asking for the next one does this, too."""

        async def acknowledge() -> None:
            self._entered().acknowledge()

        self._wait_for(acknowledge())

    def wait_until_live(self) -> None:
        """Return once the subscriptions are confirmed and everything missed before has been read back."""
        self._wait_for(self._entered().wait_until_live())

    @property
    def state(self) -> ConnectionState:
        """The connection's state now."""
        return self._entered().state

    def close(self) -> None:
        """End the connection and the thread; an iteration that waits in another thread ends. Twice is fine."""
        with self._closing:
            thread, self._thread = self._thread, None
            if thread is None or self._loop is None:
                return
            context = self._context
            if context is not None:
                asyncio.run_coroutine_threadsafe(_leave(context), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _open(self) -> Subscriber[R]:
        context = self._make()
        subscriber = await context.__aenter__()
        self._context = context
        return subscriber

    def _entered(self) -> Subscriber[R]:
        if self._subscriber is None:
            raise UsageError("a BlockingSubscriber is iterated inside `with`")
        return self._subscriber

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if self._thread is None or self._loop is None:
            work.close()
            raise UsageError("this subscriber was closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        waiting = self._submit(work)
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()  # an interrupt of the waiting thread must not leave the work behind
            raise


async def _leave(context: AbstractAsyncContextManager[Any]) -> None:
    await context.__aexit__(None, None, None)
    await asyncio.sleep(0)  # whoever waits for the next change hears of the end before the loop stops
