"""`python -m massage_link.emulator`: start the embedded server."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .core import Settings
from .kernel import is_id
from .remembered import as_before, remember
from .server import Server, describe, watch_stdin
from .sqlite import DirectoryBusyError

if TYPE_CHECKING:
    from collections.abc import Sequence


_LARGEST_PORT = 65_535


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no moment such as 2026-11-22T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LARGEST_PORT:
        raise ArgumentTypeError(f"{text!r} is no port: 0 to {_LARGEST_PORT}")
    return int(text)


def _project(text: str) -> str:
    if not is_id(text):
        raise ArgumentTypeError(f"{text!r} is no id: 1 to 36 of a-z, A-Z, 0-9, '.', '_' and '-'")
    return text


def _secret(text: str) -> str:
    # It travels in a header.
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ArgumentTypeError("it is empty or holds signs that no header can hold")
    return text


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise ArgumentTypeError(f"there is no folder {text!r}")
    return Path(text)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="massage-link emulator", description="Start the embedded server.")
    made.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    made.add_argument("--port", type=_port, default=0, help="port; 0 takes any free one (default)")
    made.add_argument("--project", type=_project, default="massage-link", help="project id (default: %(default)s)")
    made.add_argument("--key", type=_secret, help="API key with all scopes (default: a random one)")
    made.add_argument("--control-token", type=_secret, help="token of the control plane (likewise)")
    made.add_argument("--data-dir", type=Path, help="directory that keeps data, key and token (default: memory)")
    made.add_argument("--functions", type=_folder, help="folder with one folder per function")
    made.add_argument("--rate-limits", action="store_true", help="enforce the server's limits of calls a minute")
    made.add_argument("--clock", type=_moment, help="moment from which its clock runs, ISO 8601 (default: the present)")
    made.add_argument("--json", action="store_true", help="print one JSON line when ready")
    made.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input closes")
    return made


def settings_from(args: argparse.Namespace) -> Settings:
    """Settings from the command line; what was not given is as at the last start, or has its default."""
    settings = Settings(
        project=args.project,
        data_dir=args.data_dir,
        functions_dir=args.functions,
        rate_limits=args.rate_limits,
        begins_at=args.clock,
    )
    return as_before(settings, {"key": args.key, "control_token": args.control_token})


def _reason(error: Exception, args: argparse.Namespace) -> str:
    if isinstance(error, sqlite3.Error):
        return f"{args.data_dir} can not be used: {error}"
    if isinstance(error, OSError) and error.filename is None:
        return f"can not listen on {args.host} port {args.port}: {error.strerror}"
    return str(error)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until stopped; 0, or 2 when the data directory or the address is taken."""
    args = parser().parse_args(argv)
    try:
        server = Server(settings_from(args), host=args.host, port=args.port)
        remember(server.emulator.settings)
    except (DirectoryBusyError, sqlite3.Error, OSError) as error:
        sys.stderr.write(f"massage-link emulator: {_reason(error, args)}\n")
        return 2

    def ready() -> None:
        sys.stdout.write(describe(server.emulator, as_json=args.json) + "\n")
        sys.stdout.flush()
        if args.exit_with_stdin:
            watch_stdin(server.stop)

    server.run(ready)
    return 0


if __name__ == "__main__":
    sys.exit(main())
