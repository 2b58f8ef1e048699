"""Every use case, stopped between any two of its calls and done again: as if it had happened once.

What is there afterwards is compared, row by row, with what a run without an accident leaves.
"""

from __future__ import annotations

import pytest

from cases import CASES, Run, once, picture
from faults import Faults
from marketplace import Market, Server
from steps import Crash, Steps, at, crash

pytestmark = pytest.mark.emulator_only

#: Like others of the ledger, with more to set up.
_LONG = {"refund what was paid", "adjust", "refund without the commission", "refresh the commission"}


@pytest.mark.parametrize("heard", [True, pytest.param(False, marks=pytest.mark.long)], ids=["between", "unheard"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in _LONG else name for name in CASES]
)
def test_a_use_case_that_is_stopped_and_done_again_has_happened_once(
    server: Server, market: Market, faults: Faults, name: str, heard: bool
) -> None:
    case = CASES[name]
    expected = once(market, case)
    number, finished = 0, False
    while not finished:
        market.empty()
        run = Run(market.link, market)
        case.before(run)
        hook = at(number, crash)
        with server.link(transport=Steps(before=hook) if heard else Steps(after=hook)) as mortal:
            try:
                mortal.run(case.act(run))
                finished = True
            except Crash:
                number += 1
        if case.again is None:  # otherwise there are drafts, which are no bookings
            market.check()
        market.link.run((case.again or case.act)(run))
        assert picture(run) == expected, f"stopped at call {number}"
    assert number >= 2
