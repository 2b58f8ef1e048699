"""Calls before the commit that fail, clients that stop in the middle, a server that is killed: nothing half-written."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tenacity import wait_none

from emulator_live import until
from faults import ANSWERS, BEGIN, STAGE, WORK, Faults, Work
from marketplace import PATIENCE, LinkMaker, Market, Server
from massage_link import AsyncMassageLink, MassageLink, RetryPolicy
from massage_link.domain.rows import Row
from massage_link.domain.tables import DATABASE
from massage_link.errors import ConnectionFailed, MassageLinkError, NoAnswer, OutcomeUnknown, RateLimited, ServerError
from massage_link.testing import Emulator, running_emulator

pytestmark = pytest.mark.emulator_only

_FEW = ["request by key", "decline", "ensure commission"]


def same(one: Row, other: Row) -> bool:
    """Whether two rows tell the same, apart from what the server adds."""
    metadata = {"created_at", "updated_at", "permissions"}
    return one.model_dump(exclude=metadata) == other.model_dump(exclude=metadata)


# --- before the commit ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("where", [BEGIN, STAGE], ids=["begin", "stage"])
async def test_one_bad_answer_before_the_commit_is_survived(
    hasty: AsyncMassageLink, market: Market, faults: Faults, where: dict[str, str], answer: str, when: str
) -> None:
    work = WORK["request by key"]
    wish = await work.set_up(hasty, market)
    faults.plant(where, ANSWERS[answer], when=when)
    result = await work.do(hasty, wish)
    assert faults.met() == 1
    (stored,) = await work.found(hasty, wish)
    assert same(stored, result)
    market.check()


#: No commit was sent, so nothing is unknown.
_BEFORE_COMMIT: dict[str, type[MassageLinkError]] = {
    "429": RateLimited,
    "500": ServerError,
    "503": ServerError,
    "dropped": NoAnswer,
}


@pytest.mark.parametrize("answer", _BEFORE_COMMIT)
@pytest.mark.parametrize("where", [BEGIN, STAGE], ids=["begin", "stage"])
@pytest.mark.parametrize("name", _FEW)
async def test_when_no_commit_can_be_sent_nothing_is_written_and_nothing_is_unknown(
    hasty: AsyncMassageLink, market: Market, faults: Faults, name: str, where: dict[str, str], answer: str
) -> None:
    work = WORK[name]
    it = await work.set_up(hasty, market)
    before = market.contents()
    faults.plant(where, ANSWERS[answer], times=None)
    with pytest.raises(_BEFORE_COMMIT[answer]):
        await work.do(hasty, it)
    assert market.contents() == before


# --- a client that stops ----------------------------------------------------------------------------------------------
class Crash(BaseException):
    """The client's process ends here."""


@dataclass
class Mortal(httpx.BaseTransport):
    """Sends so many requests, and then the client is no more; `heard` says whether the last answer still arrived."""

    lives: int
    heard: bool
    inner: httpx.HTTPTransport = field(default_factory=lambda: httpx.HTTPTransport(verify=False))
    sent: list[str] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if len(self.sent) == self.lives:
            raise Crash
        self.sent.append(f"{request.method} {request.url.path}")
        response = self.inner.handle_request(request)
        if len(self.sent) == self.lives and not self.heard:
            response.read()
            response.close()
            raise Crash
        return response

    def close(self) -> None:
        self.inner.close()


def _do(link: MassageLink, name: str, it: Any) -> object:
    """The same work with a blocking link: a crash must not leave an event loop behind."""
    if name == "request by key":
        return link.bookings.request(**it)
    if name == "send":
        return link.chat.send(it.id, "Hello", sender_id=it.customer_id, client_id="1")
    return getattr(link.bookings, name)(it.id)


@pytest.mark.parametrize("heard", [True, False], ids=["between calls", "before the answer"])
@pytest.mark.parametrize("name", ["request by key", "accept", "decline", "complete", "send"])
async def test_wherever_a_client_stops_all_is_there_or_nothing_and_a_repeat_ends_well(
    hasty: AsyncMassageLink, market: Market, server: Server, faults: Faults, name: str, heard: bool
) -> None:
    lives, finished = 0, False
    while not finished:
        lives += 1
        it = await WORK[name].set_up(hasty, market)
        mortal = Mortal(lives, heard)
        with server.link(transport=mortal) as link:
            try:
                _do(link, name, it)
                finished = True
            except Crash:
                assert len(mortal.sent) == lives
        market.check()
        stored = await WORK[name].found(hasty, it)
        assert len(stored) <= 1
        if not stored or name in {"request by key", "send"}:  # the others are not repeated once they are done
            with server.link() as again:
                _do(again, name, it)
        assert len(await WORK[name].found(hasty, it)) == 1
        market.check()
    assert lives > 2


# --- a server that is killed ------------------------------------------------------------------------------------------
_KEY = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a server that has our tables, and no rows yet."""
    folder = tmp_path_factory.mktemp("data") / "server"
    with running_emulator(data_dir=folder, api_key=_KEY):
        pass
    return folder


def _server(emulator: Emulator) -> Server:
    return Server(emulator.endpoint, emulator.project_id, emulator.api_key, DATABASE, emulator)


@pytest.mark.long
@pytest.mark.parametrize("effect", [False, True], ids=["before the effect", "after the effect"])
@pytest.mark.parametrize("name", ["request by key", "accept", "complete", "send"])
async def test_a_server_killed_during_the_write_holds_all_of_it_or_nothing(
    links: LinkMaker, with_tables: Path, tmp_path: Path, name: str, effect: bool
) -> None:
    work, data = WORK[name], tmp_path / "server"
    shutil.copytree(with_tables, data)
    with running_emulator(data_dir=data, api_key=_KEY, schema=False) as emulator:
        it, before = await _killed_during(work, _server(emulator), links, effect=effect)
    with running_emulator(data_dir=data, api_key=_KEY, schema=False) as emulator:
        server = _server(emulator)
        link = links(**server.arguments())
        with server.link() as key:
            market = Market(server, key)
            assert len(await work.found(link, it)) == (1 if effect else 0)
            assert effect or market.contents() == before
            market.check()
            if not effect or name == "request by key":
                await work.do(link, it)
            assert len(await work.found(link, it)) == 1
            market.check()


async def _killed_during(work: Work, server: Server, links: LinkMaker, *, effect: bool) -> tuple[Any, object]:
    """Do the work on a server that dies before it answers; what was asked for, and what was there before."""
    assert server.emulator is not None
    faults = Faults(server.emulator)
    link = links(**server.arguments(retries=RetryPolicy(wait=wait_none())))
    with server.link() as key:
        market = Market(server, key)
        it = await work.set_up(link, market)
        before = market.contents()
        faults.plant(work.write, {"delaySeconds": 10 * PATIENCE}, when="after" if effect else "before")
        doing = asyncio.ensure_future(work.do(link, it))
        await until(lambda: faults.met() > 0)
    server.emulator.kill()
    with pytest.raises(OutcomeUnknown):
        await doing
    return it, before


async def test_a_server_that_is_gone_is_said_to_be_and_nothing_is_unknown(links: LinkMaker, market: Market) -> None:
    gone = links(endpoint="http://127.0.0.1:9/v1", retries=RetryPolicy(wait=wait_none()))
    for work in (gone.bookings.request(**market.wish()), gone.bookings.get("any"), gone.bookings.accept("any")):
        with pytest.raises(ConnectionFailed, match="Is the server running, and APPWRITE_ENDPOINT right"):
            await work
