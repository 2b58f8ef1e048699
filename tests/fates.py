"""What can become of the requests of a flow, and whether what its caller is told is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from imaginary import Fate, ImaginaryAppwrite, run
from massage_link.domain.states import Command
from massage_link.errors import MassageLinkError, OutcomeUnknown
from massage_link.usecases.ports import Ports
from massage_link.usecases.transitions import Wanted, acting, transition
from massage_link.wire.call import Flow


@dataclass(frozen=True)
class Fates:
    """What becomes of the writes and the reads of a flow, and how late a late write is."""

    writes: list[Fate]
    reads: list[Fate]
    delay: int


#: Reads go well more often than not: a flow that can read nothing is soon over.
FATES = st.builds(
    Fates,
    writes=st.lists(st.sampled_from([Fate.FINE, *Fate]), max_size=20),
    reads=st.lists(st.sampled_from([*[Fate.FINE] * 12, Fate.UNREACHED, Fate.FAILED, Fate.LOST]), max_size=40),
    delay=st.integers(0, 12),
)
THOROUGHLY = settings(max_examples=200)


def moved(ours: Ports, booking_id: str, command: Command) -> Flow[Any]:
    """A transition by ops."""
    return transition(ours, booking_id, Wanted(command), actor=acting(None))


def told(server: ImaginaryAppwrite, flow: Flow[Any], fates: Fates) -> tuple[Any, Any]:
    """What the caller is told, result or error, after which everything that is late happens."""
    server.fates, server.reading, server.delay = iter(fates.writes), iter(fates.reads), fates.delay
    result, error = None, None
    try:
        result = run(server, flow)
    except MassageLinkError as failure:
        error = failure
    server.settle()
    return result, error


def check_truth(found: int, result: object, error: MassageLinkError | None) -> None:
    """Once if there is a result, never if there is an error, unless the error says that nobody knows."""
    if result is not None:
        assert found == 1
    elif isinstance(error, OutcomeUnknown):
        assert found in {0, 1}
    else:
        assert found == 0, error
