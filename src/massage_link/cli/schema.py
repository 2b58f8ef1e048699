"""``massage-link schema``: the models, ``schema/`` and ``appwrite.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Keep the tables' definition in step with the models.")


@app.command()
def generate(
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when a file differs.")] = False,
    root: Annotated[Path, typer.Option(help="Folder of the project.", file_okay=False)] = Path(),
    direct_write: Annotated[
        bool | None,
        typer.Option(
            "--direct-write/--no-direct-write",
            help="Let signed-in clients write booking rows, to be admitted or declined. Default: as the file says.",
        ),
    ] = None,
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
    direct_write: Annotated[
        bool,
        typer.Option("--direct-write", help="Let signed-in clients write booking rows, to be admitted or declined."),
    ] = False,
    env_file: Annotated[Path, typer.Option(help="Settings, beside those of the environment.")] = Path(".env"),
) -> None:
    """Make the database and whatever is missing of its tables on the server that the settings name.

    Only adds, so it is safe to repeat; what is there and differs is refused and left as it is. Needs an API key.
    """
    from massage_link.client.link import MassageLink
    from massage_link.usecases.provision import push_schema

    with MassageLink.from_env(env_file) as link:
        link.require_key("schema push")
        made = link.run(
            push_schema(
                link.ports, direct_write=direct_write, progress=lambda table: typer.echo(f"{table} is complete.")
            )
        )
    typer.echo(
        f"{made} tables, columns and indexes were missing and are there now." if made else "Nothing was missing."
    )


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
