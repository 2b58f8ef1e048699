"""The process in which one function lives: the Python runtime of Appwrite 1.9, answering over an inherited socket.

Started as a file (``python -P runtime.py FD FOLDER ENTRYPOINT``), because a deployed function runs in a virtual
environment of its own in which this package is not installed: standard library only. A message is two lengths,
a JSON head and a raw body, in both directions; ``id`` in the head ties an answer to its request. The process
ends when the server's side of the socket closes.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import importlib
import importlib.util
import inspect
import io
import json
import os
import socket
import struct
import sys
import time
import traceback
import types
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_LENGTHS = struct.Struct(">II")
_LOG_LIMIT = 8000  # characters of one message
_NATIVE_NOTICE = "Native logs detected. Use context.log() or context.error() for better experience."

# The runtime's helpers share one default dict each between all calls of a process. A header that somebody adds to
# it stays: functions must pass headers of their own, and a test on this server must notice when they do not.
_BINARY_HEADERS: dict[str, Any] = {}
_TEXT_HEADERS: dict[str, Any] = {}
_SEND_HEADERS: dict[str, Any] = {}
_JSON_HEADERS: dict[str, Any] = {}
_REDIRECT_HEADERS: dict[str, Any] = {}


class Response:
    """``context.res``: each helper returns the value that ``main`` must return."""

    def binary(self, bytes: Any, statusCode: int = 200, headers: dict[str, Any] = _BINARY_HEADERS) -> dict[str, Any]:  # noqa: N803
        return {"body": bytes, "statusCode": statusCode, "headers": headers}

    def text(self, body: str, statusCode: int = 200, headers: dict[str, Any] = _TEXT_HEADERS) -> dict[str, Any]:  # noqa: N803
        return self.binary(body.encode("utf-8"), statusCode, headers)

    def send(self, body: Any, statusCode: int = 200, headers: dict[str, Any] = _SEND_HEADERS) -> dict[str, Any]:  # noqa: N803
        return {"body": body, "statusCode": statusCode, "headers": headers}

    def json(self, obj: Any, statusCode: int = 200, headers: dict[str, Any] = _JSON_HEADERS) -> dict[str, Any]:  # noqa: N803
        headers["content-type"] = "application/json"
        return self.text(json.dumps(obj, separators=(",", ":")), statusCode, headers)

    def empty(self) -> dict[str, Any]:
        return self.text("", 204, {})

    def redirect(self, url: str, statusCode: int = 301, headers: dict[str, Any] = _REDIRECT_HEADERS) -> dict[str, Any]:  # noqa: N803
        headers["location"] = url
        return self.text("", statusCode, headers)


class Request:
    """``context.req``. Header names are in lower case; the query is not split from its percent signs twice."""

    def __init__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        path, _, query = target.partition("#")[0].partition("?")
        self.body_binary = body
        self.method = method
        self.headers = {k.lower(): v for k, v in headers.items() if not k.lower().startswith("x-open-runtimes-")}
        self.scheme = headers.get("x-forwarded-proto", "http")
        self.path = _unquoted(path)
        self.query_string = _decoded(query)
        self.query = dict(_pairs(self.query_string))
        default_port = 443 if self.scheme == "https" else 80
        self.host, *port = headers.get("host", "").split(":", 1)
        self.port = _port(*port) if port else default_port
        shown_port = "" if self.port == default_port else f":{self.port}"
        shown_query = f"?{self.query_string}" if self.query_string else ""
        self.url = f"{self.scheme}://{self.host}{shown_port}{self.path}{shown_query}"

    @property
    def body_text(self) -> str:
        return self.body_binary.decode("utf-8")

    @property
    def body_json(self) -> Any:
        return json.loads(self.body_text)

    @property
    def body_raw(self) -> str:
        return self.body_text

    @property
    def body(self) -> Any:
        if self.headers.get("content-type", "text/plain").lower().startswith("application/json"):
            return self.body_json if self.body_binary else {}
        return self.body_text


def _port(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("Invalid URL: port can't be converted to integer") from None


def _decoded(query: str) -> str:
    """Percent signs resolved, but for those that would change where a parameter begins or ends."""
    kept = query.replace("+", " ")
    for code in ("%26", "%2B", "%3D", "%3B"):
        kept = kept.replace(code, f"%25{code[1:]}").replace(code.lower(), f"%25{code[1:]}")
    return _unquoted(kept)


def _unquoted(text: str) -> str:
    """Percent signs resolved; what is no UTF-8 stays as it was sent."""
    return unquote(text, errors="percent")


def _still_quoted(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join(f"%{byte:02X}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error("percent", _still_quoted)


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = (param.partition("=") for param in query.split("&"))
    return [(name, value) for name, _, value in pairs if name]


class Log:
    """Collects what one execution logs; ``enabled`` False keeps nothing."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self.logs: list[str] = []
        self.errors: list[str] = []
        self._native: io.StringIO | None = None
        self._native_seen = False

    def write(self, messages: tuple[Any, ...] | list[Any], stream: list[str]) -> None:
        if self.enabled:
            text = " ".join(_shown(message) for message in messages)
            if len(text) > _LOG_LIMIT:
                text = f"{text[:_LOG_LIMIT]}... Log truncated due to size limit ({_LOG_LIMIT} characters)"
            with contextlib.suppress(UnicodeEncodeError):  # a half of a character cannot be written, and is not
                text.encode()
                stream.append(text)

    def capture_prints(self) -> None:
        self._native = io.StringIO()
        sys.stdout = sys.stderr = self._native

    def release_prints(self) -> None:
        printed = self._native.getvalue() if self._native else ""
        if printed:
            if not self._native_seen:
                self._native_seen = True
                self.write([_NATIVE_NOTICE], self.logs)
            self.write([printed], self.logs)
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def _shown(message: Any) -> str:
    return json.dumps(message, separators=(",", ":")) if isinstance(message, list | dict | tuple) else str(message)


class Context:
    """The one argument of ``main``."""

    def __init__(self, request: Request, log: Log) -> None:
        self.req = request
        self.res = Response()
        self._log = log

    def log(self, *messages: Any) -> None:
        self._log.write(messages, self._log.logs)
        self._log.write(["\n"], self._log.logs)

    def error(self, *messages: Any) -> None:
        self._log.write(messages, self._log.errors)
        self._log.write(["\n"], self._log.errors)


def mount(folder: Path) -> None:
    """Make ``folder`` importable as the package ``function``, as the real runtime has it."""
    init = folder / "__init__.py"
    if init.is_file():
        spec = importlib.util.spec_from_file_location("function", init, submodule_search_locations=[str(folder)])
        if spec is None or spec.loader is None:
            raise ImportError(str(init))
        package = importlib.util.module_from_spec(spec)
        sys.modules["function"] = package
        spec.loader.exec_module(package)
    else:
        package = types.ModuleType("function")
        package.__path__ = [str(folder)]
        sys.modules["function"] = package


class Function:
    """The user's code: loaded on the first request, and tried anew on each request as long as it cannot be loaded."""

    def __init__(self, folder: Path, entrypoint: str) -> None:
        self._folder = folder
        self._entrypoint = entrypoint
        self._mounted = False

    async def run(self, context: Context, log: Log, seconds: int) -> Any:
        """What ``main`` returned, or the runtime's own answer when it cannot be run."""
        log.capture_prints()
        try:
            main = self._load(context)
            if main is None:
                return context.res.text("", 503, {})
            output = await self._call(main, context, seconds)
        finally:
            log.release_prints()
        if output is None:
            context.error("Return statement missing. return context.res.empty() if no response is expected.")
            return context.res.text("", 500, {})
        return output

    async def _call(self, main: Any, context: Context, seconds: int) -> Any:
        try:
            return await asyncio.wait_for(_invoke(main, context), timeout=seconds)
        except asyncio.TimeoutError:  # noqa: UP041 - the runtime takes the function's own TimeoutError for its own
            context.error("Execution timed out.")
        except Exception as error:  # noqa: BLE001 - whatever the function raises becomes its answer
            context.error("".join(traceback.format_exception(error)))
        return context.res.text("", 500, {})

    def _load(self, context: Context) -> Any:
        if not (self._folder / self._entrypoint).is_file():
            context.error(f"Failed to load entrypoint, file {self._entrypoint} does not exist.")
            return None
        try:
            return self._import_main()
        except ModuleNotFoundError as error:
            context.error(f"Module not found: {error.name}")
        except SyntaxError as error:
            context.error(f"Syntax error in {error.filename}:{error.lineno}: {error.msg}")
        except AttributeError as error:
            context.error(str(error))
        except Exception as error:  # noqa: BLE001 - the module's own top level may raise anything
            context.error("Failed to load module: " + "".join(traceback.format_exception(error)))
        return None

    def _import_main(self) -> Any:
        if not self._mounted:
            mount(self._folder)
            self._mounted = True
        module = importlib.import_module("function." + self._entrypoint.removesuffix(".py").replace("/", "."))
        main = getattr(module, "main", None)
        if not callable(main):
            raise AttributeError(  # noqa: TRY004 - what the runtime raises
                "Function signature invalid. Did you forget to export a 'main' function?"
            )
        return main


async def _invoke(main: Any, context: Context) -> Any:
    result = main(context)
    return await result if inspect.iscoroutinefunction(main) else result


class _DroppedError(Exception):
    """What was returned cannot be sent as HTTP: the runtime closes the connection without an answer."""


def _answer(output: dict[str, Any], method: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of what a function returned; raises when it is not what the helpers make."""
    body = output.get("body", "")
    status = int(output.get("statusCode", 200))
    given = output.get("headers", {})
    raw = _raw(body)
    headers = {key.lower(): given[key] for key in given.keys() if not key.lower().startswith("x-open-runtimes-")}  # noqa: SIM118 - raises as the runtime does
    kind = given.get("content-type", "text/plain").lower()
    if not kind.startswith("multipart/") and "charset=" not in kind:
        kind += "; charset=utf-8"
    headers["content-type"] = kind
    if any(not isinstance(value, str) or "\r" in value or "\n" in value for value in headers.values()):
        raise _DroppedError
    has_no_body = method == "HEAD" or 100 <= status < 200 or status in {204, 304}
    return status, headers, b"" if has_no_body else raw


def _raw(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise ValueError(f"Unsupported body type {type(body)}")


class Server:
    """Reads requests, runs each as a task, writes the answers."""

    def __init__(self, function: Function, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._function = function
        self._reader = reader
        self._writer = writer
        self._running: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        while True:
            try:
                lengths = _LENGTHS.unpack(await self._reader.readexactly(_LENGTHS.size))
                head = json.loads(await self._reader.readexactly(lengths[0]))
                body = await self._reader.readexactly(lengths[1])
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            task = asyncio.ensure_future(self._handle(head, body))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _handle(self, head: dict[str, Any], body: bytes) -> None:
        log, started = Log(enabled=head["logging"]), time.perf_counter()
        try:
            request = Request(head["method"], head["target"], head["headers"], body)
            output = await self._function.run(Context(request, log), log, head["timeout"])
            status, headers, answer = _answer(output, head["method"])
        except (_DroppedError, asyncio.CancelledError):  # a function may raise the latter itself
            status, headers, answer = 0, {}, b""
        except Exception as error:  # noqa: BLE001 - the runtime answers 500 for whatever it cannot send
            log.write(["".join(traceback.format_exception(error))], log.errors)
            status, headers, answer = 500, {}, b""
        reply = {"id": head["id"], "status": status, "headers": headers, "seconds": time.perf_counter() - started}
        reply |= {"logs": "".join(log.logs), "errors": "".join(log.errors)}
        raw = json.dumps(reply).encode()
        self._writer.write(_LENGTHS.pack(len(raw), len(answer)) + raw + answer)


async def _main(descriptor: int, folder: Path, entrypoint: str) -> None:
    channel = socket.socket(fileno=descriptor)
    reader, writer = await asyncio.open_connection(sock=channel, limit=2**26)
    await Server(Function(folder, entrypoint), reader, writer).serve()
    os._exit(0)  # the server is gone: threads that a function left behind must not keep the process


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
