"""``massage-link health``: is everything as it should be, and if not, what is to be done."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from massage_link.errors import UsageError

if TYPE_CHECKING:
    from massage_link.client.link import AsyncMassageLink
    from massage_link.health import HealthReport

__all__ = ["health"]

_Show = Callable[["HealthReport"], None]


def health(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object (a line each with --watch).")] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also send a canary booking the whole way, measure it, and remove it.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Check again and again, until interrupted.")] = False,
    every: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="With --watch: between two checks.")] = 10.0,
    as_prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Print metrics in Prometheus' text format.")
    ] = False,
    env_file: Annotated[Path, typer.Option(help="Settings, beside those of the environment.")] = Path(".env"),
) -> None:
    """Check everything that the marketplace needs of its server: 0 all is well, 1 degraded, 2 down.

    Needs an API key. Ends within 15 seconds, and removes what it writes, also when it is interrupted.
    """
    from massage_link.client.link import AsyncMassageLink
    from massage_link.settings import Settings

    if as_json and as_prometheus:
        raise UsageError("--json and --prometheus are two ways to print the same: choose one.")
    arguments: dict[str, Any] = {**Settings.load(env_file).link_arguments()}

    async def check() -> int:
        async with AsyncMassageLink(**arguments) as link:
            link.require_key("health")
            show = _Printer(as_json=as_json, as_prometheus=as_prometheus, watch=watch)
            with show:
                return await (_again_and_again(link, show, every, deep=deep) if watch else _once(link, show, deep=deep))

    raise typer.Exit(asyncio.run(_until_a_signal(check())))


async def _once(link: AsyncMassageLink, show: _Show, *, deep: bool) -> int:
    report = await link.verify_integration(deep=deep)
    show(report)
    return report.exit_code


async def _again_and_again(link: AsyncMassageLink, show: _Show, every: float, *, deep: bool) -> int:
    """Until it is cancelled; the exit code is then the last report's."""
    code = 1
    with suppress(asyncio.CancelledError):
        while True:
            code = await _once(link, show, deep=deep)
            await asyncio.sleep(every)
    return code


async def _until_a_signal(work: Coroutine[Any, Any, int]) -> int:
    """The exit code; a signal cancels the work, which cleans up, and gives 128 plus its number."""
    task = asyncio.ensure_future(work)
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()

    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(AttributeError, RuntimeError):  # not every system has them
            number = getattr(signal, name)
            if name == "SIGINT" or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        return 128 + received[0]


class _Printer:
    """Prints reports as they were asked for; a watched table stays in its place on a terminal."""

    def __init__(self, *, as_json: bool, as_prometheus: bool, watch: bool) -> None:
        from rich.console import Console
        from rich.live import Live

        self._as_json = as_json
        self._as_prometheus = as_prometheus
        self._watch = watch
        console = Console()
        self._console = console
        in_place = watch and console.is_terminal and not (as_json or as_prometheus)
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="visible") if in_place else None

    def __enter__(self) -> None:
        if self._live is not None:
            self._live.start()

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, report: HealthReport) -> None:
        if self._as_json:
            typer.echo(json.dumps(report.as_json(), indent=None if self._watch else 2, ensure_ascii=False))
        elif self._as_prometheus:
            from massage_link.health import prometheus

            typer.echo(prometheus(report), nl=False)
        else:
            from massage_link.cli.health_view import shown

            view = shown(report)
            if self._live is not None:
                self._live.update(view, refresh=True)
            else:
                self._console.print(view)
