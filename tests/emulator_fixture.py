"""The embedded server for tests: called in process without a socket, or started as a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from massage_link.emulator.app import App
from massage_link.emulator.core import Emulator, Settings
from massage_link.emulator.routing import Call

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

PROJECT, KEY, TOKEN = "massage", "key", "token"
_READY_WITHIN = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call got: the HTTP status, the JSON (or text, or None), the headers by lower-case name."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def type(self) -> str | None:
        """The error's type, None when the call succeeded."""
        return self.body.get("type") if self.status >= 400 and isinstance(self.body, dict) else None


def query(method: str, attribute: str | None = None, *values: object) -> str:
    """One query as JSON."""
    parts: dict[str, object] = {"method": method}
    if attribute is not None:
        parts["attribute"] = attribute
    return json.dumps({**parts, "values": list(values)})


class Caller:
    """Calls an emulator in this process, as a key (default), a guest, or the holder of a session."""

    def __init__(self, data_dir: Path | None = None) -> None:
        self.emulator = Emulator(Settings(project=PROJECT, key=KEY, control_token=TOKEN, data_dir=data_dir))
        self.app = App(self.emulator)
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        """Give everything back."""
        self._loop.run_until_complete(self.emulator.functions.close())
        self._loop.close()
        self.emulator.close()

    def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        by: str = "key",
        queries: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """The answer to one call; `by` is key, guest, none, or a session's secret; `path` is below /v1."""
        sent = {"content-type": "application/json", "x-appwrite-project": PROJECT, "x-emulator-token": TOKEN}
        if by == "key":
            sent["x-appwrite-key"] = KEY
        elif by != "guest":
            sent["x-appwrite-session"] = by
        sent.update(headers or {})
        path, _, query_string = path.partition("?")
        if queries is not None:
            query_string = "&".join(f"queries[]={quote(text)}" for text in queries)
        payload = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        full = path if path.startswith("/_emulator") else f"/v1{path}"
        call = Call(self.emulator, method, full, sent, query_string, payload)
        reply = self._loop.run_until_complete(self.app.answer(call))
        text = reply.payload()
        json_like = reply.content_type.startswith("application/json")
        parsed = json.loads(text) if text and json_like else text.decode() or None
        return Answer(reply.status, parsed, {name.lower(): value for name, value in reply.headers})

    def ok(self, method: str, path: str, body: object = None, **more: Any) -> Any:
        """The body of a call that must succeed."""
        answer = self(method, path, body, **more)
        assert answer.status < 400, answer
        return answer.body

    def user(self, name: str, *, labels: Sequence[str] = ()) -> str:
        """A new user of this id and a session's secret."""
        self.ok("POST", "/users", {"userId": name, "email": f"{name}@example.test", "password": "password-1"})
        if labels:
            self.ok("PUT", f"/users/{name}/labels", {"labels": list(labels)})
        return str(self.ok("POST", f"/users/{name}/sessions", {})["secret"])

    def table(
        self,
        columns: Mapping[str, Mapping[str, object]],
        *,
        permissions: Sequence[str] = (),
        row_security: bool = True,
        table: str = "t",
    ) -> str:
        """A table in database `db` whose columns are ready; gives the path of its rows.

        `columns` maps keys to `{"kind": "string", …}` and what else the column's route takes.
        """
        self("POST", "/tablesdb", {"databaseId": "db", "name": "db"})
        body = {"tableId": table, "name": table, "permissions": list(permissions), "rowSecurity": row_security}
        self.ok("POST", "/tablesdb/db/tables", body)
        for key, column in columns.items():
            fields = {"required": False, **{name: value for name, value in column.items() if name != "kind"}}
            self.ok("POST", f"/tablesdb/db/tables/{table}/columns/{column['kind']}", {"key": key, **fields})
        self.settle(table)
        return f"/tablesdb/db/tables/{table}/rows"

    def index(self, key: str, kind: str, *columns: str, table: str = "t") -> None:
        """An index that is ready."""
        self.ok("POST", f"/tablesdb/db/tables/{table}/indexes", {"key": key, "type": kind, "columns": list(columns)})
        self.settle(table)

    def settle(self, table: str = "t") -> None:
        """Make new columns and indexes available without waiting."""
        self.emulator.catalogue.find_table("db", table).settle(at_once=True)


@dataclass(frozen=True, slots=True)
class Served:
    """An emulator in a process of its own."""

    endpoint: str
    project: str
    key: str
    control_token: str
    process: subprocess.Popen[str]

    def control(self, method: str, path: str, body: object = None) -> Any:
        """A call of the control plane."""
        url = self.endpoint.removesuffix("/v1") + f"/_emulator/{path}"
        return self._send(method, url, body, {"X-Emulator-Token": self.control_token})

    def call(self, method: str, path: str, body: object = None) -> Any:
        """A call by the key that must succeed."""
        headers = {"X-Appwrite-Project": self.project, "X-Appwrite-Key": self.key}
        return self._send(method, self.endpoint + path, body, headers)

    @staticmethod
    def _send(method: str, url: str, body: object, headers: Mapping[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **headers}
        request = urllib.request.Request(url, data, sent, method=method)  # noqa: S310 - our own server
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            raw = answer.read()
        return json.loads(raw) if raw else None


@contextmanager
def served(*arguments: str) -> Iterator[Served]:
    """An emulator in a process of its own, stopped at the end; `arguments` go to its command line."""
    command = [sys.executable, "-m", "massage_link.emulator", "--json", "--exit-with-stdin", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        yield Served(told["endpoint"], told["project"], told["key"], told["controlToken"], process)
    finally:
        process.stdin.close()
        process.wait(_READY_WITHIN)
        process.stdout.close()


__all__ = ["KEY", "PROJECT", "TOKEN", "Answer", "Caller", "Served", "query", "served"]
