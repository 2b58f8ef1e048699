"""A fresh clone of this project to deploy from, and Appwrite's own command line in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
NODE = ROOT / "tests" / "node"
_FOLDERS = ("src", "functions", "schema", "scripts")
_FILES = (
    *("pyproject.toml", "hatch_build.py", "constraints.txt", "README.md", "LICENSE", ".gitignore", "appwrite.json"),
    *("tests/node/package.json", "tests/node/package-lock.json"),
)


def clone(to: Path) -> Path:
    """What git would give: the project's files without anything that is built. Times are not kept."""
    left_out = shutil.ignore_patterns("__pycache__", "*.whl")
    for folder in _FOLDERS:
        shutil.copytree(ROOT / folder, to / folder, ignore=left_out, copy_function=shutil.copy)
    for file in _FILES:
        (to / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, to / file)
    return to


@dataclass(frozen=True)
class AppwriteCli:
    """`appwrite`, run in a folder, with a home of its own."""

    folder: Path
    home: Path

    def __call__(self, *arguments: str) -> str:
        """What it prints; it must succeed."""
        install_node_packages()
        done = subprocess.run(
            [NODE / "node_modules" / ".bin" / "appwrite", *arguments],
            cwd=self.folder,
            env={**os.environ, "HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        # It ends with 0 whatever happens.
        told = done.stdout + done.stderr
        assert "Error" not in told, told
        return told


def install_node_packages() -> None:
    """Appwrite's official clients, installed if they are not there."""
    if not (NODE / "node_modules" / "node-appwrite").is_dir():
        subprocess.run([ROOT / "scripts" / "setup", "node"], check=True)
