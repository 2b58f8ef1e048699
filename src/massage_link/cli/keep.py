"""``massage-link demo --keep``: the demo's server goes on, for a look around."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import typer

from massage_link.wire.executions import execute

if TYPE_CHECKING:
    from massage_link.demo.run import Kept

__all__ = ["begin_sweeping", "keep_running", "printed_settings"]


def printed_settings(kept: Kept) -> str:
    """Lines ready to paste into .env, and who can sign in; nothing is written anywhere."""
    return "\n".join(
        [
            "# The demo's server goes on until Ctrl-C. Paste into .env, or into a shell with `export`:",
            f"APPWRITE_ENDPOINT={kept.server.endpoint}",
            f"APPWRITE_PROJECT_ID={kept.server.project_id}",
            f"APPWRITE_API_KEY={kept.server.api_key}",
            f"# Sign in as {', '.join(kept.emails)} with the password {kept.password}",
            "# Then, for example: scripts/health_check.py --deep",
        ]
    )


def begin_sweeping(kept: Kept) -> None:
    """Run the sweeper once, as its schedule does each minute: nobody has to wait for the first one."""
    with kept.server.link() as link:
        link.send(execute("sweep", {}))


def keep_running(kept: Kept) -> None:
    """Wait for a signal, or for the server to end."""

    def leave(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        with suppress(KeyboardInterrupt):  # that is how it is asked to end
            kept.server.process.wait()
    finally:
        signal.signal(signal.SIGTERM, before)
    typer.echo("The demo's server has ended.", err=True)
