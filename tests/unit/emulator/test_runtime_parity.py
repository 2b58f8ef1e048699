"""Our runtime does in every case what Appwrite's own did (tests/data/open-runtimes)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from massage_link.emulator.functions.process import FunctionProcess, Invocation, ProcessDiedError, Program
from runtime_cases import CASES, Ask, answer, known_answers

KNOWN = known_answers()


def test_every_case_was_recorded() -> None:
    assert KNOWN.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
async def test_it_does_what_appwrites_own_runtime_did(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    folder = tmp_path / "function"
    folder.mkdir()
    for file, text in case.files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    environment = {"PATH": "/bin", "LANG": "C.UTF-8", "CUSTOM": "told"}
    process = FunctionProcess(Program(Path(sys.executable), folder, case.entrypoint, environment, tmp_path))
    try:
        assert [await _asked(process, ask, folder) for ask in case.asks] == KNOWN[name]
    finally:
        await process.stop()


async def _asked(process: FunctionProcess, ask: Ask, folder: Path) -> dict[str, Any]:
    invocation = Invocation(ask.method, ask.target, ask.headers, ask.body, ask.timeout, ask.logging)
    try:
        outcome = await process.invoke(invocation)
    except ProcessDiedError:
        return answer(0, {}, b"", "", "", folder=folder)
    return answer(outcome.status, outcome.headers, outcome.body, outcome.logs, outcome.errors, folder=folder)
