"""A broken function shows: in its deployment, its executions, `schema check` and the health check."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from emulator_live import until
from massage_link import MassageLink, Money
from massage_link.cli.app import app
from massage_link.testing import Emulator, running_emulator
from massage_link.usecases.provision import push_functions
from massage_link.usecases.sweep import sweep

FUNCTION = "compute_commission"
_SOUND = "async def main(context):\n    return context.res.text('sound')\n"
#: Code → status of the answer, what the execution's errors say.
BROKEN_AT_RUN = {
    "a syntax error": ("async def main(context)\n    pass\n", 503, "Syntax error in "),
    "a missing dependency": (f"import no_such_package\n{_SOUND}", 503, "Module not found: no_such_package"),
    "an exception": ("async def main(context):\n    raise ValueError('no luck')\n", 500, "ValueError: no luck"),
    "a timeout": ("import asyncio\nasync def main(context):\n    await asyncio.sleep(60)\n", 500, "timed out"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    """Tables and functions, still without any code."""
    with running_emulator() as server:
        with server.link() as link:
            link.run(push_functions())
        yield server


@pytest.fixture
def link(server: Emulator) -> Iterator[MassageLink]:
    with server.link() as link:
        yield link


class Upload:
    """Deploys code to the one function, as the CLI does."""

    def __init__(self, server: Emulator) -> None:
        headers = {"X-Appwrite-Project": server.project_id, "X-Appwrite-Key": server.api_key}
        self.http = httpx.Client(base_url=f"{server.endpoint}/functions/{FUNCTION}", headers=headers, timeout=60)

    def get(self, path: str = "") -> Any:
        """What the server says of the function, or of something below it."""
        return self.http.get(path).raise_for_status().json()

    async def deploy(self, files: Mapping[str, str], *, commands: str = "", seconds: int = 15) -> dict[str, Any]:
        """The deployment once it is over: ready or failed."""
        function = self.get()
        wanted = {name: function[name] for name in ("name", "runtime", "execute", "events", "scopes", "entrypoint")}
        self.http.put("", json={**wanted, "timeout": seconds}).raise_for_status()
        form = {"activate": "true", "entrypoint": "main.py", "commands": commands}
        sent = self.http.post("/deployments", data=form, files={"code": ("code.tar.gz", _packed(files))})
        place = f"/deployments/{sent.raise_for_status().json()['$id']}"
        await until(lambda: self.get(place)["status"] in {"ready", "failed"}, 120)
        found: dict[str, Any] = self.get(place)
        return found


def _packed(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    return packed.getvalue()


@pytest.fixture
def upload(server: Emulator) -> Iterator[Upload]:
    upload = Upload(server)
    yield upload
    upload.http.close()


def _check(server: Emulator, folder: Path) -> str:
    """What `schema check` says of a server, without an appwrite.json beside it."""
    settings = f"APPWRITE_ENDPOINT={server.endpoint}\nAPPWRITE_PROJECT_ID={server.project_id}\n"
    (folder / ".env").write_text(f"{settings}APPWRITE_API_KEY={server.api_key}\n")
    places = ["--root", str(folder), "--env-file", str(folder / ".env")]
    return CliRunner().invoke(app, ["schema", "check", *places]).stdout


async def _until_health_says(link: MassageLink, *said: str) -> None:
    """Until the health check says it of the functions: on a busy machine a probe may be out of time."""

    async def is_said() -> bool:
        found = (await asyncio.to_thread(link.verify_integration))["functions"].found
        return all(each in found for each in said)

    await until(is_said, 60)


def _booked(link: MassageLink, hour: int) -> str:
    start = datetime.now(UTC).replace(hour=hour, minute=0, second=0, microsecond=0) + timedelta(days=2)
    return link.bookings.request(
        customer_id="zoe",
        therapist_id="mara",
        service="Deep tissue",
        starts_at=start,
        ends_at=start + timedelta(minutes=30),
        price=Money(9_505, "EUR"),
    ).id


@pytest.mark.parametrize("fault", BROKEN_AT_RUN)
async def test_code_that_fails_shows_in_the_execution_and_the_sweeper_does_its_work(
    link: MassageLink, upload: Upload, fault: str
) -> None:
    code, status, said = BROKEN_AT_RUN[fault]
    deployment = await upload.deploy({"main.py": code}, seconds=1)
    assert deployment["status"] == "ready", "a server builds without running"
    known = {execution["$id"] for execution in upload.get("/executions")["executions"]}
    booking_id = _booked(link, 8 + list(BROKEN_AT_RUN).index(fault))

    def ended() -> list[dict[str, Any]]:
        executions = upload.get("/executions")["executions"]
        return [each for each in executions if each["$id"] not in known and each["status"] == "failed"]

    await until(lambda: bool(ended()), 60)
    (execution,) = ended()
    assert (execution["deploymentId"], execution["trigger"]) == (deployment["$id"], "event")
    assert execution["responseStatusCode"] == status
    assert said in execution["errors"]
    await _until_health_says(
        link, f"Function {FUNCTION} failed ", f"with status {status} (execution {execution['$id']})"
    )
    link.run(sweep(link.ports))
    assert link.commissions.get(booking_id).commission_minor == 2_852


async def test_a_build_that_fails_is_told_with_its_log_and_the_code_before_it_stays_in_service(
    server: Emulator, link: MassageLink, upload: Upload, tmp_path: Path
) -> None:
    sound = await upload.deploy({"main.py": _SOUND})
    requirements = {"requirements.txt": "--no-index\nno-such-package==1\n"}
    broken = await upload.deploy({"main.py": _SOUND, **requirements}, commands="pip install -r requirements.txt")
    assert broken["status"] == "failed"
    assert "No matching distribution found for no-such-package" in broken["buildLogs"]
    function = upload.get()
    assert (function["deploymentId"], function["latestDeploymentStatus"]) == (sound["$id"], "failed")
    said = _check(server, tmp_path)
    assert f"function {FUNCTION}: latestDeploymentStatus is 'failed'" in said
    assert "read the build's log" in said
    await _until_health_says(link, f"function {FUNCTION}: latestDeploymentStatus is 'failed'")


def test_a_function_without_code_is_told(server: Emulator, tmp_path: Path) -> None:
    said = _check(server, tmp_path)
    assert (
        "server: function sweep: deploymentId is ''.\n    → it has no code: run `massage-link functions build`" in said
    )
