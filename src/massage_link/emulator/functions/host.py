"""The functions service as one object: what is stored, the one queue that runs events in order, and the schedules."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import tempfile
from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massage_link.emulator.events import ResourceChange
from massage_link.emulator.kernel import VERSION, unique_id

from .cron import Cron
from .deployments import Deployments
from .executor import Executor, Request, Run, stored
from .faults import FunctionFaults
from .records import new_execution
from .registry import Registry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from datetime import datetime

    from massage_link.emulator.core import Emulator
    from massage_link.emulator.events import Change

    from .records import Record

logger = logging.getLogger("massage_link.emulator")

_TICK_SECONDS = 0.25
_NOT_DEPLOYED = (
    "The execution could not be completed because a corresponding deployment was not found. A function deployment "
    "needs to be created before it can be executed. Please create a deployment for your function and try again."
)
_NOT_BUILT = (
    "The execution could not be completed because the build is not ready. Please wait for the build to complete and "
    "try again."
)


class FunctionHost:
    """Runs functions: for events and schedules one after another, for synchronous callers at once."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._queue: deque[Callable[[], Awaitable[None]]] = deque()
        self._due: dict[str, tuple[str, datetime]] = {}
        self._later: dict[str, tuple[datetime, Request]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker: asyncio.Task[None] | None = None
        self._clockwork: asyncio.Task[None] | None = None
        self._load()

    def _load(self) -> None:
        self.faults = FunctionFaults()
        self.registry = Registry(self._emulator.database)
        self.executor = Executor(self._emulator, self.registry)
        self.deployments = Deployments(self._emulator, self.registry, self.executor)

    @property
    def root(self) -> Path:
        """Where code is kept: in the data directory, or in a temporary one."""
        if self._emulator.settings.data_dir is not None:
            return self._emulator.settings.data_dir / "functions"
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="massage-link-functions-")
        return Path(self._temporary.name)

    # Life

    def start(self) -> None:
        """Begin to watch schedules; needs a running event loop."""
        if self._clockwork is None:
            self._clockwork = asyncio.create_task(self._watch_schedules())

    def reset(self) -> None:
        """Forget everything, after the stores were cleared; what still runs is ended in the background."""
        if self._worker is not None or self.executor.is_busy:
            self.in_background(self._halt(self.executor, self._worker))
        self._queue.clear()
        self._due.clear()
        self._later.clear()
        self.deployments.close()
        self._worker = None
        if self._temporary is not None or self._emulator.settings.data_dir is not None:
            shutil.rmtree(self.root / "deployments", ignore_errors=True)
        self._load()

    async def close(self) -> None:
        """Stop everything that runs and remove temporary files."""
        if self._clockwork is not None:
            self._clockwork.cancel()
        self.deployments.close()
        await self._halt(self.executor, self._worker)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._temporary is not None:
            self._temporary.cleanup()

    async def _halt(self, executor: Executor, worker: asyncio.Task[None] | None) -> None:
        if worker is not None:
            worker.cancel()
        await executor.close()
        await asyncio.gather(*filter(None, [worker]), return_exceptions=True)

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` as a task that is kept and, when it fails, logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_log_failure)

    # Events

    def publish(self, change: Change) -> None:
        """Queue a change for the functions that subscribe to it."""
        patterns = self.registry.patterns
        if not patterns or patterns.isdisjoint(change.function_names):
            return
        if self.faults.happens(self.faults.lose, "lost"):
            return
        for _ in range(2 if self.faults.happens(self.faults.duplicate, "duplicated") else 1):
            self._enqueue(partial(self._run_event, change), self.faults.place(len(self._queue)))

    async def _run_event(self, change: Change) -> None:
        body = json.dumps(change.payload, ensure_ascii=False, separators=(",", ":")).encode()
        request = Request(
            "event",
            headers={"user-agent": f"Appwrite/{VERSION}", "content-type": "application/json"},
            body=body,
            user_id=change.acting_user_id,
            event=change.function_names[0],
        )
        for key in self.registry.interested_in(frozenset(change.function_names)):
            function = self.registry.functions.get(key)
            if function is None:
                continue
            execution = self._new_execution(function, request, "queued")
            if self._is_ready(function):
                await self.run(function, request, execution)
            else:
                errors = _NOT_BUILT if function["deploymentId"] else _NOT_DEPLOYED
                self._finish(function, {**execution, "status": "failed", "errors": errors})

    # The queue

    @property
    def pending(self) -> int:
        """How many jobs wait or run."""
        return len(self._queue)

    def _enqueue(self, job: Callable[[], Awaitable[None]], place: int | None = None) -> None:
        self._queue.insert(len(self._queue) if place is None else place, job)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())

    async def _work(self) -> None:
        while self._queue:
            if self.faults.delay_seconds and self.faults.happens(self.faults.delay, "delayed"):
                await asyncio.sleep(self.faults.delay_seconds)
            try:
                await self._queue[0]()
            except Exception:
                logger.exception("a function's job failed")
            if self._queue:
                self._queue.popleft()

    # Executions

    async def execute(self, function: Record, request: Request) -> Run:
        """Run a function now and keep the execution."""
        return await self.run(function, request, self._new_execution(function, request, "processing"))

    def execute_later(self, function: Record, request: Request, due: datetime | None = None) -> Record:
        """Queue an execution, or schedule it for ``due``; returns it as it waits."""
        execution = self._new_execution(function, request, "scheduled" if due else "waiting")
        if due:
            execution |= {"scheduledAt": due.isoformat(timespec="milliseconds"), "trigger": "schedule"}
            self._later[execution["$id"]] = (due, request)
            self.start()
        self.registry.put_execution(execution)
        if not due:
            self._enqueue(partial(self._run_later, execution, request))
        return execution

    async def run(self, function: Record, request: Request, execution: Record) -> Run:
        """Run ``execution`` to its end, keep it, and announce it."""
        if execution["status"] != "processing" and self.faults.happens(self.faults.fail, "failed"):
            errors = "The executor did not answer (planted).\\nError Code: 500"
            run = Run({**execution, "status": "failed", "responseStatusCode": 500, "errors": errors})
        else:
            run = await self.executor.run(function, request, execution)
        self._finish(function, run.execution)
        return run

    def _finish(self, function: Record, execution: Record) -> None:
        execution["$updatedAt"] = self._emulator.clock.stamp()
        if function["$id"] in self.registry.functions:
            self.registry.put_execution(stored(execution))
            self._announce(function, execution, "update")

    def announce_created(self, function: Record, execution: Record) -> None:
        """Tell listeners of an execution that a caller has created."""
        self._announce(function, execution, "create")

    def _announce(self, function: Record, execution: Record, action: str) -> None:
        ids = {"functionId": function["$id"], "executionId": execution["$id"]}
        pattern = f"functions.[functionId].executions.[executionId].{action}"
        self._emulator.bus.publish(ResourceChange(pattern, ids, execution))

    def _new_execution(self, function: Record, request: Request, status: str) -> Record:
        return new_execution(
            unique_id(),
            function,
            self._emulator.clock.stamp(),
            trigger=request.trigger,
            status=status,
            method=request.method,
            path=request.path,
            user_id=request.user_id,
        )

    def _is_ready(self, function: Record) -> bool:
        deployment = self.registry.deployments.get(function["deploymentId"])
        return deployment is not None and deployment["status"] == "ready"

    # Schedules

    async def _watch_schedules(self) -> None:
        while True:
            try:
                self.run_due()
            except Exception:
                logger.exception("schedules failed")
            await asyncio.sleep(_TICK_SECONDS)

    def run_due(self) -> None:
        """Queue whatever is due by the server's clock; each schedule once, however far the clock has jumped."""
        now = self._emulator.clock.now()
        for key, function in self.registry.functions.items():
            schedule = function["schedule"]
            if not schedule or not self._is_ready(function):
                self._due.pop(key, None)
                continue
            known, due = self._due.get(key, ("", now))
            if known != schedule:
                self._due[key] = (schedule, Cron.parse(schedule).after(now))
            elif due <= now:
                self._due[key] = (schedule, Cron.parse(schedule).after(now))
                request = Request("schedule")
                self._enqueue(partial(self._run_later, self._new_execution(function, request, "waiting"), request))
        self._enqueue_late(now)

    def _enqueue_late(self, now: datetime) -> None:
        for key, (due, request) in list(self._later.items()):
            execution = self.registry.executions.get(key)
            if due <= now:
                del self._later[key]
                if execution is not None:
                    self._enqueue(partial(self._run_later, execution, request))

    async def _run_later(self, execution: Record, request: Request) -> None:
        function = self.registry.functions.get(execution["functionId"])
        if function is not None:
            await self.run(function, request, execution)

    def forget_scheduled(self, execution_id: str) -> None:
        """Cancel an execution that was scheduled for later."""
        self._later.pop(execution_id, None)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("background work failed", exc_info=task.exception())
