"""Appwrite's own command line pushes our generated files, and finds nothing to do the second time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from massage_link.schema import generated_files
from massage_link.testing import Emulator, running_emulator

ROOT = Path(__file__).parents[2]
APPWRITE = ROOT / "tests" / "node" / "node_modules" / ".bin" / "appwrite"
pytestmark = pytest.mark.long
Push = Callable[[], str]


@pytest.fixture
def project(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """A server of its own, because a push deletes every database that its file does not list."""
    with running_emulator(project_id="shop", schema=request.param) as emulator:
        yield emulator


@pytest.fixture
def push(project: Emulator, tmp_path: Path) -> Push:
    """Runs `appwrite push tables` in a checkout that is linked to the project."""
    shutil.copy(ROOT / "appwrite.json", tmp_path)
    settings = tmp_path / ".appwrite"
    settings.mkdir()
    (settings / "prefs.json").write_text(
        json.dumps({"current": "here", "here": {"endpoint": project.endpoint, "key": project.api_key}})
    )

    def appwrite(*arguments: str) -> str:
        done = subprocess.run(
            [APPWRITE, *arguments],
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert "Error:" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done.stdout

    appwrite("client", "--project-id", project.project_id)
    return lambda: appwrite("push", "tables", "--all", "--force")


def _tables(project: Emulator) -> dict[str, dict[str, Any]]:
    answer = httpx.get(
        f"{project.endpoint}/tablesdb/massage_link/tables",
        params={"queries[]": '{"method":"limit","values":[100]}'},
        headers={"X-Appwrite-Project": project.project_id, "X-Appwrite-Key": project.api_key},
    )
    return {table["$id"]: table for table in answer.raise_for_status().json()["tables"]}


REVIEWS = [json.loads(text) for path, text in generated_files().items() if path != "appwrite.json"]


@pytest.mark.parametrize("project", [False], indirect=True, ids=["empty"])
def test_a_push_makes_the_tables_and_a_second_one_changes_nothing(
    project: Emulator, push: Push, tmp_path: Path
) -> None:
    assert f"Successfully pushed {len(REVIEWS)} tables" in push()
    assert "Successfully pushed 0 tables" in push()

    tables = _tables(project)
    bytes_used = {table: facts["bytesUsed"] for table, facts in tables.items()}
    assert bytes_used == {review["table"]: review["bytesUsed"] for review in REVIEWS}
    assert all(column["status"] == "available" for table in tables.values() for column in table["columns"])
    # It has written its project into the file, and changed nothing else.
    linked = json.loads((tmp_path / "appwrite.json").read_text())
    assert linked == json.loads((ROOT / "appwrite.json").read_text()) | {"projectId": "shop"}


@pytest.mark.parametrize("project", [True], indirect=True, ids=["pushed by us"])
def test_a_push_has_nothing_to_do_where_we_pushed_the_schema(project: Emulator, push: Push) -> None:
    assert set(_tables(project)) == {review["table"] for review in REVIEWS}
    assert "Successfully pushed 0 tables" in push()
