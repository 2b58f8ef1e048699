"""One definition, two surfaces: a method that builds a flow gives a ``T`` or an awaitable of it, as the link is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import update_wrapper
from inspect import Signature, signature
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from massage_link.client.remote import remote
from massage_link.usecases.ports import Ports
from massage_link.wire.call import Flow

if TYPE_CHECKING:
    from massage_link.client.link import AsyncMassageLink, BaseLink, MassageLink

__all__ = ["AsyncResource", "Pages", "Resource", "SyncResource", "bound_signature", "listing", "operation"]

P = ParamSpec("P")
T = TypeVar("T")


class Resource:
    """A group of operations of a link."""

    link: BaseLink

    @property
    def _ports(self) -> Ports:
        return self.link.ports

    def _remote(self, command: str, arguments: Mapping[str, Any], parse: Callable[[Any], T]) -> Flow[T]:
        """Have the `commands` function run it for the signed-in user."""
        self.link.require_user(command)
        return remote(self._ports, command, arguments, parse)


class SyncResource(Resource):
    """Operations that block."""

    link: MassageLink

    def __init__(self, link: MassageLink) -> None:
        self.link = link


class AsyncResource(Resource):
    """Operations that are awaited."""

    link: AsyncMassageLink

    def __init__(self, link: AsyncMassageLink) -> None:
        self.link = link


class operation(Generic[P, T]):  # noqa: N801 - used as a decorator
    """Decorates a method that builds a `Flow`; calling it on a resource runs the flow."""

    def __init__(self, build: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self._build = build
        self._signature = bound_signature(build)
        update_wrapper(self, build)  # type: ignore[arg-type]

    @overload
    def __get__(self, obj: None, owner: type) -> operation[P, T]: ...
    @overload
    def __get__(self, obj: SyncResource, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, obj: AsyncResource, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, obj: Resource | None, owner: type) -> Any:
        if obj is None:
            return self

        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return obj.link.run(self._build(obj, *args, **kwargs))

        call.__signature__ = self._signature  # type: ignore[attr-defined]
        return update_wrapper(call, self._build)


@dataclass(frozen=True, slots=True)
class Pages(Generic[T]):
    """A listing: `page(after)` reads the page after a row (None: the first); one shorter than `size` is the last.

    `keep` passes over rows that are none of these; at most `most` are given.
    """

    page: Callable[[Any], Flow[list[Any]]]
    size: int
    most: int | None = None
    keep: Callable[[Any], bool] = lambda _: True


class listing(Generic[P, T]):  # noqa: N801 - used as a decorator
    """Decorates a method that describes `Pages`; calling it on a resource gives an iterator that reads as it goes.

    It ends with the first page that is not full, and never trusts the server's `total` (which stops at 5,000).
    """

    def __init__(self, build: Callable[Concatenate[Any, P], Pages[T]]) -> None:
        self._build = build
        self._signature = bound_signature(build)
        update_wrapper(self, build)  # type: ignore[arg-type]

    @overload
    def __get__(self, obj: None, owner: type) -> listing[P, T]: ...
    @overload
    def __get__(self, obj: SyncResource, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, obj: AsyncResource, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, obj: Resource | None, owner: type) -> Any:
        if obj is None:
            return self
        walk = _walk if isinstance(obj, SyncResource) else _awalk

        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return walk(obj.link, self._build(obj, *args, **kwargs))

        call.__signature__ = self._signature  # type: ignore[attr-defined]
        return update_wrapper(call, self._build)


def bound_signature(build: Callable[..., Any]) -> Signature:
    """How a method is called on its object: for `help` and editors, which else would show `self` too."""
    whole = signature(build)
    return whole.replace(parameters=list(whole.parameters.values())[1:])


def _walk(link: Any, pages: Pages[T]) -> Iterator[T]:
    after: Any = None
    left = pages.most
    while left is None or left > 0:
        rows = link.run(pages.page(after))
        for row in filter(pages.keep, rows):
            if left == 0:
                return
            left = None if left is None else left - 1
            yield row
        if len(rows) < pages.size:
            return
        after = rows[-1]


async def _awalk(link: Any, pages: Pages[T]) -> AsyncIterator[T]:
    after: Any = None
    left = pages.most
    while left is None or left > 0:
        rows = await link.run(pages.page(after))
        for row in filter(pages.keep, rows):
            if left == 0:
                return
            left = None if left is None else left - 1
            yield row
        if len(rows) < pages.size:
            return
        after = rows[-1]
