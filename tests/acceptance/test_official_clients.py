"""The clients that Appwrite itself publishes find their way about the embedded server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from appwrite.client import Client
from appwrite.exception import AppwriteException
from appwrite.id import ID
from appwrite.permission import Permission
from appwrite.query import Query
from appwrite.role import Role
from appwrite.services.account import Account
from appwrite.services.functions import Functions
from appwrite.services.tables_db import TablesDB
from appwrite.services.teams import Teams
from appwrite.services.users import Users

from emulator_fixture import Served, served

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.emulator_only

_NODE = Path(__file__).parent.parent / "node"
_ECHO = "async def main(context):\n    return context.res.json({'got': context.req.body_text})\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    functions = tmp_path_factory.mktemp("functions")
    (functions / "echo").mkdir()
    (functions / "echo" / "main.py").write_text(_ECHO)
    with served("--functions", str(functions)) as running:
        yield running


def _client(server: Served) -> Client:
    client: Client = Client().set_endpoint(server.endpoint).set_project(server.project)
    return client


@pytest.fixture(scope="module")
def by_key(server: Served) -> Client:
    client: Client = _client(server).set_key(server.key)
    return client


@pytest.fixture(scope="module")
def tables(by_key: Client) -> TablesDB:
    """The tables service, with table `t` of database `sdk` ready."""
    service = TablesDB(by_key)
    service.create("sdk", "SDK")
    service.create_table("sdk", "t", "T", permissions=[Permission.create(Role.users())], row_security=True)
    service.create_varchar_column("sdk", "t", "title", 40, required=True)
    service.create_integer_column("sdk", "t", "n", required=False, min=0, max=100)
    service.create_varchar_column("sdk", "t", "tags", 20, required=False, array=True)
    while any(column.status.value != "available" for column in service.list_columns("sdk", "t").columns):
        pass
    return service


def test_the_python_client_writes_finds_and_removes_rows(tables: TablesDB) -> None:
    row = tables.create_row("sdk", "t", "r1", {"title": "One", "n": 1, "tags": ["a"]}, [Permission.read(Role.any())])
    assert row.id == "r1"
    tables.create_rows("sdk", "t", [{"$id": f"b{n}", "title": "Many", "n": n} for n in range(3)])
    found = tables.list_rows("sdk", "t", [Query.equal("title", "Many"), Query.order_desc("n"), Query.limit(2)])
    assert [row.id for row in found.rows] == ["b2", "b1"]
    assert found.total == 3
    assert tables.increment_row_column("sdk", "t", "r1", "n", 4).data["n"] == 5
    tables.update_row("sdk", "t", "r1", {"title": "Uno"})
    assert tables.get_row("sdk", "t", "r1").data["title"] == "Uno"
    tables.delete_rows("sdk", "t", [Query.equal("title", "Many")])
    tables.delete_row("sdk", "t", "r1")
    with pytest.raises(AppwriteException) as missing:
        tables.get_row("sdk", "t", "r1")
    assert (missing.value.code, missing.value.type) == (404, "row_not_found")


def test_the_python_client_commits_and_conflicts(tables: TablesDB) -> None:
    def staged(row_id: str) -> str:
        begun: str = tables.create_transaction(60).id
        operation = {"action": "create", "databaseId": "sdk", "tableId": "t", "rowId": row_id, "data": {"title": "x"}}
        tables.create_operations(begun, [operation])
        return begun

    first, second = staged("same"), staged("same")
    assert tables.update_transaction(first, commit=True).status == "committed"
    with pytest.raises(AppwriteException) as refused:
        tables.update_transaction(second, commit=True)
    assert refused.value.type == "transaction_conflict"


def test_the_python_client_manages_users_and_teams(server: Served, by_key: Client, tables: TablesDB) -> None:
    users, teams = Users(by_key), Teams(by_key)
    user = users.create(ID.unique(), "py@example.test", None, "password-1", "Py")
    users.update_labels(user.id, ["ops"])
    secret = users.create_session(user.id).secret
    team = teams.create(ID.unique(), "Team")
    teams.create_membership(team.id, ["hand"], user_id=user.id)
    as_user: Client = _client(server).set_session(secret)
    assert Account(as_user).get().labels == ["ops"]
    mine = TablesDB(as_user).create_row("sdk", "t", ID.unique(), {"title": "mine"})
    assert len(mine.permissions) == 3
    assert teams.list_memberships(team.id).total == 1


def test_the_python_client_runs_a_function(by_key: Client) -> None:
    functions = Functions(by_key)
    functions.create("echo", "Echo", "python-3.12", execute=["users"], entrypoint="main.py")
    done = functions.create_execution("echo", body="hello", xasync=False)
    assert (done.status.value, json.loads(done.responsebody)) == ("completed", {"got": "hello"})


_SCRIPT = """
const { Client, TablesDB, Users, Teams, Functions, Query, Permission, Role, ID } = require('node-appwrite');
const [endpoint, project, key] = process.argv.slice(1);
const client = new Client().setEndpoint(endpoint).setProject(project).setKey(key);
const tables = new TablesDB(client), users = new Users(client);
const teams = new Teams(client), functions = new Functions(client);
const at = { databaseId: 'node', tableId: 't' };
(async () => {
    await tables.create({ databaseId: 'node', name: 'Node' });
    await tables.createTable({ ...at, name: 'T', permissions: [Permission.create(Role.users())], rowSecurity: true });
    await tables.createStringColumn({ ...at, key: 'title', size: 40, required: true });
    while ((await tables.listColumns(at)).columns.some((column) => column.status !== 'available'));
    await tables.createRow({ ...at, rowId: 'r1', data: { title: 'One' }, permissions: [Permission.read(Role.any())] });
    await tables.createRows({ ...at, rows: [{ $id: 'r2', title: 'Two' }, { $id: 'r3', title: 'Three' }] });
    const transaction = await tables.createTransaction({ ttl: 60 });
    const operation = { action: 'create', ...at, rowId: 'r4', data: { title: 'Four' } };
    await tables.createOperations({ transactionId: transaction.$id, operations: [operation] });
    const committed = await tables.updateTransaction({ transactionId: transaction.$id, commit: true });
    const found = await tables.listRows({ ...at, queries: [Query.startsWith('title', 't'), Query.orderAsc('title')] });
    const user = await users.create({ userId: ID.unique(), email: 'node@example.test', password: 'password-1' });
    const session = await users.createSession({ userId: user.$id });
    const team = await teams.create({ teamId: ID.unique(), name: 'Team' });
    const member = await teams.createMembership({ teamId: team.$id, roles: ['hand'], userId: user.$id });
    await functions.create({ functionId: 'echo-node', name: 'E', runtime: 'python-3.12', entrypoint: 'main.py' });
    const run = await functions.createExecution({ functionId: 'echo-node', body: 'hello', async: false });
    const refused = await tables.getRow({ ...at, rowId: 'none' }).catch((error) => error);
    console.log(JSON.stringify({
        committed: committed.status, found: found.rows.map((row) => row.$id), secret: session.secret.length > 0,
        confirm: member.confirm, run: run.responseBody, refused: [refused.code, refused.type],
    }));
})().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.mark.long
def test_the_node_client_does_all_that(server: Served, tmp_path: Path) -> None:
    functions = Path(str(server.process.args[-1]))  # type: ignore[index]  # the folder given to --functions
    (functions / "echo-node").mkdir()
    (functions / "echo-node" / "main.py").write_text(_ECHO)
    told = subprocess.run(
        ["node", "-e", _SCRIPT, server.endpoint, server.project, server.key],
        cwd=_NODE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {
        "committed": "committed",
        "found": ["r3", "r2"],
        "secret": True,
        "confirm": True,
        "run": '{"got":"hello"}',
        "refused": [404, "row_not_found"],
    }
