"""The system's own memory: watermarks, leases, reports."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from massage_link.domain.rows import Row

__all__ = ["SystemState"]


class SystemState(Row):
    """One named value. The row id is the name."""

    value: Annotated[str, Field(max_length=8_000)] = "{}"
