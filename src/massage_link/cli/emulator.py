"""``massage-link emulator``: the embedded server."""

from __future__ import annotations

from typing import Any

import typer

__all__ = ["PASS_ON", "emulator"]

#: The server states its options itself; all of them, `--help` too, are passed on to it.
PASS_ON: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def emulator(context: typer.Context) -> None:
    """Run the embedded Appwrite-compatible server (for development and tests)."""
    from massage_link.emulator.__main__ import main

    raise typer.Exit(main(context.args))
