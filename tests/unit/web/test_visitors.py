"""Who is signed in, and what is kept of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from massage_link import AsyncMassageLink
from massage_link.errors import SettingsError
from massage_link.web.visitors import Visitors


def _visitors(file: Path | None) -> Visitors:
    guest = AsyncMassageLink("http://127.0.0.1:9/v1", "nowhere")
    return Visitors(guest, guest.with_session, file)


@pytest.mark.parametrize("content", ["", "[]", '{"sessions": 3}', "\udcff"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "sessions"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(SettingsError, match="holds no sign-ins of ours"):
        _visitors(file)
    assert file.read_bytes() == content.encode("utf-8", "surrogateescape")


def test_a_file_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not there"):
        _visitors(tmp_path / "nowhere" / "sessions")


@pytest.mark.parametrize("token", [None, "", "unknown"])
async def test_an_unknown_token_is_nobody(tmp_path: Path, token: str | None) -> None:
    for file in (None, tmp_path / "sessions"):
        assert await _visitors(file).find(token) is None
