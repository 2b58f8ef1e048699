"""An emulator in process, fresh for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emulator_fixture import Caller

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def call() -> Iterator[Caller]:
    caller = Caller()
    yield caller
    caller.close()


@pytest.fixture
def items(call: Caller) -> str:
    """The path of the rows of a table with one column of each common kind; signed-in users may create rows."""
    columns: dict[str, dict[str, object]] = {
        "title": {"kind": "string", "size": 40},
        "n": {"kind": "integer", "min": 0, "max": 1000, "default": 5},
        "f": {"kind": "float"},
        "ok": {"kind": "boolean"},
        "at": {"kind": "datetime"},
        "kind": {"kind": "enum", "elements": ["a", "b", "c"], "default": "a"},
        "tags": {"kind": "string", "size": 20, "array": True},
    }
    return call.table(columns, permissions=['create("users")'])
