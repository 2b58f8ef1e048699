"""What a push is about to do, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from massage_link.domain.tables import TABLES
from massage_link.schema import Difference, Kind, columns_of

__all__ = ["Bar", "show_plan"]

_SIGNS = {Kind.MISSING: "+", Kind.DIFFERENT: "~", Kind.BROKEN: "!"}


class Bar:
    """A bar on standard error, shown on a terminal only."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @property
    def shown(self) -> bool:
        """Whether anybody sees it."""
        return not self._progress.disable

    def start(self, total: int | None) -> None:
        """Show it: so many things are to be made; None when nobody knows how many."""
        self._progress.update(self._task, total=total)
        self._progress.start()

    def advance(self, what: str, by: int = 1) -> None:
        """One more thing is made, or so many."""
        self._progress.update(self._task, advance=by, description=what)


def show_plan(differences: Sequence[Difference], bar: Bar) -> None:
    """Say on standard error what is missing or differs, and begin the bar."""
    for each in differences:
        typer.echo(f"{_SIGNS[each.kind]} {each}", err=True)
    bar.start(sum(_size(each) for each in differences))


def _size(difference: Difference) -> int:
    """How many things are made when it is mended: a missing table is one with all its columns and indexes."""
    kind, _, name = difference.what.partition(" ")
    if kind != "table" or difference.kind != Kind.MISSING:
        return 1
    table = next(table for table in TABLES if table.id == name)
    return 1 + len(columns_of(table.model, optional=table.optional)) + len(table.indexes)
