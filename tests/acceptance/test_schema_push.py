"""`massage-link schema push` and the direct-write mode of the generated files, as an operator uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checkout import ROOT
from marketplace import Market, Server
from massage_link.cli.app import app
from massage_link.domain.tables import BOOKINGS, TABLES
from massage_link.schema import functions_of
from massage_link.testing import running_emulator
from massage_link.wire.control import create_database, create_table, delete_column, get_table, list_databases
from massage_link.wire.rows import list_raw_rows

RUNNER = CliRunner()
FUNCTIONS = ROOT / "functions"


def _env(folder: Path, endpoint: str, project: str, secret: str, name: str = "APPWRITE_API_KEY") -> Path:
    file = folder / ".env"
    file.write_text(f"APPWRITE_ENDPOINT={endpoint}\nAPPWRITE_PROJECT_ID={project}\n{name}={secret}\n")
    return file


def test_the_first_push_makes_every_table_and_the_second_nothing(tmp_path: Path) -> None:
    with running_emulator(schema=False) as server, server.link() as link:
        push = ["schema", "push", "--env-file", str(_env(tmp_path, server.endpoint, server.project_id, server.api_key))]
        first, second = RUNNER.invoke(app, push), RUNNER.invoke(app, push)
        assert (first.exit_code, second.exit_code) == (0, 0), first.output + second.output
        for table in TABLES:
            assert f"{table.id} is complete." in first.stdout
            columns = link.send(get_table(link.ports.address(table)))["columns"]
            assert {column["status"] for column in columns} == {"available"}
        assert second.stdout.splitlines()[-1] == "Nothing was missing."


def test_a_table_that_differs_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with running_emulator(schema=False) as server, server.link() as link:
        link.send(create_database(link.ports.database, "x"))
        address = link.ports.address(BOOKINGS)
        link.send(create_table(address, "Bookings", ['create("any")']))
        env = _env(tmp_path, server.endpoint, server.project_id, server.api_key)
        result = RUNNER.invoke(app, ["schema", "push", "--env-file", str(env)])
        assert result.exit_code == 2
        assert "table bookings: $permissions is ['create(\"any\")']" in result.stderr
        assert "--allow-destructive" in result.stderr
        found = link.send(get_table(address))
        assert (found["$permissions"], found["columns"]) == (['create("any")'], [])


def test_bookings_that_are_older_than_a_new_column_are_read_and_moved_as_before(tmp_path: Path) -> None:
    younger = ("area", "bufferMinutes", "canary")
    with running_emulator() as server, server.link() as link:
        market = Market(Server(server.endpoint, server.project_id, server.api_key), link)
        booked = link.bookings.request(**market.wish(therapist_id="mara", area="Harbour"))
        for column in younger:  # as a server is whose tables were made by a version without these
            link.send(delete_column(link.ports.address(BOOKINGS), column))
        push = ["schema", "push", "--env-file", str(_env(tmp_path, server.endpoint, server.project_id, server.api_key))]
        pushed = RUNNER.invoke(app, push)
        assert pushed.exit_code == 0, pushed.output
        (row,) = link.send(list_raw_rows(link.ports.address(BOOKINGS), [])).rows
        assert [row[column] for column in younger] == [None, None, None]
        found = link.bookings.get(booked.id)
        assert found.columns() == {**booked.columns(), "area": "", "bufferMinutes": 0}
        assert [each.id for each in link.bookings.list(therapist_id="mara")] == [booked.id]
        assert link.bookings.accept(booked.id, by="mara").version == 2
        assert link.bookings.complete(booked.id, by="mara").status == "completed"


def test_functions_are_made_by_a_key_alone_and_run_from_the_folder_of_an_emulator(tmp_path: Path) -> None:
    with running_emulator(schema=False, functions=FUNCTIONS) as server:
        scopes = ["databases.read", "databases.write", "tables.read", "tables.write", "functions.read"]
        key = server.control("POST", "keys", {"scopes": [*scopes, "functions.write"]})["secret"]
        places = ["--env-file", str(_env(tmp_path, server.endpoint, server.project_id, key)), "--root", str(tmp_path)]
        for _ in range(2):
            pushed = RUNNER.invoke(app, ["schema", "push", "--functions", *places])
            assert pushed.exit_code == 0, pushed.output
            for function in functions_of():
                assert f"function {function.id} is complete." in pushed.stdout
        checked = RUNNER.invoke(app, ["schema", "check", *places])
        assert (checked.exit_code, checked.stdout) == (0, "The server is as the models say.\n")


def test_a_function_without_code_is_told_and_another_database_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_emulator(schema=False) as server:
        env = str(_env(tmp_path, server.endpoint, server.project_id, server.api_key))
        push = ["schema", "push", "--functions", "--env-file", env, "--root", str(tmp_path)]
        assert "function sweep has no code yet." in RUNNER.invoke(app, push).stdout
        monkeypatch.setenv("MASSAGE_LINK_DATABASE", "another")
        refused = RUNNER.invoke(app, push)
        assert refused.exit_code == 2
        assert "the functions work in the database massage_link" in refused.stderr
        with server.link() as link:
            assert [each["$id"] for each in link.send(list_databases())] == ["massage_link"]


def test_a_session_cannot_push(tmp_path: Path) -> None:
    env = _env(tmp_path, "http://127.0.0.1:9/v1", "p", "secret", "APPWRITE_SESSION")
    result = RUNNER.invoke(app, ["schema", "push", "--env-file", str(env)])
    assert result.exit_code == 2
    assert "schema push writes with an API key" in result.stderr


@pytest.mark.parametrize("direct_write", [False, True])
def test_the_direct_write_mode_of_the_files_is_chosen_once_and_kept(tmp_path: Path, *, direct_write: bool) -> None:
    generate = ["schema", "generate", "--root", str(tmp_path)]
    assert RUNNER.invoke(app, [*generate, "--direct-write" if direct_write else "--no-direct-write"]).exit_code == 0
    assert RUNNER.invoke(app, [*generate, "--check"]).exit_code == 0
    assert RUNNER.invoke(app, generate).exit_code == 0
    written = json.loads((tmp_path / "appwrite.json").read_text())
    tables = {table["$id"]: table["$permissions"] for table in written["tables"]}
    writable = [table for table, permissions in tables.items() if 'create("users")' in permissions]
    assert writable == (["bookings"] if direct_write else [])
    assert ("admit_booking" in {function["$id"] for function in written["functions"]}) is direct_write
