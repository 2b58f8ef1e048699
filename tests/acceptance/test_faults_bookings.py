"""Every answer to a commit of the later use cases, before and after it took effect: done once, and truly told."""

from __future__ import annotations

import httpx
import pytest
from tenacity import wait_none

from cases import CASES, Run, once, picture
from faults import ANSWERS, COMMIT, PATIENCE_OF_LINKS, Faults
from marketplace import Market, Server
from massage_link import MassageLink, RetryPolicy
from massage_link.errors import MassageLinkError

pytestmark = pytest.mark.emulator_only

#: Those that tests/acceptance/test_faults_commit.py does not know.
NAMES = [
    "request onto an expired one", "cancel late", "no-show", "move onto its own time", "move an accepted one", "expire",
    "admit", "decline a draft", "refund",
    pytest.param("refund what was paid", marks=pytest.mark.long), pytest.param("adjust", marks=pytest.mark.long),
]  # fmt: skip

#: The quick run tries one of each kind: refused, unclear, unanswered.
EACH_ANSWER = [
    pytest.param(name, marks=() if name in {"409", "500", "dropped"} else pytest.mark.long) for name in ANSWERS
]


def hasty(server: Server) -> MassageLink:
    """A link that waits neither long for an answer nor before it tries again."""
    timeout = httpx.Timeout(5.0, read=PATIENCE_OF_LINKS)
    return server.link(timeout=timeout, retries=RetryPolicy(wait=wait_none()))


@pytest.mark.parametrize("skip", [0, pytest.param(1, marks=pytest.mark.long)], ids=["first commit", "second commit"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("answer", EACH_ANSWER)
@pytest.mark.parametrize("name", NAMES)
def test_one_bad_answer_is_survived_and_the_work_is_done_once(
    server: Server, market: Market, faults: Faults, name: str, answer: str, when: str, skip: int
) -> None:
    case = CASES[name]
    expected = once(market, case)
    market.empty()
    run = Run(market.link, market)
    case.before(run)
    faults.plant(COMMIT, ANSWERS[answer], when=when, skip=skip)
    with hasty(server) as link:
        link.run(case.act(run))
    faults.settle()
    if case.again is not None:  # a room that the accident kept from being opened
        market.link.run(case.again(run))
    assert picture(run) == expected


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("answer", [each for each in EACH_ANSWER if each.values != ("too late",)])
@pytest.mark.parametrize("name", NAMES)
def test_when_every_answer_is_bad_a_repeat_ends_well(
    server: Server, market: Market, faults: Faults, name: str, answer: str, when: str
) -> None:
    case = CASES[name]
    expected = once(market, case)
    market.empty()
    run = Run(market.link, market)
    case.before(run)
    faults.plant(COMMIT, ANSWERS[answer], when=when, times=None)
    with hasty(server) as link:
        if when == "before":
            with pytest.raises(MassageLinkError):
                link.run(case.act(run))
        else:
            link.run(case.act(run))
    faults.settle()
    market.link.run((case.again or case.act)(run))
    assert picture(run) == expected
