"""Use cases taken apart: what happens between any two of their calls is up to the test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import httpx


class Crash(BaseException):
    """The process ends here."""


def _nothing(number: int) -> None:
    pass


@dataclass
class Steps(httpx.BaseTransport):
    """Sends requests, and tells of each.

    Attributes:
        before: called with the number of the request that is about to be sent (the first is 0).
        after: called with its number once it has taken effect, before its sender hears of it.
        sent: what was sent.

    """

    before: Callable[[int], None] = _nothing
    after: Callable[[int], None] = _nothing
    sent: list[str] = field(default_factory=list)
    inner: httpx.HTTPTransport = field(default_factory=lambda: httpx.HTTPTransport(verify=False))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        number = len(self.sent)
        self.before(number)
        self.sent.append(f"{request.method} {request.url.path}")
        response = self.inner.handle_request(request)
        response.read()
        self.after(number)
        return response

    def close(self) -> None:
        self.inner.close()


def at(number: int, act: Callable[[], object]) -> Callable[[int], None]:
    """A hook that acts at one number."""

    def hook(reached: int) -> None:
        if reached == number:
            act()

    return hook


def crash() -> None:
    """End the process."""
    raise Crash
