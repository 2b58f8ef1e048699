"""``massage-link schema``: the models, ``schema/`` and ``appwrite.json``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from massage_link.schema import Difference

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Keep the tables' definition in step with the models.")

Root = Annotated[Path, typer.Option(help="Folder of the project.", file_okay=False)]
EnvFile = Annotated[Path, typer.Option(help="Settings, beside those of the environment.")]
DirectWrite = Annotated[
    bool | None,
    typer.Option(
        "--direct-write/--no-direct-write",
        help="Let signed-in clients write booking rows, to be admitted or declined. Default: as appwrite.json says.",
    ),
]


@app.command()
def generate(
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when a file differs.")] = False,
    root: Root = Path(),
    direct_write: DirectWrite = None,
) -> None:
    """Write schema/*.json and appwrite.json from the models."""
    from massage_link.schema import generated_files

    files = generated_files(direct_write=_mode(root) if direct_write is None else direct_write)
    stale = _stale(root, files)
    if check:
        _report(stale, _left_over(root, files))
        return
    for path in stale:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(files[path], encoding="utf-8")
        typer.echo(f"wrote {path}")
    for path in _left_over(root, files):
        typer.echo(f"{path} belongs to no table; delete it.", err=True)
    typer.echo(f"{len(files)} files are up to date.")


@app.command()
def push(
    *,
    direct_write: DirectWrite = None,
    allow_destructive: Annotated[
        bool,
        typer.Option(
            "--allow-destructive",
            help="Also change what differs. A column of another type is deleted and made anew: its data is lost.",
        ),
    ] = False,
    root: Root = Path(),
    env_file: EnvFile = Path(".env"),
) -> None:
    """Make the database and whatever is missing of its tables on the server that the settings name.

    Only adds, so it is safe to repeat; what is there and differs is refused and left as it is. Needs an API key.
    """
    from massage_link.cli.plan import show_plan
    from massage_link.cli.progress import Bar
    from massage_link.client.link import MassageLink
    from massage_link.usecases.provision import databases_beside, push_schema

    with MassageLink.from_env(env_file) as link, Bar() as bar:
        link.require_key("schema push")
        for database in link.run(databases_beside(link.ports)):
            typer.echo(
                f"Beware: `appwrite push tables` would delete the database {database} of this project.", err=True
            )
        made = link.run(
            push_schema(
                link.ports,
                direct_write=_mode(root) if direct_write is None else direct_write,
                allow_destructive=allow_destructive,
                announce=lambda differences: show_plan(differences, bar),
                advance=bar.advance,
                progress=lambda table: typer.echo(f"{table} is complete."),
            )
        )
    typer.echo(f"{made} tables, columns and indexes were made or changed." if made else "Nothing was missing.")


@app.command()
def check(
    *,
    direct_write: DirectWrite = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    root: Root = Path(),
    env_file: EnvFile = Path(".env"),
) -> None:
    """Compare the models with appwrite.json and with the server; exit 1 when something is not as it should be.

    Changes nothing. Needs an API key that may read databases, tables and functions.
    """
    import json

    from massage_link.client.link import MassageLink
    from massage_link.usecases.checking import check_server

    mode = _mode(root) if direct_write is None else direct_write
    with MassageLink.from_env(env_file) as link:
        link.require_key("schema check")
        found = {"appwrite.json": _in_file(root, direct_write=mode)}
        found["server"] = link.run(check_server(link.ports, direct_write=mode))
    matters = any(each.matters for differences in found.values() for each in differences)
    if as_json:
        listed = [{"where": where, **each.as_json()} for where, differences in found.items() for each in differences]
        typer.echo(json.dumps({"ok": not matters, "differences": listed}, indent=2))
    else:
        for where, differences in found.items():
            for each in differences:
                typer.echo(f"{where}: {each}.\n    → {each.action}.")
        typer.echo("Something is not as it should be." if matters else "The server is as the models say.")
    if matters:
        raise typer.Exit(1)


def _in_file(root: Path, *, direct_write: bool) -> list[Difference]:
    """How appwrite.json differs; nothing when it is not there, as where the package is installed without a checkout."""
    from massage_link.schema import differences_in_file

    target = root / "appwrite.json"
    return differences_in_file(target.read_text("utf-8"), direct_write=direct_write) if target.is_file() else []


def _mode(root: Path) -> bool:
    from massage_link.schema import is_direct_write

    target = root / "appwrite.json"
    return target.is_file() and is_direct_write(target.read_text(encoding="utf-8"))


def _stale(root: Path, files: dict[str, str]) -> list[str]:
    from massage_link.schema import same_content

    def fresh(path: str) -> bool:
        target = root / path
        return target.is_file() and same_content(path, files[path], target.read_text(encoding="utf-8"))

    return [path for path in files if not fresh(path)]


def _left_over(root: Path, files: dict[str, str]) -> list[str]:
    """Files of tables that are no more."""
    return sorted({path.relative_to(root).as_posix() for path in (root / "schema").glob("*.json")} - set(files))


def _report(stale: list[str], left_over: list[str]) -> None:
    for path in stale:
        typer.echo(f"{path} differs from the models.", err=True)
    for path in left_over:
        typer.echo(f"{path} belongs to no table; delete it.", err=True)
    if stale or left_over:
        typer.echo("Run `massage-link schema generate` and commit the result.", err=True)
        raise typer.Exit(1)
    typer.echo("schema/ and appwrite.json agree with the models.")
