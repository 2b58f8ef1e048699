"""All commands in one place, and how a command ends."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from massage_link import __version__
from massage_link.cli import (
    analytics,
    bookings,
    chat,
    commissions,
    demo,
    emulator,
    functions,
    health,
    init,
    listen,
    reconcile,
    schema,
    sweep,
    web,
)
from massage_link.errors import MassageLinkError, UsageError

__all__ = ["app"]

_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_BROKEN_PIPE = 141  # 128 + SIGPIPE


class _Group(TyperGroup):
    """Ends every command with an exit code and, when it did not work out, one sentence instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            result = super().invoke(ctx)
            _flush()
            return result
        except UsageError as error:
            code = _fail(error, 2)
        except MassageLinkError as error:
            code = _fail(error, 1)
        except KeyboardInterrupt:
            code = _INTERRUPTED
        except BrokenPipeError:
            # Whoever read our output has left; Python would complain when it flushes what remains at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = _BROKEN_PIPE
        except OSError as error:
            code = _fail(error, 1)
        except ModuleNotFoundError as error:
            if (error.name or "massage_link").startswith("massage_link"):
                raise
            extras = "cli,web" if error.name in {"fastapi", "nicegui"} else "cli,emulator"
            code = _fail(f'{error}: pip install "massage-link[{extras}]"', 2)
        raise typer.Exit(code)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(schema.app, name="schema")
app.add_typer(functions.app, name="functions")
app.add_typer(bookings.app, name="bookings")
app.add_typer(chat.app, name="chat")
app.add_typer(commissions.app, name="commissions")
app.command()(analytics.analytics)
app.command()(bookings.book)
app.command()(demo.demo)
app.command()(health.health)
app.command()(init.init)
app.command()(listen.listen)
app.command()(reconcile.reconcile)
app.command()(sweep.sweep)
app.command()(web.web)
app.command(context_settings=emulator.PASS_ON)(emulator.emulator)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"massage-link {__version__}")
        raise typer.Exit


@app.callback()
def massage_link(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Bookings, chat and commissions of a massage marketplace on Appwrite."""


def _flush() -> None:
    """Write what is buffered, here, where a closed pipe can still be dealt with.

    A command that ran to its end did so even if its terminal has gone since, with something still to be written there.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        if error.errno != errno.EIO:  # EIO is how a terminal says that it is gone
            raise


def _fail(reason: object, code: int) -> int:
    with suppress(OSError):  # there may be no terminal any more to say it on
        typer.echo(f"massage-link: {reason}", err=True)
    return code
