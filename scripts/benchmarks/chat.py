"""How long a chat message takes, from sending until the other side has it, and what a conversation costs.

By key and through `commands` (warm, and cold: the first execution of a new process), each beside the same raw calls in
the same run: a bare HTTP client that makes and parses the same requests, and a bare socket. Then one conversation of
two signed-in users is held, and its function executions and requests are counted. Exit status 1 when the SDK takes more
than 1.3 times as long as the raw calls (median), or 1.6 times (95th percentile). `--json` prints one object. Ends
within 240 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
from bookings import Arrivals, settled
from websockets.asyncio.client import ClientConnection, connect

from massage_link import AsyncMassageLink, Booking, Money
from massage_link.domain.chat import ChatMessage, message
from massage_link.domain.rows import to_wire_time
from massage_link.domain.tables import CHAT_MESSAGES, CHAT_ROOMS, DATABASE
from massage_link.schema.functions import FUNCTIONS
from massage_link.testing import Emulator, running_emulator
from massage_link.usecases.chat import ensure_room
from massage_link.wire.control import update_function
from massage_link.wire.executions import CALLER_JWT
from massage_link.wire.rows import read_by
from massage_link.wire.users import create_user, user_jwt

_FUNCTIONS = Path(__file__).parents[2] / "functions"
_ROWS = f"/tablesdb/{DATABASE}/tables"
_ANN, _TOM = "ann", "tom"
_WARM_UP = 10
_ROUNDS = 300  # messages by each path, unless they take longer than
_SECONDS = 100.0
_COLD_STARTS = 10  # of each side, unless they take longer than
_COLD_SECONDS = 60.0
#: How much longer than the raw calls the SDK may take: the median, and the 95th percentile.
_ALLOWED = {"seen_p50_ms": 1.3, "seen_p95_ms": 1.6}
_LINES = 20  # messages of the conversation whose cost is counted

Taken = tuple[float, float]  # seconds until the answer, and until the other side has it
Sending = Callable[["Room"], Awaitable[Taken]]


async def _handle(link: AsyncMassageLink, arrivals: Arrivals, live: asyncio.Event) -> None:
    async with link.chat.watch() as changes:
        await changes.wait_until_live()
        live.set()
        async for change in changes:
            arrivals.note(change.row.client_id)


async def _listen(socket: ClientConnection, arrivals: Arrivals) -> None:
    async for told in socket:
        arrivals.note(json.loads(told)["data"]["payload"]["clientId"])


# --- a room, and its two sides ----------------------------------------------------------------------------------------
@dataclass(slots=True)
class Room:
    """A server, a booking's room on it, and both people."""

    server: Emulator
    link: AsyncMassageLink
    http: httpx.AsyncClient
    jwts: Mapping[str, str]
    booking: Booking
    handled: Arrivals
    heard: Arrivals
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**6)))

    async def raw(self, method: str, path: str, body: object = None, *, user: str = "", **headers: str) -> Any:
        """A bare call of the key or of a user, and its parsed body."""
        who = {"X-Appwrite-JWT": self.jwts[user]} if user else {"X-Appwrite-Key": self.server.api_key}
        answer = await self.http.request(method, path, json=body, headers={**who, **headers})
        answer.raise_for_status()
        return answer.json()


@asynccontextmanager
async def opened(server: Emulator) -> AsyncIterator[Room]:
    """A room whose therapist listens, by the SDK and by a bare socket."""
    headers = {"X-Appwrite-Project": server.project_id}
    async with AsyncExitStack() as open_:
        link = await open_.enter_async_context(server.async_link())
        http = await open_.enter_async_context(httpx.AsyncClient(base_url=server.endpoint, headers=headers, timeout=60))
        booking = await _furnished(link)
        jwts = {user: await link.send(user_jwt(user)) for user in (_ANN, _TOM)}
        room = Room(server, link, http, jwts, booking, Arrivals(), Arrivals())
        url = f"{server.endpoint.replace('http', 'ws', 1)}/realtime?project={server.project_id}"
        socket = await open_.enter_async_context(connect(url, additional_headers={"X-Appwrite-JWT": jwts[_TOM]}))
        await socket.recv()
        channels = [f"tablesdb.{DATABASE}.tables.{CHAT_MESSAGES.id}.rows"]
        await socket.send(json.dumps({"type": "subscribe", "data": [{"channels": channels}]}))
        await socket.recv()
        live = asyncio.Event()
        tasks = [
            asyncio.create_task(_handle(link.as_user(_TOM), room.handled, live)),
            asyncio.create_task(_listen(socket, room.heard)),
        ]
        await live.wait()
        yield room
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _furnished(link: AsyncMassageLink) -> Booking:
    for user in (_ANN, _TOM):
        await link.send(create_user(user, f"{user}@example.com", "password-1", user.title()))
    # The minute's sweep would fall into some measurements and not into others.
    sweep = next(function for function in FUNCTIONS if function.id == "sweep")
    await link.send(update_function({**sweep.definition(), "schedule": ""}))
    return await _booked(link, days=2)


async def _booked(link: AsyncMassageLink, *, days: int) -> Booking:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=days)
    booking = await link.bookings.request(
        customer_id=_ANN,
        therapist_id=_TOM,
        service="Deep tissue",
        starts_at=start,
        ends_at=start + timedelta(hours=1),
        price=Money(9_505, "EUR"),
    )
    await link.run(ensure_room(link.ports, booking.id))
    return booking


# --- a message by each path, by the SDK and raw -----------------------------------------------------------------------
async def by_key(room: Room) -> Taken:
    """With an API key."""
    client_id = f"key-{next(room.numbers)}"
    began = time.perf_counter()
    await room.link.chat.send(room.booking.id, "Is there a lift?", sender_id=_ANN, client_id=client_id)
    answered = time.perf_counter()
    return answered - began, await room.handled.of(client_id) - began


async def by_commands(room: Room) -> Taken:
    """As a signed-in user."""
    client_id, ann = f"user-{next(room.numbers)}", room.link.as_user(_ANN)
    await ann.proof()  # signing in is not part of a message
    began = time.perf_counter()
    await ann.chat.send(room.booking.id, "Is there a lift?", client_id=client_id)
    answered = time.perf_counter()
    return answered - began, await room.handled.of(client_id) - began


async def raw_by_key(room: Room) -> Taken:
    """The three calls of a message with a key: the room, the message, the room's preview."""
    client_id, readers = f"raw-key-{next(room.numbers)}", read_by([_ANN, _TOM])
    queries = [{"method": "equal", "attribute": "$id", "values": [room.booking.id]}, {"method": "limit", "values": [1]}]
    began = time.perf_counter()
    params = httpx.QueryParams({"queries[]": [json.dumps(query) for query in queries]})
    row = (await room.raw("GET", f"{_ROWS}/{CHAT_ROOMS.id}/rows?{params}"))["rows"][0]
    new = _message(room, row["messageCount"] + 1, client_id)
    body = {"rowId": new.id, "data": new.columns(), "permissions": readers}
    await room.raw("POST", f"{_ROWS}/{CHAT_MESSAGES.id}/rows", body)
    preview = {
        "messageCount": new.n,
        "lastUserN": new.n,
        "lastMessage": new.preview,
        "lastSenderId": _ANN,
        "lastMessageAt": to_wire_time(new.sent_at),
    }
    stamp = {"X-Appwrite-Timestamp": row["$updatedAt"]}
    await room.raw("PATCH", f"{_ROWS}/{CHAT_ROOMS.id}/rows/{room.booking.id}", {"data": preview}, **stamp)
    answered = time.perf_counter()
    return answered - began, await room.heard.of(client_id) - began


async def raw_by_commands(room: Room) -> Taken:
    """One execution of the function."""
    client_id = f"raw-user-{next(room.numbers)}"
    arguments = {"bookingId": room.booking.id, "body": "Is there a lift?", "clientId": client_id}
    body = json.dumps({"command": "chat.send", "arguments": arguments})
    asked = {"body": body, "async": False, "path": "/", "method": "POST", "headers": {CALLER_JWT: room.jwts[_ANN]}}
    began = time.perf_counter()
    done = await room.raw("POST", "/functions/commands/executions", asked, user=_ANN)
    if json.loads(done["responseBody"])["result"]["clientId"] != client_id:
        raise SystemExit(f"commands answered {done['responseBody']}")
    answered = time.perf_counter()
    return answered - began, await room.heard.of(client_id) - began


def _message(room: Room, n: int, client_id: str) -> ChatMessage:
    now = room.link.ports.now()
    return message(room.booking.id, n, sender_id=_ANN, client_id=client_id, body="Is there a lift?", sent_at=now)


WARM: Mapping[str, Sending] = {
    "key": by_key,
    "key, raw": raw_by_key,
    "commands": by_commands,
    "commands, raw": raw_by_commands,
}
COLD: Mapping[str, Sending] = {"commands, cold": by_commands, "commands, cold, raw": raw_by_commands}


# --- measuring --------------------------------------------------------------------------------------------------------
async def warm(room: Room) -> dict[str, list[Taken]]:
    """Each path in turn, each round in another order, with nothing else going on."""
    taken: dict[str, list[Taken]] = {name: [] for name in WARM}
    order, until = list(WARM), time.perf_counter() + _SECONDS
    for turn in range(_WARM_UP + _ROUNDS):
        for name in order:
            times = await WARM[name](room)
            if turn >= _WARM_UP:
                taken[name].append(times)
        random.shuffle(order)
        if time.perf_counter() > until and turn > _WARM_UP + 1:
            break
    return taken


async def cold(room: Room) -> dict[str, list[Taken]]:
    """The first message of a new function process. On a real server the start of its container comes on top."""
    taken: dict[str, list[Taken]] = {name: [] for name in COLD}
    until = time.perf_counter() + _COLD_SECONDS
    variable = {"variableId": "bench", "key": "BENCH", "value": "0"}
    await room.raw("POST", "/functions/commands/variables", variable)
    for turn in range(_COLD_STARTS):
        for name, path in COLD.items():
            # Another environment is another process: the one that ran until now is ended.
            changed = {"key": "BENCH", "value": f"{turn} {name}"}
            await room.raw("PUT", "/functions/commands/variables/bench", changed)
            taken[name].append(await path(room))
        if time.perf_counter() > until and turn > 0:
            break
    return taken


def figures(taken: Sequence[Taken]) -> dict[str, float]:
    """Percentiles in milliseconds, until the answer and until the other side has it."""
    found: dict[str, float] = {"count": len(taken)}
    for what, times in zip(("answer", "seen"), zip(*taken, strict=True), strict=True):
        cuts = quantiles(times, n=100, method="inclusive")
        found |= {f"{what}_p{cut}_ms": round(cuts[cut - 1] * 1000, 2) for cut in (50, 95, 99)}
    return found


# --- what a conversation costs ----------------------------------------------------------------------------------------
async def cost(room: Room) -> dict[str, Any]:
    """A conversation of two signed-in users: what they did, and how often a function ran for it."""
    counted: list[httpx.Request] = []

    class Counting(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            counted.append(request)
            return await super().handle_async_request(request)

    booking = await _booked(room.link, days=3)
    await settled(room.http, room.server)
    steps: dict[str, int] = {}
    requests: dict[str, int] = {}
    async with room.server.async_link(transport=Counting()) as link:
        people = [link.as_user(_ANN), link.as_user(_TOM)]
        for person in people:
            await person.chat.room(booking.id)

        async def step(name: str, work: Callable[[], Awaitable[Any]]) -> None:
            before, executed = len(counted), await _executions(room)
            await work()
            steps[name], requests[name] = await _executions(room) - executed, len(counted) - before

        async def talk() -> None:
            for number in range(_LINES):
                await people[number % 2].chat.send(booking.id, f"line {number}")

        async def read() -> None:
            async with people[1].chat.reading() as reading:
                for n in range(1, _LINES + 2):
                    reading.seen(booking.id, n)
                    await asyncio.sleep(0.02)  # scrolling

        async def amend() -> None:
            sent = await people[0].chat.send(booking.id, "oops")
            await people[0].chat.edit(booking.id, sent.n, "sorry")
            await people[0].chat.delete(booking.id, sent.n)

        async def look() -> None:
            await people[1].chat.conversation(booking.id)
            await people[1].chat.unread_total()
            await people[1].chat.present(booking.id)

        await step(f"{_LINES} messages", talk)
        await step(f"scrolling over {_LINES} messages, marks coalesced", read)
        await step("a message, edited and deleted", amend)
        await step("says that they are typing, once", lambda: people[0].chat.appear(booking.id, typing=True))
        await step("reads the conversation, the unread count, who is there", look)
    return {"executions": steps, "requests": requests}


async def _executions(room: Room) -> int:
    listed = await room.raw("GET", "/functions/commands/executions")
    return int(listed["total"])


# --- telling ----------------------------------------------------------------------------------------------------------
async def run(server: Emulator) -> dict[str, Any]:
    """Everything, measured."""
    async with opened(server) as room:
        await settled(room.http, room.server)
        paths = {name: figures(taken) for name, taken in (await warm(room)).items()}
        paths |= {name: figures(taken) for name, taken in (await cold(room)).items()}
        spent = await cost(room)
    ratios = {
        name: {key: round(paths[name][key] / paths[f"{name}, raw"][key], 2) for key in _ALLOWED}
        for name in ("key", "commands")
    }
    return {"paths": paths, "ratio_to_raw": ratios, "allowed_ratio": _ALLOWED, "conversation": spent}


def show(result: Mapping[str, Any]) -> str:
    """The result as tables."""
    columns = [f"{what}p{cut}".rjust(width) for what in ("answer ", "seen ") for cut, width in _WIDTHS]
    lines = [f"{'ms from sending until':26}{'count':>6}" + "".join(columns)]
    for name, found in result["paths"].items():
        cells = [f"{found[f'{what}_p{cut}_ms']:>{width}}" for what in ("answer", "seen") for cut, width in _WIDTHS]
        lines.append(f"{name:26}{found['count']:>6}" + "".join(cells))
    for name, ratio in result["ratio_to_raw"].items():
        told = ", ".join(f"{key.split('_')[1]} {value} (allowed {_ALLOWED[key]})" for key, value in ratio.items())
        lines.append(f"{name} beside the raw calls, until seen: {told}")
    lines.append(f"{'one conversation of two signed-in users':58}{'executions':>11}{'requests':>10}")
    for name, executions in result["conversation"]["executions"].items():
        lines.append(f"  {name:56}{executions:>11}{result['conversation']['requests'][name]:>10}")
    return "\n".join(lines)


_WIDTHS = ((50, 12), (95, 12), (99, 12))


def beyond_limits(result: Mapping[str, Any]) -> Iterator[str]:
    """What took longer than it may, a sentence each."""
    for name, ratio in result["ratio_to_raw"].items():
        for key, value in ratio.items():
            if value > _ALLOWED[key]:
                yield f"{name}: {key} is {value} times that of the raw calls, allowed {_ALLOWED[key]}"


def main() -> int:
    """0, or 1 when a message takes too much longer than the raw calls."""
    parser = argparse.ArgumentParser(prog="scripts/bench chat", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    with running_emulator(functions=_FUNCTIONS) as server:
        result = asyncio.run(run(server))
    sys.stdout.write((json.dumps(result) if args.json else show(result)) + "\n")
    too_much = list(beyond_limits(result))
    for each in too_much:
        sys.stderr.write(f"{each}\n")
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
