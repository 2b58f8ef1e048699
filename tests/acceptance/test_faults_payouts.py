"""Every answer to the commits of a batch, before and after they took effect: each booking is paid once or never."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest
from tenacity import wait_none

from cases import NOW, Run
from faults import ANSWERS, COMMIT, PATIENCE_OF_LINKS, READ, Faults
from marketplace import Market, Server
from massage_link import MassageLink, RetryPolicy
from massage_link.domain.commission import EntryKind
from massage_link.domain.states import Command
from massage_link.errors import NoAnswer
from massage_link.usecases.payouts import PayoutReport, pay_out
from massage_link.usecases.ports import Ports
from massage_link.usecases.transitions import OPS

pytestmark = pytest.mark.emulator_only

#: The quick run tries one of each kind: refused, unclear, unanswered.
EACH_ANSWER = [
    pytest.param(name, marks=() if name in {"409", "500", "dropped"} else pytest.mark.long) for name in ANSWERS
]


def two_due(market: Market) -> list[Run]:
    """Two bookings that are to be paid."""
    runs = [Run(market.link, market) for _ in range(2)]
    for run in runs:
        run.made(Command.ACCEPT, Command.COMPLETE)
    return runs


def hasty(server: Server) -> MassageLink:
    """A link that waits neither long for an answer nor before it tries again."""
    timeout = httpx.Timeout(5.0, read=PATIENCE_OF_LINKS)
    return server.link(timeout=timeout, retries=RetryPolicy(wait=wait_none()))


def batch(link: MassageLink, market: Market) -> PayoutReport:
    """The batch, at a time that stands still."""
    ports = Ports(database=market.server.database, now=lambda: NOW, jitter=lambda _: 0.0)
    return link.run(pay_out(ports, "b", actor=OPS))


def paid(market: Market, runs: Sequence[Run]) -> list[list[int]]:
    """What was paid for each booking, entry by entry."""
    return [
        [
            -entry.balance_minor
            for entry in market.link.commissions.entries(run.booking_id)
            if entry.kind is EntryKind.PAYOUT
        ]
        for run in runs
    ]


@pytest.mark.parametrize("skip", [0, 1], ids=["first commit", "second commit"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("answer", EACH_ANSWER)
def test_one_bad_answer_is_survived_and_each_booking_is_paid_once(
    server: Server, market: Market, faults: Faults, answer: str, when: str, skip: int
) -> None:
    runs = two_due(market)
    faults.plant(COMMIT, ANSWERS[answer], when=when, skip=skip)
    with hasty(server) as link:
        report = batch(link, market)
    assert faults.met() == 1
    faults.settle()
    assert (report.paid, report.failed, report.totals[0].count) == (2, (), 2)
    assert paid(market, runs) == [[6_653], [6_653]]
    market.check()


@pytest.mark.parametrize("answer", [each for each in EACH_ANSWER if each.values != ("too late",)])
def test_when_every_answer_is_bad_after_the_effect_the_effect_is_found(
    server: Server, market: Market, faults: Faults, answer: str
) -> None:
    runs = two_due(market)
    faults.plant(COMMIT, ANSWERS[answer], when="after", times=None)
    with hasty(server) as link:
        report = batch(link, market)
    assert (report.paid, report.failed) == (2, ())
    assert paid(market, runs) == [[6_653], [6_653]]


@pytest.mark.parametrize("answer", [each for each in EACH_ANSWER if each.values != ("too late",)])
def test_when_nothing_takes_effect_nothing_is_paid_and_a_repeat_pays(
    server: Server, market: Market, faults: Faults, answer: str
) -> None:
    runs = two_due(market)
    before = market.contents()
    faults.plant(COMMIT, ANSWERS[answer], times=None)
    with hasty(server) as link:
        report = batch(link, market)
    assert (report.paid, report.lines) == (0, ())
    assert sorted(report.failed) == sorted(run.booking_id for run in runs)
    assert market.contents() == before
    faults.clear()
    assert batch(market.link, market).paid == 2
    assert paid(market, runs) == [[6_653], [6_653]]


def test_a_server_that_answers_no_more_ends_the_batch_and_a_repeat_goes_on(
    server: Server, market: Market, faults: Faults
) -> None:
    runs = two_due(market)
    # The ledger of the batch, what is due, and the first booking's entries are read; then no read is answered.
    faults.plant(READ, {"drop": True}, times=None, skip=3)
    with hasty(server) as link, pytest.raises(NoAnswer):
        batch(link, market)
    faults.clear()
    assert sum(map(len, paid(market, runs))) == 1
    assert batch(market.link, market).totals[0].count == 2
    assert paid(market, runs) == [[6_653], [6_653]]
