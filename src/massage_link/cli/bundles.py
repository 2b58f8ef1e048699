"""What a deployed function is made of besides its `main.py`: the wheel of this checkout, and pinned versions.

Both are the same, byte for byte, whenever they are built from the same files by the same tools.
"""

from __future__ import annotations

import hashlib
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, cast

from hatchling.builders.wheel import WheelBuilder
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from massage_link.errors import UsageError

__all__ = ["Bundle", "build_bundle", "stale_folders", "write_bundle"]

#: Marks the wheel as one of a checkout. A wheel so marked is newer than the version of that number on the package
#: index, so pip takes it, and no index accepts one: nobody can slip another in between.
_LABEL = "functions"
#: What Appwrite's runtime says of itself where dependencies ask; the rest is as here.
_RUNTIME = {"python_version": "3.12", "python_full_version": "3.12.0", "sys_platform": "linux", "os_name": "posix"}
#: Parts of the package that no function uses.
_LEFT_OUT = ("cli", "demo", "emulator", "web", "worker")
_HEAD = """\
# Written by `massage-link functions build`: the versions that this project is tested with. The wheel beside this file
# is that of the checkout and goes before the package index; where there is none, the index's is installed.
--find-links .
"""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What goes into each function's folder.

    Attributes:
        wheel_name: file name of the wheel.
        wheel: its content.
        requirements: text of `requirements.txt`.
        packages: how many packages the requirements name.

    """

    wheel_name: str
    wheel: bytes
    requirements: str
    packages: int

    @property
    def digest(self) -> str:
        """SHA-256 of the wheel, in hex."""
        return hashlib.sha256(self.wheel).hexdigest()


def build_bundle(root: Path) -> Bundle:
    """Build the wheel of a checkout, and pin its core dependencies to the versions that are installed here.

    Args:
        root: folder of the checkout.

    Raises:
        UsageError: it is no checkout of this project.

    """
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        project = {}
    if project.get("project", {}).get("name") != "massage-link":
        raise UsageError(f"{root.resolve()} is no checkout of massage-link; run this in one, or name it with --root.")
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(next(WheelBuilder(str(root), metadata=_labelled(root, project)).build(directory=folder)))
        content = wheel.read_bytes()
    version = wheel.name.split("-")[1].partition("+")[0]
    pins = {**_pins(project["project"]["dependencies"]), "massage-link": version}
    lines = "".join(f"{name}=={pinned}\n" for name, pinned in sorted(pins.items()))
    return Bundle(wheel.name, content, _HEAD + lines, len(pins))


def _labelled(root: Path, project: Mapping[str, Any]) -> ProjectMetadata[Any]:
    """The project's metadata, its version marked, without the parts that functions do not use."""
    plugins = PluginManager()
    version = ProjectMetadata(str(root), plugins).version
    facts = {**project["project"], "version": f"{version}+{_LABEL}"}
    facts["dynamic"] = [name for name in facts.get("dynamic", ()) if name != "version"]
    wheel = {"packages": ["src/massage_link"], "exclude": [f"src/massage_link/{part}" for part in _LEFT_OUT]}
    hatch = {**project["tool"]["hatch"], "build": {"targets": {"wheel": wheel}}}
    return ProjectMetadata(str(root), plugins, {**project, "project": facts, "tool": {"hatch": hatch}})


def _pins(requirements: Iterable[str]) -> dict[str, str]:
    """The installed versions of what these ask for, and of what that asks for; canonical names."""
    environment: dict[str, str] = {**cast("dict[str, str]", default_environment()), **_RUNTIME, "extra": ""}
    pinned: dict[str, str] = {}
    waiting = list(requirements)
    while waiting:
        wanted = Requirement(waiting.pop())
        name = str(canonicalize_name(wanted.name))
        if name in pinned or (wanted.marker is not None and not wanted.marker.evaluate(environment)):
            continue
        try:
            installed = distribution(wanted.name)
        except PackageNotFoundError:  # only the runtime's Python needs it; pip picks a version there
            continue
        pinned[name] = installed.version
        waiting += installed.requires or ()
    return pinned


def stale_folders(root: Path, bundle: Bundle) -> list[str]:
    """The ids of the functions whose folders hold something else than the bundle, sorted."""
    return [folder.name for folder in _folders(root) if not _is_fresh(folder, bundle)]


def write_bundle(root: Path, bundle: Bundle) -> list[str]:
    """Put the bundle into each function's folder, and take away older wheels.

    Returns:
        The ids of the functions, sorted.

    """
    for folder in _folders(root):
        for old in _wheels(folder):
            if old.name != bundle.wheel_name:
                old.unlink()
        (folder / bundle.wheel_name).write_bytes(bundle.wheel)
        (folder / "requirements.txt").write_text(bundle.requirements, encoding="utf-8")
    return [folder.name for folder in _folders(root)]


def _folders(root: Path) -> list[Path]:
    return sorted(main.parent for main in (root / "functions").glob("*/main.py"))


def _wheels(folder: Path) -> Iterator[Path]:
    return folder.glob("*.whl")


def _is_fresh(folder: Path, bundle: Bundle) -> bool:
    wheels = list(_wheels(folder))
    requirements = folder / "requirements.txt"
    return (
        [wheel.name for wheel in wheels] == [bundle.wheel_name]
        and wheels[0].read_bytes() == bundle.wheel
        and requirements.is_file()
        and requirements.read_text(encoding="utf-8") == bundle.requirements
    )
