"""What `running_emulator` says when it can not start one."""

from __future__ import annotations

from pathlib import Path

import pytest

from massage_link import testing
from massage_link.errors import UsageError
from massage_link.testing import EmulatorFailed, running_emulator


def test_an_extra_that_is_not_installed_is_named_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "_PACKAGES", ("uvicorn", "no_such_server"))
    with pytest.raises(UsageError, match=r'needs no_such_server: pip install "massage-link\[cli,emulator\]"'):
        running_emulator().__enter__()


def test_a_server_that_does_not_start_is_told_with_its_own_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "functions"
    with pytest.raises(EmulatorFailed, match="exit status 2"):
        running_emulator(functions=missing).__enter__()
    said = capfd.readouterr().err
    assert f"there is no folder '{missing}'" in said
    assert "Traceback" not in said
