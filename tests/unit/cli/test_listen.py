"""`massage-link listen`: what its options become, and how it ends."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from massage_link.cli.app import app
from massage_link.client.link import AsyncMassageLink
from massage_link.worker import Hours, Rules
from massage_link.worker.process import Wish

_KEY = {"APPWRITE_ENDPOINT": "http://localhost/v1", "APPWRITE_PROJECT_ID": "p", "APPWRITE_API_KEY": "key"}
_SESSION = {**_KEY, "APPWRITE_API_KEY": "", "APPWRITE_SESSION": "session"}


class Listened:
    """Stands for listening: what was asked for, and what comes of it."""

    def __init__(self) -> None:
        self.wishes: list[Wish] = []
        self.given_up = 0

    async def listen(self, link: AsyncMassageLink, wish: Wish) -> int:
        self.wishes.append(wish)
        return self.given_up

    def run(self, *options: str, environment: dict[str, str] = _KEY) -> Result:
        return CliRunner().invoke(app, ["listen", *options], env=environment)


@pytest.fixture
def listened(monkeypatch: pytest.MonkeyPatch) -> Listened:
    listened = Listened()
    monkeypatch.setattr("massage_link.worker.process.listen", listened.listen)
    return listened


@pytest.mark.parametrize(
    ("options", "wish"),
    [
        (["--therapist", "ana"], {"user_id": "ana"}),
        (["--all", "--as", "ops"], {"user_id": "ops", "everybody": True}),
        (["--therapist", "ana", "--json"], {"user_id": "ana", "as_json": True}),
        (
            ["--therapist", "ana", "--exec", "true", "--exec-limit", "5", "--checkpoint", "f"],
            {"user_id": "ana", "command": "true", "command_limit": 5.0, "checkpoint": "f"},
        ),
        (["--therapist", "ana", "--auto-accept"], {"user_id": "ana", "rules": Rules()}),
        (
            [
                "--therapist",
                "ana",
                "--auto-accept",
                "--service",
                "Thai",
                "--service",
                "Shiatsu",
                "--hours",
                "09:00-18:00",
                "--gap",
                "30",
            ],
            {
                "user_id": "ana",
                "rules": Rules(
                    services=frozenset({"Thai", "Shiatsu"}), hours=Hours("09:00", "18:00"), gap=timedelta(minutes=30)
                ),
            },
        ),
    ],
)
def test_options_become_a_wish(listened: Listened, options: list[str], wish: dict[str, Any]) -> None:
    result = listened.run(*options)
    assert (result.exit_code, result.output) == (0, "")
    assert listened.wishes == [Wish(**wish)]


def test_the_settings_may_be_in_another_file(listened: Listened, tmp_path: Path) -> None:
    file = tmp_path / "desk.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in _SESSION.items() if value))
    assert listened.run("--env-file", str(file), environment={}).exit_code == 0
    assert listened.wishes == [Wish()]


def test_with_a_session_nobody_has_to_be_named(listened: Listened) -> None:
    assert listened.run(environment=_SESSION).exit_code == 0
    assert listened.wishes == [Wish()]


@pytest.mark.parametrize(
    ("options", "then"),
    [
        ([], "changes given up on: 2; there is no --checkpoint.\n"),
        (["--checkpoint", "f"], "changes given up on: 2; with this checkpoint they are tried again next time.\n"),
    ],
)
def test_what_was_given_up_on_is_a_failure(listened: Listened, options: list[str], then: str) -> None:
    listened.given_up = 2
    result = listened.run("--therapist", "ana", "--json", *options)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"massage-link: {then}")


@pytest.mark.parametrize("option", ["--gap=-1", "--exec-limit=0", "--nonsense"])
def test_what_makes_no_sense_is_refused(listened: Listened, option: str) -> None:
    assert listened.run("--therapist", "ana", "--auto-accept", option).exit_code == 2
    assert listened.wishes == []
