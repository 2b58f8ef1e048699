"""A call is a value; a flow is a generator that yields calls and gets their results.

The same flow runs synchronously, asynchronously, in a function or in a test: whoever drives it sends what it yields
(`massage_link.client.drive`) and hands back the parsed answer, or throws the error in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel

from massage_link.errors import InvalidInput

__all__ = ["Call", "Flow", "Reply", "Sleep", "Step", "nothing", "parsed", "path", "raw_json", "shown"]

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered; header names are looked up without case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # a sign-in answers with a session in them
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, repr=False)
class Call(Generic[T]):
    """One REST call. Its repr shows neither body nor queries.

    Attributes:
        method: HTTP method.
        path: path below the endpoint, quoted, with its query.
        parse: from a 2xx answer to the result; ValueError, KeyError or TypeError when it is not what is documented.
        body: sent as JSON; None sends no body.
        headers: beyond project and credential.
        repeatable: may be sent again when it is not known whether it was processed. Calls that certainly were not
            processed (no connection, 429) are repeated in any case.
        credential: "own" sends the link's credential, "none" goes as a guest.
        vouched_as: when the link acts by a JWT, the body's ``headers`` carry it under this name, for a function that
            wants to see it; empty for no.

    """

    method: str
    path: str
    parse: Callable[[Reply], T]
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False
    credential: str = "own"
    vouched_as: str = ""

    def __iter__(self) -> Generator[Call[T], T, T]:
        """``result = yield from call`` inside a flow."""
        return (yield self)

    def __repr__(self) -> str:
        return f"<Call {self.method} {shown(self.path)}>"


@dataclass(frozen=True, slots=True)
class Sleep:
    """A pause, in seconds."""

    seconds: float

    def __iter__(self) -> Iterator[Sleep]:
        """``yield from Sleep(0.1)`` inside a flow."""
        yield self


Step: TypeAlias = Call[Any] | Sleep
#: A piece of work: yields steps, receives their results, returns a T.
Flow: TypeAlias = Generator[Step, Any, T]


def path(*parts: str, queries: tuple[str, ...] = ()) -> str:
    """A path of quoted parts, with Appwrite queries.

    Raises:
        InvalidInput: one of them holds what no text can hold.

    """
    try:
        joined = "/" + "/".join(quote(part, safe="") for part in parts)
        if queries:
            joined += "?" + urlencode([("queries[]", _sayable(query)) for query in queries])
    except UnicodeEncodeError:
        raise InvalidInput("an argument holds half of a surrogate pair, which is no character.") from None
    return joined


def _sayable(query: str) -> str:
    if "\\ud" in query:  # an escape that may be half of a pair: the server could not read the query
        json.dumps(json.loads(query), ensure_ascii=False).encode()
    return query


def shown(path: str) -> str:
    """A path or URL as messages and logs show it.

    A transaction's id is a secret while it is open, and queries may hold names: neither is shown.
    """
    bare = path.partition("?")[0]
    head, found, tail = bare.partition("/transactions/")
    return bare if not found else f"{head}/transactions/…{tail[tail.index('/') :] if '/' in tail else ''}"


def parsed(model: type[M]) -> Callable[[Reply], M]:
    """A parser that makes a model of the body."""
    return lambda reply: model.model_validate_json(reply.content)


def raw_json(reply: Reply) -> dict[str, Any]:
    """The body as a JSON object; ValueError when it is none."""
    body = json.loads(reply.content)
    if not isinstance(body, dict):
        raise ValueError("the body is not a JSON object")  # noqa: TRY004 - every parser reports a bad body alike
    return body


def nothing(reply: Reply) -> None:
    """Ignore the body."""
