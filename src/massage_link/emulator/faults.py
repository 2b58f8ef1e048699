"""Faults planted through the control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tablestore import Table


class Faults:
    """What shall go wrong, and how often it did."""

    def stale_text(self, table: Table, id: str) -> str | None:
        """The outdated JSON of a row that a stale cache would give, or None."""
        del table, id
        return None
