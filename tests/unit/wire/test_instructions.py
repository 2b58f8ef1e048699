"""Texts that the server would obey instead of storing them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel

from massage_link.domain.chat import message
from massage_link.errors import InvalidInput
from massage_link.wire.instructions import is_instruction, without_instructions
from massage_link.wire.rows import TableAddress, patch_row, update_row
from massage_link.wire.transactions import bulk_create, create, update

INSTRUCTIONS = [
    '{"method": "increment", "values": [5]}',
    ' \n{"method":"toggle"}',
    '{"values": ["x"], "method": "stringConcat", "attribute": "note"}',
    '{"\\u006dethod": "dateSetNow"}',
    '{"method": "a method of a later version"}',
]
TEXTS = ["", "{", "{method}", '{"method": 5}', '["method"]', '{"feeMinor": 5}', 'see {"method": "toggle"}', "{" * 5_000]
TABLE = TableAddress("db", "t")


@pytest.mark.parametrize("text", INSTRUCTIONS)
def test_an_instruction_is_known_however_it_is_written(text: str) -> None:
    assert is_instruction(text)


@pytest.mark.parametrize("text", TEXTS)
def test_any_other_text_is_none(text: str) -> None:
    assert not is_instruction(text)
    assert without_instructions({"note": text, "n": 5, "none": None}) == {"note": text, "n": 5, "none": None}


def test_no_write_that_the_server_would_obey_can_be_made() -> None:
    columns = {"note": INSTRUCTIONS[0]}
    writes: list[Callable[[], object]] = [
        lambda: create(TABLE, "r", columns, []),
        lambda: update(TABLE, "r", columns),
        lambda: update(TABLE, "r", columns, []),
        lambda: bulk_create(TABLE, [("r", columns)]),
        lambda: update_row(TABLE, BaseModel, "r", columns),
        lambda: patch_row(TABLE, BaseModel, "r", columns, unless_changed="2026-01-01T00:00:00.000+00:00"),
    ]
    for write in writes:
        with pytest.raises(InvalidInput, match="note is a JSON object with a method"):
            write()


@pytest.mark.parametrize("body", [*INSTRUCTIONS, "{", '{"method": "x"}' + " " * 300])
def test_a_rooms_preview_is_never_an_instruction(body: str) -> None:
    sent = message("room", 2, sender_id="ann", client_id="c", body=body, sent_at=datetime(2027, 1, 1, tzinfo=UTC))
    assert sent.body == body
    assert not is_instruction(sent.preview)
    assert len(sent.preview) <= 200
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(sent.preview)
