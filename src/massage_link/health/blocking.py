"""A check for programs without an event loop, or from inside one that must not be held up: in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from massage_link.client.link import MassageLink
    from massage_link.health.report import HealthReport

__all__ = ["verify_blocking"]


def verify_blocking(link: MassageLink, *, deep: bool) -> HealthReport:
    """Check, and wait for the end; when the wait is interrupted, the check cleans up before this returns.

    Raises:
        CredentialRequired: the link acts without an API key.

    """
    loop = asyncio.new_event_loop()
    outcome: Future[HealthReport] = Future()
    started: Future[asyncio.Task[None]] = Future()
    thread = threading.Thread(target=_run, args=(loop, link, deep, started, outcome), name="massage-link health")
    thread.start()
    try:
        return outcome.result()
    except BaseException:
        # Ctrl-C in the middle of it: let the check remove what it has written.
        loop.call_soon_threadsafe(started.result().cancel)
        raise
    finally:
        thread.join()
        loop.close()


def _run(
    loop: asyncio.AbstractEventLoop,
    link: MassageLink,
    deep: bool,
    started: Future[asyncio.Task[None]],
    outcome: Future[HealthReport],
) -> None:
    async def check() -> None:
        try:
            async with link.as_async() as twin:
                outcome.set_result(await twin.verify_integration(deep=deep))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
            outcome.set_exception(error)

    task = loop.create_task(check())
    started.set_result(task)
    loop.run_until_complete(task)
