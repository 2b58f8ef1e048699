"""`massage-link init` writes settings only once they are known to work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from massage_link import MassageLink
from massage_link.cli.app import app
from massage_link.testing import Emulator, running_emulator

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    with running_emulator(schema=False) as server:
        yield server


def _init(server: Emulator, file: Path, *options: str, **changes: str) -> Result:
    told = {"endpoint": server.endpoint, "project": server.project_id, "key": server.api_key} | changes
    arguments = [part for name, value in told.items() for part in (f"--{name}", value)]
    return RUNNER.invoke(app, ["init", *arguments, "--env-file", str(file), *options])


def test_the_file_leads_to_the_server_and_is_for_its_owner_only(server: Emulator, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    result = _init(server, file)
    assert result.exit_code == 0, result.output
    assert "Appwrite 1.9.6 answers" in result.stdout
    assert server.api_key not in result.output
    assert file.stat().st_mode & 0o777 == 0o600
    with MassageLink.from_env(file) as link:
        assert (link.endpoint, link.project_id) == (server.endpoint, server.project_id)


def test_it_says_which_scopes_the_key_lacks(server: Emulator, tmp_path: Path) -> None:
    key = server.control("POST", "keys", {"scopes": ["rows.read", "rows.write"]})["secret"]
    result = _init(server, tmp_path / ".env", key=key)
    assert result.exit_code == 0, result.output
    said = {line.split()[-1]: line.split()[0] for line in result.stdout.splitlines() if line.startswith(("has", "lac"))}
    assert said == {"rows.read": "has", "databases.read": "lacks", "functions.read": "lacks", "users.read": "lacks"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": "nonsense"}, "does not know this key"),
        ({"project": "other"}, "project"),
        ({"endpoint": "http://127.0.0.1:9/v1"}, "127.0.0.1:9"),
        ({"endpoint": "127.0.0.1/v1"}, "APPWRITE_ENDPOINT"),
        ({"key": "two words"}, "APPWRITE_API_KEY"),
    ],
    ids=str,
)
def test_what_does_not_work_is_said_in_a_sentence_and_not_written(
    server: Emulator, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    result = _init(server, tmp_path / ".env", **changes)
    assert result.exit_code in {1, 2}
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_replaced_only_by_force_and_keeps_what_is_not_ours(
    server: Emulator, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text("OTHER=1\nAPPWRITE_API_KEY=old\nexport APPWRITE_SESSION=old\n")
    assert _init(server, file).exit_code == 2
    assert "old" in file.read_text()
    assert _init(server, file, "--force").exit_code == 0
    assert file.read_text().startswith("OTHER=1\nAPPWRITE_ENDPOINT=")
    assert "old" not in file.read_text()


def test_what_is_written_is_what_was_checked_whatever_the_environment_says(
    server: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPWRITE_ENDPOINT", server.endpoint)
    monkeypatch.setenv("APPWRITE_PROJECT_ID", server.project_id)
    monkeypatch.setenv("APPWRITE_API_KEY", server.api_key)
    refused = _init(server, tmp_path / "wrong.env", key="not-the-key-of-the-environment")
    assert refused.exit_code == 1
    assert not (tmp_path / "wrong.env").exists()
    monkeypatch.delenv("APPWRITE_API_KEY")
    monkeypatch.setenv("APPWRITE_SESSION", "somebody-is-signed-in")
    monkeypatch.setenv("APPWRITE_ENDPOINT", "http://127.0.0.1:9/v1")
    assert _init(server, tmp_path / "right.env").exit_code == 0


def test_a_setting_that_can_not_be_is_told_without_a_place_that_is_gone(server: Emulator, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    refused = _init(server, file, endpoint=server.endpoint.removesuffix("/v1"))
    assert refused.exit_code == 2
    assert "does not end with /v1" in refused.output
    assert str(file) in refused.output.replace("\n", "")
    assert not file.exists()


def test_a_file_that_is_no_text_is_left_alone(server: Emulator, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"\xff\xfe")
    refused = _init(server, file, "--force")
    assert refused.exit_code == 2
    assert "is not a text file in UTF-8" in refused.output
    assert file.read_bytes() == b"\xff\xfe"
