"""One definition of what is watched: an async iterator on the async link, a plain one on the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from massage_link.client.operation import AsyncResource, Resource, SyncResource, bound_signature

if TYPE_CHECKING:
    from massage_link.client.link import AsyncMassageLink, MassageLink
    from massage_link.realtime import BlockingSubscriber, Checkpoint, Policy, Source, Subscriber

__all__ = ["Watch", "subscribe", "subscribe_blocking", "watched", "watching"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Watch(Generic[T]):
    """What is to be watched, and from where on.

    Attributes:
        sources: made for the async link that reads them back.
        checkpoint, since, policy: as `massage_link.realtime.Subscriber` takes them.

    """

    sources: Callable[[AsyncMassageLink], Sequence[Source[T]]]
    checkpoint: Checkpoint | None = None
    since: datetime | None = None
    policy: Policy | None = None


def subscribe(link: AsyncMassageLink, watch: Watch[T]) -> Subscriber[T]:
    """A subscriber as the link's user.

    Raises:
        CredentialRequired: the link acts with an API key, which has no rights in realtime, or as nobody.

    """
    # Realtime costs 60 ms at import, which programs that do not listen need not pay.
    from massage_link.client.watching import subscriber  # noqa: PLC0415

    return subscriber(link, watch.sources(link), checkpoint=watch.checkpoint, since=watch.since, policy=watch.policy)


def subscribe_blocking(link: MassageLink, watch: Watch[T]) -> BlockingSubscriber[T]:
    """The same for a program without an event loop: its loop runs in a thread of its own. Errors as `subscribe`."""
    from massage_link.client.watching import require_listener  # noqa: PLC0415
    from massage_link.realtime import BlockingSubscriber  # noqa: PLC0415

    require_listener(link)

    @asynccontextmanager
    async def listening() -> AsyncIterator[Subscriber[T]]:
        async with link.as_async() as twin, subscribe(twin, watch) as subscriber:
            yield subscriber

    return BlockingSubscriber(listening)


def watching() -> Any:
    """The module that makes sources, loaded when somebody listens."""
    from massage_link.client import watching as module  # noqa: PLC0415

    return module


class watched(Generic[P, T]):  # noqa: N801 - used as a decorator
    """Decorates a method that says what to `Watch`; calling it on a resource gives the subscriber of its colour."""

    def __init__(self, build: Callable[Concatenate[Any, P], Watch[T]]) -> None:
        self._build = build
        self._signature = bound_signature(build)
        update_wrapper(self, build)  # type: ignore[arg-type]

    @overload
    def __get__(self, obj: None, owner: type) -> watched[P, T]: ...
    @overload
    def __get__(self, obj: SyncResource, owner: type) -> Callable[P, BlockingSubscriber[T]]: ...
    @overload
    def __get__(self, obj: AsyncResource, owner: type) -> Callable[P, Subscriber[T]]: ...
    def __get__(self, obj: Resource | None, owner: type) -> Any:
        if obj is None:
            return self
        start: Any = subscribe_blocking if isinstance(obj, SyncResource) else subscribe

        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return start(obj.link, self._build(obj, *args, **kwargs))

        call.__signature__ = self._signature  # type: ignore[attr-defined]
        return update_wrapper(call, self._build)
