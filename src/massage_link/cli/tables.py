"""Tables on standard output, and files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["counted", "print_table", "put_out"]

#: Where there is no terminal nothing has to fit: a pipe gets each row on a line of its own.
_WIDTH_OF_A_PIPE = 1_000


def counted(number: int, thing: str) -> str:
    """So many of a thing: ``1 booking``, ``2 bookings``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[str] = ()) -> None:
    """Print a table; what people wrote is shown as it is, without what steers a terminal.

    Args:
        heads: names of the columns.
        rows: their cells.
        numbers: names of the columns that hold numbers, which stand to the right.

    """
    from massage_link.worker.describing import plain

    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="right" if head in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_OF_A_PIPE)
    for line in console.render_lines(table, pad=False):
        typer.echo("".join(segment.text for segment in line).rstrip())


def put_out(text: str, file: Path | None) -> None:
    """Print a text, or write it to a file: all of it, or the file stays as it was."""
    if file is None:
        typer.echo(text, nl=not text.endswith("\n"))
        return
    descriptor, name = tempfile.mkstemp(dir=file.absolute().parent, prefix=f".{file.name}-")
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
        out.write(text)
    Path(name).replace(file)
