"""Operators: texts such as `{"method":"increment","values":[1]}` that the server takes for an instruction, not a value.

It looks for them in updates, upserts and everything that a transaction commits, in every column, texts included. This
server carries none of them out; it says so rather than store the text, which would promise what the real one breaks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .errors import AppwriteError

if TYPE_CHECKING:
    from collections.abc import Mapping

METHODS = frozenset(
    {
        "increment", "decrement", "modulo", "power", "multiply", "divide", "arrayAppend", "arrayPrepend", "arrayInsert",
        "arrayRemove", "arrayUnique", "arrayIntersect", "arrayDiff", "arrayFilter", "stringConcat", "stringReplace",
        "toggle", "dateAddDays", "dateSubDays", "dateSetNow",
    }
)  # fmt: skip


def refuse_operators(data: Mapping[str, Any]) -> None:
    """Raise AppwriteError (501) when one of the columns' values reads as an operator."""
    for key, value in data.items():
        if not key.startswith("$") and _method(value) in METHODS:
            raise AppwriteError("emulator_not_implemented", f"operators (column {key})")


def _method(value: Any) -> object:
    if isinstance(value, str):
        if not value.lstrip().startswith("{"):
            return None
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    method = value.get("method") if isinstance(value, dict) else None
    return method if isinstance(method, str) else None
