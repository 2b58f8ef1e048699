"""What a push is about to do."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from massage_link.cli.progress import Bar
from massage_link.domain.tables import TABLES
from massage_link.schema import Difference, Kind, columns_of

__all__ = ["show_plan"]

_SIGNS = {Kind.MISSING: "+", Kind.DIFFERENT: "~", Kind.BROKEN: "!"}


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
