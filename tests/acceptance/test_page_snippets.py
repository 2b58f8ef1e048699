"""The short examples of docs/realtime.md and docs/bookings.md: they do what is said beside them."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emulator_live import until
from marketplace import PATIENCE
from massage_link import Booking, MassageLink, Money, Status
from massage_link.domain.people import Therapist
from massage_link.domain.tables import THERAPISTS
from massage_link.realtime import FileCheckpoint
from massage_link.testing import Emulator, running_emulator
from massage_link.usecases.ports import Ports, create_derived
from massage_link.wire.users import create_user

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
_EVERY_DAY = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
_TOM = Therapist(
    id="tom",
    name="Tom",
    timezone="Europe/Berlin",
    hours=json.dumps({"weekly": _EVERY_DAY, "horizonDays": 730}),
    services=json.dumps([{"name": "Deep tissue", "minutes": 60, "priceMinor": 9_505, "currency": "EUR"}]),
)


def snippets(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    with running_emulator(functions=ROOT / "functions") as server, server.link() as link:
        for name in ("maria", "ann", "tom"):
            link.send(create_user(name, f"{name}@example.com", "password-1", name.title()))
        link.run(create_derived(link.ports, THERAPISTS, _TOM, []))
        yield server


def booked(link: MassageLink, therapist_id: str, days: int) -> Booking:
    start = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=days)
    price, end = Money(9_505, "EUR"), start + timedelta(hours=1)
    return link.bookings.request(
        customer_id="ann", therapist_id=therapist_id, service="Deep tissue", starts_at=start, ends_at=end, price=price
    )


async def test_the_loop_over_changes_of_the_page_about_realtime(
    server: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (snippet,) = snippets("realtime.md")
    seen: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
    namespace: dict[str, Any] = {"FileCheckpoint": FileCheckpoint, "print": lambda *what: seen.put_nowait(what)}
    exec(f"async def example(link):\n{textwrap.indent(snippet, '    ')}", namespace)  # noqa: S102 - it is ours
    async with server.async_link() as link:
        running = asyncio.create_task(namespace["example"](link))
        try:
            await until(lambda: bool(server.control("GET", "realtime")["connections"]), PATIENCE)
            with server.link() as blocking:
                await asyncio.to_thread(booked, blocking, "maria", 2)
            async with asyncio.timeout(PATIENCE):
                kind, status, _ = await seen.get()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert (kind, status) == ("created", Status.PENDING)


def test_the_calls_of_the_page_about_bookings(server: Emulator) -> None:
    first, second = snippets("bookings.md")
    facts = {"endpoint": server.endpoint, "project_id": server.project_id, "key": server.api_key}
    start = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=3)
    namespace: dict[str, Any] = {
        **facts, "password": "password-1", "ann_id": "ann", "starts_at": start, "MassageLink": MassageLink,
    }  # fmt: skip
    exec(first, namespace)  # noqa: S102 - it is ours
    link: MassageLink = namespace["link"]
    ours: Booking = namespace["booking"]
    assert link.bookings.get(ours.id).status is Status.ACCEPTED
    quoting, cancelling, *absences = (ast.unparse(statement) for statement in ast.parse(second).body)
    exec(f"{quoting}\n{cancelling}", namespace)  # noqa: S102 - it is ours
    assert link.bookings.get(ours.id).status is Status.CANCELLED
    for number, absence in enumerate(absences):
        missed = booked(link, "tom", 5 + number)
        link.bookings.accept(missed.id, by="tom")
        afterwards = Ports(now=lambda: Ports().now() + timedelta(days=30))
        with server.link(ports=afterwards) as later:
            exec(absence, {"link": later, "booking": missed})  # noqa: S102 - it is ours
        assert link.bookings.get(missed.id).status is Status.NO_SHOW
    link.close()
    namespace["ann"]._http.close()  # the guest whom she signed in from has no name


def test_what_the_pages_about_the_emulator_plant_can_be_planted() -> None:
    text = "".join((ROOT / "docs" / page).read_text("utf-8") for page in ("emulator.md", "emulator-events.md"))
    lines = re.findall(r"^(POST|GET) +/_emulator/(\S+)(?: (\{.*?\}))?(?:  .*)?$", text, re.MULTILINE)
    faults = re.findall(r"^```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    faults += re.findall(r"^- `(\{.*\})`:", text, re.MULTILINE)
    assert (len(lines), len(faults)) == (8, 3)
    with running_emulator() as server:
        for method, path, body in lines:
            assert server.control(method, path, json.loads(body) if body else None) is not None, path
        for fault in faults:
            assert server.control("POST", "faults", json.loads(fault))["id"]
