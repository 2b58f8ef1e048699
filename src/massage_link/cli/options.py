"""What commands about bookings and conversations share: options, how they print, how they read a time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from massage_link.errors import InvalidInput, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from massage_link.client.link import MassageLink
    from massage_link.domain.rows import Row

__all__ = ["Acting", "AsJson", "EnvFile", "Limit", "connected", "instant", "print_json", "print_rows", "typed_text"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else: one object, or one a line.")]
EnvFile = Annotated[Path, typer.Option(help="Settings, beside those of the environment.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]
Acting = Annotated[
    str | None, typer.Option("--as", metavar="USER", help="With an API key: who acts. A session acts for its user.")
]


@contextmanager
def connected(env_file: Path) -> Iterator[MassageLink]:
    """A link from the settings, closed at the end."""
    from massage_link.client.link import MassageLink

    with MassageLink.from_env(env_file) as link:
        yield link


def instant(name: str, text: str) -> datetime:
    """An instant from ISO 8601 with a time zone: ``2026-11-24T09:30+01:00``.

    Raises:
        UsageError: it is none.

    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(f'{name} is a time with its zone, such as "2026-11-24T09:30+01:00", not {text!r}.')
    return found


def typed_text(text: str) -> str:
    """The text, or what standard input holds when it is ``-``.

    Raises:
        InvalidInput: standard input is no text in UTF-8.

    """
    if text != "-":
        return text
    try:
        return typer.get_text_stream("stdin", encoding="utf-8", errors="strict").read().removesuffix("\n")
    except UnicodeDecodeError:
        raise InvalidInput("standard input is no text in UTF-8.") from None


def print_json(facts: Any) -> None:
    """One JSON value in one line, in ASCII: any terminal and any locale can take it."""
    typer.echo(json.dumps(facts))


def print_rows(rows: Iterable[Row], line: Any, *, as_json: bool, nothing: str) -> None:
    """Rows, a line each: as Appwrite writes them, or in words.

    Args:
        rows: what to print.
        line: from a row to its words; what steers a terminal is taken out of them.
        as_json: for programs.
        nothing: said on stderr when there is none.

    """
    from massage_link.worker.describing import plain

    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - how many there were
        if as_json:
            print_json(row.model_dump(mode="json", by_alias=True))
        else:
            typer.echo(plain(line(row)))
    if not count and not as_json:
        typer.echo(nothing, err=True)
