"""``massage-link demo``: the whole path, on the embedded server."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

__all__ = ["demo"]

#: Some ten minutes' worth.
_MOST = 5_000
#: Where the terminal is narrower, it may break the lines; an amount that is cut would be another amount.
_NARROWEST = 80


def demo(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    bookings: Annotated[int, typer.Option(min=1, max=_MOST, help="How many bookings to take.")] = 60,
) -> None:
    """Take bookings the whole way on an embedded server: book, alert, room, chat, accept, complete, commission.

    Exit code 1 when anything was lost, doubled or off by a cent.
    """
    import json
    import logging

    from rich.console import Console

    from massage_link.demo.run import run_demo
    from massage_link.demo.view import Screen, shown

    logging.getLogger("massage_link").addHandler(logging.NullHandler())  # a failure is told once, at the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # names and messages hold characters that not every terminal has
    with Screen(Console(stderr=True), bookings) as screen:
        outcome = run_demo(bookings, screen)
    if as_json:
        typer.echo(json.dumps(outcome.report.as_json(), indent=2))
    else:
        console = Console()
        console.width = max(console.width, _NARROWEST)
        console.print(shown(outcome))
    if not outcome.is_good:
        for problem in outcome.problems if as_json else ():
            typer.echo(f"{problem.fault}: {problem.text}", err=True)
        raise typer.Exit(1)
