"""Functions, deployments, variables and executions as documents: fields, defaults, and what callers see of them."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]

_LONGEST_LOG = 1_000_000
_REQUEST_HEADERS_KEPT = frozenset({"content-type", "agent", "content-length", "host", "x-appwrite-client-ip"})
_RESPONSE_HEADERS_KEPT = frozenset({"content-type", "content-length"})
_PROVIDER = {
    "providerRepositoryName": "",
    "providerRepositoryOwner": "",
    "providerRepositoryUrl": "",
    "providerCommitHash": "",
    "providerCommitAuthorUrl": "",
    "providerCommitAuthor": "",
    "providerCommitMessage": "",
    "providerCommitUrl": "",
    "providerBranch": "",
    "providerBranchUrl": "",
}


def new_function(id: str, now: str, settings: Record) -> Record:
    """A function that has no deployment yet; ``settings`` are the checked parameters of the request."""
    return {
        "$id": id,
        "$createdAt": now,
        "$updatedAt": now,
        "execute": settings["execute"],
        "name": settings["name"],
        "enabled": settings["enabled"],
        "live": True,
        "logging": settings["logging"],
        "runtime": settings["runtime"],
        "deploymentRetention": settings["deploymentRetention"],
        "deploymentId": "",
        "deploymentCreatedAt": "",
        "latestDeploymentId": "",
        "latestDeploymentCreatedAt": "",
        "latestDeploymentStatus": "",
        "scopes": settings["scopes"],
        "vars": [],
        "events": settings["events"],
        "schedule": settings["schedule"],
        "timeout": settings["timeout"],
        "entrypoint": settings["entrypoint"],
        "commands": settings["commands"],
        "version": "v5",
        "installationId": "",
        "providerRepositoryId": "",
        "providerBranch": "",
        "providerRootDirectory": "",
        "providerSilentMode": False,
        "providerBranches": [],
        "providerPaths": [],
        "buildSpecification": settings["buildSpecification"],
        "runtimeSpecification": settings["runtimeSpecification"],
    }


def new_deployment(
    id: str, function: Record, now: str, *, entrypoint: str, kind: str, size: int, activate: bool
) -> Record:
    """A deployment whose source is ``size`` bytes and that waits to be built."""
    return {
        "$id": id,
        "$createdAt": now,
        "$updatedAt": now,
        "type": kind,
        "resourceId": function["$id"],
        "resourceType": "functions",
        "entrypoint": entrypoint,
        "sourceSize": size,
        "buildSize": 0,
        "totalSize": size,
        "buildId": "",
        "activate": activate,
        "screenshotLight": "",
        "screenshotDark": "",
        "status": "waiting",
        "buildLogs": "",
        "buildDuration": 0,
        **_PROVIDER,
    }


def new_variable(id: str, function: Record, now: str, *, key: str, value: str, secret: bool) -> Record:
    """A variable, its value included; show it with :func:`shown_variable`."""
    return {
        "$id": id,
        "$createdAt": now,
        "$updatedAt": now,
        "key": key,
        "value": value,
        "secret": secret,
        "resourceType": "function",
        "resourceId": function["$id"],
    }


def shown_variable(variable: Record) -> Record:
    """What a caller sees of a variable: a secret one keeps its value to itself."""
    return {**variable, "value": ""} if variable["secret"] else variable


def new_execution(
    id: str, function: Record, now: str, *, trigger: str, status: str, method: str, path: str, user_id: str | None
) -> Record:
    """An execution that has not run yet."""
    return {
        "$id": id,
        "$createdAt": now,
        "$updatedAt": now,
        "$permissions": [f'read("user:{user_id}")'] if user_id else [],
        "functionId": function["$id"],
        "deploymentId": function["deploymentId"],
        "trigger": trigger,
        "status": status,
        "requestMethod": method,
        "requestPath": path,
        "requestHeaders": [],
        "responseStatusCode": 0,
        "responseBody": "",
        "responseHeaders": [],
        "logs": "",
        "errors": "",
        "duration": 0,
        "scheduledAt": None,
    }


def shown_execution(execution: Record, *, with_logs: bool) -> Record:
    """What a caller sees of an execution: only a key sees its logs and errors."""
    return execution if with_logs else {**execution, "logs": "", "errors": ""}


def kept_request_headers(headers: dict[str, str]) -> list[Record]:
    """The request headers that an execution keeps."""
    return [{"name": name, "value": value} for name, value in headers.items() if name.lower() in _REQUEST_HEADERS_KEPT]


def kept_response_headers(headers: list[Record]) -> list[Record]:
    """The response headers that a stored execution keeps; the answer to a synchronous call carries all."""
    return [header for header in headers if header["name"].lower() in _RESPONSE_HEADERS_KEPT]


def shortened(text: str, what: str) -> str:
    """``text``, its beginning dropped when it is longer than the server keeps; ``what`` is Logs or Errors."""
    if len(text) <= _LONGEST_LOG:
        return text
    warning = f"[WARNING] {what} truncated. The output exceeded {_LONGEST_LOG} characters.\n"
    return warning + text[len(warning) - _LONGEST_LOG :]
