"""The function runtime in its own process, case by case as the suite of open-runtimes has them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from emulator_live import until
from massage_link.emulator.functions.process import FunctionProcess, Invocation, Outcome, ProcessDiedError, Program
from massage_link.emulator.functions.runtime import Request

Run = Callable[..., Awaitable[Outcome]]

HEAD = "async def main(context):\n    "


@pytest_asyncio.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    """Runs a function whose body is given, or whose files are."""
    started = list[FunctionProcess]()

    async def start(
        statement: str = "", *, files: dict[str, str] | None = None, entrypoint: str = "main.py", **more: Any
    ) -> Outcome:
        folder = tmp_path / str(len(started))
        for name, text in (files or {"main.py": HEAD + statement}).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        folder.mkdir(exist_ok=True)
        process = FunctionProcess(Program(Path(sys.executable), folder, entrypoint, {"PATH": "/bin"}, tmp_path))
        started.append(process)
        return await process.invoke(invocation(**more))

    yield start
    for process in started:
        await process.stop()


def invocation(
    method: str = "POST", target: str = "/", headers: dict[str, str] | None = None, body: bytes = b"", **more: Any
) -> Invocation:
    return Invocation(method, target, headers or {}, body, more.get("timeout", 15), more.get("logging", True))


@pytest.mark.parametrize(
    ("answer", "status", "body", "kind"),
    [
        ('context.res.text("Hello World 👋")', 200, "Hello World 👋", "text/plain; charset=utf-8"),
        ('context.res.json({"a": [1, {"b": 2}]})', 200, '{"a":[1,{"b":2}]}', "application/json; charset=utf-8"),
        ('context.res.text("FAIL", 404)', 404, "FAIL", "text/plain; charset=utf-8"),
        ("context.res.empty()", 204, "", "text/plain; charset=utf-8"),
        ('context.res.send("old")', 200, "old", "text/plain; charset=utf-8"),
        ('context.res.text("x", 200, {"content-type": "TEXT/PLAIN"})', 200, "x", "text/plain; charset=utf-8"),
        (
            'context.res.text("x", 200, {"content-type": "text/plain; charset=iso-8859-1"})',
            200,
            "x",
            "text/plain; charset=iso-8859-1",
        ),
        (
            'context.res.text("x", 200, {"content-type": "multipart/form-data; boundary=1"})',
            200,
            "x",
            "multipart/form-data; boundary=1",
        ),
        ('context.res.binary(bytearray(b"raw"))', 200, "raw", "text/plain; charset=utf-8"),
    ],
)
async def test_an_answer_goes_out_as_it_was_made(run: Run, answer: str, status: int, body: str, kind: str) -> None:
    outcome = await run(f"return {answer}")
    assert (outcome.status, outcome.body.decode(), outcome.headers["content-type"]) == (status, body, kind)
    assert outcome.errors == ""


async def test_a_redirect_names_its_target(run: Run) -> None:
    outcome = await run('return context.res.redirect("https://example.test/")')
    assert (outcome.status, outcome.headers["location"]) == (301, "https://example.test/")


async def test_bytes_pass_unharmed_both_ways(run: Run) -> None:
    sent = bytes(range(256)) * 4096
    outcome = await run("return context.res.binary(context.req.body_binary)", body=sent)
    assert outcome.body == sent


async def test_headers_of_the_runtime_itself_are_hidden_both_ways(run: Run) -> None:
    body = 'return context.res.json(context.req.headers, 200, {"X-Own": "1", "x-open-runtimes-secret": "2"})'
    outcome = await run(body, headers={"X-UpPeR": "v", "x-open-runtimes-in": "hidden"})
    assert json.loads(outcome.body) == {"x-upper": "v"}
    assert (outcome.headers["x-own"], "x-open-runtimes-secret" in outcome.headers) == ("1", False)


@pytest.mark.parametrize(
    ("body", "kind", "expression", "seen"),
    [
        ('{"a": 1}', "application/json", "context.req.body", {"a": 1}),
        ('{"a": 1}', "ApPlIcAtIoN/JSON", "context.req.body", {"a": 1}),
        ('{"a": 1}', "text/plain", "context.req.body", '{"a": 1}'),
        ('{"a": 1}', "text/plain", "context.req.body_json", {"a": 1}),
        ("", "application/json", "context.req.body", {}),
        ("Hello 👋", "not-application/json", "context.req.body_text", "Hello 👋"),
        ("Hello", "text/plain", "context.req.body_raw", "Hello"),
    ],
)
async def test_a_body_is_read_by_its_content_type(run: Run, body: str, kind: str, expression: str, seen: Any) -> None:
    outcome = await run(f"return context.res.json({expression})", body=body.encode(), headers={"content-type": kind})
    assert json.loads(outcome.body) == seen


async def test_bad_json_is_the_functions_own_error(run: Run) -> None:
    outcome = await run("return context.res.json(context.req.body_json)", body=b'{"broken: 1}')
    assert (outcome.status, outcome.body) == (500, b"")
    assert "JSONDecodeError" in outcome.errors


async def test_logs_and_errors_are_kept_apart_and_one_a_line(run: Run) -> None:
    body = (
        'print("native"); context.log("Log+Plus", 42, 4.2, True); context.log({"k": [1]}); '
        'context.error("engine:", "x"); return context.res.text("")'
    )
    outcome = await run(body)
    assert outcome.logs == (
        'Log+Plus 42 4.2 True\n{"k":[1]}\n'
        "Native logs detected. Use context.log() or context.error() for better experience.native\n"
    )
    assert outcome.errors == "engine: x\n"


async def test_a_long_message_is_cut(run: Run) -> None:
    outcome = await run('context.log("A" * 9000); return context.res.text("")')
    assert outcome.logs == "A" * 8000 + "... Log truncated due to size limit (8000 characters)\n"


async def test_without_logging_nothing_is_kept(run: Run) -> None:
    outcome = await run('context.log("x"); print("y"); raise ValueError', logging=False)
    assert (outcome.status, outcome.logs, outcome.errors) == (500, "", "")


async def test_returning_nothing_is_an_error(run: Run) -> None:
    outcome = await run('context.res.text("ignored")')
    assert outcome.status == 500
    assert outcome.errors.startswith("Return statement missing.")


@pytest.mark.parametrize("answer", ['"text"', "5", "context.res.send(50)", 'context.res.text("x", 200, {"a": 1})'])
async def test_what_is_no_answer_is_an_error(run: Run, answer: str) -> None:
    outcome = await run(f"return {answer}")
    assert outcome.status == 500
    assert "Traceback" in outcome.errors


async def test_an_exception_shows_the_functions_file(run: Run) -> None:
    outcome = await run('context.log("Before"); raise Exception("Error!")')
    assert (outcome.status, outcome.logs) == (500, "Before\n")
    assert "main.py" in outcome.errors
    assert "Error!" in outcome.errors


async def test_a_timeout_ends_an_awaiting_function(run: Run) -> None:
    body = 'import asyncio; context.log("start"); await asyncio.sleep(30); context.log("end")'
    outcome = await run(body, timeout=1)
    assert (outcome.status, outcome.logs, outcome.errors) == (500, "start\n", "Execution timed out.\n")


async def test_a_synchronous_main_works_too(run: Run) -> None:
    outcome = await run(files={"main.py": "def main(context):\n    return context.res.text('sync')\n"})
    assert outcome.body == b"sync"


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"other.py": ""}, "Failed to load entrypoint, file main.py does not exist.\n"),
        ({"main.py": "import nowhere_at_all\n"}, "Module not found: nowhere_at_all\n"),
        ({"main.py": "def main(:\n"}, "Syntax error in "),
        ({"main.py": "x = 1\n"}, "Function signature invalid. Did you forget to export a 'main' function?\n"),
        ({"main.py": "raise ValueError('top')\n"}, "Failed to load module: Traceback"),
        ({"main.py": "import helper\n", "helper.py": ""}, "Module not found: helper\n"),
    ],
)
async def test_code_that_cannot_be_loaded_answers_503(run: Run, files: dict[str, str], error: str) -> None:
    outcome = await run(files=files)
    assert (outcome.status, outcome.body) == (503, b"")
    assert outcome.errors.startswith(error)


@pytest.mark.parametrize(
    ("files", "entrypoint"),
    [
        ({"main.py": "from .helper import answer as main\n", "helper.py": "H"}, "main.py"),
        ({"main.py": "from function.helper import answer as main\n", "helper.py": "H"}, "main.py"),
        ({"src/main.py": "from ..helper import answer as main\n", "helper.py": "H"}, "src/main.py"),
        (
            {"main.py": "from . import helper\nmain = helper.answer\n", "helper.py": "H", "__init__.py": "x = 1\n"},
            "main.py",
        ),
        ({"queue.py": "H", "main.py": "import queue\nqueue.Queue\nfrom .queue import answer as main\n"}, "main.py"),
    ],
)
async def test_a_function_is_the_package_function(run: Run, files: dict[str, str], entrypoint: str) -> None:
    helper = "async def answer(context):\n    return context.res.text('ok')\n"
    outcome = await run(
        files={name: helper if text == "H" else text for name, text in files.items()}, entrypoint=entrypoint
    )
    assert (outcome.status, outcome.body, outcome.errors) == (200, b"ok", "")


async def test_default_headers_are_shared_between_calls_as_in_the_real_runtime(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        HEAD + 'answer = context.res.text("x"); answer["headers"][context.req.path[1:]] = "leaked"; return answer\n'
    )
    process = FunctionProcess(Program(Path(sys.executable), tmp_path, "main.py", {}, tmp_path))
    await process.invoke(invocation(target="/x-first"))
    outcome = await process.invoke(invocation(target="/x-second"))
    await process.stop()
    assert outcome.headers["x-first"] == "leaked"


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


@pytest.mark.parametrize(
    ("target", "headers", "expected"),
    [
        ("/", {"host": "h:3000"}, ("http://h:3000/", 3000, {})),
        (
            "/a/b?c=d&e=f#something",
            {"x-forwarded-proto": "https", "host": "www.mydomain.com:3001"},
            ("https://www.mydomain.com:3001/a/b?c=d&e=f", 3001, {"c": "d", "e": "f"}),
        ),
        ("/", {"host": "www.mydomain.com:80"}, ("http://www.mydomain.com/", 80, {})),
        ("/", {"host": "myapp.com", "x-forwarded-proto": "https"}, ("https://myapp.com/", 443, {})),
        ("/", {"host": "myapp.com:80", "x-forwarded-proto": "https"}, ("https://myapp.com:80/", 80, {})),
        (
            "/?a=b&c==d&e=f=g=&h&i=j&&k",
            {"host": "h"},
            ("http://h/?a=b&c==d&e=f=g=&h&i=j&&k", 80, {"a": "b", "c": "=d", "e": "f=g=", "h": "", "i": "j", "k": ""}),
        ),
    ],
)
def test_the_address_is_taken_apart(
    target: str, headers: dict[str, str], expected: tuple[str, int, dict[str, str]]
) -> None:
    request = Request("GET", target, headers, b"")
    assert (request.url, request.port, request.query) == expected


@given(st.dictionaries(st.text("abcxyz", min_size=1), st.text(), max_size=4))
def test_query_values_arrive_as_they_were_encoded(values: dict[str, str]) -> None:
    safe = {name: value.translate({ord(c): None for c in "&=+;%#"}) for name, value in values.items()}
    query = "&".join(f"{name}={quote(value)}" for name, value in safe.items())
    assert Request("GET", f"/?{query}", {"host": "h"}, b"").query == safe
