"""Deployments of functions: uploaded code that is built, or a folder of this machine that runs as it is."""

from __future__ import annotations

import asyncio
import math
import shutil
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from massage_link.emulator.kernel import is_id, unique_id

from .build import Build, BuildError, Plan
from .errors import refusal
from .records import new_deployment
from .upload import Part, Uploads, read_chunk, read_form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massage_link.emulator.core import Emulator

    from .executor import Executor
    from .records import Record
    from .registry import Registry

_OVER = ("ready", "failed", "canceled")


class Deployments:
    """Takes in code; ready deployments become the active one of their function."""

    def __init__(self, emulator: Emulator, registry: Registry, executor: Executor) -> None:
        self._emulator = emulator
        self._registry = registry
        self._executor = executor
        self._uploads = Uploads()
        self._builds: dict[str, Build] = {}
        for deployment in list(registry.deployments.values()):
            if deployment["status"] not in _OVER:  # the server was stopped while it was being built
                self._change(deployment, status="failed")
        self._adopt_folders()

    def folder_of(self, function_id: str) -> Path | None:
        """The folder from which the function runs when nothing has been uploaded, if there is one."""
        folder = self._emulator.settings.functions_dir
        return (folder / function_id).resolve() if folder is not None and (folder / function_id).is_dir() else None

    def _adopt_folders(self) -> None:
        """Functions that were stored earlier run from the folders that this server was started with."""
        for function in list(self._registry.functions.values()):
            folder = self.folder_of(function["$id"])
            active = self._registry.deployments.get(function["deploymentId"])
            if folder is not None and active is None:
                self.from_folder(function, folder)
            elif folder is not None and active is not None and "_archive" not in active:
                self._registry.deployments.put(active["$id"], {**active, "_folder": str(folder)})

    def from_folder(self, function: Record, folder: Path) -> Record:
        """Activate ``folder`` as it is, without a build."""
        deployment = new_deployment(
            unique_id(),
            function,
            self._emulator.clock.stamp(),
            entrypoint=function["entrypoint"] or "main.py",
            kind="manual",
            size=0,
            activate=True,
        )
        self._registry.deployments.put(deployment["$id"], {**deployment, "status": "ready", "_folder": str(folder)})
        self._activate(function["$id"], self._registry.deployments[deployment["$id"]])
        return deployment

    def upload(self, function: Record, headers: Mapping[str, str], body: bytes) -> Record:
        """Take in code, or a chunk of it; a complete archive starts to be built.

        Raises AppwriteError for a missing entrypoint or file and for bad ranges.
        """
        form = read_form(headers.get("content-type", ""), body)
        fields = {name: part.data.decode("utf-8", "replace") for name, part in form.items() if part.filename is None}
        if not (fields.get("entrypoint") or function["entrypoint"]):
            raise refusal("function_entrypoint_missing")
        chunk = read_chunk(headers.get("content-range"), _code(form).data)
        named = headers.get("x-appwrite-id", "") if headers.get("content-range") else ""
        deployment = self._known(function, named)
        if deployment is None:
            kind = "cli" if headers.get("x-sdk-language") == "cli" else "manual"
            deployment = self._new(function, named if is_id(named) else unique_id(), fields, kind, chunk.size)
        elif deployment["status"] != "waiting":
            return deployment
        if self._uploads.add(deployment["$id"], Path(deployment["_archive"]), chunk):
            self._begin(function, deployment)
        return self._registry.deployments[deployment["$id"]]

    def _new(self, function: Record, id: str, fields: Mapping[str, str], kind: str, size: int) -> Record:
        deployment = new_deployment(
            id,
            function,
            self._emulator.clock.stamp(),
            entrypoint=fields.get("entrypoint") or function["entrypoint"],
            kind=kind,
            size=size,
            activate=fields.get("activate") in ("true", "1"),
        )
        hidden = {
            "_archive": str(self._folder(id) / "code.tar.gz"),
            "_folder": str(self._folder(id) / "build"),
            "_commands": fields.get("commands", function["commands"]),
        }
        return self._registry.deployments.put(id, {**deployment, **hidden})

    def cancel(self, deployment: Record) -> Record:
        """Stop a build. Raises AppwriteError (400) when it is over."""
        if deployment["status"] in _OVER:
            raise refusal("build_already_completed")
        changed = self._change(deployment, status="canceled")
        build = self._builds.get(deployment["$id"])
        if build is not None:
            build.stop()
        return changed

    def activate(self, function_id: str, deployment: Record) -> None:
        """Make a ready deployment the active one. Raises AppwriteError (400) when it is not ready."""
        if deployment["status"] != "ready":
            raise refusal("build_not_ready")
        self._activate(function_id, deployment)

    def remove(self, deployment: Record) -> None:
        """Forget a deployment and its files."""
        self._registry.deployments.remove(deployment["$id"])
        # A virtual environment is thousands of files: nobody waits for a slow disk.
        clearing = asyncio.to_thread(shutil.rmtree, self._folder(deployment["$id"]), ignore_errors=True)
        self._emulator.functions.in_background(clearing)
        function = self._registry.functions.get(deployment["resourceId"])
        if function is not None and function["deploymentId"] == deployment["$id"]:
            self._registry.put_function({**function, "deploymentId": "", "deploymentCreatedAt": ""})

    def close(self) -> None:
        """Kill running builds."""
        for build in self._builds.values():
            build.stop()

    def _folder(self, id: str) -> Path:
        return self._emulator.functions.root / "deployments" / id

    def _known(self, function: Record, id: str) -> Record | None:
        found = self._registry.deployments.get(id)
        if found is not None and found["resourceId"] != function["$id"]:
            raise refusal("deployment_not_found")
        return found

    def _begin(self, function: Record, deployment: Record) -> None:
        for other in self._registry.deployments_of(function["$id"]):
            if deployment["activate"] and other["activate"] and other["$id"] != deployment["$id"]:
                self._change(other, activate=False)
        self._note_latest(function["$id"])
        self._emulator.functions.in_background(self._build(function, deployment["$id"]))

    async def _build(self, function: Record, id: str) -> None:
        deployment = self._registry.deployments.get(id)
        if deployment is None or deployment["status"] == "canceled":
            return
        self._change(deployment, status="processing")
        environment = self._executor.environment(function, deployment)
        folder = Path(deployment["_folder"])
        plan = Plan(Path(deployment["_archive"]), folder, deployment["_commands"], environment)
        build = self._builds[id] = Build(plan, partial(self._add_to_log, id), self._emulator.clock.now)
        self._change(self._registry.deployments[id], status="building")
        started = time.monotonic()
        try:
            size = await build.run()
        except (BuildError, OSError) as error:
            self._add_to_log(id, "" if isinstance(error, BuildError) else f"{error}\n")
            self._conclude(id, "failed", started, 0)
        else:
            self._conclude(id, "ready", started, size)
        finally:
            del self._builds[id]

    def _add_to_log(self, id: str, piece: str) -> None:
        if id in self._registry.deployments:
            self._registry.deployments[id]["buildLogs"] += piece  # written to disk with the next change of status

    def _conclude(self, id: str, status: str, started: float, size: int) -> None:
        deployment = self._registry.deployments.get(id)
        if deployment is None or deployment["status"] == "canceled":
            return
        seconds = math.ceil(time.monotonic() - started)
        total = deployment["sourceSize"] + size
        done = self._change(deployment, status=status, buildSize=size, totalSize=total, buildDuration=seconds)
        if status == "ready" and done["activate"]:
            self._activate(done["resourceId"], done)
        self._note_latest(done["resourceId"])

    def _activate(self, function_id: str, deployment: Record) -> None:
        function = self._registry.function(function_id)
        self._registry.put_function(
            {
                **function,
                "live": True,
                "deploymentId": deployment["$id"],
                "deploymentCreatedAt": deployment["$createdAt"],
                "$updatedAt": self._emulator.clock.stamp(),
            }
        )
        self._note_latest(function_id)

    def _note_latest(self, function_id: str) -> None:
        latest = self._registry.deployments_of(function_id)[-1]
        self._registry.put_function(
            {
                **self._registry.function(function_id),
                "latestDeploymentId": latest["$id"],
                "latestDeploymentCreatedAt": latest["$createdAt"],
                "latestDeploymentStatus": latest["status"],
            }
        )

    def _change(self, deployment: Record, **fields: object) -> Record:
        changed = {**deployment, **fields, "$updatedAt": self._emulator.clock.stamp()}
        return self._registry.deployments.put(deployment["$id"], changed)


def _code(form: Mapping[str, Part]) -> Part:
    code = form.get("code")
    if code is None or code.filename is None:
        raise refusal("storage_file_empty", "No file sent")
    if not code.filename.endswith(".gz"):
        raise refusal("storage_file_type_unsupported")
    return code
