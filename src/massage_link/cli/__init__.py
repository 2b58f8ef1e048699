"""The command line, ``massage-link``."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that ``sys.argv`` names and leave with its exit code.

    0 all is well; 1 it did not work out; 2 the command or a setting is wrong; 130 interrupted. `massage-link health`
    has codes of its own.
    """
    try:
        from massage_link.cli.app import app
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit(f'massage-link: the commands need more packages: pip install "massage-link[cli]" ({error}).')
    try:
        app(prog_name="massage-link")
    finally:
        _let_go_of_what_is_gone()


def _let_go_of_what_is_gone() -> None:
    """Where a terminal or pipe has gone, Python would fail to flush at exit and change the exit code to 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
