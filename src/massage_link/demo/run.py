"""The demo's run: a server, its tables, people who listen, a warm-up, the bookings, and a look into the tables."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import httpx

from massage_link.client.link import AsyncMassageLink
from massage_link.demo.books import read_books
from massage_link.demo.orders import Order, Week, load_week, orders
from massage_link.demo.people import Person, Unseen, listening
from massage_link.demo.record import Record
from massage_link.demo.stopwatch import Stopwatch
from massage_link.demo.story import Scene, Story, tell
from massage_link.demo.verdict import Problem, Report, judge, report
from massage_link.errors import UsageError
from massage_link.schema.functions import FUNCTIONS
from massage_link.testing import Emulator, running_emulator
from massage_link.usecases.provision import push_functions, push_schema
from massage_link.wire.users import create_user

__all__ = ["MOST_BOOKINGS", "Outcome", "Progress", "functions_folder", "run_demo"]

#: More would need days beyond the validity of the people's tokens, and an hour.
MOST_BOOKINGS = 5_000
#: Bookings under way at once: the server, two function processes and all the people share the machine's cores.
_AT_ONCE = 2
#: Seconds to wait for one thing to be seen before it counts as lost.
_PATIENCE = 15.0
#: Seconds to listen on after the last booking: a duplicate would come on the heels of what it repeats.
_LINGER = 0.2


class Progress(Protocol):
    """Who is told how far the run is."""

    def done(self, what: str) -> None:
        """A step of the preparations is done."""
        ...

    def taken(self, story: Story) -> None:
        """A booking has gone the whole way."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out: the numbers, everything that is wrong, and one booking's story (the first)."""

    report: Report
    problems: Sequence[Problem]
    story: Story | None

    @property
    def is_good(self) -> bool:
        """Nothing lost, nothing doubled, not a cent off."""
        return not self.problems


def run_demo(count: int, progress: Progress, *, functions: Path | None = None) -> Outcome:
    """Run all of it; the server ends with it, whatever happens.

    Args:
        count: how many bookings, at least 1.
        progress: told how far it is.
        functions: folder of the function folders; None takes ours.

    Raises:
        UsageError: the emulator's packages or our function folders are not there.
        EmulatorFailed: the server did not start.
        MassageLinkError: a call did not work out.

    """
    started = time.perf_counter()
    _refuse_without_emulator()
    with running_emulator(functions=functions or functions_folder(), schema=False) as server:
        progress.done(f"server at {server.endpoint}")
        return asyncio.run(_demonstrate(server, load_week(), count, progress, started))


def functions_folder() -> Path:
    """Where our function folders are: beside the sources, or inside the installed package.

    Raises:
        UsageError: in neither place.

    """
    package = Path(__file__).parents[1]
    for folder in (package.parents[1] / "functions", package / "_functions"):
        if all((folder / function.id / "main.py").is_file() for function in FUNCTIONS):
            return folder
    raise UsageError(
        f"the function folders ({', '.join(function.id for function in FUNCTIONS)}) are neither beside nor inside "
        f"{package}; install massage-link again, or run the demo from a complete checkout."
    )


def _refuse_without_emulator() -> None:
    if missing := [name for name in ("starlette", "uvicorn", "httptools") if find_spec(name) is None]:
        raise UsageError(
            f'the demo runs the embedded server, which needs {", ".join(missing)}: pip install "massage-link[cli,emulator]"'
        )


async def _demonstrate(server: Emulator, week: Week, count: int, progress: Progress, started: float) -> Outcome:
    record = Record()
    async with _measured_link(server) as link:
        await _prepare(link, week, progress)
        people = _people(link, week, record)
        async with listening(people.values()):
            progress.done(f"{len(week.customers)} customers and {len(week.therapists)} therapists are listening")
            scene = Scene(link, people, record)
            now = datetime.now(UTC)
            await _tell_all(scene, orders(week, _AT_ONCE, now=now, first=count, canary=True))
            progress.done("functions and connections are warm")
            stories = await _tell_all(scene, orders(week, count, now=now), progress)
            await asyncio.sleep(_LINGER)
        books = await read_books(link)
    problems = judge(record, books)
    seconds = time.perf_counter() - started
    return Outcome(report(record, books, problems, seconds=seconds), problems, stories[0] if stories else None)


@asynccontextmanager
async def _measured_link(server: Emulator) -> AsyncGenerator[AsyncMassageLink, None]:
    async with server.async_link(transport=Stopwatch(httpx.AsyncHTTPTransport())) as link:
        yield link


async def _prepare(link: AsyncMassageLink, week: Week, progress: Progress) -> None:
    tables: list[str] = []
    functions: list[str] = []
    await link.run(push_schema(link.ports, progress=tables.append))
    await link.run(push_functions(progress=functions.append))
    progress.done(f"{len(tables)} tables and {len(functions)} functions")
    for person in (*week.customers, *week.therapists):
        await link.send(create_user(person.id, f"{person.id}@example.com", secrets.token_urlsafe(16), person.name))


def _people(link: AsyncMassageLink, week: Week, record: Record) -> dict[str, Person]:
    everybody = (*week.customers, *week.therapists)
    return {person.id: Person(link, person.id, record, patience=_PATIENCE) for person in everybody}


async def _tell_all(scene: Scene, wanted: Sequence[Order], progress: Progress | None = None) -> list[Story]:
    """Tell them, a few at once; after the first that does not come to its end no other is begun."""
    waiting = iter(wanted)
    stories: list[Story] = []
    await asyncio.gather(*(_tell_on(scene, waiting, stories, progress) for _ in range(_AT_ONCE)))
    return sorted(stories, key=lambda story: story.order.number)


async def _tell_on(scene: Scene, waiting: Iterator[Order], stories: list[Story], progress: Progress | None) -> None:
    for order in waiting:
        try:
            story = await tell(scene, order)
        except Unseen:
            # What is missing is found by the verdict. The others would wait as long, each in turn.
            for _ in waiting:
                pass
            return
        stories.append(story)
        if progress is not None:
            progress.taken(story)
