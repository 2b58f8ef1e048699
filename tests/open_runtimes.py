"""Record what Appwrite's own Python runtime answers in each case: ``python tests/open_runtimes.py SOURCE``.

SOURCE is the folder ``runtimes/python/versions/latest/src`` of a checkout of open-runtimes, which is not part of this
project. It runs here as its authors wrote it, in a new environment with the version of aiohttp that SOURCE's own
``requirements.txt`` (in the folder above or in it) names.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from runtime_cases import ANSWERS, CASES, Ask, Case, answer

_SECRET = "throw-away"
#: The runtime as its container starts it, but with aiohttp's own server instead of gunicorn's workers.
_START = """
import asyncio, server
from aiohttp import web
async def main():
    runner = web.AppRunner(server.app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def interpreter(folder: Path, source: Path) -> Path:
    """A Python with what the runtime needs, in a new environment."""
    venv.create(folder, with_pip=True)
    files = [source / "requirements.txt", source.parent / "requirements.txt"]
    named = next(file for file in files if file.is_file()).read_text("utf-8").splitlines()
    pinned = next(line for line in named if line.startswith("aiohttp"))
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", pinned], check=True)
    return python


def answers(python: Path, source: Path, names: Mapping[str, Case] = CASES) -> dict[str, list[dict[str, Any]]]:
    """What the runtime does in each case."""
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(names, pool.map(partial(_answers_of, python, source), names.values()), strict=True))


def _answers_of(python: Path, source: Path, case: Case) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as place, _serving(python, source, Path(place), case) as port:
        return [_asked(Path(place), port, number, ask) for number, ask in enumerate(case.asks)]


@contextmanager
def _serving(python: Path, source: Path, place: Path, case: Case) -> Iterator[int]:
    (place / "logs").mkdir()
    for module in source.glob("*.py"):  # only where things are is changed
        text = module.read_text("utf-8").replace("/mnt/logs/", f"{place}/logs/")
        (place / module.name).write_text(text.replace("/usr/local/server/src/", f"{place}/"), "utf-8")
    for name, text in case.files.items():
        path = place / "function" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (place / "function").mkdir(exist_ok=True)
    wanted = {"OPEN_RUNTIMES_SECRET": _SECRET, "OPEN_RUNTIMES_ENTRYPOINT": case.entrypoint, "CUSTOM": "told"}
    process = subprocess.Popen(
        [python, "-c", _START],
        cwd=place,
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONPATH": str(place), **wanted},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _asked(place: Path, port: int, number: int, ask: Ask) -> dict[str, Any]:
    own = {
        "x-open-runtimes-secret": _SECRET,
        "x-open-runtimes-timeout": str(ask.timeout),
        "x-open-runtimes-logging": "enabled" if ask.logging else "disabled",
        "x-open-runtimes-log-id": str(number),
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(ask.method, ask.target, skip_host="host" in ask.headers)
    for name, value in {**ask.headers, **own, "content-length": str(len(ask.body))}.items():
        connection.putheader(name, value)
    connection.endheaders(ask.body)
    try:
        reply = connection.getresponse()
        status, headers, body = reply.status, dict(reply.getheaders()), reply.read()
    except http.client.RemoteDisconnected:  # it dropped the connection; Appwrite's executor then speaks of a failure
        status, headers, body = 0, {}, b""
    connection.close()
    logs, errors = (_kept(place / "logs" / f"{number}_{kind}.log") for kind in ("logs", "errors"))
    return answer(status, headers, body, logs, errors, folder=place / "function")


def _kept(file: Path) -> str:
    return file.read_text("utf-8") if file.is_file() else ""


def _main() -> None:
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "server.py").is_file():
        sys.exit("usage: python tests/open_runtimes.py SOURCE, the folder of open-runtimes that holds its server.py")
    source = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        recorded = answers(interpreter(Path(folder), source), source)
    ANSWERS.write_text(json.dumps(recorded, indent=1, ensure_ascii=True) + "\n", "utf-8")


if __name__ == "__main__":
    _main()
