"""Texts that the server would obey instead of storing them.

Appwrite takes a text such as ``{"method": "increment", "values": [5]}`` for an instruction, in every update and in
every operation of a transaction (its `parseOperators`). What people write must never be one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from massage_link.errors import InvalidInput

__all__ = ["is_instruction", "without_instructions"]


def is_instruction(text: str) -> bool:
    """Whether the server might take a text for an instruction: a JSON object with a method."""
    # Cheap for nearly every text; which methods there are depends on the server's version.
    if not text.lstrip(" \t\r\n").startswith("{"):
        return False
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(parsed, dict) and isinstance(parsed.get("method"), str)


def without_instructions(columns: Mapping[str, Any]) -> Mapping[str, Any]:
    """The columns, when none is an instruction.

    Raises:
        InvalidInput: one is; the message names it.

    """
    for name, value in columns.items():
        if isinstance(value, str) and is_instruction(value):
            raise InvalidInput(
                f"{name} is a JSON object with a method, which Appwrite would obey; write it differently."
            )
    return columns
