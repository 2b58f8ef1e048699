"""``/v1/functions``: functions, their variables and deployments."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massage_link.emulator.errors import AppwriteError, invalid_param
from massage_link.emulator.functions.cron import Cron, CronError
from massage_link.emulator.functions.errors import refusal
from massage_link.emulator.functions.patterns import why_invalid
from massage_link.emulator.functions.records import new_function, new_variable, shown_variable
from massage_link.emulator.pages import page
from massage_link.emulator.params import boolean, new_id, text
from massage_link.emulator.permissions import role_fault
from massage_link.emulator.routing import Call, Reply, Route
from massage_link.emulator.scopes import ALL_KEY_SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from massage_link.emulator.functions.host import FunctionHost
    from massage_link.emulator.functions.records import Record

_RUNTIME = re.compile(r"[a-z-]+-[\d.]+")
_LONGEST_TIMEOUT = 900
_DEFAULT_SPECIFICATION = "s-1vcpu-512mb"


_ASKED = {
    "name": "string", "enabled": "boolean", "runtime": "string", "deploymentId": "string", "schedule": "string",
    "scheduleNext": "datetime", "schedulePrevious": "datetime", "timeout": "integer", "entrypoint": "string",
    "commands": "string", "installationId": "string",
}  # fmt: skip
_ASKED_OF_VARIABLES = {"key": "string", "resourceType": "string", "resourceId": "string", "secret": "boolean"}
_ASKED_OF_DEPLOYMENTS = {
    "buildSize": "integer", "sourceSize": "integer", "totalSize": "integer", "buildDuration": "integer",
    "status": "string", "activate": "boolean", "type": "string",
}  # fmt: skip


def host(call: Call) -> FunctionHost:
    """The functions of the server that was called."""
    return call.emulator.functions


def shown(call: Call, function: Record) -> Record:
    """A function as this caller's client knows it: older ones have one specification instead of two."""
    whole = host(call).registry.shown(function)
    asked = call.headers.get("x-appwrite-response-format", "")
    if not re.match(r"(0|1\.[0-8])\.", asked):
        return whole
    whole["specification"] = whole.pop("runtimeSpecification")
    del whole["buildSpecification"]
    return whole


# Functions


def _checked_list(call: Call, name: str, fault: Callable[[Any], str | None]) -> list[str]:
    value = call.body.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > 100:
        raise invalid_param(name, "Value must a valid array no longer than 100 items")
    for item in value:
        why = fault(item)
        if why:
            raise invalid_param(name, f"Value must a valid array no longer than 100 items and {why}")
    return value


def _role_fault(role: Any) -> str | None:
    return role_fault(role) if isinstance(role, str) else "Every role must be of type string."


def _scope_fault(scope: Any) -> str | None:
    return None if scope in ALL_KEY_SCOPES else f"Value must be one of ({', '.join(sorted(ALL_KEY_SCOPES))})"


def _schedule(call: Call) -> str:
    schedule = text(call, "schedule", default="", most=255, least=0)
    try:
        if schedule:
            Cron.parse(schedule)
    except CronError as error:
        raise invalid_param("schedule", "String must be a valid cron expression") from error
    return schedule


def _timeout(call: Call) -> int:
    value = call.body.get("timeout", 15)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LONGEST_TIMEOUT:
        raise invalid_param("timeout", f"Value must be a valid range between 1 and {_LONGEST_TIMEOUT}")
    return value


def _runtime(call: Call, default: str | None) -> str:
    runtime = text(call, "runtime", default=default)
    if runtime.startswith("python-"):
        return runtime
    if _RUNTIME.fullmatch(runtime):
        raise AppwriteError("emulator_not_implemented", f"the runtime {runtime}: functions run in Python only")
    raise invalid_param("runtime", "Value must be one of the runtimes of the server")


def _settings(call: Call, before: Record) -> Record:
    """The checked settings of a create or update; what is not sent falls back to the server's defaults."""
    specification = call.body.get("runtimeSpecification") or call.body.get("specification")
    return {
        "name": text(call, "name"),
        "runtime": _runtime(call, before.get("runtime")),
        "execute": _checked_list(call, "execute", _role_fault),
        "events": _checked_list(call, "events", why_invalid),
        "schedule": _schedule(call),
        "timeout": _timeout(call),
        "enabled": boolean(call, "enabled", default=True),
        "logging": boolean(call, "logging", default=True),
        "entrypoint": text(call, "entrypoint", default="", most=1028, least=0),
        "commands": text(call, "commands", default="", most=8192, least=0),
        "scopes": _checked_list(call, "scopes", _scope_fault),
        "deploymentRetention": call.body.get("deploymentRetention", 0),
        "buildSpecification": call.body.get("buildSpecification")
        or specification
        or before.get("buildSpecification", _DEFAULT_SPECIFICATION),
        "runtimeSpecification": specification or before.get("runtimeSpecification", _DEFAULT_SPECIFICATION),
    }


def create_function(call: Call) -> Reply:
    """Create a function; one that has a folder of its name runs from there at once."""
    registry = host(call).registry
    key = new_id(call, "functionId")
    settings = _settings(call, {})
    if key in registry.functions:
        raise refusal("function_already_exists")
    function = registry.put_function(new_function(key, call.emulator.clock.stamp(), settings))
    folder = host(call).deployments.folder_of(key)
    if folder is not None:
        host(call).deployments.from_folder(function, folder)
        function = registry.function(key)
    call.emulator.announce("functions.[functionId].create", {"functionId": key}, shown(call, function))
    return Reply(shown(call, function), 201)


def list_functions(call: Call) -> Reply:
    """List functions."""
    functions, total = page(call, list(host(call).registry.functions.values()), _ASKED)
    return Reply({"total": total, "functions": [shown(call, function) for function in functions]})


def get_function(call: Call) -> Reply:
    """One function."""
    return Reply(shown(call, _function(call)))


def update_function(call: Call) -> Reply:
    """Change a function; settings that are not sent fall back to their defaults, as on the real server."""
    function = _function(call)
    changed = {**function, **_settings(call, function), "$updatedAt": call.emulator.clock.stamp()}
    host(call).registry.put_function(changed)
    call.emulator.announce("functions.[functionId].update", {"functionId": function["$id"]}, shown(call, changed))
    return Reply(shown(call, changed))


async def delete_function(call: Call) -> Reply:
    """Delete a function with its deployments, variables and executions."""
    function = _function(call)
    for deployment in host(call).registry.deployments_of(function["$id"]):
        host(call).deployments.remove(deployment)
    host(call).registry.remove_function(function["$id"])
    host(call).in_background(host(call).executor.stop(function["$id"]))
    call.emulator.announce("functions.[functionId].delete", {"functionId": function["$id"]}, function)
    return Reply(None, 204)


def _function(call: Call) -> Record:
    return host(call).registry.function(call.params["functionId"])


# Variables


def create_variable(call: Call) -> Reply:
    """Create a variable of a function's environment."""
    function = _function(call)
    key = new_id(call, "variableId") if "variableId" in call.body else new_id_for(call)
    name = text(call, "key", most=255)
    value = text(call, "value", most=8192, least=0)
    registry = host(call).registry
    taken = any(variable["key"] == name for variable in registry.variables_of(function["$id"]))
    if taken or key in registry.variables:
        raise refusal("variable_already_exists")
    secret = boolean(call, "secret", default=True)
    variable = new_variable(key, function, call.emulator.clock.stamp(), key=name, value=value, secret=secret)
    registry.variables.put(key, variable)
    registry.put_function({**function, "live": False})
    return Reply(shown_variable(variable), 201)


def new_id_for(call: Call) -> str:
    """Clients from before variable ids send none."""
    call.body["variableId"] = "unique()"
    return new_id(call, "variableId")


def list_variables(call: Call) -> Reply:
    """List a function's variables; secret ones without their values."""
    variables, total = page(call, host(call).registry.variables_of(_function(call)["$id"]), _ASKED_OF_VARIABLES)
    return Reply({"total": total, "variables": [shown_variable(variable) for variable in variables]})


def get_variable(call: Call) -> Reply:
    """One variable."""
    return Reply(shown_variable(_variable(call)))


def update_variable(call: Call) -> Reply:
    """Change a variable; a secret one stays secret."""
    function, variable = _function(call), _variable(call)
    wanted = {name: call.body[name] for name in ("key", "value", "secret") if call.body.get(name) is not None}
    if not wanted:
        raise invalid_param("key", "The request contains one or more invalid arguments.")
    if variable["secret"] and wanted.get("secret") is False:
        raise refusal("variable_cannot_unset_secret")
    changed = {**variable, **wanted, "$updatedAt": call.emulator.clock.stamp()}
    host(call).registry.variables.put(variable["$id"], changed)
    host(call).registry.put_function({**function, "live": False})
    return Reply(shown_variable(changed))


def delete_variable(call: Call) -> Reply:
    """Delete a variable."""
    function, variable = _function(call), _variable(call)
    host(call).registry.variables.remove(variable["$id"])
    host(call).registry.put_function({**function, "live": False})
    return Reply(None, 204)


def _variable(call: Call) -> Record:
    return host(call).registry.variable(_function(call)["$id"], call.params["variableId"])


# Deployments


def _shown_deployment(deployment: Record) -> Record:
    return {name: value for name, value in deployment.items() if not name.startswith("_")}


def create_deployment(call: Call) -> Reply:
    """Take in code, or a chunk of it."""
    deployment = host(call).deployments.upload(_function(call), call.headers, call.raw_body)
    return Reply(_shown_deployment(deployment), 202)


def list_deployments(call: Call) -> Reply:
    """List a function's deployments."""
    deployments, total = page(
        call, host(call).registry.deployments_of(_function(call)["$id"]), _ASKED_OF_DEPLOYMENTS, selectable=True
    )
    return Reply({"total": total, "deployments": [_shown_deployment(deployment) for deployment in deployments]})


def get_deployment(call: Call) -> Reply:
    """One deployment, with the log of its build."""
    return Reply(_shown_deployment(_deployment(call)))


def delete_deployment(call: Call) -> Reply:
    """Delete a deployment and its files."""
    host(call).deployments.remove(_deployment(call))
    return Reply(None, 204)


def cancel_deployment(call: Call) -> Reply:
    """Stop a build."""
    return Reply(_shown_deployment(host(call).deployments.cancel(_deployment(call))))


def download_deployment(call: Call) -> Reply:
    """The archive that was uploaded."""
    archive = Path(_deployment(call).get("_archive", ""))
    if not archive.is_file():
        raise refusal("deployment_not_found")
    return Reply(archive.read_bytes(), content_type="application/gzip")


def activate_deployment(call: Call) -> Reply:
    """Make a ready deployment the active one."""
    function = _function(call)
    deployment = host(call).registry.deployment(function["$id"], text(call, "deploymentId", most=36))
    host(call).deployments.activate(function["$id"], deployment)
    return Reply(shown(call, _function(call)))


def _deployment(call: Call) -> Record:
    return host(call).registry.deployment(_function(call)["$id"], call.params["deploymentId"])


_ONE = "functions/{functionId}"
_READ, _WRITE = ("functions.read",), ("functions.write",)

routes: list[Route] = [
    Route("POST", "functions", create_function, _WRITE),
    Route("GET", "functions", list_functions, _READ),
    Route("GET", _ONE, get_function, _READ),
    Route("PUT", _ONE, update_function, _WRITE),
    Route("DELETE", _ONE, delete_function, _WRITE),
    Route("PATCH", f"{_ONE}/deployment", activate_deployment, _WRITE),
    Route("POST", f"{_ONE}/variables", create_variable, _WRITE),
    Route("GET", f"{_ONE}/variables", list_variables, _READ),
    Route("GET", f"{_ONE}/variables/{{variableId}}", get_variable, _READ),
    Route("PUT", f"{_ONE}/variables/{{variableId}}", update_variable, _WRITE),
    Route("DELETE", f"{_ONE}/variables/{{variableId}}", delete_variable, _WRITE),
    Route("POST", f"{_ONE}/deployments", create_deployment, _WRITE),
    Route("GET", f"{_ONE}/deployments", list_deployments, _READ),
    Route("GET", f"{_ONE}/deployments/{{deploymentId}}", get_deployment, _READ),
    Route("DELETE", f"{_ONE}/deployments/{{deploymentId}}", delete_deployment, _WRITE),
    Route("PATCH", f"{_ONE}/deployments/{{deploymentId}}/status", cancel_deployment, _WRITE),
    Route("GET", f"{_ONE}/deployments/{{deploymentId}}/download", download_deployment, _READ),
]
