"""How every command ends: an exit code, one sentence, never a traceback."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from massage_link import __version__
from massage_link.cli.app import app
from massage_link.errors import IllegalTransition, MassageLinkError, SettingsError
from massage_link.schema import generated_files

RUNNER = CliRunner()


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes `massage-link schema generate` raise this."""

    def fail_with(error: BaseException) -> None:
        def raising(**_: object) -> dict[str, str]:
            raise error

        monkeypatch.setattr("massage_link.schema.generated_files", raising)

    return fail_with


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SettingsError("APPWRITE_ENDPOINT is not set."), 2, "massage-link: APPWRITE_ENDPOINT is not set.\n"),
        (IllegalTransition("booking b1 is completed."), 1, "massage-link: booking b1 is completed.\n"),
        (MassageLinkError("it did not work."), 1, "massage-link: it did not work.\n"),
        (PermissionError(13, "Permission denied", "x"), 1, "massage-link: [Errno 13] Permission denied: 'x'\n"),
        (KeyboardInterrupt(), 130, ""),
        (
            ModuleNotFoundError("No module named 'starlette'", name="starlette"),
            2,
            "massage-link: No module named 'starlette': pip install \"massage-link[cli,emulator]\"\n",
        ),
        (
            ModuleNotFoundError("No module named 'nicegui'", name="nicegui"),
            2,
            "massage-link: No module named 'nicegui': pip install \"massage-link[cli,web]\"\n",
        ),
    ],
)
def test_an_error_ends_in_its_exit_code_and_one_sentence(
    failing: Callable[[BaseException], None], error: BaseException, code: int, said: str
) -> None:
    failing(error)
    result = RUNNER.invoke(app, ["schema", "generate"])
    assert (result.exit_code, result.stderr, result.stdout) == (code, said, "")


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("a fault of ours"), ModuleNotFoundError("x", name="massage_link.x")]
)
def test_a_fault_of_our_own_keeps_its_traceback(failing: Callable[[BaseException], None], error: BaseException) -> None:
    failing(error)
    assert RUNNER.invoke(app, ["schema", "generate"]).exception is error


@pytest.mark.parametrize("arguments", [["nonsense"], ["schema", "generate", "--nonsense"], ["--nonsense"]])
def test_a_wrong_command_or_option_is_a_usage_error(arguments: list[str]) -> None:
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 2
    assert "onsense" in result.stderr


def test_the_version_is_printed() -> None:
    result = RUNNER.invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"massage-link {__version__}\n")


def test_help_lists_every_command() -> None:
    result = RUNNER.invoke(app, ["--help"])
    assert result.exit_code == 0
    names = [group.name for group in app.registered_groups]
    names += [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    assert {"schema", "emulator"} <= set(names)
    assert all(str(name) in result.stdout for name in names)


def test_every_command_has_a_help_text() -> None:
    described = typer.main.get_command(app)
    for name, command in described.commands.items():  # type: ignore[attr-defined]
        assert command.help, name


def test_help_imports_neither_server_nor_client() -> None:
    program = (
        "import sys; from massage_link.cli import main; sys.argv = ['massage-link', '--help']\n"
        "try: main()\n"
        "except SystemExit: print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    assert all(f"'{name}'" not in loaded for name in ("starlette", "uvicorn", "httpx", "pydantic_settings", "appwrite"))


def test_a_closed_pipe_ends_a_command_quietly(tmp_path: Path) -> None:
    program = "from massage_link.cli import main; main()"
    command = [sys.executable, "-c", program, "schema", "generate", "--root", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_the_emulator_states_its_own_options() -> None:
    program = "from massage_link.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "emulator", "--help"], capture_output=True, text=True, check=True
    )
    assert "--data-dir" in done.stdout
    assert done.stdout.startswith("usage: massage-link emulator")


# --- schema generate --------------------------------------------------------------------------------------------------
def _generate(root: Path, *options: str) -> tuple[int, str, str]:
    result = RUNNER.invoke(app, ["schema", "generate", "--root", str(root), *options])
    return result.exit_code, result.stdout, result.stderr


def test_files_are_written_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    code, said, _ = _generate(tmp_path)
    assert (code, said.count("wrote ")) == (0, len(generated_files()))
    assert {path: (tmp_path / path).read_text("utf-8") for path in generated_files()} == generated_files()
    assert _generate(tmp_path) == (0, f"{len(generated_files())} files are up to date.\n", "")
    assert _generate(tmp_path, "--check")[0] == 0


def test_a_check_names_each_file_that_differs_and_writes_nothing(tmp_path: Path) -> None:
    _generate(tmp_path)
    changed = tmp_path / "schema" / "slots.json"
    changed.write_text("{}")
    (tmp_path / "schema" / "bookings.json").unlink()
    (tmp_path / "schema" / "old_table.json").write_text("{}")
    code, _, said = _generate(tmp_path, "--check")
    assert code == 1
    assert "schema/slots.json differs from the models." in said
    assert "schema/bookings.json differs from the models." in said
    assert "schema/old_table.json belongs to no table; delete it." in said
    assert "massage-link schema generate" in said
    assert "appwrite.json" not in said
    assert changed.read_text() == "{}"


def test_the_project_that_the_appwrite_cli_wrote_into_its_file_is_kept(tmp_path: Path) -> None:
    _generate(tmp_path)
    config = tmp_path / "appwrite.json"
    linked = json.dumps(json.loads(config.read_text()) | {"projectId": "shop"})
    config.write_text(linked)
    assert _generate(tmp_path, "--check")[0] == 0
    _generate(tmp_path)
    assert config.read_text() == linked


class _Gone(io.StringIO):
    """Standard output on a terminal that was taken away, with something still to be written."""

    def flush(self) -> None:
        raise OSError(errno.EIO, "Input/output error")


def test_a_command_that_ran_to_its_end_did_so_though_its_terminal_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Gone())
    monkeypatch.setattr(typer, "echo", lambda _: None)
    with pytest.raises(SystemExit) as ended:
        app(["schema", "generate", "--check"])
    assert ended.value.code in {0, None}


def test_what_went_wrong_keeps_its_exit_code_though_nobody_can_be_told(
    failing: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    failing(SettingsError("APPWRITE_ENDPOINT is not set."))
    monkeypatch.setattr(typer, "echo", gone)
    with pytest.raises(SystemExit) as ended:
        app(["schema", "generate"])
    assert ended.value.code == 2
