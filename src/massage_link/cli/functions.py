"""``massage-link functions``: the folders that `appwrite push functions` uploads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Make the function folders ready for `appwrite push functions`.")


@app.callback()
def _functions() -> None:
    """Keeps `build` a command of its own while it is the only one."""


@app.command()
def build(
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when a folder is not up to date.")] = (
        False
    ),
    root: Annotated[Path, typer.Option(help="Folder of the checkout.", file_okay=False)] = Path(),
) -> None:
    """Put the wheel of this checkout and pinned versions of its dependencies into each function's folder."""
    from massage_link.cli.bundles import build_bundle, stale_folders, write_bundle

    bundle = build_bundle(root)
    if check:
        stale = stale_folders(root, bundle)
        for function in stale:
            typer.echo(f"functions/{function} is not built from this checkout.", err=True)
        if stale:
            typer.echo("Run `massage-link functions build`.", err=True)
            raise typer.Exit(1)
        typer.echo("The function folders are up to date.")
        return
    for function in write_bundle(root, bundle):
        typer.echo(f"functions/{function}: {bundle.wheel_name}, requirements.txt")
    size = f"{len(bundle.wheel) / 1000:.0f} kB"
    typer.echo(f"wheel: {size}, sha256 {bundle.digest}; {bundle.packages} packages are pinned.")
