"""``massage-link listen``: the therapist's desk, or everybody's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from massage_link.errors import CredentialRequired, UsageError

if TYPE_CHECKING:
    from massage_link.settings import Settings
    from massage_link.worker.process import Wish
    from massage_link.worker.rules import Rules

__all__ = ["listen"]

_RULES = "Auto-accept"


def listen(
    *,
    therapist: Annotated[
        str | None, typer.Option(metavar="ID", help="The therapist. Left out, with a session: who signed in.")
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Watch everybody, drafts too, as a user of ops.")] = False,
    as_user: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="With --all and an API key: a user with the label ops.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each change.")] = False,
    command: Annotated[
        str | None, typer.Option("--exec", metavar="CMD", help="Run for each request, the booking's JSON on its stdin.")
    ] = None,
    limit: Annotated[float, typer.Option("--exec-limit", min=0.1, help="Seconds after which CMD is killed.")] = 60.0,
    checkpoint: Annotated[
        str | None, typer.Option(metavar="FILE", help="Keep progress here: after a crash nothing is missed.")
    ] = None,
    auto_accept: Annotated[
        bool, typer.Option("--auto-accept", help="Accept requests at once, if the rules allow.", rich_help_panel=_RULES)
    ] = False,
    service: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this service; repeatable.", rich_help_panel=_RULES)
    ] = None,
    hours: Annotated[
        str | None, typer.Option(metavar="HH:MM-HH:MM", help="Only within these hours.", rich_help_panel=_RULES)
    ] = None,
    gap: Annotated[
        int | None,
        typer.Option(min=0, metavar="MINUTES", help="Only so far from accepted bookings.", rich_help_panel=_RULES),
    ] = None,
    env_file: Annotated[Path, typer.Option(help="Settings, beside those of the environment.")] = Path(".env"),
) -> None:
    """Listen to requests: ring, show, answer by key (a, d), or hand them to scripts.

    SIGTERM, SIGINT and the key q let running work finish and end with 0; a second signal ends at once (130, 143).
    Ends with 1 when the server refuses, or when a request was given up on.
    """
    import asyncio

    from massage_link.settings import Settings
    from massage_link.worker.process import Wish

    settings = Settings.load(env_file)
    wish = Wish(
        user_id=_user(settings, therapist, everybody=everybody, as_user=as_user),
        everybody=everybody,
        as_json=as_json,
        rules=_rules(auto_accept=auto_accept, everybody=everybody, service=service, hours=hours, gap=gap),
        command=command,
        command_limit=limit,
        checkpoint=checkpoint,
    )
    given_up = asyncio.run(_listen(settings, wish))
    if given_up:
        then = "with this checkpoint they are tried again next time" if checkpoint else "there is no --checkpoint"
        typer.echo(f"massage-link: changes given up on: {given_up}; {then}.", err=True)
        raise typer.Exit(1)


async def _listen(settings: Settings, wish: Wish) -> int:
    from massage_link.client.link import AsyncMassageLink
    from massage_link.worker.process import listen

    arguments: dict[str, Any] = {**settings.link_arguments()}
    async with AsyncMassageLink(**arguments) as link:
        return await listen(link, wish)


def _user(settings: Settings, therapist: str | None, *, everybody: bool, as_user: str | None) -> str | None:
    if settings.api_key is None and settings.session is None:
        raise CredentialRequired("set APPWRITE_API_KEY or APPWRITE_SESSION: somebody has to listen.")
    if everybody and therapist is not None:
        raise UsageError("--all listens to every therapist: leave --therapist out.")
    if as_user is not None and not everybody:
        raise UsageError("--as belongs to --all; a single therapist is named by --therapist.")
    user = as_user if everybody else therapist
    if user is None and settings.api_key is not None:
        missing = "--as USER, a user with the label ops," if everybody else "--therapist ID"
        raise UsageError(f"{missing} is missing: with an API key, say who listens.")
    return user


def _rules(
    *, auto_accept: bool, everybody: bool, service: list[str] | None, hours: str | None, gap: int | None
) -> Rules | None:
    from massage_link.worker.rules import Hours, Rules

    if not auto_accept:
        if service or hours is not None or gap is not None:
            raise UsageError("--service, --hours and --gap are rules for --auto-accept, which is missing.")
        return None
    if everybody:
        raise UsageError("--auto-accept is for one therapist, not for --all.")
    return Rules(
        services=frozenset(service or ()),
        hours=Hours.parse(hours) if hours is not None else None,
        gap=timedelta(minutes=gap) if gap is not None else None,
    )
