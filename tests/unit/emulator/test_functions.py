"""Functions over HTTP: triggers, executions, variables, deployments, schedules, faults, and the life of processes."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import tarfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from emulator_live import Live, heard, live_server, subscribed, until

ECHO = """
import json, os

async def main(context):
    context.log("ran", context.req.headers["x-appwrite-trigger"])
    return context.res.json({
        "headers": context.req.headers, "env": dict(os.environ), "body": context.req.body_text,
        "path": context.req.path, "query": context.req.query, "method": context.req.method, "pid": os.getpid(),
    })
"""
RECORD = """
from pathlib import Path

async def main(context):
    with Path(os.environ["OUT"]).open("a") as file:
        file.write(context.req.headers["x-appwrite-event"] + " " + context.req.body_json["$id"] + "\\n")
    return context.res.empty()

import os
"""


@pytest_asyncio.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    async with live_server(functions_dir=tmp_path) as server:
        yield server


async def function(live: Live, name: str, code: str, **settings: Any) -> None:
    """Create function ``name`` in the server's folder of functions."""
    assert live.emulator.settings.functions_dir is not None
    folder = live.emulator.settings.functions_dir / name
    folder.mkdir()
    (folder / "main.py").write_text(code)
    body = {"functionId": name, "name": name, "runtime": "python-3.12", "entrypoint": "main.py", **settings}
    created = await live.call("POST", "/functions", body)
    assert created["latestDeploymentStatus"] == "ready"


async def run(live: Live, name: str, *, session: str | None = None, **body: Any) -> dict[str, Any]:
    """A synchronous execution."""
    answer: dict[str, Any] = await live.call("POST", f"/functions/{name}/executions", body, session=session)
    return answer


def archive(**files: str) -> bytes:
    """Files (``__`` in a name stands for a dot) as the CLI packs them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("__", "."))
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


async def deploy(live: Live, name: str, code: bytes, headers: dict[str, str] | None = None, **fields: str) -> Any:
    """Upload code as the official clients do; the answer, which must be a success."""
    fields = {"activate": "true", "entrypoint": "main.py", **fields}
    answer = await live.http.post(
        f"/functions/{name}/deployments",
        data=fields,
        files={"code": ("code.tar.gz", code, "application/gzip")},
        headers={"X-Appwrite-Project": "massage", "X-Appwrite-Key": "key", **(headers or {})},
    )
    assert answer.status_code == 202, answer.text
    return answer.json()


async def built(live: Live, name: str, deployment: dict[str, Any]) -> dict[str, Any]:
    """The deployment once its build is over."""

    async def over() -> bool:
        nonlocal deployment
        deployment = await live.call("GET", f"/functions/{name}/deployments/{deployment['$id']}")
        return deployment["status"] in ("ready", "failed", "canceled")

    await until(over, 120)
    return deployment


async def undeployed(live: Live, name: str, **settings: Any) -> None:
    """Create a function that has no code yet."""
    body = {"functionId": name, "name": name, "runtime": "python-3.12", "entrypoint": "main.py", **settings}
    await live.call("POST", "/functions", body)


# What a function is given


async def test_a_function_sees_the_documented_environment_and_nothing_of_the_servers(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPWRITE_API_KEY", "the developer's own")
    await function(live, "echo", ECHO, scopes=["rows.read"])
    await live.call("POST", "/functions/echo/variables", {"variableId": "v", "key": "COLOUR", "value": "red"})
    env = json.loads((await run(live, "echo"))["responseBody"])["env"]
    assert env["APPWRITE_FUNCTION_API_ENDPOINT"] == live.emulator.endpoint
    assert env["APPWRITE_FUNCTION_PROJECT_ID"] == "massage"
    assert (env["APPWRITE_FUNCTION_ID"], env["APPWRITE_FUNCTION_NAME"]) == ("echo", "echo")
    assert (env["APPWRITE_FUNCTION_RUNTIME_NAME"], env["APPWRITE_FUNCTION_RUNTIME_VERSION"]) == ("Python", "3.12")
    assert env["APPWRITE_VERSION"] == "1.9.6"
    assert env["COLOUR"] == "red"
    assert "APPWRITE_API_KEY" not in env


async def test_a_users_execution_carries_her_id_and_a_jwt_and_the_functions_key(live: Live) -> None:
    await function(live, "echo", ECHO, execute=["users"], scopes=["rows.read"])
    ann = await live.user("ann")
    execution = await run(live, "echo", session=ann, body="hi", path="/a?b=1", method="PUT", headers={"X-Own": "1"})
    assert execution["logs"] == ""
    seen = json.loads(execution["responseBody"])
    assert (seen["body"], seen["path"], seen["query"], seen["method"]) == ("hi", "/a", {"b": "1"}, "PUT")
    headers = seen["headers"]
    assert headers["x-own"] == "1"
    assert headers["x-appwrite-trigger"] == "http"
    assert headers["x-appwrite-user-id"] == "ann"
    assert headers["x-appwrite-execution-id"] == execution["$id"]
    assert "x-appwrite-event" not in headers
    account = await live.answer(
        "GET", "/account", session="guest", headers={"X-Appwrite-JWT": headers["x-appwrite-user-jwt"]}
    )
    assert account.json()["$id"] == "ann"
    key = {"X-Appwrite-Key": headers["x-appwrite-key"]}
    assert (await live.answer("GET", "/users", session="guest", headers=key)).status_code == 401
    assert (
        await live.answer("GET", "/tablesdb/none/tables/none/rows", session="guest", headers=key)
    ).status_code == 404


async def test_only_a_key_sees_logs(live: Live) -> None:
    await function(live, "echo", ECHO, execute=["any"])
    execution = await run(live, "echo", session="guest")
    path = f"/functions/echo/executions/{execution['$id']}"
    assert (await live.call("GET", path))["logs"] == "ran http\n"
    assert (await live.call("GET", path))["responseBody"] == ""


# Who may run a function


@pytest.mark.parametrize(
    ("execute", "allowed"),
    [
        ([], False),
        (["any"], True),
        (["users"], True),
        (["user:ann"], True),
        (["user:bob"], False),
        (["label:vip"], True),
    ],
)
async def test_a_user_needs_a_role_that_may_execute(live: Live, execute: list[str], allowed: bool) -> None:
    await function(live, "echo", ECHO, execute=execute)
    ann = await live.user("ann", labels=["vip"])
    answer = await live.answer("POST", "/functions/echo/executions", {}, session=ann)
    assert answer.status_code == (201 if allowed else 401)


async def test_a_disabled_function_does_not_exist_for_users_but_for_keys_and_events(live: Live, tmp_path: Path) -> None:
    rows = await live.table()
    await function(
        live, "record", RECORD, execute=["any"], enabled=False, events=["databases.*.tables.*.rows.*.create"]
    )
    await variable(live, "record", "OUT", str(tmp_path / "out"))
    answer = await live.answer("POST", "/functions/record/executions", {}, session=await live.user("ann"))
    assert answer.json()["type"] == "function_not_found"
    await live.call("POST", rows, {"rowId": "r1", "data": {"n": 1}})
    await until((tmp_path / "out").exists)


async def test_users_see_their_own_executions_only(live: Live) -> None:
    await function(live, "echo", ECHO, execute=["users"])
    ann, bob = await live.user("ann"), await live.user("bob")
    hers = await run(live, "echo", session=ann)
    await run(live, "echo")
    assert (await live.call("GET", "/functions/echo/executions", session=ann))["total"] == 1
    assert (await live.call("GET", "/functions/echo/executions"))["total"] == 2
    answer = await live.answer("GET", f"/functions/echo/executions/{hers['$id']}", session=bob)
    assert answer.json()["type"] == "execution_not_found"


# Events


async def variable(live: Live, name: str, key: str, value: str) -> None:
    await live.call("POST", f"/functions/{name}/variables", {"variableId": "unique()", "key": key, "value": value})


async def idle(live: Live) -> None:
    """Wait until the queue is empty."""
    await until(lambda: not live.emulator.functions.pending)


@pytest.mark.parametrize(
    ("pattern", "fires"),
    [
        ("databases.*.tables.*.rows.*.create", ["create"]),
        ("databases.db.collections.items.documents.*.create", ["create"]),
        ("databases.db.tables.items.rows.r1.update", ["update"]),
        ("databases.db.tables.items.rows.*", ["create", "update", "upsert", "delete"]),
        ("databases.*", ["create", "update", "upsert", "delete"]),
        ("databases.other.tables.*.rows.*", []),
        ("tablesdb.db.tables.items.rows.*.create", []),
    ],
)
async def test_a_function_runs_for_the_events_it_names(
    live: Live, tmp_path: Path, pattern: str, fires: list[str]
) -> None:
    rows = await live.table()
    await function(live, "record", RECORD, events=[pattern])
    await variable(live, "record", "OUT", str(tmp_path / "out"))
    await live.call("POST", rows, {"rowId": "r1", "data": {"n": 1}})
    await live.call("PATCH", f"{rows}/r1", {"data": {"n": 2}})
    await live.call("PUT", f"{rows}/r1", {"data": {"n": 3}})
    await live.call("DELETE", f"{rows}/r1")
    await idle(live)
    lines = (tmp_path / "out").read_text().splitlines() if fires else []
    assert [line.split()[0].rsplit(".", 1)[1] for line in lines] == fires
    assert (tmp_path / "out").exists() == bool(fires)


async def test_the_event_is_spelt_with_documents_for_a_create_and_with_rows_for_an_update(
    live: Live, tmp_path: Path
) -> None:
    rows = await live.table()
    await function(live, "record", RECORD, events=["databases.db.tables.items.rows.*"])
    await variable(live, "record", "OUT", str(tmp_path / "out"))
    await live.call("POST", rows, {"rowId": "r1", "data": {"n": 1}})
    await live.call("PATCH", f"{rows}/r1", {"data": {"n": 2}})
    await idle(live)
    assert (tmp_path / "out").read_text().splitlines() == [
        "databases.db.collections.items.documents.r1.create r1",
        "databases.db.tables.items.rows.r1.update r1",
    ]


async def test_events_of_a_commit_reach_functions_in_order_and_bulk_operations_stay_silent(
    live: Live, tmp_path: Path
) -> None:
    await live.table()
    await function(live, "record", RECORD, events=["databases.*.tables.*.rows.*.create"])
    await variable(live, "record", "OUT", str(tmp_path / "out"))
    transaction = (await live.call("POST", "/tablesdb/transactions", {}))["$id"]
    place = {"databaseId": "db", "tableId": "items"}
    operations = [
        *({"action": "create", **place, "rowId": f"r{n}", "data": {"n": n}} for n in range(3)),
        {"action": "bulkCreate", **place, "data": [{"$id": "bulk", "n": 9}]},
    ]
    await live.call("POST", f"/tablesdb/transactions/{transaction}/operations", {"operations": operations})
    await live.call("PATCH", f"/tablesdb/transactions/{transaction}", {"commit": True})
    await idle(live)
    assert [line.split()[1] for line in (tmp_path / "out").read_text().splitlines()] == ["r0", "r1", "r2"]


async def test_an_event_execution_is_listed_with_the_acting_user(live: Live) -> None:
    rows = await live.table(permissions=['create("users")'])
    await function(live, "echo", ECHO, events=["databases.*.tables.*.rows.*.create"])
    await live.call("POST", rows, {"rowId": "r1", "data": {"n": 1}}, session=await live.user("ann"))
    await idle(live)
    (execution,) = (await live.call("GET", "/functions/echo/executions"))["executions"]
    assert (execution["trigger"], execution["status"], execution["requestMethod"]) == ("event", "completed", "POST")
    assert execution["$permissions"] == ['read("user:ann")']
    assert execution["requestHeaders"] == [{"name": "content-type", "value": "application/json"}]


@pytest.mark.parametrize(
    "pattern",
    [
        "databases.*.tables.*.rows.*.upsert",
        "functions.*.executions.*.create",
        "nonsense",
        "databases.*.tables.*.fly",
        "",
    ],
)
async def test_a_function_cannot_subscribe_to_an_invalid_event(live: Live, pattern: str) -> None:
    body = {"functionId": "f", "name": "f", "runtime": "python-3.12", "events": [pattern]}
    answer = await live.answer("POST", "/functions", body)
    assert (answer.status_code, answer.json()["type"]) == (400, "general_argument_invalid")


# Failures


async def test_what_a_function_raises_is_in_its_errors(live: Live) -> None:
    await function(live, "boom", "async def main(context):\n    raise ValueError('boom')\n")
    execution = await run(live, "boom")
    assert (execution["status"], execution["responseStatusCode"]) == ("failed", 500)
    assert "ValueError: boom" in execution["errors"]


async def test_a_process_that_dies_fails_its_execution_and_is_started_again(live: Live) -> None:
    code = ECHO.replace("    return", '    if context.req.path == "/die": os._exit(3)\n    return')
    await function(live, "echo", code)
    first = json.loads((await run(live, "echo"))["responseBody"])["pid"]
    died = await run(live, "echo", path="/die")
    assert (died["status"], died["responseStatusCode"]) == ("failed", 500)
    assert "status 3" in died["errors"]
    assert json.loads((await run(live, "echo"))["responseBody"])["pid"] != first


async def test_a_warm_process_is_kept(live: Live) -> None:
    await function(live, "echo", ECHO)
    pids = {json.loads((await run(live, "echo"))["responseBody"])["pid"] for _ in range(3)}
    assert len(pids) == 1
    assert (await live.control("GET", "functions"))["processes"] == {"echo": pids.pop()}


async def test_a_killed_process_is_started_again(live: Live) -> None:
    await function(live, "echo", ECHO)
    pid = json.loads((await run(live, "echo"))["responseBody"])["pid"]
    os.kill(pid, signal.SIGKILL)
    process = live.emulator.functions.executor.process_of("echo")
    assert process is not None
    await until(lambda: process.pid is None)
    assert (await run(live, "echo"))["status"] == "completed"


async def test_a_function_that_waits_too_long_is_ended_by_its_runtime(live: Live) -> None:
    code = "import asyncio\n\nasync def main(context):\n    await asyncio.sleep(60)\n"
    await function(live, "slow", code, timeout=1)
    execution = await run(live, "slow")
    assert (execution["status"], execution["errors"]) == ("failed", "Execution timed out.\n")


async def test_a_function_that_blocks_its_loop_is_killed(live: Live) -> None:
    code = "import time\n\ndef main(context):\n    time.sleep(int(context.req.body))\n    return context.res.empty()\n"
    await function(live, "slow", code, timeout=1)
    assert (await run(live, "slow", body="0"))["status"] == "completed"
    answer = await live.answer("POST", "/functions/slow/executions", {"body": "60"})
    assert (answer.status_code, answer.json()["type"]) == (408, "function_synchronous_timeout")
    assert (await run(live, "slow", body="0"))["status"] == "completed"


async def test_a_function_without_code_cannot_be_run(live: Live) -> None:
    await undeployed(live, "empty")
    answer = await live.answer("POST", "/functions/empty/executions", {})
    assert answer.json()["type"] == "deployment_not_found"


async def test_a_changed_variable_reaches_the_next_execution(live: Live) -> None:
    await function(live, "echo", ECHO)
    await live.call("POST", "/functions/echo/variables", {"variableId": "v", "key": "A", "value": "1"})
    assert json.loads((await run(live, "echo"))["responseBody"])["env"]["A"] == "1"
    shown = await live.call("PUT", "/functions/echo/variables/v", {"key": "A", "value": "2"})
    assert shown["value"] == ""
    assert json.loads((await run(live, "echo"))["responseBody"])["env"]["A"] == "2"


async def test_a_function_without_logging_keeps_no_logs(live: Live) -> None:
    await function(live, "echo", ECHO, logging=False)
    assert (await run(live, "echo"))["logs"] == ""


# Realtime


async def test_an_asynchronous_execution_is_announced_to_its_user(live: Live) -> None:
    await function(live, "echo", ECHO, execute=["users"])
    ann = await live.user("ann")
    async with live.socket(session=ann) as socket:
        await subscribed(socket, "executions")
        waiting = await live.call("POST", "/functions/echo/executions", {"async": True}, session=ann)
        assert (waiting["status"], waiting["responseStatusCode"]) == ("waiting", 0)
        created, updated = await heard(socket), await heard(socket)
        assert created["data"]["events"][0] == f"functions.echo.executions.{waiting['$id']}.create"
        assert updated["data"]["events"][0].endswith(".update")
        assert updated["data"]["payload"]["status"] == "completed"


# Schedules


async def test_a_schedule_runs_when_the_clock_says_so(live: Live) -> None:
    await function(live, "echo", ECHO, schedule="0 3 * * *")
    live.emulator.functions.run_due()
    live.emulator.clock.offset = timedelta(days=1)
    await until(lambda: bool(live.emulator.functions.registry.executions))
    await idle(live)
    (execution,) = (await live.call("GET", "/functions/echo/executions"))["executions"]
    assert (execution["trigger"], execution["status"]) == ("schedule", "completed")


async def test_an_execution_can_be_scheduled_and_cancelled(live: Live) -> None:
    await function(live, "echo", ECHO)
    due = (live.emulator.clock.now() + timedelta(hours=1)).replace(second=0, microsecond=0).isoformat()
    first = await live.call("POST", "/functions/echo/executions", {"async": True, "scheduledAt": due})
    second = await live.call("POST", "/functions/echo/executions", {"async": True, "scheduledAt": due})
    assert (first["status"], first["trigger"]) == ("scheduled", "schedule")
    await live.call("DELETE", f"/functions/echo/executions/{first['$id']}")
    live.emulator.clock.offset = timedelta(hours=2)

    async def done() -> bool:
        execution = await live.call("GET", f"/functions/echo/executions/{second['$id']}")
        return bool(execution["status"] == "completed")

    await until(done)
    assert (await live.call("GET", "/functions/echo/executions"))["total"] == 1


async def test_a_bad_schedule_is_refused(live: Live) -> None:
    body = {"functionId": "f", "name": "f", "runtime": "python-3.12", "schedule": "61 * * * *"}
    assert (await live.answer("POST", "/functions", body)).status_code == 400


# Faults


async def test_lost_function_events_never_run(live: Live, tmp_path: Path) -> None:
    rows = await live.table()
    await function(live, "record", RECORD, events=["databases.*.tables.*.rows.*.create"])
    await variable(live, "record", "OUT", str(tmp_path / "out"))
    await live.control("POST", "functions/faults", {"lose": 1})
    await live.call("POST", rows, {"rowId": "lost", "data": {"n": 1}})
    await live.control("POST", "functions/faults", {"lose": 0, "duplicate": 1})
    await live.call("POST", rows, {"rowId": "twice", "data": {"n": 1}})
    await idle(live)
    assert [line.split()[1] for line in (tmp_path / "out").read_text().splitlines()] == ["twice", "twice"]
    assert (await live.control("GET", "functions"))["met"] == {"lost": 1, "duplicated": 1}


async def test_function_events_overtake_each_other_and_wait_when_they_are_told_to(live: Live, tmp_path: Path) -> None:
    rows = await live.table()
    await function(live, "record", RECORD, events=["databases.*.tables.*.rows.*.create"])
    await variable(live, "record", "OUT", str(tmp_path / "out"))
    await live.control("POST", "functions/faults", {"reorder": 0.5, "delay": 0.5, "delaySeconds": 0.02, "seed": 3})
    written = [f"r{number:02d}" for number in range(20)]
    for row_id in written:
        await live.call("POST", rows, {"rowId": row_id, "data": {"n": 1}})
    await idle(live)
    ran = [line.split()[1] for line in (tmp_path / "out").read_text().splitlines()]
    assert sorted(ran) == written
    assert ran != written
    met = (await live.control("GET", "functions"))["met"]
    assert 0 < met["delayed"] < 20
    assert met["reordered"] > 0


async def test_failing_function_events_are_listed_and_not_retried(live: Live) -> None:
    rows = await live.table()
    await function(live, "echo", ECHO, events=["databases.*.tables.*.rows.*.create"])
    await live.control("POST", "functions/faults", {"fail": 1, "delaySeconds": 0.01})
    await live.call("POST", rows, {"rowId": "r1", "data": {"n": 1}})
    await idle(live)
    (execution,) = (await live.call("GET", "/functions/echo/executions"))["executions"]
    assert (execution["status"], execution["responseStatusCode"]) == ("failed", 500)
    assert (await live.control("POST", "functions/faults", {"clear": True}))["met"] == {}


# Deployments


@pytest.mark.long  # makes a virtual environment
async def test_uploaded_code_is_built_with_its_own_environment_and_runs_there(live: Live) -> None:
    await undeployed(live, "f")
    code = "import sys\n\nasync def main(context):\n    return context.res.text(sys.prefix)\n"
    waiting = await deploy(
        live,
        "f",
        archive(main__py=code),
        {"x-sdk-language": "cli"},
        commands="echo building > made.txt && cat made.txt",
    )
    assert (waiting["status"], waiting["type"], waiting["activate"]) == ("waiting", "cli", True)
    done = await built(live, "f", waiting)
    assert done["status"] == "ready", done["buildLogs"]
    assert "building\n" in done["buildLogs"]
    assert done["buildSize"] > 0
    shown = await live.call("GET", "/functions/f")
    assert (shown["deploymentId"], shown["latestDeploymentStatus"]) == (done["$id"], "ready")
    assert (await run(live, "f"))["responseBody"].endswith("runtime-env")


async def test_a_newer_deployment_takes_over_and_an_older_one_can_be_brought_back(live: Live) -> None:
    await undeployed(live, "f")
    code = "async def main(context):\n    return context.res.text('{}')\n"
    first = await built(live, "f", await deploy(live, "f", archive(main__py=code.format("one"))))
    assert (await run(live, "f"))["responseBody"] == "one"
    await built(live, "f", await deploy(live, "f", archive(main__py=code.format("two"))))
    assert (await run(live, "f"))["responseBody"] == "two"
    assert [d["activate"] for d in (await live.call("GET", "/functions/f/deployments"))["deployments"]] == [False, True]
    await live.call("PATCH", "/functions/f/deployment", {"deploymentId": first["$id"]})
    assert (await run(live, "f"))["responseBody"] == "one"


@pytest.mark.long  # makes a virtual environment
async def test_a_failing_build_keeps_its_log_and_does_not_take_over(live: Live) -> None:
    await undeployed(live, "f")
    done = await built(live, "f", await deploy(live, "f", archive(main__py=""), commands="echo oh && false"))
    assert done["status"] == "failed"
    assert "oh\n" in done["buildLogs"]
    assert (await live.call("GET", "/functions/f"))["deploymentId"] == ""


async def test_code_may_come_in_chunks_in_any_order(live: Live) -> None:
    await undeployed(live, "f")
    filler = os.urandom(6 * 2**20).hex()
    code = archive(main__py="async def main(context):\n    return context.res.text('big')\n", data__txt=filler)
    size, chunk = len(code), 5 * 2**20
    pieces = [(start, code[start : start + chunk]) for start in range(0, size, chunk)]
    ranges = {start: {"content-range": f"bytes {start}-{start + len(piece) - 1}/{size}"} for start, piece in pieces}
    deployment = await deploy(live, "f", pieces[0][1], ranges[0])
    assert deployment["sourceSize"] == size
    for start, piece in pieces[1:]:
        deployment = await deploy(live, "f", piece, {**ranges[start], "x-appwrite-id": deployment["$id"]})
    assert (await built(live, "f", deployment))["status"] == "ready"
    assert (await run(live, "f"))["responseBody"] == "big"


@pytest.mark.long  # makes a virtual environment
async def test_a_build_can_be_cancelled(live: Live) -> None:
    await undeployed(live, "f")
    deployment = await deploy(live, "f", archive(main__py=""), commands="sleep 60")
    cancelled = await live.call("PATCH", f"/functions/f/deployments/{deployment['$id']}/status", {})
    assert cancelled["status"] == "canceled"
    await until(lambda: not live.emulator.functions.deployments._builds)
    assert (await built(live, "f", deployment))["status"] == "canceled"


async def test_an_archive_that_reaches_outside_its_folder_is_refused(live: Live, tmp_path: Path) -> None:
    await undeployed(live, "f")
    done = await built(live, "f", await deploy(live, "f", archive(**{"../evil__py": "x"})))
    assert done["status"] == "failed"


@pytest.mark.parametrize(
    ("name", "content", "headers", "kind"),
    [
        ("code.zip", b"x", {}, "storage_file_type_unsupported"),
        ("code.tar.gz", b"x", {"content-range": "bytes 0-5/3"}, "storage_invalid_content_range"),
        ("code.tar.gz", b"x", {"content-range": "bytes 0-1/99999999"}, "deployment_invalid_file_size"),
    ],
)
async def test_a_bad_upload_is_refused(
    live: Live, name: str, content: bytes, headers: dict[str, str], kind: str
) -> None:
    await undeployed(live, "f")
    known = {"X-Appwrite-Project": "massage", "X-Appwrite-Key": "key", **headers}
    answer = await live.http.post("/functions/f/deployments", files={"code": (name, content)}, headers=known)
    assert answer.json()["type"] == kind


async def test_deployed_code_survives_a_restart(tmp_path: Path) -> None:
    code = "async def main(context):\n    return context.res.text('still here')\n"
    async with live_server(data_dir=tmp_path) as live:
        await undeployed(live, "f")
        await built(live, "f", await deploy(live, "f", archive(main__py=code)))
        await run(live, "f")
    async with live_server(data_dir=tmp_path) as live:
        assert (await run(live, "f"))["responseBody"] == "still here"
        assert (await live.call("GET", "/functions/f/executions"))["total"] == 2


async def test_a_reset_ends_processes_and_forgets_functions(live: Live) -> None:
    await function(live, "echo", ECHO)
    pid = json.loads((await run(live, "echo"))["responseBody"])["pid"]
    await live.control("POST", "reset")
    assert (await live.answer("GET", "/functions/echo")).status_code == 404
    await until(lambda: not _alive(pid))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_deleted_function_takes_everything_with_it(live: Live) -> None:
    await function(live, "echo", ECHO)
    await variable(live, "echo", "A", "1")
    await run(live, "echo")
    await live.call("DELETE", "/functions/echo")
    registry = live.emulator.functions.registry
    assert [registry.functions, registry.deployments, registry.variables, registry.executions] == [{}, {}, {}, {}]


async def test_other_runtimes_are_not_implemented_and_unknown_ones_are_invalid(live: Live) -> None:
    node = await live.answer("POST", "/functions", {"functionId": "f", "name": "f", "runtime": "node-22"})
    assert (node.status_code, node.json()["type"]) == (501, "emulator_not_implemented")
    none = await live.answer("POST", "/functions", {"functionId": "f", "name": "f", "runtime": "COBOL"})
    assert none.status_code == 400


async def test_an_older_client_is_told_of_one_specification(live: Live) -> None:
    body = {"functionId": "f", "name": "f", "runtime": "python-3.12", "specification": "s-0.5vcpu-512mb"}
    created = await live.call("POST", "/functions", body, headers={"X-Appwrite-Response-Format": "1.8.0"})
    assert created["specification"] == "s-0.5vcpu-512mb"
    assert "runtimeSpecification" not in created


async def test_many_events_run_one_after_another(live: Live, tmp_path: Path) -> None:
    rows = await live.table()
    await function(live, "record", RECORD, events=["databases.*.tables.*.rows.*.create"])
    await variable(live, "record", "OUT", str(tmp_path / "out"))
    await asyncio.gather(*(live.call("POST", rows, {"rowId": f"r{n}", "data": {"n": 1}}) for n in range(50)))
    await idle(live)
    assert sorted(line.split()[1] for line in (tmp_path / "out").read_text().splitlines()) == sorted(
        f"r{n}" for n in range(50)
    )


async def test_domains_of_functions_are_kept_and_listed(live: Live) -> None:
    await function(live, "echo", ECHO)
    rule = await live.call("POST", "/proxy/rules/function", {"domain": "echo.example.test", "functionId": "echo"})
    listed = await live.call("GET", "/proxy/rules")
    assert [shown["domain"] for shown in listed["rules"]] == ["echo.example.test"]
    assert rule["deploymentId"] == (await live.call("GET", "/functions/echo"))["deploymentId"]
    again = {"domain": "echo.example.test", "functionId": "echo"}
    assert (await live.answer("POST", "/proxy/rules/function", again)).status_code == 400
    await live.call("DELETE", "/functions/echo")
    assert (await live.call("GET", "/proxy/rules"))["total"] == 0


async def test_an_event_for_a_function_without_code_is_listed_as_failed(live: Live) -> None:
    rows = await live.table()
    await undeployed(live, "empty", events=["databases.*.tables.*.rows.*.create"])
    await live.call("POST", rows, {"rowId": "r1", "data": {"n": 1}})
    await idle(live)
    (execution,) = (await live.call("GET", "/functions/empty/executions"))["executions"]
    assert (execution["status"], execution["responseStatusCode"], execution["trigger"]) == ("failed", 0, "event")
    assert "a corresponding deployment was not found" in execution["errors"]


async def test_a_restarted_server_runs_functions_from_the_folders_it_is_given(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place / "f").mkdir(parents=True)
        code = f"async def main(context):\n    return context.res.text('{place}')\n"
        (tmp_path / place / "f" / "main.py").write_text(code)
    async with live_server(data_dir=tmp_path / "data") as live:
        await undeployed(live, "f")
    for place in ("one", "two"):
        async with live_server(data_dir=tmp_path / "data", functions_dir=tmp_path / place) as live:
            assert (await run(live, "f"))["responseBody"] == place


async def test_a_build_that_a_stop_interrupted_has_failed(tmp_path: Path) -> None:
    async with live_server(data_dir=tmp_path) as live:
        await undeployed(live, "f")
        deployment = await deploy(live, "f", archive(main__py=""), commands="sleep 60")
    async with live_server(data_dir=tmp_path) as live:
        assert (await live.call("GET", f"/functions/f/deployments/{deployment['$id']}"))["status"] == "failed"


async def test_a_reset_removes_uploaded_code(tmp_path: Path) -> None:
    async with live_server(data_dir=tmp_path) as live:
        await undeployed(live, "f")
        await built(live, "f", await deploy(live, "f", archive(main__py="")))
        await live.control("POST", "reset")
    assert not (tmp_path / "functions" / "deployments").exists()
