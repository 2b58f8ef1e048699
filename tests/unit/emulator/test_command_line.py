"""How the server is started: what it refuses, and what it remembers of its last start."""

from __future__ import annotations

import socket
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from massage_link.emulator.__main__ import main, parser, settings_from
from massage_link.emulator.core import Settings
from massage_link.emulator.remembered import remember

if TYPE_CHECKING:
    from pathlib import Path


def settings(*options: str) -> Settings:
    """What these options mean."""
    return settings_from(parser().parse_args(options))


@pytest.mark.parametrize(
    "options",
    [
        ["--port", "65536"],
        ["--port=-1"],
        ["--port", "http"],
        ["--project", ""],
        ["--project", "my project"],
        ["--key", ""],
        ["--key", "two\nlines"],
        ["--control-token", "ключ"],
        ["--functions", "no-such-folder"],
        ["--clock", "yesterday"],
        ["--no-such-option"],
    ],
    ids=" ".join,
)
def test_an_option_that_can_not_be_is_refused_in_one_line(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("massage-link emulator: error: ")
    assert "Traceback" not in err


def test_an_address_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    assert f"can not listen on 127.0.0.1 port {port}" in capsys.readouterr().err


def test_a_directory_that_holds_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data.sqlite3").write_bytes(b"something else entirely" * 100)
    assert main(["--data-dir", str(tmp_path)]) == 2
    assert f"{tmp_path} can not be used" in capsys.readouterr().err


def test_a_directory_keeps_key_and_token_from_start_to_start(tmp_path: Path) -> None:
    first = settings("--data-dir", str(tmp_path))
    remember(first)
    again = settings("--data-dir", str(tmp_path))
    assert (again.key, again.control_token) == (first.key, first.control_token)


def test_what_is_given_goes_before_what_is_remembered(tmp_path: Path) -> None:
    first = settings("--data-dir", str(tmp_path))
    remember(first)
    given = settings("--data-dir", str(tmp_path), "--key", "mine")
    assert (given.key, given.control_token) == ("mine", first.control_token)
    remember(given)
    assert settings("--data-dir", str(tmp_path)).key == "mine"


def test_what_is_remembered_is_for_this_user_alone(tmp_path: Path) -> None:
    remember(replace(Settings(), data_dir=tmp_path))
    [kept] = tmp_path.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"key": 5}', '{"other": "x"}'])
def test_a_file_that_says_nothing_is_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "secrets.json").write_text(content, "utf-8")
    one, other = settings("--data-dir", str(tmp_path)), settings("--data-dir", str(tmp_path))
    assert one.key != other.key


def test_without_a_directory_every_start_has_a_key_of_its_own() -> None:
    assert settings().key != settings().key
