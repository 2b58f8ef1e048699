"""Desktop notifications, where there are any."""

from __future__ import annotations

from pathlib import Path

from massage_link.worker.notifying import notify
from worker_world import booking


def _program(folder: Path, text: str) -> str:
    program = folder / "notify"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return str(program)


async def test_the_desktop_is_told_of_the_request(tmp_path: Path) -> None:
    program = _program(tmp_path, f'for each in "$@"; do printf "%s|" "$each"; done > {tmp_path / "told"}')
    assert await notify(booking(service="--icon=x", customer_name="<b>Mia</b>\x1b"), program=program)
    said = (tmp_path / "told").read_text()
    assert said.startswith("--app-name=massage-link|--|Request: --icon=x|")
    assert "Wed 25 Nov 12:00-13:00" in said
    assert "&lt;b&gt;Mia&lt;/b&gt;" in said
    assert "\x1b" not in said


async def test_where_there_is_no_desktop_nothing_happens() -> None:
    assert await notify(booking(), program="no-such-program-anywhere") is False


async def test_a_desktop_that_refuses_is_no_error(tmp_path: Path) -> None:
    assert await notify(booking(), program=_program(tmp_path, "exit 1")) is False
