"""The demo's run: a server, its tables, people who listen, a warm-up, the bookings, and a look into the tables."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import httpx

from massage_link.client.link import AsyncMassageLink
from massage_link.demo.books import failed_executions, read_books
from massage_link.demo.orders import Order, Participant, Week, catalogue, load_week, orders
from massage_link.demo.people import Person, Unseen, alongside, listening
from massage_link.demo.record import Record
from massage_link.demo.stopwatch import Stopwatch
from massage_link.demo.story import Scene, Story, tell, write_directly
from massage_link.demo.verdict import Problem, Report, judge, report
from massage_link.domain.ids import event_id
from massage_link.domain.rows import to_wire_time
from massage_link.domain.tables import BOOKING_EVENTS, THERAPISTS
from massage_link.errors import MassageLinkError, TransportError, UsageError
from massage_link.schema.functions import functions_of
from massage_link.testing import Emulator, running_emulator
from massage_link.usecases.ports import create_derived, find
from massage_link.usecases.provision import push_functions, push_schema
from massage_link.wire.users import create_user

__all__ = ["DemoFailed", "Kept", "Outcome", "Progress", "functions_folder", "run_demo"]

#: Bookings under way at once: the server, two function processes and all the people share the machine's cores.
_AT_ONCE = 2
#: Seconds to wait for one thing to be seen before it counts as lost.
_PATIENCE = 60.0
#: Seconds to listen on after the last booking: a duplicate would come on the heels of what it repeats.
_LINGER = 0.2
#: Seconds between looks whether the server still runs.
_LOOK_EVERY = 0.2


class DemoFailed(MassageLinkError):
    """Not even the warm-up came to its end (the message says what functions said), or the server ended before us."""


class Progress(Protocol):
    """Who is told how far the run is."""

    def done(self, what: str) -> None:
        """A step of the preparations is done."""
        ...

    def taken(self) -> None:
        """A booking has gone the whole way."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out.

    Attributes:
        report: the numbers.
        problems: everything that is wrong.
        hints: what failed functions said, when something is wrong.
        story: one booking as it went (the first).

    """

    report: Report
    problems: Sequence[Problem]
    hints: Sequence[str]
    story: Story | None

    @property
    def is_good(self) -> bool:
        """Nothing lost, nothing doubled, not a cent off."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Kept:
    """A server that goes on after the run.

    Attributes:
        server: where, with its key.
        emails: of the people who can sign in, customers first.
        password: the same for all of them, made up for this run.

    """

    server: Emulator
    emails: Sequence[str]
    password: str = field(repr=False)

    def as_json(self) -> dict[str, object]:
        """For programs: this is how they get in, so it holds the key and the password."""
        return {
            "endpoint": self.server.endpoint,
            "projectId": self.server.project_id,
            "apiKey": self.server.api_key,
            "accounts": list(self.emails),
            "password": self.password,
        }


def run_demo(
    count: int,
    progress: Progress,
    *,
    functions: Path | None = None,
    afterwards: Callable[[Outcome, Kept], None] | None = None,
) -> Outcome:
    """Run all of it; the server ends with it, whatever happens.

    Args:
        count: how many bookings, at least 1.
        progress: told how far it is.
        functions: folder of the function folders; None takes ours.
        afterwards: handed what came out and the server, which goes on until this returns.

    Raises:
        UsageError: the emulator's packages or our function folders are not there.
        EmulatorFailed: the server did not start.
        DemoFailed: the warm-up's bookings did not come to their end, or the server ended.
        MassageLinkError: a call did not work out.

    """
    started = time.perf_counter()
    with running_emulator(functions=functions or functions_folder(), schema=False) as server:
        progress.done(f"server at {server.endpoint}")
        week = load_week()
        kept = Kept(server, [_email(each) for each in week.people], secrets.token_urlsafe(12))
        try:
            outcome = asyncio.run(_demonstrate(kept, week, count, progress, started))
        except TransportError:
            with suppress(subprocess.TimeoutExpired):
                server.process.wait(_LOOK_EVERY)  # a connection may break a little before the process is gone
            _refuse_ended(server)
            raise
        if afterwards is not None:
            afterwards(outcome, kept)
        return outcome


def _email(person: Participant) -> str:
    return f"{person.id}@example.com"


def functions_folder() -> Path:
    """Where our function folders are: beside the sources, or inside the installed package.

    Raises:
        UsageError: in neither place.

    """
    package, wanted = Path(__file__).parents[1], functions_of(direct_write=True)
    for folder in (package.parents[1] / "functions", package / "_functions"):
        if all((folder / function.id / "main.py").is_file() for function in wanted):
            return folder
    raise UsageError(
        f"the function folders ({', '.join(function.id for function in wanted)}) are neither beside nor inside "
        f"{package}; install massage-link again, or run the demo from a complete checkout."
    )


async def _demonstrate(kept: Kept, week: Week, count: int, progress: Progress, started: float) -> Outcome:
    server = kept.server
    record = Record()
    transport = Stopwatch(httpx.AsyncHTTPTransport())
    async with alongside(_watch(server)), server.async_link(transport=transport) as link:
        await _prepare(link, week, progress, kept.password)
        people = {each.id: Person(link, each.id, record, patience=_PATIENCE) for each in week.people}
        async with listening(people.values()):
            progress.done(f"{len(week.customers)} customers and {len(week.therapists)} therapists are listening")
            scene = Scene(link, people, record)
            now = datetime.now(UTC)
            await _warm_up(scene, orders(week, _AT_ONCE, now=now, first=count, canary=True))
            progress.done("functions and connections are warm")
            stories = await _tell_all(scene, orders(week, count, now=now), progress)
            await asyncio.sleep(_LINGER)
        books = await read_books(link)
        problems = judge(record, books)
        hints = await failed_executions(link) if problems else []
    numbers = report(record, books, problems, seconds=time.perf_counter() - started)
    return Outcome(numbers, problems, hints, stories[0] if stories else None)


async def _watch(server: Emulator) -> None:
    """Notices when the server ends: realtime would wait for it to come back, for ever."""
    while True:
        _refuse_ended(server)
        await asyncio.sleep(_LOOK_EVERY)


def _refuse_ended(server: Emulator) -> None:
    if (status := server.process.poll()) is not None:
        raise DemoFailed(f"the embedded server ended meanwhile (exit status {status}).")


async def _prepare(link: AsyncMassageLink, week: Week, progress: Progress, password: str) -> None:
    tables: list[str] = []
    functions: list[str] = []
    await link.run(push_schema(link.ports, direct_write=True, progress=tables.append))
    await link.run(push_functions(direct_write=True, progress=functions.append))
    progress.done(f"{len(tables)} tables and {len(functions)} functions")
    for row in catalogue(week):
        await link.run(create_derived(link.ports, THERAPISTS, row, []))
    for each in week.people:
        await link.send(create_user(each.id, _email(each), password, each.name))


async def _warm_up(scene: Scene, canaries: Sequence[Order]) -> None:
    """Bookings that nobody counts: they start the function processes and open the connections."""
    try:
        await asyncio.gather(_be_declined(scene, canaries[0]), *(tell(scene, order) for order in canaries))
    except Unseen as missing:
        hints = await failed_executions(scene.link)
        raise DemoFailed(
            f"the first booking got stuck: {missing}. {' '.join(hints) or 'No function failed.'}"
        ) from None


async def _be_declined(scene: Scene, order: Order) -> None:
    """A direct write of which no booking comes, with a therapist who is none: it starts the function that checks."""
    wish = order.request
    wanted = {"therapistId": "nobody", "service": wish.service, "startsAt": to_wire_time(wish.starts_at)}
    row_id = await write_directly(scene.link, wish.customer_id, **wanted)
    begun = time.perf_counter()
    while await scene.link.run(find(scene.link.ports, BOOKING_EVENTS, event_id(row_id, 1))) is None:
        if time.perf_counter() - begun > _PATIENCE:
            raise Unseen(f"the row that {wish.customer_id} wrote was not declined within {_PATIENCE:g} s")
        await asyncio.sleep(_LOOK_EVERY)


async def _tell_all(scene: Scene, wanted: Sequence[Order], progress: Progress) -> list[Story]:
    """Tell them, a few at once; after the first that gets stuck no other is begun."""
    waiting = iter(wanted)
    stories: list[Story] = []
    await asyncio.gather(*(_tell_on(scene, waiting, stories, progress) for _ in range(_AT_ONCE)))
    return sorted(stories, key=lambda story: story.order.number)


async def _tell_on(scene: Scene, waiting: Iterator[Order], stories: list[Story], progress: Progress) -> None:
    for order in waiting:
        try:
            stories.append(await tell(scene, order))
        except Unseen:
            # What is missing is found by the verdict. The others would wait as long, each in turn: begin none.
            for _ in waiting:
                pass
        else:
            progress.taken()
