"""The function's process, from its start to its end. What a function can do in it: test_runtime_parity.py."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator_live import until
from massage_link.emulator.functions.process import FunctionProcess, Invocation, ProcessDiedError, Program
from massage_link.emulator.functions.runtime import Request

HEAD = "async def main(context):\n    "


def invocation() -> Invocation:
    return Invocation("POST", "/", {}, b"", 15)


async def test_an_interpreter_that_cannot_start_is_told(tmp_path: Path) -> None:
    process = FunctionProcess(Program(Path("/bin/false"), tmp_path, "main.py", {}, tmp_path))
    with pytest.raises(ProcessDiedError):
        await process.invoke(invocation())
    await process.stop()
    assert process.pid is None


async def test_a_retired_process_finishes_what_it_was_asked(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        HEAD + 'import asyncio; await asyncio.sleep(0.1); return context.res.text("done")\n'
    )
    process = FunctionProcess(Program(Path(sys.executable), tmp_path, "main.py", {}, tmp_path))
    answer = asyncio.ensure_future(process.invoke(invocation()))
    await until(lambda: process.pid is not None)
    await process.retire()
    assert (await answer).body == b"done"


@given(st.dictionaries(st.text("abcxyz", min_size=1), st.text(), max_size=4))
def test_query_values_arrive_as_they_were_encoded(values: dict[str, str]) -> None:
    safe = {name: value.translate({ord(c): None for c in "&=+;%#"}) for name, value in values.items()}
    query = "&".join(f"{name}={quote(value)}" for name, value in safe.items())
    assert Request("GET", f"/?{query}", {"host": "h"}, b"").query == safe
