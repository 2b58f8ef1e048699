"""What is recorded of Appwrite's own Python runtime is what it does: it runs here, as its authors wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from open_runtimes import answers, interpreter
from runtime_cases import known_answers


@pytest.mark.long
def test_appwrites_own_runtime_answers_as_recorded(tmp_path: Path) -> None:
    assert answers(interpreter(tmp_path / "environment")) == known_answers()
