"""What holds for the project as a whole: who imports whom, what is generated, what is documented."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import massage_link
from massage_link.schema import FUNCTIONS, Function, generated_files, same_content
from massage_link.settings import FunctionSettings, Settings

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "massage_link"
MODULES = sorted(path.relative_to(SRC) for path in SRC.rglob("*.py"))
# Part of the package → the parts that it may import. What is not listed here may not exist.
MAY_IMPORT = {
    "_version": "",
    "errors": "",
    "domain": "errors",
    "schema": "domain errors",
    "settings": "domain errors",
    "wire": "errors",
    "usecases": "domain errors schema wire",
    "realtime": "errors wire",
    "client": "domain errors health realtime settings usecases wire",
    "functions": "client domain errors settings usecases wire",
    "health": "client domain errors realtime schema usecases wire",
    "worker": "client domain errors realtime usecases wire",
    "testing": "client domain errors schema usecases wire",
    "demo": "client domain errors realtime schema settings testing usecases wire",
    "web": "client domain errors health realtime usecases",
    "cli": (
        "_version client demo domain emulator errors health realtime schema settings testing usecases web wire worker"
    ),
    "emulator": "",
    "__init__": "_version client domain errors health realtime usecases",
}
# Package from outside → the parts that may import it.
OUTSIDE = {
    "httpx": {"client", "testing", "demo"},
    "websockets": {"realtime", "emulator"},
    "tenacity": {"client", "realtime", "web", "worker"},
    "pydantic_settings": {"settings"},
    "typer": {"cli"},
    "rich": {"cli", "demo", "worker"},
    "plotext": {"cli"},
    "starlette": {"emulator"},
    "fastapi": {"web"},
    "nicegui": {"web"},
    "uvicorn": {"emulator", "web"},
    "sqlite3": {"emulator", "realtime"},
    "iso4217": {"domain"},
}
PURE = {
    "__future__", "collections", "csv", "dataclasses", "datetime", "decimal", "enum", "functools", "hashlib", "html",
    "io", "itertools", "json", "math", "re", "typing", "zoneinfo",
    "pydantic", "pydantic_core", "iso4217", "massage_link",
}  # fmt: skip
IMPURE_CALLS = {"now", "utcnow", "today", "uuid4", "uuid1", "urandom", "token_hex", "open", "print", "sleep", "input"}


@cache
def _tree(module: Path) -> ast.Module:
    return ast.parse((SRC / module).read_text("utf-8"))


def _part(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


def _imported(module: Path) -> Iterator[str]:
    """Dotted names of all that a module imports, wherever in it and for whatever reason."""
    package = ["massage_link", *module.parts[:-1]]
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _parts_imported(module: Path) -> set[str]:
    names = (name.split(".") for name in _imported(module))
    return {name[1] for name in names if name[0] == "massage_link"} - {"__version__"}


# --- who imports whom -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("module", MODULES, ids=str)
def test_dependencies_point_inward(module: Path) -> None:
    part = _part(module)
    assert _parts_imported(module) - {part} <= set(MAY_IMPORT[part].split())


def test_only_the_command_line_starts_the_emulator_in_process() -> None:
    importers = {str(module) for module in MODULES if "emulator" in _parts_imported(module)}
    assert {name for name in importers if not name.startswith("emulator")} <= {"cli/emulator.py", "testing.py"}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_packages_from_outside_stay_where_they_belong(module: Path) -> None:
    for name in {name.split(".")[0] for name in _imported(module)} & set(OUTSIDE):
        assert _part(module) in OUTSIDE[name], f"{module} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_the_official_sdk_lends_its_builders_only(module: Path) -> None:
    lent = {"appwrite.permission", "appwrite.role", "appwrite.query", "appwrite.id"}
    borrowed = {name.rpartition(".")[0] for name in _imported(module) if name.startswith("appwrite.")}
    assert borrowed <= lent


@pytest.mark.parametrize("module", [module for module in MODULES if _part(module) == "domain"], ids=str)
def test_the_domain_is_pure(module: Path) -> None:
    assert {name.split(".")[0] for name in _imported(module)} <= PURE
    calls = {node.func for node in ast.walk(_tree(module)) if isinstance(node, ast.Call)}
    names = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
    assert not names & IMPURE_CALLS


def test_only_the_settings_read_the_environment() -> None:
    readers = [*SRC.rglob("*.py"), *(ROOT / "functions").glob("*/main.py")]
    asking = re.compile(r"\b(os\.environ|getenv|environb)\b|from os import .*environ")
    assert [path.name for path in readers if asking.search(path.read_text("utf-8"))] == []


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = "import sys, massage_link; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"httpx", "websockets", "pydantic", "pydantic_settings", "appwrite", "iso4217", "asyncio", "tenacity"}
    assert not set(done.stdout.split()) & heavy


# --- the public surface -----------------------------------------------------------------------------------------------
def _names_for_type_checkers() -> set[str]:
    guards = [node for node in _tree(Path("__init__.py")).body if isinstance(node, ast.If)]
    imports = [node for guard in guards for node in guard.body if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports for alias in node.names}


def test_the_public_names_are_sorted_and_every_one_is_there() -> None:
    assert massage_link.__all__ == sorted(massage_link.__all__, key=lambda name: (name[0].islower(), name))
    assert all(getattr(massage_link, name) is not None for name in massage_link.__all__)
    assert dir(massage_link) == sorted(massage_link.__all__)


def test_type_checkers_and_the_running_program_see_the_same_names() -> None:
    assert _names_for_type_checkers() | {"__version__"} == set(massage_link.__all__)


def test_a_name_that_is_not_public_is_said_to_be_missing() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = massage_link.nonsense


@pytest.mark.parametrize("module", [module for module in MODULES if _part(module) != "emulator"], ids=str)
def test_every_name_that_a_module_lists_is_there(module: Path) -> None:
    loaded = import_module(".".join(["massage_link", *module.with_suffix("").parts]).removesuffix(".__init__"))
    assert [name for name in getattr(loaded, "__all__", ()) if not hasattr(loaded, name)] == []


# --- documentation ----------------------------------------------------------------------------------------------------
def _undocumented(tree: ast.Module, *, with_functions: bool) -> Iterator[str]:
    if tree.body and not ast.get_docstring(tree):
        yield "the module"
    scopes: list[ast.Module | ast.ClassDef] = [tree]
    for scope in scopes:
        for node in scope.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
                continue
            if isinstance(node, ast.ClassDef):
                scopes.append(node)
            is_overload = any("overload" in ast.dump(decorator) for decorator in node.decorator_list)
            asked = isinstance(node, ast.ClassDef) or (with_functions and not is_overload)
            if asked and not ast.get_docstring(node):
                yield node.name


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_what_is_public_says_what_it_does(module: Path) -> None:
    # Inside the emulator, whose routes are Appwrite's own, modules and classes explain themselves.
    missing = list(_undocumented(_tree(module), with_functions=_part(module) != "emulator"))
    assert missing == []


def test_every_setting_is_documented_and_nothing_else() -> None:
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `([A-Z_]+)`", text, re.MULTILINE))
    settings = {str(field.alias) for kind in (Settings, FunctionSettings) for field in kind.model_fields.values()}
    for_tests = {f"MASSAGE_LINK_TEST_{name}" for name in ("ENDPOINT", "PROJECT_ID", "API_KEY")}
    assert documented == settings | for_tests


# --- generated files --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", generated_files())
def test_generated_files_are_fresh(path: str) -> None:
    fresh = same_content(path, generated_files()[path], (ROOT / path).read_text("utf-8"))
    assert fresh, "run `massage-link schema generate`"


def test_every_table_file_belongs_to_a_table() -> None:
    assert {f"schema/{path.name}" for path in (ROOT / "schema").iterdir()} == set(generated_files()) - {"appwrite.json"}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.id)
def test_every_function_has_a_thin_folder(function: Function) -> None:
    folder = ROOT / "functions" / function.id
    main = ast.parse((folder / "main.py").read_text("utf-8"))
    handlers = [node for node in main.body if isinstance(node, ast.AsyncFunctionDef) and node.name == "main"]
    assert len(handlers) == 1, "a synchronous main would run on the runtime's event loop"
    assert len((folder / "main.py").read_text("utf-8").splitlines()) <= 40
    assert "massage_link" in (folder / "requirements.txt").read_text("utf-8").replace("-", "_")
    assert not (folder / ".gitignore").exists(), "the Appwrite CLI would leave out of the upload what it names"


# --- rules that no type can express -----------------------------------------------------------------------------------
def test_no_row_is_read_by_its_path() -> None:
    """The real server answers `GET …/rows/{id}` from a cache that a commit leaves stale for up to a day."""
    for module in MODULES:
        if _part(module) == "emulator":
            continue
        for node in ast.walk(_tree(module)):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            literals = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            if name == "path" and {"rows", "documents"} & set(literals):
                assert module == Path("wire/rows.py"), f"{module} builds a row's path itself"
            if name == "Call" and "GET" in literals:
                address = node.args[1]
                rows = isinstance(address, ast.Call) and getattr(address.func, "id", "") == "_rows_path"
                assert not rows or len(address.args) == 1, f"{module} reads a single row by its path"  # type: ignore[attr-defined]


def test_pages_show_texts_and_never_markup() -> None:
    """What customers write reaches a browser as text; an element that takes markup would run their scripts."""
    taking_markup = {"html", "markdown", "restructured_text", "interactive_image", "chat_message"}
    for module in (module for module in MODULES if _part(module) == "web"):
        called = {node.func for node in ast.walk(_tree(module)) if isinstance(node, ast.Call)}
        names = {call.attr for call in called if isinstance(call, ast.Attribute)}
        assert not names & taking_markup, module


def test_pages_are_short() -> None:
    for module in (module for module in MODULES if _part(module) == "web" and module.name != "texts.py"):
        assert len((SRC / module).read_text("utf-8").splitlines()) <= 300, module


def test_nothing_is_left_for_later() -> None:
    asked = {
        ("src", "functions", "scripts"): re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b"),
        ("tests",): re.compile(r"# ?(TODO|FIXME|XXX)\b"),
    }
    for folders, words in asked.items():
        for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
            assert "node_modules" in path.parts or not words.search(path.read_text("utf-8")), path
