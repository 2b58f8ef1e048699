#!/usr/bin/env python3
"""Is everything as it should be? The same as `massage-link health`, from a checkout: scripts/health_check.py --help

Makes the checkout's own environment first, if it is not there. Settings come from the environment or from .env in the
folder in which it is called.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMAND = ROOT / ".venv" / "bin" / "massage-link"


def main() -> None:
    """Run the command, with what it needs."""
    # Standard output belongs to the report.
    made = subprocess.run([str(ROOT / "scripts" / "setup"), "run"], stdout=sys.stderr, check=False)
    if made.returncode:
        sys.exit(
            "scripts/health_check.py: could not make its environment; see above, or pip install massage-link[cli]."
        )
    os.execv(str(COMMAND), [str(COMMAND), "health", *sys.argv[1:]])  # noqa: S606 - our own command, without a shell


if __name__ == "__main__":
    main()
