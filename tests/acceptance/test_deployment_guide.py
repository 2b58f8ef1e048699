"""The commands of docs/deployment.md, as they stand there, lead from an empty project to a check that passes."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

import pytest
from typer.testing import CliRunner, Result

from checkout import ROOT, clone
from massage_link import MassageLink, Money
from massage_link.cli.app import app
from massage_link.errors import Unauthorized
from massage_link.health.credentials import SCOPES
from massage_link.schema import functions_of
from massage_link.testing import Emulator, running_emulator
from massage_link.usecases.provision import push_functions
from massage_link.wire.control import list_functions
from massage_link.wire.users import create_user

GUIDE = (ROOT / "docs" / "deployment.md").read_text("utf-8")


def commands() -> list[str]:
    """The ten commands."""
    found = re.search(r"^## Ten commands\n.*?^```sh\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1].splitlines()


def scopes_of(name: str) -> list[str]:
    """What the guide's tables give a key or function."""
    found = re.search(rf"^\| `?{re.escape(name)}`? \|(.*)$", GUIDE, re.MULTILINE)
    assert found is not None
    return re.findall(r"`([a-z]+\.(?:read|write))`", found[1])


@pytest.fixture
def empty() -> Iterator[Emulator]:
    """A server with a project and nothing in it."""
    with running_emulator(project_id="shop", schema=False) as server:
        yield server


def _key(server: Emulator, name: str) -> str:
    return str(server.control("POST", "keys", {"scopes": scopes_of(name)})["secret"])


def test_there_are_ten_commands() -> None:
    assert len(commands()) == 10


@pytest.mark.long
def test_the_commands_lead_from_a_clone_and_an_empty_project_to_a_check_that_passes(
    empty: Emulator, tmp_path: Path
) -> None:
    place = clone(tmp_path / "clone")
    told = {"ENDPOINT": empty.endpoint, "PROJECT": "shop", "KEY": _key(empty, "operator's key")}
    (tmp_path / "home").mkdir()
    done = subprocess.run(
        ["bash", "-exuo", "pipefail", "-c", "\n".join(commands())],
        cwd=place,
        env={**os.environ, **told, "HOME": str(tmp_path / "home")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told_by_all = done.stdout + done.stderr
    assert "✔ All is well" in told_by_all
    # The Appwrite CLI ends with 0 whatever happens.
    assert f"Successfully pushed {len(functions_of())} functions" in told_by_all
    assert "missing scopes" not in told_by_all
    with empty.link() as link:
        states = {each["$id"]: each["latestDeploymentStatus"] for each in link.send(list_functions())}
    assert states == {function.id: "ready" for function in functions_of()}


@pytest.mark.parametrize("function", functions_of(direct_write=True), ids=lambda function: function.id)
def test_the_guide_tells_the_scopes_of_each_function(function: object) -> None:
    definition = next(each for each in functions_of(direct_write=True) if each is function)
    assert set(scopes_of(definition.id)) == set(definition.scopes)


def test_the_operators_key_has_what_the_commands_and_the_health_check_need_and_nothing_more() -> None:
    # The Appwrite CLI lists the domains of each function that it has deployed.
    pushing = {"functions.write", "rules.read"}
    assert set(scopes_of("operator's key")) == {*scopes_of("deploy key"), *SCOPES, *pushing}


@pytest.fixture(scope="module")
def project() -> Iterator[Emulator]:
    """A server for keys that lack something."""
    with running_emulator(project_id="shop", schema=False, functions=ROOT / "functions") as server:
        with server.link() as link:
            link.run(push_functions())
        yield server


def _deployed_with(server: Emulator, scopes: Sequence[str], folder: Path) -> list[Result]:
    """What `schema push` and `schema check` say to a key with these scopes, each in a new database."""
    secret = server.control("POST", "keys", {"scopes": list(scopes)})["secret"]
    settings = {
        "APPWRITE_ENDPOINT": server.endpoint,
        "APPWRITE_PROJECT_ID": "shop",
        "APPWRITE_API_KEY": secret,
        "MASSAGE_LINK_DATABASE": f"db_{token_hex(4)}",
    }
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    places = ["--root", str(folder), "--env-file", str(folder / ".env")]
    return [CliRunner().invoke(app, ["schema", command, *places]) for command in ("push", "check")]


def test_the_deploy_key_of_the_guide_suffices(project: Emulator, tmp_path: Path) -> None:
    done = _deployed_with(project, scopes_of("deploy key"), tmp_path)
    assert [each.exit_code for each in done] == [0, 0], [each.output for each in done]


@pytest.mark.parametrize("scope", scopes_of("deploy key"))
def test_the_deploy_key_of_the_guide_has_no_scope_too_many(project: Emulator, tmp_path: Path, scope: str) -> None:
    done = _deployed_with(project, [each for each in scopes_of("deploy key") if each != scope], tmp_path)
    assert any(each.exit_code == 1 and "missing scopes" in each.stderr for each in done), [e.output for e in done]


def test_the_keys_of_the_guide_suffice_for_what_they_are_for(tmp_path: Path) -> None:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
    with running_emulator(project_id="shop") as server:
        with server.link() as link:
            for user in ("zoe", "mara"):
                link.send(create_user(user, f"{user}@example.com", "correct horse battery", user.title()))
        with MassageLink(server.endpoint, "shop", api_key=_key(server, "backend key")) as link:
            booking = link.bookings.request(
                customer_id="zoe",
                therapist_id="mara",
                service="Deep tissue",
                starts_at=start,
                ends_at=start + timedelta(hours=1),
                price=Money(9_505, "EUR"),
            )
            link.bookings.accept(booking.id, by="mara")
            link.chat.send(booking.id, "Hello", sender_id="zoe")
            link.bookings.complete(booking.id, by="mara")
            assert link.commissions.get(booking.id).commission_minor == 2_852
            with pytest.raises(Unauthorized):
                list(link.as_user("zoe").bookings.list())
        acting = _key(server, "backend key that acts as users")
        with MassageLink(server.endpoint, "shop", api_key=acting) as link:
            assert [each.id for each in link.as_user("zoe").bookings.list()] == [booking.id]
