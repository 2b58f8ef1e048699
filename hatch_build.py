"""Puts the function folders into the wheel, so that the demo runs where there is no checkout."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FunctionFolders(BuildHookInterface[Any]):
    """`functions/{id}/main.py` becomes `massage_link/_functions/{id}/main.py`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is built; an editable one finds the folders where they are."""
        if version == "editable":
            return
        for main in sorted(Path(self.root, "functions").glob("*/main.py")):
            build_data["force_include"][str(main)] = f"massage_link/_functions/{main.parent.name}/main.py"
