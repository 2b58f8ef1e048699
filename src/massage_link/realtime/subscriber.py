"""The subscriber: live stream plus read-back, so that nothing is lost.

Four tasks share one event loop and one memory (`Cursor`), which they touch only between awaits:

- *connecting* keeps one socket alive and hands every event to its source's cursor;
- *reading back* lists what changed, after every (re)connection and every 30 s besides, whether the socket lives or not;
- *filling* fetches numbered rows that turned out to be missing;
- the *consumer* takes changes out of a bounded queue; asking for the next one acknowledges the one before.

A slow consumer: when the queue is full, events are let go (the read-back that follows brings them) and the read-back
waits for room page by page. So memory is bounded, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from massage_link.errors import RealtimeRefused, UnexpectedAnswer, UsageError
from massage_link.realtime.connection import ConnectionEnded, converse, first_to_end, realtime_url
from massage_link.realtime.cursor import Cursor
from massage_link.realtime.delivering import Statistics, change_of
from massage_link.realtime.ledger import Arrival
from massage_link.realtime.outbox import Outbox
from massage_link.realtime.policy import Backoff, Policy, RateWindow
from massage_link.realtime.protocol import Puzzling, Remedy, RowEvent, Subscribed, Subscription
from massage_link.realtime.reading import Reader
from massage_link.realtime.state import ConnectionState, StateBoard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from types import TracebackType

    from massage_link.realtime.checkpoint import Checkpoint
    from massage_link.realtime.ledger import Accepted
    from massage_link.realtime.protocol import Output
    from massage_link.realtime.source import Change, Credential, Position, RawRow, Source

R = TypeVar("R")

_log = logging.getLogger("massage_link.realtime")
_REJECTIONS = 3  # credentials in a row, each fresh, after which asking for another one is pointless


class _Watch(Generic[R]):
    """A source and the cursor in it."""

    def __init__(self, source: Source[R], cursor: Cursor) -> None:
        self.source = source
        self.cursor = cursor


class Subscriber(Generic[R]):
    """Changes of one or several sources over one socket, without a gap: ``async for change in subscriber``.

    Use it as an async context manager::

        async with Subscriber(endpoint=…, project=…, sources=[bookings, messages], credential=mint) as changes:
            async for change in changes:
                await handle(change)

    Asking for the next change acknowledges the one before. Leaving the loop does not acknowledge the last one; call
    `acknowledge` when it has been dealt with.

    Args:
        endpoint: the API's endpoint, such as ``https://cloud.appwrite.io/v1``.
        project: the project's id.
        sources: what to watch; names must differ.
        credential: called before each connection; an error of the HTTP side that may pass (`TransportError`,
            `ServerError`, `RateLimited`; after a good start also an answer that is not Appwrite's) is tried again, any
            other ends the subscriber.
        checkpoint: where progress is kept; None for none: the subscriber begins now.
        since: a new consumer begins with what was written from this instant on; None: from now on. It does not matter
            to sources that the checkpoint knows.
        policy: timings and bounds.
        on_undecodable: called with the source's name, the row and the error for a row that `decode` refuses or that
            lacks its id, version or number. It is logged in any case.
        rng: for the jitter of waits.

    Raises:
        UsageError: wrong endpoint, no sources, or two of one name.

    While iterating, `RealtimeRefused` is raised when the server refuses us for good, and what `credential`, `read_back`
    and `fetch` raise when it cannot pass.

    """

    def __init__(
        self,
        *,
        endpoint: str,
        project: str,
        sources: Sequence[Source[R]],
        credential: Callable[[], Awaitable[Credential]],
        checkpoint: Checkpoint | None = None,
        since: datetime | None = None,
        policy: Policy | None = None,
        on_undecodable: Callable[[str, RawRow, Exception], None] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        names = [source.name for source in sources]
        if not names or len(set(names)) != len(names):
            raise UsageError(f"a subscriber needs sources with different names, not {names}")
        self._url = realtime_url(endpoint, project)
        self._sources = tuple(sources)
        self._credential = credential
        self._checkpoint = checkpoint
        self._since = since
        self._policy = policy or Policy()
        self._on_undecodable = on_undecodable
        self._rng = rng or random.Random()  # noqa: S311 # jitter needs no secrecy
        self._connects = RateWindow(self._policy.connections_per_minute)
        self._watches: dict[str, _Watch[R]] = {}
        self._read_back_due = asyncio.Event()
        self._gap = asyncio.Event()
        self._outbox: Outbox[R] = Outbox(self._policy.max_waiting, checkpoint, self._read_back_due.set)
        self._reader = Reader(self._policy, self._rng, lambda: self.statistics.read_backs > 0)
        self._board = StateBoard()
        self._task: asyncio.Task[None] | None = None
        self.statistics = Statistics()

    # --- the consumer's side ------------------------------------------------------------------------------------------
    async def __aenter__(self) -> Self:
        if self._task is not None or self._outbox.end is not None:
            raise UsageError("a Subscriber is used once; make a new one")
        if self._checkpoint is not None:
            self._checkpoint.open()
        self._task = asyncio.create_task(self._run(), name="massage-link realtime")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the connection and every task. What was not acknowledged comes again with the next run."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        self._outbox.clear()
        self._finish(StopAsyncIteration())
        if self._checkpoint is not None:
            self._checkpoint.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change[R]:
        if self._task is None and self._outbox.end is None:
            raise UsageError("a Subscriber is iterated inside `async with`")
        return await self._outbox.take()

    def acknowledge(self) -> None:
        """The change that was handed out last has been dealt with. Asking for the next one does this, too."""
        self._outbox.acknowledge()

    @property
    def state(self) -> ConnectionState:
        """The connection's state now."""
        return self._board.current

    def states(self) -> AsyncIterator[ConnectionState]:
        """The state now and each later one until ``closed``; a slow reader sees only the newest."""
        return self._board.stream()

    async def wait_until_live(self) -> None:
        """Return once the subscriptions are confirmed and everything missed before has been read back.

        Raises what ended the subscriber, when it ends before.
        """
        async for state in self.states():
            if state.name == "live":
                return
        end = self._outbox.end
        if end is None or isinstance(end, StopAsyncIteration):
            raise UsageError("the subscriber was closed")
        raise end

    # --- running ------------------------------------------------------------------------------------------------------
    async def _run(self) -> None:
        try:
            for source in self._sources:
                self._watches[source.name] = _Watch(source, await self._cursor_of(source))
            await first_to_end(self._keep_connected(), self._keep_reading_back(), self._keep_filling())
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 # whatever ended it is the consumer's to see
            self._finish(error)

    def _finish(self, end: BaseException) -> None:
        if self._outbox.end is None:
            self._outbox.finish(end)
            self._enter("closed", "" if isinstance(end, StopAsyncIteration) else str(end))

    def _enter(self, name: Any, reason: str = "", failures: int = 0) -> None:
        level = logging.WARNING if failures else logging.INFO
        _log.log(level, "realtime is %s%s", name, f": {reason}" if reason else "")
        self._board.set(name, reason, failures)

    # --- beginning ----------------------------------------------------------------------------------------------------
    async def _cursor_of(self, source: Source[R]) -> Cursor:
        known = self._checkpoint.load(source.name) if self._checkpoint is not None else None
        progress = known or await self._reader.first_progress(source, self._since, self._park)
        cursor = Cursor(
            source.identity,
            start=progress.start,
            high_water=progress.high_water,
            window=self._policy.window,
            marks=progress.marks,
            capacity=self._policy.memory,
        )
        if known is None and self._checkpoint is not None:
            self._checkpoint.begin(source.name, progress)
        return cursor

    # --- the socket ---------------------------------------------------------------------------------------------------
    async def _keep_connected(self) -> None:
        backoff = Backoff(self._policy, self._rng)
        subscriptions = [Subscription(source.name, source.channels, source.queries) for source in self._sources]
        rejections = 0

        def handle(output: Output) -> None:
            nonlocal rejections
            if isinstance(output, RowEvent):
                self._on_event(output)
            elif isinstance(output, Subscribed):
                rejections = 0
                backoff.reset()
                self._on_subscribed()
            elif isinstance(output, Puzzling):
                _log.warning("realtime brought %s; reading back", output.reason)
                self._read_back_due.set()

        while True:
            await asyncio.sleep(self._connects.use(time.monotonic()))
            credential = await self._reader.patiently(self._credential)
            wait, reason = 0.0, "renewing the credential"
            try:
                await converse(self._url, credential, subscriptions, policy=self._policy, handle=handle)
            except ConnectionEnded as end:
                rejections += end.remedy is Remedy.NEW_CREDENTIAL
                if self._is_final(end, rejections):
                    raise RealtimeRefused(f"{end.reason}; retrying is pointless", code=end.code) from end
                wait, reason = backoff.next(), end.reason
                if end.remedy is Remedy.WAIT:
                    wait += self._policy.backoff_most
            self._enter("reconnecting", reason, backoff.failures)
            await asyncio.sleep(wait)

    def _is_final(self, end: ConnectionEnded, rejections: int) -> bool:
        """True when no retry can help. HTTP 4xx after a connection that went well is a proxy whose server restarts."""
        if end.remedy is Remedy.GIVE_UP:
            by_proxy = end.code is not None and 400 <= end.code < 500 and self.statistics.connections > 0
            return not by_proxy
        return rejections >= _REJECTIONS

    def _on_subscribed(self) -> None:
        self.statistics.connections += 1
        self._enter("catching up")
        self._read_back_due.set()

    def _on_event(self, event: RowEvent) -> None:
        arrival = Arrival(live=True, at=datetime.now(UTC), server_timestamp=event.timestamp)
        self.statistics.events += 1
        if event.action == "delete":
            return
        if self._outbox.full:
            self._outbox.refused()
            self.statistics.dropped += 1
            return
        for name in event.subscriptions:
            watch = self._watches.get(name)
            if watch is not None:
                self._offer(watch, event.row, arrival)
                if watch.cursor.has_gaps:
                    self._gap.set()

    def _offer(self, watch: _Watch[R], row: RawRow, arrival: Arrival) -> None:
        if not watch.source.relevant(row):
            return
        try:
            accepted = watch.cursor.offer(row, arrival)
        except UnexpectedAnswer as error:
            self._park(watch.source, row, error)
        else:
            self._deliver(watch, accepted)

    # --- reading back -------------------------------------------------------------------------------------------------
    async def _keep_reading_back(self) -> None:
        await self._read_back_due.wait()
        while True:
            self._read_back_due.clear()
            connection = self.statistics.connections
            for watch in self._watches.values():
                await self._read_back(watch)
            self.statistics.read_backs += 1
            self._gap.set()
            if connection == self.statistics.connections and self.state.name == "catching up":
                self._enter("live")
            try:
                async with asyncio.timeout(self._policy.read_back_every):
                    await self._read_back_due.wait()
            except TimeoutError:
                continue

    async def _read_back(self, watch: _Watch[R]) -> None:
        position: Position | None = watch.cursor.begin()
        limit = self._policy.page_size
        while position is not None:
            await self._outbox.room()
            read_at, page = await self._reader.page(watch.source, position, limit=limit)
            arrival = Arrival(live=False, at=datetime.now(UTC))
            for row in page.rows:
                self._offer(watch, row, arrival)
            position = watch.cursor.turn(page, limit, exchange=page.server_time - read_at)
            high_water = watch.cursor.safe_high_water()
            self._outbox.put_advance(watch.source.name, high_water, watch.cursor.forgettable(high_water))

    # --- filling gaps -------------------------------------------------------------------------------------------------
    async def _keep_filling(self) -> None:
        backoff = Backoff(self._policy, self._rng)
        while True:
            await self._gap.wait()
            self._gap.clear()
            if self.state.name == "catching up":
                continue  # the read-back under way most likely brings them; it rings when it is done
            progress = False
            for watch in self._watches.values():
                progress |= await self._fill(watch)
            if not any(watch.cursor.has_gaps for watch in self._watches.values()):
                backoff.reset()
            elif progress:
                self._gap.set()
            else:
                await asyncio.sleep(min(backoff.next(), 5.0))
                self._gap.set()

    async def _fill(self, watch: _Watch[R]) -> bool:
        """Fetch missing rows of one source; False when there was something to fetch and nothing came."""
        asked = watch.cursor.wanted()
        fetch = watch.source.fetch
        if not asked or fetch is None:
            return False
        await self._outbox.room()
        rows = await self._reader.patiently(lambda: fetch([wanted.row_id for wanted in asked]))
        arrival = Arrival(live=False, at=datetime.now(UTC))
        accepted = watch.cursor.fetched(asked, rows, arrival, now=time.monotonic())
        self._deliver(watch, accepted)
        late, skipped = watch.cursor.give_up(now=time.monotonic())
        for gap in skipped:
            self.statistics.skipped += gap.last - gap.first + 1
            _log.error("%s: numbers %s to %s of %s cannot be read", watch.source.name, gap.first, gap.last, gap.scope)
        self._deliver(watch, late)
        return bool(rows) or bool(accepted)

    # --- delivering ---------------------------------------------------------------------------------------------------
    def _deliver(self, watch: _Watch[R], accepted: Iterable[Accepted]) -> None:
        for one in accepted:
            try:
                change = change_of(watch.source, watch.cursor, one)
            except Exception as error:  # noqa: BLE001 # one bad row must not stop the stream; it is reported
                self._park(watch.source, one.row, error)
                continue
            self.statistics.delivered += 1
            self.statistics.replayed += not one.arrival.live
            self._outbox.put(change, one.mark)

    def _park(self, source: Source[R], row: RawRow, error: Exception) -> None:
        self.statistics.undecodable += 1
        _log.error("%s: row %s cannot be read and is passed over: %s", source.name, row.get("$id"), error)
        if self._on_undecodable is not None:
            self._on_undecodable(source.name, row, error)
