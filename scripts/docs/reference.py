"""Write docs/reference/: the Python surface from its docstrings, the commands from their own help.

`python scripts/docs/reference.py` writes the pages; tests/unit/test_reference.py says when they are not fresh.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from typer.main import get_command

import massage_link
from massage_link import errors
from massage_link.cli.app import app
from massage_link.client.operation import listing, operation
from massage_link.client.watched import watched
from massage_link.emulator.__main__ import parser

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"
_GENERATED = "<!-- Written by scripts/docs/reference.py from the code. -->\n"
#: Pages of the Python surface: title, what it is about, and the names of each section with the module that has them.
_PYTHON: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "links.md": (
        "Links",
        """\
A link is a connection to one project, acting as somebody. What it can do hangs on it: `link.bookings`, `link.chat`,
`link.commissions`, `link.availability`, `link.analytics`. Each operation is described once: on `MassageLink` it gives
its result, on `AsyncMassageLink` it is awaited.""",
        [("massage_link", "MassageLink"), ("massage_link", "AsyncMassageLink"), ("massage_link", "RetryPolicy")],
    ),
    "operations.md": (
        "Operations",
        "What hangs on a link. A signed-in user's link has the function `commands` do what only a key may.",
        [
            ("massage_link.client.bookings", "BookingOperations"),
            ("massage_link.client.availability", "AvailabilityOperations"),
            ("massage_link.client.analytics", "AnalyticsOperations"),
            ("massage_link.client.chat", "ChatOperations"),
            ("massage_link.client.commissions", "CommissionOperations"),
        ],
    ),
    "models.md": (
        "Models",
        "What operations give. Rows are immutable; instants are aware and in UTC; amounts are `Money`.",
        [],  # every public name that no other page has
    ),
    "realtime.md": (
        "Realtime",
        "What `watch` gives, and what it can be told.",
        [
            ("massage_link", "Subscriber"),
            ("massage_link", "Change"),
            ("massage_link", "Checkpoint"),
            ("massage_link.realtime", "FileCheckpoint"),
            ("massage_link.realtime", "Policy"),
            ("massage_link.realtime", "Statistics"),
            ("massage_link.realtime", "ConnectionState"),
        ],
    ),
    "health.md": (
        "Health",
        "What `link.verify_integration()` gives.",
        [("massage_link", name) for name in ("HealthReport", "Probe", "State", "Step")],
    ),
    "testing.md": (
        "Testing",
        "A server for your own tests.",
        [("massage_link.testing", "running_emulator"), ("massage_link.testing", "Emulator")],
    ),
}  # fmt: skip
_ERRORS_PAGE = {"MassageLinkError", "errors", "__version__"}
_NOT_SHOWN = {"columns"}


def pages() -> dict[str, str]:
    """Texts of the pages by their names."""
    elsewhere = _ERRORS_PAGE | {name for *_, names in _PYTHON.values() for _, name in names}
    others = [("massage_link", name) for name in massage_link.__all__ if name not in elsewhere]
    made = {name: _python_page(title, about, names or others) for name, (title, about, names) in _PYTHON.items()}
    return {**made, "errors.md": _errors_page(), "cli.md": _commands_page()}


# --- Python -----------------------------------------------------------------------------------------------------------
def _python_page(title: str, about: str, names: list[tuple[str, str]]) -> str:
    sections = [_described(getattr(import_module(module), name), name, 2) for module, name in names]
    return "\n".join([_GENERATED, f"# {title}\n", f"{about}\n", *sections])


def _described(thing: Any, name: str, level: int) -> str:
    heading = f"{'#' * level} `{name}`\n"
    if not inspect.isclass(thing):
        return "\n".join([heading, _signature(name, inspect.signature(thing)), _prose(thing)])
    parts = [heading, _prose(thing)]
    if names := _fields(thing):
        parts.append(f"Fields: {', '.join(f'`{field}`' for field in names)}.\n")
    if values := _values(thing):
        parts.append(f"Values: {', '.join(f'`{value}`' for value in values)}.\n")
    for member, is_property in _members(thing):
        parts.append(_member(thing, member, level + 1, is_property=is_property))
    return "\n".join(parts)


def _fields(thing: type) -> list[str]:
    """Of a model or a record; a class that is made otherwise explains its arguments."""
    of_model: dict[str, Any] = getattr(thing, "model_fields", {})
    if of_model:
        return [name for name in of_model if name not in {"created_at", "updated_at", "permissions"}]
    return [field.name for field in fields(thing)] if is_dataclass(thing) else []


def _values(thing: type) -> list[str]:
    members: dict[str, Any] = getattr(thing, "__members__", {})
    return [str(member.value) for member in members.values()]


def _members(thing: type) -> Iterator[tuple[str, bool]]:
    """Public methods and properties that our own classes define, in the order of their definition."""
    seen: set[str] = set(_NOT_SHOWN)
    for owner in reversed([base for base in thing.__mro__ if base.__module__.startswith("massage_link")]):
        for name, value in vars(owner).items():
            raw = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            shown = inspect.isfunction(raw) or isinstance(raw, property | operation | listing | watched)
            if name.startswith("_") or name in seen or not shown or not inspect.getdoc(raw):
                continue
            seen.add(name)
            yield name, isinstance(raw, property)


def _member(owner: type, name: str, level: int, *, is_property: bool) -> str:
    value = inspect.getattr_static(owner, name)
    raw = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    heading = f"{'#' * level} `{name}`\n"
    if is_property:
        return "\n".join([heading, _prose(raw)])
    signature = getattr(raw, "_signature", None) or _bound(inspect.signature(raw), value)
    awaited = "async " if inspect.iscoroutinefunction(raw) else ""
    return "\n".join([heading, _signature(awaited + name, signature), _prose(raw)])


def _bound(whole: inspect.Signature, value: object) -> inspect.Signature:
    """As it is called: without `self` or `cls`."""
    if isinstance(value, staticmethod):
        return whole
    return whole.replace(parameters=list(whole.parameters.values())[1:])


def _signature(name: str, signature: inspect.Signature) -> str:
    """As it is called on a link: what a flow, a listing or a watch comes to."""
    returned = _result(signature.return_annotation)
    given = [_parameter(each) for each in _starred(signature)]
    one_line = f"{name}({', '.join(given)}){returned}"
    if len(one_line) > 100:
        one_line = f"{name}(\n" + "".join(f"    {each},\n" for each in given) + f"){returned}"
    return f"```python\n{one_line}\n```\n"


def _starred(signature: inspect.Signature) -> Iterator[inspect.Parameter | str]:
    star = False
    for each in signature.parameters.values():
        star = star or each.kind is each.VAR_POSITIONAL
        if each.kind is each.KEYWORD_ONLY and not star:
            star = True
            yield "*"
        yield each


def _parameter(parameter: inspect.Parameter | str) -> str:
    if isinstance(parameter, str):
        return parameter
    stars = (
        "*" if parameter.kind is parameter.VAR_POSITIONAL else "**" if parameter.kind is parameter.VAR_KEYWORD else ""
    )
    annotation = "" if parameter.annotation is parameter.empty else f": {_named(parameter.annotation)}"
    default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
    return f"{stars}{parameter.name}{annotation}{default}"


def _default(value: object) -> str:
    return "…" if " at 0x" in repr(value) or callable(value) else repr(value)


def _named(annotation: object) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _result(annotation: object) -> str:
    if annotation is inspect.Signature.empty:
        return ""
    text = _named(annotation)
    for outer, inner in (("Flow", "{}"), ("Pages", "iterator of {}"), ("Watch", "Subscriber[{}]")):
        if found := re.fullmatch(rf"{outer}\[(.*)\]", text):
            return f" -> {inner.format(found[1])}"
    return f" -> {text}"


def _prose(thing: object) -> str:
    """A docstring as Markdown: its sections as lists, its indented programs as blocks."""
    return _markdown(inspect.getdoc(thing) or "")


def _markdown(doc: str) -> str:
    parts: list[str] = []
    for block in re.split(r"\n(?=(?:Args|Attributes|Returns|Raises|Yields):\n)", doc):
        found = re.match(r"(Args|Attributes|Returns|Raises|Yields):\n(.*)", block, re.DOTALL)
        parts.append(_text(block) if found is None else _section(found[1], textwrap.dedent(found[2])))
    return "\n".join(parts)


def _text(block: str) -> str:
    text = re.sub(r"``([^`]+)``", r"`\1`", block.strip("\n"))
    # A paragraph that ends with two colons is followed by a program.
    text = re.sub(
        r"::\n\n((?:    .*\n?|\n)+)", lambda found: f":\n\n```python\n{textwrap.dedent(found[1]).strip()}\n```\n", text
    )
    return f"{text}\n"


def _section(title: str, body: str) -> str:
    if title in {"Returns", "Yields"}:
        return f"**{title}:** {' '.join(body.split())}\n"
    lines = [f"**{'Arguments' if title == 'Args' else title}**\n"]
    for entry in re.split(r"\n(?=\S)", body.strip()):
        name, _, meaning = " ".join(entry.split()).partition(": ")
        lines.append(f"- `{name}`: {meaning}" if meaning else f"- {name}")
    return "\n".join(lines).replace("``", "`") + "\n"


# --- errors -----------------------------------------------------------------------------------------------------------
def _errors_page() -> str:
    doc = inspect.getdoc(errors) or ""
    found = re.search(r"::\n\n(.*?)\n\n(.*)", doc, re.DOTALL)
    assert found is not None
    tree = textwrap.dedent(found[1])
    parts = [
        _GENERATED,
        "# Errors\n",
        f"What massage-link raises, as one tree; it is in `massage_link.errors`. {' '.join(found[2].split())}\n",
        f"```text\n{tree}\n```\n",
    ]
    for name in sorted(errors.__all__):
        kind = getattr(errors, name)
        if "Attributes:" in (kind.__doc__ or ""):
            parts += [f"## `{name}`\n", _prose(kind)]
    return "\n".join(parts)


# --- commands ---------------------------------------------------------------------------------------------------------
def _commands_page() -> str:
    parts = [
        _GENERATED,
        "# Commands\n",
        """\
What `massage-link --help` and `massage-link COMMAND --help` say. Exit codes: 0 all is well; 1 it did not work out; 2
the command or a setting is wrong; 130 interrupted. `health` has [codes of its own](../health.md).
""",
    ]
    for name, command in _commands(get_command(app), "massage-link"):
        if name == "massage-link emulator":
            parts.append(_emulator_section())
            continue
        parts += [f"## `{name}`\n", f"{command.help}\n"]
        if rows := [_option(each) for each in command.params if not each.hidden]:
            parts.append("| option | meaning |\n|---|---|\n" + "".join(rows))
    return "\n".join(parts)


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for each, one in sorted(inner.items()):
        yield from _commands(one, f"{name} {each}")


def _option(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        shown = f"`{(parameter.metavar or parameter.name).upper()}`"
    else:
        metavar = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
        shown = ", ".join(f"`{each}{metavar}`" for each in [*parameter.opts, *parameter.secondary_opts])
    return _row(shown, parameter.help or "", parameter.default, required=parameter.required)


def _row(shown: str, meaning: str, default: object, *, required: bool = False) -> str:
    told = default not in {None, False, True, ""} and not isinstance(default, Callable) and "efault" not in meaning  # type: ignore[arg-type]
    more = f" Default: `{default}`." if told else " Required." if required else ""
    return f"| {shown} | {meaning.replace('|', chr(92) + '|')}{more} |\n"


def _emulator_section() -> str:
    """Its options are its own, stated with argparse."""
    made = parser()
    rows = []
    for action in made._actions:  # noqa: SLF001 - argparse has no other way to list them
        if "--help" in action.option_strings:
            continue
        metavar = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
        meaning = (action.help or "") % {"default": action.default, "prog": made.prog}
        rows.append(_row(", ".join(f"`{each}{metavar}`" for each in action.option_strings), f"{meaning}.", None))
    table = "| option | meaning |\n|---|---|\n" + "".join(rows)
    return "\n".join(["## `massage-link emulator`\n", f"{made.description}\n", table])


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(pages())} pages in {FOLDER.relative_to(ROOT)} are fresh; massage-link {massage_link.__version__}.")


if __name__ == "__main__":
    main()
