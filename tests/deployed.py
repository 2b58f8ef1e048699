"""A server with our functions on it: the emulator with the checkout's folders, or one that the environment names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from marketplace import NAMED_SERVER, Server
from massage_link.domain.tables import DATABASE
from massage_link.errors import RowNotFound
from massage_link.testing import running_emulator
from massage_link.wire.control import get_function

FUNCTIONS = Path(__file__).parents[1] / "functions"


@contextmanager
def deployed(*, direct_write: bool) -> Iterator[Server]:
    """The server, whose functions work in the usual database. Skips the test when a named server lacks them.

    Args:
        direct_write: with signed-in users' own booking rows admitted or declined, or without such rows.

    """
    if NAMED_SERVER is None:
        with running_emulator(functions=FUNCTIONS, direct_write=direct_write) as emulator:
            yield Server(emulator.endpoint, emulator.project_id, emulator.api_key, DATABASE, emulator)
        return
    server = replace(NAMED_SERVER, database=DATABASE)
    if not has_function(server, "commands"):
        pytest.skip("the function `commands` is not deployed on the named server")
    if has_function(server, "admit_booking") is not direct_write:
        pytest.skip(f"the named server is {'not ' if direct_write else ''}deployed for direct writes")
    yield server


def has_function(server: Server, function: str) -> bool:
    """Whether a function is deployed there."""
    with server.link() as link:
        try:
            return bool(link.send(get_function(function))["deploymentId"])
        except RowNotFound:
            return False
