"""How far a command is."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["Bar"]


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
