"""`python -m massage_link.emulator`: start the embedded server."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .core import Settings
from .server import Server, describe, watch_stdin
from .sqlite import DirectoryBusyError

if TYPE_CHECKING:
    from collections.abc import Sequence


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="massage-link emulator", description=__doc__)
    made.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    made.add_argument("--port", type=int, default=0, help="port; 0 takes any free one (default)")
    made.add_argument("--project", default="massage-link", help="project id (default: %(default)s)")
    made.add_argument("--key", help="API key with all scopes (default: a random one)")
    made.add_argument("--control-token", help="token of the control plane (default: a random one)")
    made.add_argument("--data-dir", type=Path, help="directory that keeps the data (default: memory)")
    made.add_argument("--functions", type=Path, help="folder with one folder per function")
    made.add_argument("--rate-limits", action="store_true", help="enforce the server's limits of calls a minute")
    made.add_argument("--clock", type=_moment, help="moment from which its clock runs, ISO 8601 (default: the present)")
    made.add_argument("--json", action="store_true", help="print one JSON line when ready")
    made.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input closes")
    return made


def settings_from(args: argparse.Namespace) -> Settings:
    """Settings from the command line; what was not given keeps its default."""
    settings = Settings(
        project=args.project,
        data_dir=args.data_dir,
        functions_dir=args.functions,
        rate_limits=args.rate_limits,
        begins_at=args.clock,
    )
    if args.key:
        settings = replace(settings, key=args.key)
    if args.control_token:
        settings = replace(settings, control_token=args.control_token)
    return settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run until stopped; 0, or 2 when the data directory or the address is taken."""
    args = parser().parse_args(argv)
    try:
        server = Server(settings_from(args), host=args.host, port=args.port)
    except (DirectoryBusyError, OSError) as error:
        sys.stderr.write(f"massage-link emulator: {error}\n")
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
