"""``massage-link init``: write the settings, once they are known to work."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from massage_link.client.link import MassageLink
    from massage_link.wire.call import Call

__all__ = ["init"]


def init(
    *,
    endpoint: Annotated[str, typer.Option(prompt=True, help="Address of Appwrite's API, which ends in /v1.")],
    project: Annotated[str, typer.Option(prompt="Project id", help="Id of the Appwrite project.")],
    key: Annotated[str, typer.Option(prompt="API key", hide_input=True, help="An API key of the project.")],
    env_file: Annotated[Path, typer.Option(help="The file to write.", dir_okay=False)] = Path(".env"),
    force: Annotated[bool, typer.Option("--force", help="Replace the settings of a file that is there.")] = False,
) -> None:
    """Check a server, project and API key, and write them to .env; the file is readable by its owner only."""
    from massage_link.client.link import MassageLink
    from massage_link.errors import UsageError
    from massage_link.settings import Settings

    if env_file.exists() and not force:
        raise UsageError(f"{env_file} is there already; --force replaces the settings in it.")
    wanted = {"APPWRITE_ENDPOINT": endpoint.strip(), "APPWRITE_PROJECT_ID": project.strip(), "APPWRITE_API_KEY": key}
    # The settings' own rules first, then the server. What is written is what is checked, whatever the environment says.
    arguments: dict[str, Any] = Settings.load(env_file, **wanted, APPWRITE_SESSION=None).link_arguments()
    content = _merged(env_file, wanted)
    with MassageLink(**arguments) as link:
        _report(link)
    _write(env_file, content)
    typer.echo(f"wrote {env_file}")


def _merged(env_file: Path, wanted: dict[str, str]) -> str:
    """The file's lines with these settings instead of its own."""
    lines = env_file.read_text(encoding="utf-8").splitlines() if env_file.exists() else []
    replaced = {*wanted, "APPWRITE_SESSION"}
    kept = [line for line in lines if line.partition("=")[0].removeprefix("export ").strip() not in replaced]
    return "".join(f"{line}\n" for line in [*kept, *(f"{name}={value}" for name, value in wanted.items())])


def _report(link: MassageLink) -> None:
    """Say what answers, and what the key may do.

    Raises:
        MassageLinkError: nothing answers, it is no Appwrite, or it knows neither project nor key.

    """
    from massage_link.errors import Unauthorized
    from massage_link.wire.control import server_version

    version = link.send(server_version())
    granted = {scope: _is_granted(link, call) for scope, call in _probes(link).items()}
    if not any(granted.values()):
        raise Unauthorized(
            f"{link.endpoint} does not know this key in the project {link.project_id}, or it has none of the scopes "
            f"{', '.join(granted)}.",
            status=401,
        )
    typer.echo(f"Appwrite {version} answers, and the project knows the key.")
    for scope, may in granted.items():
        typer.echo(f"{'has  ' if may else 'lacks'} {scope}")


def _probes(link: MassageLink) -> dict[str, Call[Any]]:
    from appwrite.query import Query

    from massage_link.domain.tables import THERAPISTS
    from massage_link.wire.control import list_databases, list_functions, list_users
    from massage_link.wire.rows import list_raw_rows

    return {
        "databases.read": list_databases(),
        "functions.read": list_functions(),
        "rows.read": list_raw_rows(link.ports.address(THERAPISTS), [Query.limit(1)]),
        "users.read": list_users(1),
    }


def _is_granted(link: MassageLink, call: Call[Any]) -> bool:
    from massage_link.errors import RowNotFound, Unauthorized

    try:
        link.send(call)
    except Unauthorized:
        return False
    except RowNotFound as error:
        if error.type == "project_not_found":
            raise
    return True  # no database yet is an answer, too


def _write(env_file: Path, content: str) -> None:
    """In one step, and never readable by others, not even for a moment."""
    descriptor, name = tempfile.mkstemp(dir=env_file.absolute().parent, prefix=".env-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    Path(name).replace(env_file)
