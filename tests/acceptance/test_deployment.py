"""A clone of this project, deployed with Appwrite's own command line, runs the marketplace."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from typer.testing import CliRunner

from checkout import NODE, AppwriteCli, clone
from emulator_live import until
from marketplace import Market, Server, hired_people
from massage_link.cli.app import app
from massage_link.cli.bundles import Bundle, build_bundle
from massage_link.domain.rows import Row
from massage_link.domain.tables import BOOKINGS, CHAT_ROOMS, COMMISSIONS, Table
from massage_link.schema import functions_of, same_content
from massage_link.testing import running_emulator
from massage_link.usecases.ports import find
from salon import Salon

pytestmark = pytest.mark.long
FUNCTIONS = {function.id for function in functions_of(direct_write=True)}
OPERATOR = "operator@localhost.test"
PROJECT = "shop"
R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class Deployment:
    """A server, and the clone that was pushed to it."""

    salon: Salon
    clone: Path
    appwrite: AppwriteCli
    bundle: Bundle
    #: What the pushes of the tables and of the functions printed.
    told: tuple[str, str]

    def get(self, path: str, **query: str) -> Any:
        """What the server says to the key."""
        server = self.salon.server
        headers = {"X-Appwrite-Project": server.project_id, "X-Appwrite-Key": server.api_key}
        answer = httpx.get(f"{server.endpoint}/{path}", params=query, headers=headers, timeout=60)
        answer.raise_for_status()
        return answer.json() if "json" in answer.headers["content-type"] else answer.content

    def session_of(self, user_id: str) -> str:
        """The secret of a new session."""
        server = self.salon.server
        headers = {"X-Appwrite-Project": server.project_id, "X-Appwrite-Key": server.api_key}
        answer = httpx.post(f"{server.endpoint}/users/{user_id}/sessions", json={}, headers=headers)
        return str(answer.raise_for_status().json()["secret"])

    def row(self, table: Table[R], row_id: str) -> R | None:
        """A row, if it is there."""
        return self.salon.link.run(find(self.salon.link.ports, table, row_id))

    def executions(self, function: str) -> list[dict[str, Any]]:
        """What a function did, with its logs."""
        found: list[dict[str, Any]] = self.get(f"functions/{function}/executions")["executions"]
        return found


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Signed in, pushed the tables, pushed the functions; the server has no code but what came with the push."""
    place = clone(tmp_path_factory.mktemp("clone"))
    appwrite = AppwriteCli(place, tmp_path_factory.mktemp("home"))
    for command in (["schema", "generate", "--direct-write"], ["functions", "build"]):
        assert CliRunner().invoke(app, [*command, "--root", str(place)]).exit_code == 0
    with ExitStack() as leaving:
        emulator = leaving.enter_context(running_emulator(project_id=PROJECT, schema=False))
        server = Server(emulator.endpoint, PROJECT, emulator.api_key, "massage_link", emulator)
        appwrite("login", "--endpoint", emulator.endpoint, "--email", OPERATOR, "--password", emulator.api_key)
        appwrite("client", "--project-id", PROJECT)
        tables = appwrite("push", "tables", "--all", "--force")
        functions = appwrite("push", "functions", "--all", "--force")
        people = leaving.enter_context(hired_people(server))
        link = leaving.enter_context(server.link())
        salon = Salon(server, people, Market(server, link), leaving)
        yield Deployment(salon, place, appwrite, build_bundle(place), (tables, functions))


def test_the_push_is_complete_and_every_function_is_ready(deployment: Deployment) -> None:
    tables, functions = deployment.told
    assert "Successfully pushed 14 tables" in tables
    assert f"Successfully pushed {len(FUNCTIONS)} functions" in functions
    found = deployment.get("functions")["functions"]
    assert {(function["$id"], function["latestDeploymentStatus"]) for function in found} == {
        (function, "ready") for function in FUNCTIONS
    }


def test_what_was_uploaded_is_what_was_built_here_and_it_was_installed_from_it(deployment: Deployment) -> None:
    for function in deployment.get("functions")["functions"]:
        active = f"functions/{function['$id']}/deployments/{function['deploymentId']}"
        with tarfile.open(fileobj=io.BytesIO(deployment.get(f"{active}/download"))) as archive:
            names = {Path(name).name for name in archive.getnames()} - {"."}
            assert names == {"main.py", "requirements.txt", deployment.bundle.wheel_name}
            wheel = next(member for member in archive.getmembers() if member.name.endswith(".whl"))
            content = archive.extractfile(wheel)
            assert content is not None
            assert content.read() == deployment.bundle.wheel
        installed = deployment.bundle.wheel_name.removesuffix("-py3-none-any.whl").replace("_", "-")
        assert f" {installed} " in deployment.get(active)["buildLogs"]


_BOOK = """
const { Client, Databases, ID } = require('node-appwrite');
const [endpoint, project, session, data] = process.argv.slice(1);
const databases = new Databases(new Client().setEndpoint(endpoint).setProject(project).setSession(session));
databases.createDocument('massage_link', 'bookings', ID.unique(), JSON.parse(data)).then(
    (row) => console.log(row.$id),
    (error) => { console.error(error); process.exit(1); },
);
"""


def _written_from_javascript(deployment: Deployment) -> str:
    """The id of the row that the customer's own client made."""
    salon = deployment.salon
    session = deployment.session_of(salon.people.customer.id)
    arguments = [salon.server.endpoint, PROJECT, session, json.dumps(salon.draft())]
    told = subprocess.run(
        ["node", "-e", _BOOK, *arguments], cwd=NODE, capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == 0, told.stderr
    return told.stdout.strip()


async def test_a_booking_that_a_user_writes_from_javascript_is_admitted_and_gets_room_and_commission(
    deployment: Deployment,
) -> None:
    deployment.salon.therapist(deployment.salon.people.therapist.id)
    booking_id = _written_from_javascript(deployment)
    await until(lambda: deployment.row(COMMISSIONS, booking_id) is not None, 60)
    booking = deployment.row(BOOKINGS, booking_id)
    room = deployment.row(CHAT_ROOMS, booking_id)
    commission = deployment.row(COMMISSIONS, booking_id)
    assert booking is not None
    assert room is not None
    assert commission is not None
    assert (booking.status, booking.version, booking.price_minor) == ("pending", 1, 9_505)
    assert (commission.gross_minor, commission.commission_minor, commission.net_minor) == (9_505, 2_852, 6_653)

    def done() -> bool:
        return any(execution["status"] == "completed" for execution in deployment.executions("admit_booking"))

    await until(done, 60)
    for function in ("admit_booking", "create_chat_room", "compute_commission"):
        active = deployment.get(f"functions/{function}")["deploymentId"]
        executions = deployment.executions(function)
        assert {execution["deploymentId"] for execution in executions} == {active}
        assert [execution["errors"] for execution in executions] == [""] * len(executions)


def test_a_second_push_changes_nothing_and_loses_no_row(deployment: Deployment) -> None:
    market, link = deployment.salon.market, deployment.salon.link
    booking_id = link.bookings.request(**market.wish()).id
    booking = deployment.row(BOOKINGS, booking_id)
    assert booking is not None
    before = (deployment.get("tablesdb/massage_link/tables/bookings"), deployment.get("functions/sweep"))
    assert "Successfully pushed 0 tables" in deployment.appwrite("push", "tables", "--all", "--force")
    deployment.appwrite("push", "functions", "--function-id", "sweep", "--force")
    after = (deployment.get("tablesdb/massage_link/tables/bookings"), deployment.get("functions/sweep"))
    assert after[0] == before[0]
    volatile = {name for name in before[1] if "eployment" in name} | {"$updatedAt"}
    assert {name for name, value in after[1].items() if value != before[1][name]} <= volatile
    assert deployment.row(BOOKINGS, booking_id) == booking


def test_a_pull_gives_back_what_was_pushed(deployment: Deployment, tmp_path: Path) -> None:
    pulled = AppwriteCli(tmp_path, deployment.appwrite.home)
    server = {"projectId": PROJECT, "endpoint": deployment.salon.server.endpoint}
    (tmp_path / "appwrite.json").write_text(json.dumps(server))
    pulled("pull", "tables", "--all", "--force")
    pulled("pull", "functions", "--all", "--force")
    pushed = (deployment.clone / "appwrite.json").read_text("utf-8")
    without_project = {name: part for name, part in json.loads(pushed).items() if name != "projectId"}
    assert same_content("appwrite.json", json.dumps(without_project), (tmp_path / "appwrite.json").read_text("utf-8"))
    for function in FUNCTIONS:
        files = {path.name: path.read_bytes() for path in (tmp_path / "functions" / function).iterdir()}
        theirs = deployment.clone / "functions" / function
        assert files == {path.name: path.read_bytes() for path in theirs.iterdir() if path.is_file()}


def test_an_earlier_deployment_is_made_the_active_one_again_without_a_build(deployment: Deployment) -> None:
    deployments = "functions/commands/deployments"
    (earlier,) = (each["$id"] for each in deployment.get(deployments)["deployments"])
    deployment.appwrite("push", "functions", "--function-id", "commands", "--force")
    assert deployment.get("functions/commands")["deploymentId"] != earlier
    assert earlier in deployment.appwrite("functions", "list-deployments", "--function-id", "commands")
    back = ("--function-id", "commands", "--deployment-id", earlier)
    deployment.appwrite("functions", "update-function-deployment", *back)
    assert deployment.get("functions/commands")["deploymentId"] == earlier
