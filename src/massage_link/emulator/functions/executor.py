"""Runs one execution: the headers and environment a function gets, and what is noted of its answer."""

from __future__ import annotations

import base64
import os
import re
import secrets
import sys
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from massage_link.emulator.errors import AppwriteError
from massage_link.emulator.kernel import VERSION

from .errors import refusal
from .process import ExecutionTimedOutError, FunctionProcess, Invocation, Outcome, ProcessDiedError, Program
from .records import kept_request_headers, kept_response_headers, shortened

if TYPE_CHECKING:
    from massage_link.emulator.core import Emulator

    from .records import Record
    from .registry import Registry

_SPECIFICATION = re.compile(r"s-([\d.]+)vcpu-(\d+)(mb|gb)")
_KEY_SECONDS_BEYOND_TIMEOUT = 60
_OURS = "x-appwrite-"
_VCS = (
    "REPOSITORY_ID", "REPOSITORY_NAME", "REPOSITORY_OWNER", "REPOSITORY_URL", "REPOSITORY_BRANCH",
    "REPOSITORY_BRANCH_URL", "COMMIT_HASH", "COMMIT_MESSAGE", "COMMIT_URL", "COMMIT_AUTHOR_NAME", "COMMIT_AUTHOR_URL",
    "ROOT_DIRECTORY",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """What a function is asked, before the server adds its own headers."""

    trigger: str  # http, event or schedule
    method: str = "POST"
    path: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    user_id: str | None = None
    jwt: str = ""
    event: str = ""
    client_ip: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished execution, with all response headers and the body.

    ``refused`` is what a synchronous caller is told when the function had to be killed: it blocked its event loop
    beyond its timeout, so that its runtime could not end it.
    """

    execution: Record
    refused: AppwriteError | None = None


class Executor:
    """The processes of all functions."""

    def __init__(self, emulator: Emulator, registry: Registry) -> None:
        self._emulator = emulator
        self._registry = registry
        self._processes: dict[str, FunctionProcess] = {}
        self._executor_secret = base64.b64encode(f"opr:{secrets.token_hex(16)}".encode()).decode()

    async def run(self, function: Record, request: Request, execution: Record) -> Run:
        """Run ``execution`` to its end, whatever that is."""
        headers = self._headers(function, request, execution["$id"])
        execution = {**execution, "requestHeaders": kept_request_headers({**request.headers, **_client(request)})}
        started = time.perf_counter()
        try:
            outcome = await self._invoke(function, request, headers)
        except ExecutionTimedOutError:
            waits = execution["status"] == "processing"
            refused = refusal(f"function_{'synchronous' if waits else 'asynchronous'}_timeout")
            return Run(_failed(execution, refused, time.perf_counter() - started), refused)
        except (ProcessDiedError, OSError) as error:
            return Run(_failed(execution, error, time.perf_counter() - started))
        return Run(_finished(execution, outcome))

    async def _invoke(self, function: Record, request: Request, headers: dict[str, str]) -> Outcome:
        invocation = Invocation(
            request.method, request.path, headers, request.body, function["timeout"], function["logging"]
        )
        return await self._process(function).invoke(invocation)

    def process_of(self, function_id: str) -> FunctionProcess | None:
        """The function's process, if it has run."""
        return self._processes.get(function_id)

    @property
    def is_busy(self) -> bool:
        """Whether any process has been started."""
        return bool(self._processes)

    async def stop(self, function_id: str) -> None:
        """End the function's process, after what it is doing now."""
        process = self._processes.pop(function_id, None)
        if process is not None:
            await process.retire()

    async def close(self) -> None:
        """Kill all processes."""
        for process in self._processes.values():
            await process.stop()
        self._processes.clear()

    def _process(self, function: Record) -> FunctionProcess:
        program = self._program(function)
        process = self._processes.get(function["$id"])
        if process is None or process.program != program:
            if process is not None:
                self._emulator.functions.in_background(process.retire())
            process = self._processes[function["$id"]] = FunctionProcess(program)
        return process

    def _program(self, function: Record) -> Program:
        deployment = self._registry.deployment(function["$id"], function["deploymentId"])
        folder = Path(deployment["_folder"])
        own = folder / "runtime-env" / "bin" / "python"
        interpreter = own if own.exists() else Path(sys.executable)
        # Not the function's folder: on the real server, too, relative paths do not lead to its files.
        scratch = self._emulator.functions.root / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        return Program(interpreter, folder, deployment["entrypoint"], self.environment(function, deployment), scratch)

    def environment(self, function: Record, deployment: Record) -> dict[str, str]:
        """The environment variables of a function's process: nothing of the server's own environment."""
        name, _, version = function["runtime"].partition("-")
        cpus, memory = _sized(function["runtimeSpecification"])
        variables = {doc["key"]: doc["value"] for doc in self._registry.variables_of(function["$id"])}
        return {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            **variables,
            "APPWRITE_FUNCTION_API_ENDPOINT": self._emulator.endpoint,
            "APPWRITE_FUNCTION_ID": function["$id"],
            "APPWRITE_FUNCTION_NAME": function["name"],
            "APPWRITE_FUNCTION_DEPLOYMENT": deployment["$id"],
            "APPWRITE_FUNCTION_PROJECT_ID": self._emulator.settings.project,
            "APPWRITE_FUNCTION_RUNTIME_NAME": name.capitalize(),
            "APPWRITE_FUNCTION_RUNTIME_VERSION": version,
            "APPWRITE_FUNCTION_CPUS": cpus,
            "APPWRITE_FUNCTION_MEMORY": memory,
            "APPWRITE_VERSION": VERSION,
            "APPWRITE_REGION": "default",
            "APPWRITE_DEPLOYMENT_TYPE": deployment["type"],
            **{f"APPWRITE_VCS_{name}": "" for name in _VCS},
        }

    def _headers(self, function: Record, request: Request, execution_id: str) -> dict[str, str]:
        seconds = function["timeout"] + _KEY_SECONDS_BEYOND_TIMEOUT
        key = self._emulator.identities.mint_function_key(
            function["$id"], function["scopes"], execution_id, seconds=seconds
        )
        # The server refuses `x-appwrite-…` from a caller by its lower-case spelling alone. Any other is sent before its
        # own, and the runtime, which folds names, keeps the first.
        forged = {name.lower(): value for name, value in request.headers.items() if name.lower().startswith(_OURS)}
        headers = {
            "host": urlsplit(self._emulator.endpoint).netloc,
            "accept": "*/*",
            **({"content-type": "application/x-www-form-urlencoded"} if request.body else {}),
            **{name.lower(): value for name, value in request.headers.items()},
            "x-appwrite-execution-id": execution_id,
            "x-appwrite-key": key,
            "x-appwrite-trigger": request.trigger,
            "x-appwrite-event": request.event,
            "x-appwrite-user-id": request.user_id or "",
            "x-appwrite-user-jwt": request.jwt,
            "x-appwrite-country-code": "",
            "x-appwrite-continent-code": "",
            "x-appwrite-continent-eu": "false",
            **_client(request),
            **forged,
            "authorization": f"Basic {self._executor_secret}",
            "content-length": str(len(request.body)) if request.body else "",
        }
        return {name: value for name, value in headers.items() if value}  # the executor's client drops empty ones


def _client(request: Request) -> dict[str, str]:
    return {"x-appwrite-client-ip": request.client_ip} if request.client_ip else {}


def _sized(specification: str) -> tuple[str, str]:
    match = _SPECIFICATION.fullmatch(specification)
    if match is None:
        return "1", "512"
    cpus, memory, unit = match.groups()
    return cpus, str(int(memory) * (1024 if unit == "gb" else 1))


def _finished(execution: Record, outcome: Outcome) -> Record:
    headers: dict[str, Any] = {
        **outcome.headers,
        "content-length": str(len(outcome.body)),
        "date": formatdate(usegmt=True),
        "server": f"Python/{sys.version_info.major}.{sys.version_info.minor} aiohttp/3.10.9",
        "x-appwrite-execution-id": execution["$id"],
    }
    return {
        **execution,
        "status": "failed" if outcome.status >= 500 else "completed",
        "responseStatusCode": outcome.status,
        "responseBody": outcome.body.decode("utf-8", "replace"),
        "responseHeaders": [{"name": name, "value": value} for name, value in headers.items()],
        "logs": shortened(outcome.logs, "Logs"),
        "errors": shortened(outcome.errors, "Errors"),
        "duration": outcome.seconds,
    }


def _failed(execution: Record, error: Exception, seconds: float) -> Record:
    code = error.code if isinstance(error, AppwriteError) else 500
    return {
        **execution,
        "status": "failed",
        "responseStatusCode": 500,
        "errors": f"{error}\\nError Code: {code}",  # with a backslash: so the real server writes it
        "duration": seconds,
    }


def stored(execution: Record) -> Record:
    """An execution as it is kept: without the body and most headers of the answer."""
    return {
        **execution,
        "responseBody": "",
        "responseHeaders": kept_response_headers(execution["responseHeaders"]),
    }
