"""From what a terminal sends to keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massage_link.worker.keys import KeyDecoder


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"a", ["a"]),
        (b"ad", ["a", "d"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOA\x1bOB", ["up", "down"]),
        (b"\r", ["enter"]),
        (b"\n", ["enter"]),
        (b"\x7f\x08", ["backspace", "backspace"]),
        (b"\x1b", ["escape"]),
        (b"\x1b[Ba", ["down", "a"]),
        ("ü".encode(), ["ü"]),
        (b"\x1b[5~\x1b[1;5C\x1b[H", []),
        (b"\x01\x00", []),
    ],
)
def test_keys_have_names(sent: bytes, keys: list[str]) -> None:
    assert KeyDecoder().feed(sent) == keys


def test_a_letter_may_come_in_pieces() -> None:
    decoder = KeyDecoder()
    assert [decoder.feed(bytes([byte])) for byte in "ü€".encode()] == [[], ["ü"], [], [], ["€"]]


@given(st.lists(st.binary(max_size=8), max_size=8))
def test_whatever_is_sent_is_a_name_or_one_printable_character(pieces: list[bytes]) -> None:
    decoder = KeyDecoder()
    for piece in pieces:
        for key in decoder.feed(piece):
            assert key in {"up", "down", "enter", "backspace", "escape"} or (len(key) == 1 and key.isprintable())
