"""Measure what a deployed function costs before it does anything: its wheel, its installation, its import.

A function's environment is made as the server's build makes it (a virtual environment, `pip install -r
requirements.txt`), and its module is imported there, in new processes: CPU seconds of the process, its own start
included.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from massage_link.cli.bundles import build_bundle, write_bundle

ROOT = Path(__file__).parents[2]
STARTS = 15
LIMIT = 0.35  # CPU seconds that an import may cost


def main() -> int:
    """Print the numbers; 1 when an import costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder))
    print(json.dumps(measured) if as_json else describe(measured))
    return int(max(measured["import_cpu_seconds"].values()) > LIMIT)


def measure(place: Path) -> dict[str, dict[str, float]]:
    """Bytes of the upload, seconds of the installation, median CPU seconds of each function's import."""
    shutil.copytree(ROOT / "functions", place / "functions", ignore=shutil.ignore_patterns("*.whl", "__pycache__"))
    bundle = build_bundle(ROOT)
    functions = write_bundle(place, bundle)
    python = str(place / "env" / "bin" / "python")
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "venv", place / "env"], check=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"]
    subprocess.run(install, cwd=place / "functions" / functions[0], check=True, stderr=subprocess.DEVNULL)
    installed = time.perf_counter() - began
    return {
        "upload": {"wheel_bytes": len(bundle.wheel), "packages": bundle.packages},
        "installation": {"seconds": round(installed, 2)},
        "import_cpu_seconds": {name: imported(python, place / "functions" / name) for name in functions},
    }


def imported(python: str, folder: Path) -> float:
    """Median CPU seconds (user and system) of a process that imports the function and does nothing else."""
    costs = []
    for _ in range(STARTS + 1):
        before = os.times()
        subprocess.run([python, "-c", "import main"], cwd=folder, check=True)
        after = os.times()
        costs.append(after.children_user - before.children_user + after.children_system - before.children_system)
    return round(statistics.median(costs[1:]), 3)  # the first one compiles


def describe(measured: dict[str, dict[str, float]]) -> str:
    """For people."""
    upload, costs = measured["upload"], measured["import_cpu_seconds"]
    lines = [f"wheel           {upload['wheel_bytes'] / 1000:.0f} kB, {upload['packages']:.0f} pinned packages"]
    lines.append(f"installation    {measured['installation']['seconds']:.1f} s (virtual environment and packages)")
    lines += [f"import          {cost:.3f} s CPU  {name}" for name, cost in costs.items()]
    lines.append(f"allowed         {LIMIT:.3f} s CPU")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
