"""Recorded scenarios of a real Appwrite 1.9.6, run against any endpoint and compared answer by answer.

A step of a REST scenario is `{as, method, path, body?, headers?, queries?, save?, wait?, note?, expect{status, body}}`;
a realtime scenario has `{do: rest|connect|send|close, conn?, …}` with the messages that every open connection received
as `expect`. `${name}` stands for a saved value, `<any>` for a volatile one.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ANY = "<any>"
_VOLATILE = re.compile(
    r"^(\$createdAt|\$updatedAt|\$sequence|secret|jwt|password|hash|hashOptions|registration|accessedAt|passwordUpdate|"
    r"expire|expiresAt|ip|os.*|client.*|device.*|country.*|bytesMax|bytesUsed|version|mfaUpdatedAt|joined|invited|"
    r"duration|logs|domain|emailCanonical|emailIs.*|buildSpecification|runtimeSpecification|live|buildLogs|"
    r"buildDuration|buildSize|sourceSize|totalSize|responseHeaders|requestHeaders|current|total_time|localTime|"
    r"remoteTime|diff|prefs|targets|impersonator.*)$"
)
_OWN_ID = re.compile(r"\b[0-9a-f]{20}\b|^\d+_\d+(?=_)|^database_\d+_collection_\d+$")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")
_VARIABLE = re.compile(r"\$\{([\w:]+)\}")


def picked(body: Any, path: str) -> list[Any]:
    """The values at a dotted path; `*` maps over a list."""
    items = [body]
    for part in path.split("."):
        if part == "*":
            items = [inner for item in items for inner in item]
        else:
            items = [item[int(part)] if isinstance(item, list) else (item or {}).get(part) for item in items]
    return items


def differences(want: Any, have: Any, path: str = "") -> list[str]:
    """Where `have` differs from `want`, in words."""
    if want in (ANY, have):
        return []
    if isinstance(want, dict) and isinstance(have, dict):
        found = [f"{path}.{key} missing" for key in want if key not in have]
        found += [f"{path}.{key} unexpected" for key in have if key not in want]
        return found + [d for key in want if key in have for d in differences(want[key], have[key], f"{path}.{key}")]
    if isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        pairs = enumerate(zip(want, have, strict=True))
        return [d for n, (w, h) in pairs for d in differences(w, h, f"{path}[{n}]")]
    return [f"{path}: expected {json.dumps(want)[:160]}, got {json.dumps(have)[:160]}"]


@dataclass
class Scenario:
    """One run of a scenario: what was saved so far, and how to call the server."""

    endpoint: str
    project: str
    key: str
    http: httpx.AsyncClient
    saved: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        run = uuid.uuid4().hex[:8]
        self.saved.update({"run": run, "db": f"db{run}", "project": self.project})

    def filled(self, value: Any) -> Any:
        """`value` with saved values in place of `${name}`."""
        if isinstance(value, str):
            return _VARIABLE.sub(lambda match: self.saved.get(match[1], match[0]), value)
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        return {key: self.filled(item) for key, item in value.items()} if isinstance(value, dict) else value

    def normal(self, value: Any, key: str = "") -> Any:
        """`value` with volatile parts and this run's own ids made comparable."""
        if isinstance(value, dict):
            return {name: ANY if _VOLATILE.match(name) else self.normal(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self.normal(item, key) for item in value]
        if not isinstance(value, str):
            return value
        for name, known in sorted(self.saved.items(), key=lambda pair: -len(pair[1])):
            if len(known) >= 6:
                value = value.replace(known, f"${{{name}}}")
        value = _OWN_ID.sub(ANY, value)
        return value if key in ("at", "default") else _MOMENT.sub(ANY, value)

    def credentials(self, who: str) -> dict[str, str]:
        """The headers of `who`: key, guest, or a name whose session was saved."""
        if who == "key":
            return {"X-Appwrite-Key": self.key}
        return {} if who == "guest" else {"X-Appwrite-Session": self.saved[f"session:{who}"]}

    async def call(self, step: dict[str, Any]) -> tuple[int, Any]:
        """The status and body of one REST step, saved values taken from it."""
        headers = {"X-Appwrite-Project": self.project, "Content-Type": "application/json"}
        headers |= self.credentials(step["as"]) | self.filled(step.get("headers", {}))
        path = self.filled(step["path"])
        if "queries" in step:
            texts = (text if isinstance(text, str) else json.dumps(text) for text in self.filled(step["queries"]))
            path += "?" + "&".join(f"queries[]={quote(text)}" for text in texts)
        body = None if step.get("body") is None else json.dumps(self.filled(step["body"]))
        answer = await self.http.request(step["method"], self.endpoint + path, content=body, headers=headers)
        try:
            parsed = answer.json() if answer.content else None
        except ValueError:
            parsed = "<not JSON>"
        for name, where in step.get("save", {}).items():
            self.saved[name] = str(picked(parsed, where)[0])
        return answer.status_code, parsed

    async def settled_call(self, step: dict[str, Any]) -> tuple[int, Any]:
        """Like `call`, again until what the step waits for holds."""
        while True:
            status, body = await self.call(step)
            where, _, wanted = step.get("wait", "=").partition("=")
            if not where or all(str(value) == wanted for value in picked(body, where)):
                return status, body
            await asyncio.sleep(0.01)


def _without_message(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without an error's wording, which the real server does not keep stable, but not without any."""
    if answer["status"] >= 400 and isinstance(answer["body"], dict):
        assert answer["body"].get("message"), "an error needs a message"
        return {**answer, "body": {key: value for key, value in answer["body"].items() if key != "message"}}
    return answer


async def run_rest(scenario: Scenario, steps: Iterable[dict[str, Any]]) -> list[str]:
    """Run a REST scenario; what differs from the recording, one line per step."""
    found = []
    for number, step in enumerate(steps):
        status, body = await scenario.settled_call(step)
        have = {"status": status, "body": scenario.normal(body)}
        wrong = differences(_without_message(step["expect"]), _without_message(have))
        if wrong:
            found.append(f"step {number} ({step['as']}) {step['method']} {step['path']}: {'; '.join(wrong[:6])}")
    return found


class Sockets:
    """The open connections of a realtime scenario and what each has received."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._open: dict[str, ClientConnection] = {}
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._inbox: dict[str, list[Any]] = {}
        self._aliases: dict[str, str] = {}

    async def connect(self, step: dict[str, Any]) -> None:
        """Open the connection `conn`."""
        scenario, name = self._scenario, step["conn"]
        channels = [("channels[]", channel) for channel in scenario.filled(step.get("channels", []))]
        url = scenario.endpoint.replace("http", "ws", 1) + "/realtime?"
        query = urlencode([("project", scenario.project), *channels])
        socket = await connect(url + query, additional_headers=scenario.credentials(step["as"]))
        self._open[name], self._inbox[name] = socket, []
        self._readers[name] = asyncio.create_task(self._read(name, socket))

    async def _read(self, name: str, socket: ClientConnection) -> None:
        try:
            async for message in socket:
                self._inbox[name].append(json.loads(message))
        except ConnectionClosed:
            pass
        self._inbox[name].append({"closed": True})

    async def send(self, step: dict[str, Any]) -> None:
        """Send a message as the step gives it."""
        text = step["raw"] if "raw" in step else json.dumps(self._scenario.filled(step["message"]))
        await self._open[step["conn"]].send(text)

    async def close(self, name: str) -> None:
        """Close one connection and wait until it is."""
        await self._open.pop(name).close()
        await self._readers[name]

    async def received(self) -> dict[str, list[Any]]:
        """What came since the last time. The pong to a ping comes after every message sent before it."""
        for name, socket in self._open.items():
            try:
                await (await socket.ping())
            except ConnectionClosed:
                await self._readers[name]
        found = {
            name: [self._shaped(message) for message in messages] for name, messages in self._inbox.items() if messages
        }
        for messages in self._inbox.values():
            messages.clear()
        return found

    def _shaped(self, message: Any) -> Any:
        """A message in comparable form: lists that are sets sorted, the server's own ids by order of appearance."""
        data = message.get("data")
        if isinstance(data, dict):
            for subscription in data.get("subscriptions") or []:
                id_ = subscription["subscriptionId"] if isinstance(subscription, dict) else subscription
                if re.fullmatch(r"[0-9a-f]{20}", id_):
                    self._aliases.setdefault(id_, f"sub{len(self._aliases)}")
            _shape_event(message, data)
        text = json.dumps(message)
        for id_, alias in self._aliases.items():
            text = text.replace(id_, alias)
        message = json.loads(text)
        data = message.get("data")
        if isinstance(data, dict) and all(isinstance(item, str) for item in data.get("subscriptions") or []):
            data.get("subscriptions", []).sort()
        return self._scenario.normal(message)

    async def close_all(self) -> None:
        """Close what is still open."""
        for name in list(self._open):
            await self.close(name)


def _shape_event(message: Any, data: dict[str, Any]) -> None:
    if "events" in data:
        data["first_event"] = data["events"][0]
        data["events"] = sorted(set(data["events"]))
        data["channels"] = sorted(set(data["channels"]))
        data["timestamp"] = ANY
    if isinstance(data.get("user"), dict):
        data["user"] = {"$id": data["user"]["$id"]}
    if message.get("type") == "error":
        data.pop("message", None)


async def run_realtime(scenario: Scenario, steps: Iterable[dict[str, Any]]) -> list[str]:
    """Run a realtime scenario; what differs from the recording, one line per step."""
    found: list[str] = []
    sockets = Sockets(scenario)
    for number, step in enumerate(steps):
        status = await _do(scenario, sockets, step)
        if step.get("setup"):
            assert status < 400, f"set-up step {number} answered {status}"
            continue
        wrong = differences(step["expect"], {"status": status, "messages": await sockets.received()})
        if wrong:
            found.append(f"step {number} {step['do']} {step.get('note', '')}: {'; '.join(wrong[:6])}")
    await sockets.close_all()
    return found


async def _do(scenario: Scenario, sockets: Sockets, step: dict[str, Any]) -> int:
    if step["do"] == "rest":
        status, _ = await scenario.settled_call(step)
        if step.get("pause") and "/columns/" in step["path"]:  # the recording waited until the column was there
            columns = step["path"].rpartition("/")[0]
            await scenario.settled_call(
                {"as": "key", "method": "GET", "path": columns, "wait": "columns.*.status=available"}
            )
        return status
    if step["do"] == "connect":
        await sockets.connect(step)
        return 101
    if step["do"] == "send":
        await sockets.send(step)
    else:
        await sockets.close(step["conn"])
    return 0


def steps_of(path: Path) -> list[dict[str, Any]]:
    """The steps of a scenario file."""
    return list(json.loads(path.read_text()))
