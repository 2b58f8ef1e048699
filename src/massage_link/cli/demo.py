"""``massage-link demo``: the whole path, on the embedded server."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated

import typer

from massage_link.errors import UsageError

if TYPE_CHECKING:
    from massage_link.demo.run import Kept, Outcome

__all__ = ["demo"]

#: Some ten minutes' worth.
_MOST = 5_000
#: Where the terminal is narrower, it may break the lines; an amount that is cut would be another amount.
_NARROWEST = 80
#: Seconds between two measurements on the status page.
_CANARY_EVERY = 60.0


def demo(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    bookings: Annotated[int, typer.Option(min=1, max=_MOST, help="How many bookings to take.")] = 60,
    keep: Annotated[
        bool, typer.Option("--keep", help="Let the server go on until Ctrl-C, and print how to reach it.")
    ] = False,
    web: Annotated[bool, typer.Option("--web", help="Serve the web pages instead, with sample accounts.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="With --web: where to listen.")] = 8080,
) -> None:
    """Take bookings the whole way on an embedded server: book, alert, room, chat, accept, complete, commission.

    Exit code 1 when anything was lost, doubled or off by a cent. With --web the same people can be signed in as.
    """
    if web:
        if as_json:
            raise UsageError("--json prints what the bookings came to; --web takes none by itself.")
        _open_pages(port)
        return
    _take(bookings, as_json=as_json, keep=keep)


def _open_pages(port: int) -> None:
    """The pages on an embedded server of their own, until a signal."""
    import asyncio

    from massage_link.cli.web import serve_pages
    from massage_link.demo.run import functions_folder
    from massage_link.demo.showroom import Resident, furnish
    from massage_link.testing import Emulator, running_emulator

    def told(what: str) -> None:
        typer.echo(f"  ✓ {what}", err=True)

    async def furnished(server: Emulator) -> list[Resident]:
        async with server.async_link() as link:
            return await furnish(link, told)

    with running_emulator(functions=functions_folder(), direct_write=True) as server:
        told(f"server at {server.endpoint}")
        residents = asyncio.run(furnished(server))
        arguments = {"endpoint": server.endpoint, "project_id": server.project_id, "api_key": server.api_key}
        serve_pages(arguments, host="127.0.0.1", port=port, residents=residents, canary_every=_CANARY_EVERY)


def _take(bookings: int, *, as_json: bool, keep: bool) -> None:
    import logging

    from rich.console import Console

    from massage_link.demo.run import run_demo
    from massage_link.demo.view import Screen

    logging.getLogger("massage_link").addHandler(logging.NullHandler())  # a failure is told once, at the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # names and messages hold characters that not every terminal has

    def keep_it(outcome: Outcome, kept: Kept) -> None:
        from massage_link.cli.keep import begin_sweeping, keep_running

        screen.close()
        begin_sweeping(kept)
        _print(outcome, kept, as_json=as_json)
        keep_running(kept)

    with Screen(Console(stderr=True), bookings) as screen:
        outcome = run_demo(bookings, screen, afterwards=keep_it if keep else None)
    if not keep:
        _print(outcome, None, as_json=as_json)
    if not outcome.is_good:
        raise typer.Exit(1)


def _print(outcome: Outcome, kept: Kept | None, *, as_json: bool) -> None:
    import json

    from rich.console import Console

    from massage_link.cli.keep import printed_settings
    from massage_link.demo.view import shown

    if as_json:
        server = {} if kept is None else {"server": kept.as_json()}
        typer.echo(json.dumps({**outcome.report.as_json(), **server}, indent=2))
        for problem in outcome.problems:
            typer.echo(f"{problem.fault}: {problem.text}", err=True)
    else:
        console = Console()
        console.width = max(console.width, _NARROWEST)
        console.print(shown(outcome))
        if kept is not None:
            typer.echo(f"\n{printed_settings(kept)}")
    sys.stdout.flush()
