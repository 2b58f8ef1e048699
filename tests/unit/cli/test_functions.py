"""`massage-link functions build`: the same bundle from the same checkout, without what functions do not use."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from typer.testing import CliRunner, Result

from checkout import ROOT, clone
from massage_link import __version__
from massage_link.cli.app import app
from massage_link.cli.bundles import Bundle, build_bundle
from massage_link.schema import functions_of

FUNCTIONS = sorted(function.id for function in functions_of(direct_write=True))
RUNNER = CliRunner()


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return build_bundle(ROOT)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a bundle is built from, at another place, of another age."""
    return clone(tmp_path)


def _run(checkout: Path, *options: str) -> Result:
    return RUNNER.invoke(app, ["functions", "build", "--root", str(checkout), *options])


def test_a_bundle_is_the_same_byte_for_byte_wherever_and_whenever_it_is_built(bundle: Bundle, checkout: Path) -> None:
    (checkout / "src" / "massage_link" / "errors.py").chmod(0o600)
    assert build_bundle(checkout) == bundle


def test_every_folder_gets_the_wheel_and_is_then_up_to_date(checkout: Path) -> None:
    assert _run(checkout, "--check").exit_code == 1
    built = _run(checkout)
    assert built.exit_code == 0, built.output
    for function in FUNCTIONS:
        (wheel,) = (checkout / "functions" / function).glob("*.whl")
        assert f"functions/{function}: {wheel.name}" in built.stdout
    assert _run(checkout, "--check").exit_code == 0


@pytest.mark.parametrize("staleness", ["a changed module", "no wheel", "another pin", "a second wheel"])
def test_the_check_names_what_is_stale_and_a_build_mends_it(checkout: Path, staleness: str) -> None:
    _run(checkout)
    folder = checkout / "functions" / "sweep"
    if staleness == "a changed module":
        with (checkout / "src" / "massage_link" / "functions.py").open("a") as module:
            module.write("\n# changed\n")
    elif staleness == "no wheel":
        next(folder.glob("*.whl")).unlink()
    elif staleness == "another pin":
        (folder / "requirements.txt").write_text("massage-link\n")
    else:
        (folder / "massage_link-0.0.9+functions-py3-none-any.whl").write_bytes(b"")
    checked = _run(checkout, "--check")
    assert checked.exit_code == 1
    assert "functions/sweep is not built from this checkout." in checked.stderr
    assert ("functions/commands" in checked.stderr) is (staleness == "a changed module")
    assert _run(checkout).exit_code == 0
    assert _run(checkout, "--check").exit_code == 0


def test_only_core_dependencies_are_asked_for_and_all_are_pinned(bundle: Bundle) -> None:
    lines = [line for line in bundle.requirements.splitlines() if not line.startswith(("#", "-"))]
    assert all(line.count("==") == 1 for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert {"massage-link", "httpx", "pydantic-core", "typing-extensions"} <= names
    assert not names & {"typer", "rich", "starlette", "uvicorn", "hatchling", "pytest", "colorama", "babel"}
    assert len(lines) == bundle.packages


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_committed_pins_are_the_versions_that_the_project_is_tested_with(bundle: Bundle, function: str) -> None:
    tested = _versions((ROOT / "constraints.txt").read_text("utf-8"))
    committed = _versions((ROOT / "functions" / function / "requirements.txt").read_text("utf-8"))
    assert committed.keys() == _versions(bundle.requirements).keys(), "run `massage-link functions build`"
    assert committed.pop("massage-link") == __version__
    assert committed.items() <= tested.items(), "run `massage-link functions build`"


def _versions(requirements: str) -> dict[str, str]:
    lines = (line.partition("==") for line in requirements.splitlines() if not line.startswith(("#", "-")))
    return {name.lower().replace("_", "-"): version for name, _, version in lines}


def test_the_wheel_holds_every_module_of_ours_that_one_of_its_modules_imports(bundle: Bundle, tmp_path: Path) -> None:
    wheel = tmp_path / bundle.wheel_name
    wheel.write_bytes(bundle.wheel)
    with zipfile.ZipFile(wheel) as archive:
        modules = [name for name in archive.namelist() if name.endswith(".py")]
        there = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in modules}
        for module in modules:
            nodes = ast.walk(ast.parse(archive.read(module)))
            imported = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
            assert {name for name in imported if name.split(".")[0] == "massage_link"} <= there, module
    assert not {name for name in modules if name.split("/")[1] in {"cli", "demo", "emulator", "worker"}}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_starts_from_the_wheel_and_loads_nothing_that_it_does_not_need(
    bundle: Bundle, tmp_path: Path, function: str
) -> None:
    wheel = tmp_path / bundle.wheel_name
    wheel.write_bytes(bundle.wheel)
    asked = "import json, sys, main, massage_link; print(json.dumps([massage_link.__file__, *sys.modules]))"
    told = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=ROOT / "functions" / function,
        env={**os.environ, "PYTHONPATH": str(wheel), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    origin, *loaded = json.loads(told.stdout)
    assert origin.startswith(str(wheel))
    # Each of these would take a good part of what a cold start may cost; `scripts/bench functions` measures that.
    assert not set(loaded) & {"requests", "appwrite.client", "appwrite.services", "typer", "starlette", "sqlite3"}


@pytest.mark.parametrize("built", [True, False], ids=["built here", "published"])
def test_a_folder_installs_the_wheel_beside_it_or_else_the_published_one(
    bundle: Bundle, tmp_path: Path, *, built: bool
) -> None:
    index, folder = tmp_path / "index", tmp_path / "function"
    folder.mkdir()
    list(WheelBuilder(str(ROOT)).build(directory=str(index)))
    if built:
        (folder / bundle.wheel_name).write_bytes(bundle.wheel)
    ours = [line for line in bundle.requirements.splitlines() if "==" not in line or line.startswith("massage-link=")]
    (folder / "requirements.txt").write_text("\n".join(ours))
    install = [*("install", "--dry-run", "--ignore-installed", "--no-deps", "--no-index"), "--find-links", str(index)]
    told = subprocess.run(
        [sys.executable, "-m", "pip", *install, "--quiet", "--report", "-", "-r", "requirements.txt"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    (installed,) = json.loads(told.stdout)["install"]
    assert installed["metadata"]["version"] == __version__ + ("+functions" if built else "")


def test_built_files_are_ignored_where_the_cli_does_not_look() -> None:
    assert "/functions/*/*.whl" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_outside_a_checkout_it_says_what_it_needs(tmp_path: Path) -> None:
    result = _run(tmp_path)
    assert result.exit_code == 2
    assert "is no checkout of massage-link" in result.stderr
