"""Requests and answers as values, and a route table that is a tree: finding a handler costs the same for all."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from .sqlite import dumps

if TYPE_CHECKING:
    from .core import Emulator
    from .identity import Identity


@dataclass(slots=True)
class Reply:
    """An HTTP answer; `body` is JSON text (str), raw bytes, a JSON value, or None for an empty one."""

    body: object = None
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    content_type: str = "application/json; charset=UTF-8"

    def payload(self) -> bytes:
        """The body as it goes out."""
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            return self.body.encode()
        return dumps(self.body).encode()


@dataclass(slots=True)
class Call:
    """A request on its way to a handler: `params` from the path, `query` and `body` parsed, `identity` established."""

    emulator: Emulator
    method: str
    path: str
    headers: Mapping[str, str]
    raw_query: str = ""
    raw_body: bytes = b""
    params: dict[str, str] = field(default_factory=dict)
    client: str = "127.0.0.1"
    identity: Identity = field(init=False)
    _body: dict[str, Any] | None = None
    _query: dict[str, Any] | None = None

    @property
    def query(self) -> dict[str, Any]:
        """The query string, `name[]` and `name[3]` gathered into lists."""
        if self._query is None:
            self._query = gather(parse_qsl(self.raw_query, keep_blank_values=True)) if self.raw_query else {}
        return self._query

    @property
    def body(self) -> dict[str, Any]:
        """The body's fields; whatever cannot be read counts as an empty body, as on the real server."""
        if self._body is None:
            self._body = _fields(self.headers.get("content-type", ""), self.raw_body)
        return self._body

    @property
    def has_body(self) -> bool:
        return bool(self.raw_body)

    def get(self, name: str, default: Any = None) -> Any:
        """The parameter `name` of the path, the body or (for reads) the query, first found."""
        if name in self.params:
            return self.params[name]
        source = self.query if self.method == "GET" else self.body
        return source.get(name, default)


def gather(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Form fields in PHP's spelling as one mapping: `a[]=1&a[]=2` is a list, `d[x]=1` a mapping."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        key, bracket, rest = name.partition("[")
        if not bracket:
            found[name] = value
            continue
        inner = rest.rstrip("]")
        if inner == "" or inner.isdigit():
            found.setdefault(key, [])
            if isinstance(found[key], list):
                found[key].append(value)
        else:
            found.setdefault(key, {})
            if isinstance(found[key], dict):
                found[key][inner] = value
    return found


class ScalarBodyError(Exception):
    """The body is JSON but neither an object nor a list, which the real server answers with 500."""


_DEEPEST = 512  # PHP reads no JSON that is nested deeper


def _too_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        inner = [item for outer in level if isinstance(outer, dict | list) for item in _members(outer)]
        if not inner:
            return False
        level = inner
    return any(isinstance(item, dict | list) for item in level)


def _members(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _fields(content_type: str, raw: bytes) -> dict[str, Any]:
    if not raw:
        return {}
    if content_type.startswith("application/x-www-form-urlencoded"):
        return gather(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    if not content_type.startswith("application/json"):
        return {}
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    if isinstance(value, list) or value is None:
        return {}
    if not isinstance(value, dict):
        raise ScalarBodyError
    many = raw.count(b"[") + raw.count(b"{") > _DEEPEST
    return {} if many and _too_deep(value) else value


Handler = Callable[[Call], "Reply | Awaitable[Reply]"]


@dataclass(frozen=True, slots=True)
class Route:
    """`handler` answers `method` on `path` (below /v1, `{name}` for a parameter) for callers with one of `scopes`.

    `per_minute` is the limit of calls a minute of the real server, told in `X-RateLimit-*`; None: unlimited.
    """

    method: str
    path: str
    handler: Handler
    scopes: tuple[str, ...] = ("public",)
    per_minute: int | None = None


class _Node:
    __slots__ = ("children", "name", "routes", "wildcard")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.wildcard: _Node | None = None
        self.name = ""
        self.routes: dict[str, Route] = {}


class Router:
    """Routes by path segment; a literal segment wins over a parameter."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.path.strip("/").split("/"):
            if segment.startswith("{"):
                if node.wildcard is None:
                    node.wildcard = _Node()
                node = node.wildcard
            else:
                node = node.children.setdefault(segment, _Node())
        node.routes[route.method] = route

    def knows(self, path: str) -> bool:
        """Whether some method has a route of this path."""
        return any(self.find(method, path) for method in ("GET", "POST", "PUT", "PATCH", "DELETE"))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route for `method` on `path` and its path parameters, or None."""
        segments = path.strip("/").split("/")
        node = _descend(self._root, segments, 0, method)
        if node is None:
            return None
        route = node.routes[method]
        names = route.path.strip("/").split("/")
        params = {
            name[1:-1]: unquote(value) for name, value in zip(names, segments, strict=True) if name.startswith("{")
        }
        return route, params


def _descend(node: _Node, segments: list[str], depth: int, method: str) -> _Node | None:
    if depth == len(segments):
        return node if method in node.routes else None
    for child in (node.children.get(segments[depth]), node.wildcard):
        found = child and _descend(child, segments, depth + 1, method)
        if found:
            return found
    return None
