"""What a function may do, and what may be asked of it: the cases in which our runtime must be Appwrite's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data" / "open-runtimes"
ANSWERS = DATA / "answers.json"
HEAD = "async def main(context):\n    "
_FRAMES = re.compile(r'^(?P<place>  File "(?P<file>[^"]+)", line \d+, in .+)\n(?:    .*\n)*', re.MULTILINE)
#: One without a frame of the function's, while another was dealt with.
_INNER_FAULT = re.compile(
    r"Traceback \(most recent call last\):\n\S.*\n\nDuring handling of the above exception, .*\n\n(?=Traceback)"
)


@dataclass(frozen=True)
class Ask:
    """One request to a function; `timeout` is in seconds."""

    method: str = "POST"
    target: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    timeout: int = 15
    logging: bool = True


@dataclass(frozen=True)
class Case:
    """A function, and what is asked of one process of it, one after the other."""

    files: Mapping[str, str]
    asks: Sequence[Ask] = (Ask(),)
    entrypoint: str = "main.py"


def answer(
    status: int, headers: Mapping[str, str], body: bytes, logs: str, errors: str, *, folder: Path
) -> dict[str, Any]:
    """What is compared: all that a function's author can tell one runtime from another by.

    Args:
        status, headers, body: of the answer.
        logs, errors: what was kept.
        folder: where the function's files are.

    """
    shown = {name.lower(): value for name, value in headers.items()}
    for name in ("date", "server", "content-length", "x-open-runtimes-log-id"):
        shown.pop(name, None)
    texts = (_without_the_runtime(text.replace(f"{folder}/", "FUNCTION/")) for text in (logs, errors))
    logs, errors = map(_short, texts)
    return {"status": status, "headers": shown, "body": _short(body.decode("latin-1")), "logs": logs, "errors": errors}


def _short(text: str) -> str:
    return text if len(text) < 1_000 else f"{len(text)} characters, sha256 {sha256(text.encode()).hexdigest()}"


def _without_the_runtime(text: str) -> str:
    """Tracebacks with the frames of the function's own files alone: how code is quoted differs by version of Python.

    A fault in the runtime's own depths is known by how it ends.
    """
    shown = _FRAMES.sub(_own_frame, text)
    return _INNER_FAULT.sub("", shown)


def _own_frame(frame: re.Match[str]) -> str:
    return f"{frame['place']}\n" if frame["file"].startswith("FUNCTION/") else ""


def known_answers() -> dict[str, list[dict[str, Any]]]:
    """What Appwrite's own runtime answered, by case."""
    found: dict[str, list[dict[str, Any]]] = json.loads(ANSWERS.read_text("utf-8"))
    return found


def says(statement: str, *asks: Ask) -> Case:
    """A `main` of these lines."""
    return Case({"main.py": HEAD + statement.replace("\n", "\n    ") + "\n"}, asks or (Ask(),))


def _read(expression: str, body: bytes, kind: str | None = None) -> Case:
    headers = {} if kind is None else {"content-type": kind}
    return says(f"return context.res.json(repr({expression}))", Ask(body=body, headers=headers))


_ADDRESS = (
    "r = context.req\nreturn context.res.json([r.url, r.path, r.query_string, r.query, r.scheme, r.host, r.port])"
)
#: In `says`, lines of their own that wait for half a minute.
_WAIT = "import asyncio\nawait asyncio.sleep(30)"
_QUERIES = ("a=b&c==d&e=f=g=&h&i=j&&k", "a=b+c%20d", "a=%26%3D%2B%3B", "a=%C3%BC&b=%FF", "a=1&a=2", "?", "a=%2")
_PATHS = ("/a%20b", "/a+b", "/a%2Fb", "//a", "/a/../b", "/%C3%BC", "/%FF", "/a;b=c", "/a%3Fb", "/a%25b")
_OWN_HEADERS = "return context.res.json({k: v for k, v in context.req.headers.items() if k.startswith('x-')})"
_HELPER = "async def answer(context):\n    return context.res.text('ok')\n"
_OK = "return context.res.text('ok')"

ANSWERING = {
    "text": says("return context.res.text('Hello 👋')"),
    "text with a status": says("return context.res.text('FAIL', 404)"),
    "text with headers": says("return context.res.text('x', 200, {'X-Own': '1', 'x-open-runtimes-own': '2'})"),
    "text that is none": says("return context.res.text(5)"),
    "json": says("return context.res.json({'a': [1, {'b': 'ü'}], 'c': None})"),
    "json with its own headers": says("return context.res.json(1, 201, {'content-type': 'text/x', 'x-a': 'b'})"),
    "json of what is not finite": says("return context.res.json(float('nan'))"),
    "json of what has none": says("return context.res.json({'a': object()})"),
    "binary": says("return context.res.binary(bytes([0, 10, 255]))"),
    "binary of an array": says("return context.res.binary(bytearray([0, 10, 255]))"),
    "binary of a view": says("return context.res.binary(memoryview(b'abc'))"),
    "binary of text": says("return context.res.binary('abc')"),
    "empty": says("return context.res.empty()"),
    "redirect": says("return context.res.redirect('https://example.test/')"),
    "redirect with a status": says("return context.res.redirect('/x', 307, {})"),
    "send": says("return context.res.send('old')"),
    "send of bytes": says("return context.res.send(b'old', 200, {'content-type': 'image/png'})"),
    "send of a number": says("return context.res.send(50)"),
    "send of a dict": says("return context.res.send({'a': 1})"),
    "send of nothing": says("return context.res.send(None)"),
    "a content type in capitals": says("return context.res.text('x', 200, {'content-type': 'TEXT/PLAIN'})"),
    "a content type by a capital name": says("return context.res.text('x', 200, {'Content-Type': 'text/html'})"),
    "a content type with a charset": says(
        "return context.res.text('x', 200, {'content-type': 'text/plain; charset=iso-8859-1'})"
    ),
    "a content type of parts": says(
        "return context.res.text('x', 200, {'content-type': 'multipart/form-data; boundary=1'})"
    ),
    "an answer that is a plain dict": says("return {'body': 'x'}"),
    "an answer that is an empty dict": says("return {}"),
    "an answer with more than one knows": says("return {'body': 'x', 'statusCode': 202, 'headers': {}, 'more': 1}"),
    "the second of two answers": says("context.res.text('ignored')\nreturn context.res.text('returned')"),
    "no answer": says("context.res.text('ignored')"),
    "an answer that is text": says("return 'text'"),
    "an answer that is a number": says("return 5"),
    "an answer that is false": says("return False"),
    "an answer that is a list": says("return [1]"),
    "a status that is text": says("return context.res.text('x', '201')"),
    "a status that is none": says("return context.res.text('x', None)"),
    "a status that means no answer": says("return context.res.text('x', 304)"),
    "a status that is no number": says("return context.res.text('x', 'no')"),
    "a status beyond what is known": says("return context.res.text('x', 799)"),
    "a status of a fault": says("return context.res.text('x', 503)"),
    "a header that is a number": says("return context.res.text('x', 200, {'a': 1})"),
    "a header with a line break": says("return context.res.text('x', 200, {'a': '1\\r\\nb: 2'})"),
    "headers that are none": says("return context.res.text('x', 200, None)"),
    "a body beside no content": says("return context.res.text('x', 204)"),
    "a body for who asks for the head": says(_OK, Ask(method="HEAD")),
}
ASKING = {
    "each method": says(
        "return context.res.text(context.req.method)",
        *(Ask(method=method) for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")),
    ),
    "headers in lower case": says(_OWN_HEADERS, Ask(headers={"X-UpPeR": "V", "x-open-runtimes-in": "hidden"})),
    "a text body": _read("context.req.body", b"Hello \xf0\x9f\x91\x8b", "text/plain"),
    "a body without a type": _read("context.req.body", b'{"a": 1}'),
    "a json body": _read("context.req.body", b'{"a": [1, null]}', "application/json"),
    "a json body with a charset": _read("context.req.body", b'{"a": 1}', "ApPlIcAtIoN/JSON; charset=utf-8"),
    "an empty json body": _read("context.req.body", b"", "application/json"),
    "an empty json body read as json": _read("context.req.body_json", b"", "application/json"),
    "a body that is no json": _read("context.req.body", b'{"broken: 1}', "application/json"),
    "json of another type": _read("context.req.body", b'{"a": 1}', "not-application/json"),
    "json read as json": _read("context.req.body_json", b'{"a": 1}', "text/plain"),
    "json after a mark of its encoding": _read("context.req.body_json", b"\xef\xbb\xbf{}", "application/json"),
    "raw text": _read("context.req.body_raw", b"raw", "text/plain"),
    "bytes": _read("context.req.body_binary", b"\x00\xff", "application/octet-stream"),
    "bytes that are no text": _read("context.req.body_text", b"\x00\xff", "text/plain"),
    "many bytes": says("return context.res.binary(context.req.body_binary)", Ask(body=bytes(range(256)) * 8192)),
    "an address": says(_ADDRESS, Ask(target="/a/b?c=d&e=f", headers={"host": "h:3000"})),
    "an address behind a proxy": says(
        _ADDRESS, Ask(headers={"x-forwarded-proto": "https", "host": "h.test:3001"}, target="/x?y=1")
    ),
    "an address at the usual port": says(
        _ADDRESS, Ask(headers={"x-forwarded-proto": "https", "host": "h.test:443"}), Ask(headers={"host": "h.test:80"})
    ),
    "an address at the other's port": says(
        _ADDRESS, Ask(headers={"x-forwarded-proto": "https", "host": "h.test:80"}), Ask(headers={"host": "h.test"})
    ),
    "an address with too many colons": says(_ADDRESS, Ask(headers={"host": "h:1:2"})),
    "an address with a port that is none": says(_ADDRESS, Ask(headers={"host": "h:x"})),
    "queries": says(_ADDRESS, *(Ask(target=f"/?{query}", headers={"host": "h"}) for query in _QUERIES)),
    "paths": says(_ADDRESS, *(Ask(target=target, headers={"host": "h"}) for target in _PATHS)),
    "environment": says("import os\nreturn context.res.json(os.environ.get('CUSTOM'))"),
}
LOGGING = {
    "what is logged": says(
        'context.log("Log+Plus", 42, 4.2, True, None, b"b")\ncontext.log({"k": [1]}, (1, 2), {3})\ncontext.log()\n'
        f'context.error("engine:", "x")\ncontext.log("two\\nlines")\n{_OK}'
    ),
    "what is printed": says(f"print('native')\ncontext.log('own')\nimport sys\nprint('err', file=sys.stderr)\n{_OK}"),
    "what is printed before a fault": says("print('native')\nraise ValueError('no luck')"),
    "a log that has no json": says(f"context.log({{'a': object()}})\n{_OK}"),
    "a long log": says(f"context.log('A' * 9000)\ncontext.error('B' * 9000)\nprint('C' * 9000)\n{_OK}"),
    "a log that is no text": says(f"context.log('before')\ncontext.log('\\ud800')\ncontext.log('after')\n{_OK}"),
    "no logging": says(f"context.log('x')\nprint('y')\ncontext.error('z')\n{_OK}", Ask(logging=False)),
    "no logging of a fault": says("raise ValueError", Ask(logging=False)),
    "each call's own log": says(f"context.log(context.req.path)\n{_OK}", Ask(target="/a"), Ask(target="/b")),
}
FAILING = {
    "an exception": says("context.log('before')\nraise Exception('Error!')"),
    "an exception with a cause": says(
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e"
    ),
    "a timeout": says(f"context.log('start')\n{_WAIT}\ncontext.log('end')", Ask(timeout=1), Ask(timeout=1)),
    "a timeout of the function's own": says("raise TimeoutError('mine')"),
    "a function that goes on after its timeout is caught": says(
        "import asyncio\ntry:\n    await asyncio.sleep(9)\nexcept asyncio.CancelledError:\n"
        f"    context.log('late')\n{_OK}",
        Ask(timeout=1),
    ),
    "a function that cancels itself": says("import asyncio\nraise asyncio.CancelledError"),
    "a function that leaves": says("raise SystemExit(3)"),
    "a blocking function in time": Case({"main.py": f"def main(context):\n    {_OK}\n"}),
    "a blocking function beyond its timeout": Case(
        {"main.py": f"import time\ndef main(context):\n    time.sleep(1.5)\n    {_OK}\n"}, [Ask(timeout=1)]
    ),
}
_SUB = {"main.py": "from .helper import answer as main\n", "helper.py": _HELPER}
LOADING = {
    "no entrypoint": Case({"other.py": ""}),
    "no module": Case({"main.py": "print('top')\nimport nowhere_at_all\n"}, [Ask(), Ask()]),
    "no syntax": Case({"main.py": "def main(:\n"}),
    "no main": Case({"main.py": "x = 1\n"}),
    "a main that is no function": Case({"main.py": "main = 1\n"}),
    "a fault at the top": Case({"main.py": "raise ValueError('top')\n"}),
    "an attribute that is missing at the top": Case({"main.py": "import os\nos.nothing\n"}),
    "a neighbour by its bare name": Case({"main.py": "import helper\n", "helper.py": ""}),
    "a neighbour by a dot": Case(_SUB),
    "a neighbour by the package": Case({**_SUB, "main.py": "from function.helper import answer as main\n"}),
    "a neighbour above": Case(
        {"src/main.py": "from ..helper import answer as main\n", "helper.py": _HELPER}, entrypoint="src/main.py"
    ),
    "a package of its own": Case(
        {"__init__.py": "x = 1\n", "helper.py": _HELPER, "main.py": "from . import helper, x\nmain = helper.answer\n"}
    ),
    "a neighbour with the name of a library": Case(
        {"queue.py": _HELPER, "main.py": "import queue\nqueue.Queue\nfrom .queue import answer as main\n"}
    ),
    "an entrypoint without its ending": Case({"main.py": HEAD + _OK, "main": ""}, entrypoint="main"),
    "where it is": Case({"main.py": f"where = [__name__, __package__]\n{HEAD}return context.res.json(where)\n"}),
    "what is kept between calls": Case(
        {"main.py": f"n = []\n{HEAD}n.append(1)\n    return context.res.text(str(len(n)))\n"}, [Ask(), Ask()]
    ),
    "the headers that calls share": says(
        'answer = context.res.text("x")\nanswer["headers"][context.req.path[1:]] = "leaked"\nreturn answer',
        Ask(target="/x-first"), Ask(target="/x-second"),
    ),
    "a main that is an object": Case(
        {"main.py": f"class Main:\n    async def __call__(self, context):\n        {_OK}\nmain = Main()\n"}
    ),
    "a main that is a part": Case(
        {"main.py": f"from functools import partial\nasync def f(a, context):\n    {_OK}\nmain = partial(f, 1)\n"}
    ),
    "a blocking main that gives a coroutine": Case(
        {"main.py": f"async def f(context):\n    {_OK}\ndef main(context):\n    return f(context)\n"}
    ),
    "a main that takes nothing": Case({"main.py": "async def main():\n    pass\n"}),
}  # fmt: skip
CASES: dict[str, Case] = {**ANSWERING, **ASKING, **LOGGING, **FAILING, **LOADING}
