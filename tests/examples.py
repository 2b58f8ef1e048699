"""Examples of the pages: found, and run as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: A program, and what it prints when the page says so.
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
#: Commands that a reader types behind a dollar sign.
_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def programs(page: Path) -> list[tuple[str, str]]:
    """The page's programs, each with what it prints."""
    return EXAMPLE.findall(page.read_text("utf-8"))


def commands(page: Path) -> list[str]:
    """The page's commands."""
    blocks = _CONSOLE.findall(page.read_text("utf-8"))
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def run(program: str, where: Path, environment: Mapping[str, str]) -> str:
    """What a program prints that is run in a folder of its own."""
    return _output([sys.executable, "-W", "error", "-c", program], program, where, environment)


def run_command(command: str, where: Path, environment: Mapping[str, str]) -> str:
    """What a command prints; `massage-link` is the one of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return _output(["bash", "-c", command], command, where, {"PATH": path, **environment})


def _output(arguments: list[str], shown: str, where: Path, environment: Mapping[str, str]) -> str:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("APPWRITE_")}
    finished = subprocess.run(
        arguments, cwd=where, env={**bare, **environment}, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, f"{shown}\n{finished.stdout}\n{finished.stderr}"
    return finished.stdout
