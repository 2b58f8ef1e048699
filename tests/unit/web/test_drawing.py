"""Drawings are to the measure that they are given."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from nicegui import Client
from nicegui.page import page

from massage_link.web.drawing import columns


@pytest.fixture(autouse=True)
def _in_a_page() -> Iterator[None]:
    with Client(page("")):
        yield


@pytest.mark.parametrize(
    ("values", "top", "heights"),
    [([1, 2, 4], 4, [11, 22, 44]), ([1, 2], 4, [11, 22]), ([0, 0], 0, [0, 0]), ([-3, 4], 4, [0, 44]), ([], 0, [])],
)
def test_columns_are_as_high_as_their_values_are_and_none_is_below_the_line(
    values: list[float], top: float, heights: list[float]
) -> None:
    drawing = columns(values, "Requested by day", top=top)
    path = drawing.default_slot.children[0].props["d"]
    assert [float(height) for height in re.findall(r"v-([\d.]+)h", path)] == heights
    assert drawing.props["aria-label"] == "Requested by day"
