"""What a server with a data directory keeps of its start, so that whoever connected before can connect again."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from .core import Settings

_KEPT = ("key", "control_token")


def remembered(directory: Path | None) -> dict[str, str]:
    """Key and token of the last start on this directory; nothing when there was none."""
    try:
        kept = json.loads(_file(directory).read_text("utf-8")) if directory is not None else {}
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return {name: kept[name] for name in _KEPT if isinstance(kept, dict) and isinstance(kept.get(name), str)}


def as_before(settings: Settings, given: dict[str, str | None]) -> Settings:
    """The settings with what was given, or else with what was remembered, or else with what was made up."""
    made_up = {name: getattr(settings, name) for name in _KEPT}
    known = (
        made_up | remembered(settings.data_dir) | {name: value for name, value in given.items() if value is not None}
    )
    return replace(settings, key=known["key"], control_token=known["control_token"])


def remember(settings: Settings) -> None:
    """Keep key and token for the next start, readable by this user alone. Only while the directory is locked."""
    if settings.data_dir is None:
        return
    target = _file(settings.data_dir)
    draft = target.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({name: getattr(settings, name) for name in _KEPT}, file)
    draft.replace(target)


def _file(directory: Path) -> Path:
    return directory / "secrets.json"
