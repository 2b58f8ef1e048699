"""``massage-link web``: the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    canary_every: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Let the status page send a canary so often; 0 sends none.")
    ] = 0.0,
    env_file: Annotated[Path, typer.Option(help="Settings, beside those of the environment.")] = Path(".env"),
) -> None:
    """Serve the web pages: sign-in, the therapist's desk, booking, status.

    Everybody signs in with their own Appwrite account. An API key in the settings is used for the status page alone.
    SIGTERM and SIGINT end it.
    """
    from massage_link.settings import Settings

    settings = Settings.load(env_file, APPWRITE_SESSION=None)
    serve_pages(settings.link_arguments(), host=host, port=port, sessions=sessions, canary_every=canary_every)


def serve_pages(
    arguments: Mapping[str, str | None],
    *,
    host: str,
    port: int,
    sessions: Path | None = None,
    canary_every: float = 0.0,
    residents: Sequence[Resident] = (),
) -> None:
    """Serve until a signal.

    Args:
        arguments: those of a link; its key is for the status page.
        host, port: where.
        sessions: file for sign-ins.
        canary_every: seconds between two canaries; 0 sends none.
        residents: may be signed in as from the sign-in page.

    """
    from massage_link.client.link import AsyncMassageLink
    from massage_link.web.serving import serve
    from massage_link.web.site import Sample, Site

    link_arguments: dict[str, Any] = {**arguments}
    samples = [Sample(each.name, each.part, each.email, each.password) for each in residents]

    def site() -> Site:
        has_key = link_arguments.get("api_key") is not None
        return Site(
            AsyncMassageLink(**{**link_arguments, "api_key": None}),
            sessions_file=sessions,
            samples=samples,
            canary_every=canary_every,
            watching=AsyncMassageLink(**link_arguments) if has_key else None,
        )

    serve(site, host=host, port=port, ready=lambda address: typer.echo(f"massage-link web: {address}"))
