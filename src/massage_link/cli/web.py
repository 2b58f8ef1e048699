"""``massage-link web``: the pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from massage_link.demo.showroom import Resident

__all__ = ["serve_pages", "web"]


def web(
    *,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Where to listen; 0 takes a free port.")] = 8080,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for every one, behind a proxy.")
    ] = "127.0.0.1",
    sessions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep who is signed in here, over restarts.", dir_okay=False)
    ] = None,
    env_file: Annotated[Path, typer.Option(help="Settings, beside those of the environment.")] = Path(".env"),
) -> None:
    """Serve the web pages: sign-in, the therapist's desk, booking, status.

    Everybody signs in with their own Appwrite account; neither a key nor a session of the settings is used.
    SIGTERM and SIGINT end it.
    """
    from massage_link.settings import Settings

    settings = Settings.load(env_file)
    serve_pages(settings.endpoint, settings.project_id, settings.database, host=host, port=port, sessions=sessions)


def serve_pages(
    endpoint: str,
    project_id: str,
    database: str | None,
    *,
    host: str,
    port: int,
    sessions: Path | None = None,
    residents: Sequence[Resident] = (),
) -> None:
    """Serve until a signal; `residents` may be signed in as from the sign-in page."""
    from massage_link.client.link import AsyncMassageLink
    from massage_link.web.serving import serve
    from massage_link.web.site import Sample, Site

    samples = [Sample(each.name, each.part, each.email, each.password) for each in residents]

    def site() -> Site:
        return Site(AsyncMassageLink(endpoint, project_id, database=database), sessions_file=sessions, samples=samples)

    serve(site, host=host, port=port, ready=lambda address: typer.echo(f"massage-link web: {address}"))
