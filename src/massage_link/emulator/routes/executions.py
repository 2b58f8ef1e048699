"""``/v1/functions/{id}/executions``: running a function on request, and what became of it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from massage_link.emulator.errors import AppwriteError, invalid_param
from massage_link.emulator.functions.errors import refusal
from massage_link.emulator.functions.executor import Request
from massage_link.emulator.functions.records import shown_execution
from massage_link.emulator.functions.upload import read_form
from massage_link.emulator.pages import page
from massage_link.emulator.permissions import allows
from massage_link.emulator.routing import Call, Reply, Route

from .control import guarded
from .functions import host

if TYPE_CHECKING:
    from massage_link.emulator.functions.records import Record

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")
_LARGEST_BODY = 10_485_760
_HEADER = re.compile(r"[A-Za-z0-9-]+\Z")


async def create_execution(call: Call) -> Reply:
    """Run a function, now or in the queue."""
    wanted = _parameters(call)
    in_background = wanted.get("async") in (True, "true", 1, "1")
    due = _due(wanted.get("scheduledAt"), in_background=in_background)
    request = _request(call, wanted)
    function = _executable(call)
    request = _signed(call, function, request)
    if in_background:
        execution = host(call).execute_later(function, request, due)
        host(call).announce_created(function, execution)
        return Reply(shown_execution(execution, with_logs=call.identity.privileged), 202)
    run = await host(call).execute(function, request)
    if run.refused is not None:
        raise run.refused
    host(call).announce_created(function, run.execution)
    return Reply(shown_execution(run.execution, with_logs=call.identity.privileged), 201)


_ASKED = {
    "trigger": "string", "status": "string", "responseStatusCode": "integer", "duration": "double",
    "requestMethod": "string", "requestPath": "string", "deploymentId": "string",
}  # fmt: skip


def _parameters(call: Call) -> dict[str, Any]:
    kind = call.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        return call.body
    parts = read_form(kind, call.raw_body)
    fields: dict[str, Any] = {name: part.data.decode("utf-8", "replace") for name, part in parts.items()}
    if "body" in parts:
        fields["body"] = parts["body"].data
    return fields


def _request(call: Call, wanted: dict[str, Any]) -> Request:
    body, path, method = wanted.get("body", ""), wanted.get("path", "/"), wanted.get("method", "POST")
    raw = body if isinstance(body, bytes) else str(body).encode() if isinstance(body, str) else None
    if raw is None or len(raw) > _LARGEST_BODY:
        raise invalid_param("body", f"Value must be a valid string and no longer than {_LARGEST_BODY} chars")
    if not isinstance(path, str) or not 0 < len(path) <= 2048:
        raise invalid_param("path", "Value must be a valid string and at least 1 chars and no longer than 2048 chars")
    if method not in _METHODS:
        raise invalid_param("method", f"Value must be one of ({', '.join(_METHODS)})")
    return Request("http", method, path, _headers(wanted.get("headers") or {}), raw, client_ip=call.client)


def _headers(given: Any) -> dict[str, str]:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    if isinstance(given, list) and not given:
        return {}
    if not isinstance(given, dict) or not all(_HEADER.match(name) for name in given):
        raise invalid_param("headers", "Value must be a valid object of header names and values")
    return {name: str(value) for name, value in given.items()}


def _due(value: Any, *, in_background: bool) -> datetime | None:
    if value is None:
        return None
    if not in_background:
        raise AppwriteError(
            "general_bad_request",
            message=(
                "Scheduled executions must run asynchronously. Set scheduledAt to a future date, or set async to true."
            ),
        )
    try:
        due = datetime.fromisoformat(str(value))
    except ValueError:
        due = datetime.min.replace(tzinfo=UTC)
    due = due if due.tzinfo else due.replace(tzinfo=UTC)
    if due < datetime.now(UTC) + timedelta(seconds=60) or due.second or due.microsecond:
        raise AppwriteError(
            "general_bad_request",
            message="Execution schedule must be a valid date, and at least 1 minute from now",
        )
    return due.astimezone(UTC)


def _visible(call: Call) -> Record:
    """The function, unless it is disabled and the caller has no key."""
    function = host(call).registry.function(call.params["functionId"])
    if not function["enabled"] and not call.identity.privileged:
        raise refusal("function_not_found")
    return function


def _executable(call: Call) -> Record:
    function = _visible(call)
    deployments = host(call).registry.deployments
    deployment = deployments.get(function["deploymentId"])
    if deployment is None:
        raise refusal(
            "deployment_not_found", "Deployment not found. Create a deployment before trying to execute a function"
        )
    if deployment["status"] != "ready":
        raise refusal("build_not_ready")
    if not call.identity.privileged:
        _check_permission(call, function["execute"])
    return function


def _check_permission(call: Call, execute: list[str]) -> None:
    roles = call.identity.role_list
    if not execute:
        raise AppwriteError("user_unauthorized", message="No permissions provided for action 'execute'")
    if call.identity.roles.isdisjoint(execute):
        held, wanted = (json.dumps(list(names), separators=(",", ":")) for names in (roles, execute))
        raise AppwriteError(
            "user_unauthorized",
            message=(
                f'Missing "execute" permission for role "{execute[-1]}". Only "{held}" scopes are allowed and '
                f'"{wanted}" was given.'
            ),
        )


def _signed(call: Call, function: Record, request: Request) -> Request:
    """The request with the caller: her id, and a JWT when she came with a session."""
    identity = call.identity
    if identity.user_id is None:
        return request
    jwt = ""
    if identity.session_id and "x-appwrite-jwt" not in call.headers:
        jwt = call.emulator.identities.user_jwt(
            identity.user_id, session_id=identity.session_id, seconds=function["timeout"] + 60
        )
    return Request(
        request.trigger,
        request.method,
        request.path,
        request.headers,
        request.body,
        identity.user_id,
        jwt,
        client_ip=request.client_ip,
    )


def _seen(call: Call, function: Record, execution: Record) -> Record:
    """An execution as the caller sees it; one that should have ended long ago counts as failed."""
    shown = shown_execution(execution, with_logs=call.identity.privileged)
    if shown["status"] in ("waiting", "processing"):
        age = call.emulator.clock.now() - datetime.fromisoformat(shown["$createdAt"])
        if age.total_seconds() >= function["timeout"]:
            return {**shown, "status": "failed"}
    return shown


def _may_read(call: Call, execution: Record) -> bool:
    return call.identity.privileged or allows(execution["$permissions"], "read", call.identity.roles)


def list_executions(call: Call) -> Reply:
    """List the executions that the caller may read."""
    function = _visible(call)
    readable = [doc for doc in host(call).registry.executions_of(function["$id"]) if _may_read(call, doc)]
    executions, total = page(call, readable, _ASKED)
    return Reply({"total": total, "executions": [_seen(call, function, execution) for execution in executions]})


def get_execution(call: Call) -> Reply:
    """One execution."""
    function = _visible(call)
    execution = host(call).registry.execution(function["$id"], call.params["executionId"])
    if not _may_read(call, execution):
        raise refusal("execution_not_found")
    return Reply(_seen(call, function, execution))


def delete_execution(call: Call) -> Reply:
    """Delete an execution that is over, or cancel a scheduled one."""
    function = host(call).registry.function(call.params["functionId"])
    execution = host(call).registry.execution(function["$id"], call.params["executionId"])
    if not _may_read(call, execution):
        raise refusal("execution_not_found")
    if not call.identity.privileged:
        raise AppwriteError("user_unauthorized")
    if _seen(call, function, execution)["status"] not in ("completed", "failed", "scheduled"):
        raise refusal("execution_in_progress")
    host(call).forget_scheduled(execution["$id"])
    host(call).registry.remove_execution(execution)
    return Reply(None, 204)


def plant(call: Call) -> Reply:
    """Lose, fail, double or delay events on their way to functions."""
    faults = host(call).faults
    if call.body.get("clear"):
        faults.__init__()  # type: ignore[misc]
    faults.plant(call.body)
    return report(call)


def report(call: Call) -> Reply:
    """What was met, how many jobs are queued, and the processes by function."""
    functions = host(call)
    processes = {key: functions.executor.process_of(key) for key in functions.registry.functions}
    pids = {key: process.pid for key, process in processes.items() if process is not None}
    return Reply({"pending": functions.pending, "met": functions.faults.counters, "processes": pids})


_ALL = "functions/{functionId}/executions"
_ONE = f"{_ALL}/{{executionId}}"

routes: list[Route] = [
    Route("POST", _ALL, create_execution, ("executions.write", "execution.write")),
    Route("GET", _ALL, list_executions, ("executions.read", "execution.read")),
    Route("GET", _ONE, get_execution, ("executions.read", "execution.read")),
    Route("DELETE", _ONE, delete_execution, ("executions.write", "execution.write")),
    Route("POST", "_emulator/functions/faults", guarded(plant), ("control",)),
    Route("GET", "_emulator/functions", guarded(report), ("control",)),
]
