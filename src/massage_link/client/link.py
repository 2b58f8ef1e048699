"""`MassageLink` and `AsyncMassageLink`: a connection to one project, acting as somebody."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

import httpx
from tenacity import stop_after_attempt

from massage_link.client.account import AccountResource, AsyncAccountResource
from massage_link.client.analytics import Analytics, AsyncAnalytics
from massage_link.client.availability import AsyncAvailability, Availability
from massage_link.client.bookings import AsyncBookings, Bookings
from massage_link.client.chat import AsyncChat, Chat
from massage_link.client.commissions import AsyncCommissions, Commissions
from massage_link.client.credentials import Credential, Guest, Kind, MintedJwt, Secret
from massage_link.client.drive import adrive, async_http, drive, sync_http
from massage_link.client.flow import RetryPolicy, Session, perform, prove
from massage_link.client.watched import Watch, subscribe, subscribe_blocking, watching
from massage_link.domain.ids import checked_id
from massage_link.errors import CredentialRequired, SettingsError, UsageError
from massage_link.usecases.ports import Ports
from massage_link.wire.call import Call, Flow
from massage_link.wire.users import sign_in

if TYPE_CHECKING:
    from datetime import datetime

    from massage_link.health.report import HealthReport
    from massage_link.realtime import BlockingSubscriber, Checkpoint, Policy, Subscriber

__all__ = ["AsyncMassageLink", "BaseLink", "MassageLink"]

T = TypeVar("T")
_LONGEST_WAIT = 86_400.0


class BaseLink(ABC):
    """What both links are made of: where the server is, and who acts."""

    def __init__(self, session: Session, ports: Ports) -> None:
        self._session = session
        self.ports = ports

    @property
    def endpoint(self) -> str:
        """The API's address, ending in ``/v1``."""
        return self._session.endpoint

    @property
    def project_id(self) -> str:
        """The Appwrite project."""
        return self._session.project_id

    @property
    def credential(self) -> Credential:
        """Who acts."""
        return self._session.credential

    @property
    def acts_with_key(self) -> bool:
        """Whether it acts with an API key, and runs the use cases itself."""
        return self.credential.kind == "key"

    def require_user(self, what: str) -> None:
        """Refuse a call that needs somebody to be signed in.

        Raises:
            CredentialRequired: this link acts as a guest.

        """
        if self.credential.kind == "guest":
            raise CredentialRequired(f"{what} is for signed-in users; make the link with a session, or sign in first.")

    def require_session(self, what: str) -> None:
        """Refuse a call that is about the user who is signed in.

        Raises:
            CredentialRequired: this link acts with a key, or as a guest.

        """
        if self.credential.kind not in {"session", "jwt"}:
            raise CredentialRequired(
                f"{what} is about who is signed in, and this link acts as a {self.credential.kind}."
            )

    def require_key(self, what: str) -> None:
        """Refuse a call that needs an API key.

        Raises:
            CredentialRequired: this link acts with another credential.

        """
        if self.credential.kind != "key":
            raise CredentialRequired(
                f"{what} writes with an API key, and this link acts as a {self.credential.kind}; "
                "set APPWRITE_API_KEY or make the link with api_key=…, and name the acting user in the call."
            )

    @abstractmethod
    def run(self, flow: Flow[T]) -> Any:
        """Run a flow of calls: gives its result, or an awaitable of it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.endpoint!r}, {self.project_id!r}, as {self.credential!r})"

    def _acting_as(self, credential: Credential) -> Session:
        return replace(self._session, credential=credential)

    def _as_user(self, user_id: str) -> Session:
        if not isinstance(self.credential, Secret) or self.credential.kind != "key":
            raise CredentialRequired(f"as_user needs an API key, and this link acts as a {self.credential.kind}.")
        return self._acting_as(MintedJwt(checked_id("user_id", user_id), self.credential))


def _session(
    endpoint: str,
    project_id: str,
    secrets: Mapping[str, str | None],
    retries: RetryPolicy | None,
) -> Session:
    given = {kind: secret for kind, secret in secrets.items() if secret is not None}
    if len(given) > 1:
        raise UsageError(f"give one credential, not {' and '.join(sorted(given))}.")
    credential: Credential = Guest()
    for kind, secret in given.items():
        credential = _checked_secret(kind, secret)  # type: ignore[arg-type]
    return Session(_checked_endpoint(endpoint), _checked_project(project_id), credential, retries or RetryPolicy())


def _checked_secret(kind: Kind, secret: str) -> Secret:
    # It travels in a header: what is not a header's value is refused here, where the message cannot show it.
    if not isinstance(secret, str) or not secret.isascii() or not secret.isprintable() or " " in secret or not secret:
        raise SettingsError(f"the {kind} is empty or holds characters that no {kind} has; copy it again.")
    return Secret(kind, secret)


def _checked_endpoint(endpoint: str) -> str:
    try:
        parts = urlsplit(endpoint.strip() if isinstance(endpoint, str) else "")
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise SettingsError(
            f"endpoint {endpoint!r} is not an address; set APPWRITE_ENDPOINT to one that looks like "
            '"https://cloud.appwrite.io/v1".'
        )
    return endpoint.strip().rstrip("/")


def _checked_project(project_id: str) -> str:
    if not isinstance(project_id, str) or not project_id.strip():
        raise SettingsError("the project id is empty; set APPWRITE_PROJECT_ID.")
    return checked_id("project_id", project_id.strip())


class MassageLink(BaseLink):
    """The marketplace's tables over one Appwrite project, blocking; safe to share between threads.

    Args:
        endpoint: the API's address, such as ``https://cloud.appwrite.io/v1``.
        project_id: the Appwrite project.
        api_key, session, jwt: who acts: a key (may write), or a user's session secret or JWT. None: a guest.
        database: id of the database.
        freeze_after: how long after a booking's end its chat room freezes; None for 48 hours.
        timeout: seconds or an `httpx.Timeout`; 15 s for an answer and 5 s to connect unless said otherwise.
        retries: how often calls that are safe to repeat are repeated.
        transport: an `httpx` transport to use instead of the network.
        ports: clock, ids and chance, for tests.

    Raises:
        SettingsError: an address or id that cannot be one.
        UsageError: more than one credential.

    """

    def __init__(
        self,
        endpoint: str,
        project_id: str,
        *,
        api_key: str | None = None,
        session: str | None = None,
        jwt: str | None = None,
        database: str | None = None,
        freeze_after: timedelta | None = None,
        timeout: float | httpx.Timeout | None = None,
        retries: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
        ports: Ports | None = None,
    ) -> None:
        secrets = {"key": api_key, "session": session, "jwt": jwt}
        http = sync_http(_timeout(timeout), transport)
        self._set_up(
            _session(endpoint, project_id, secrets, retries),
            _ports(ports, database=database, freeze_after=freeze_after),
            http,
            owns=True,
        )

    def _set_up(self, session: Session, ports: Ports, http: httpx.Client, *, owns: bool) -> None:
        BaseLink.__init__(self, session, ports)
        self._http = http
        self._owns_http = owns
        self.account = AccountResource(self)
        self.analytics = Analytics(self)
        self.availability = Availability(self)
        self.bookings = Bookings(self)
        self.chat = Chat(self)
        self.commissions = Commissions(self)

    def _sharing(self, session: Session) -> MassageLink:
        link = MassageLink.__new__(MassageLink)
        link._set_up(session, self.ports, self._http, owns=False)  # noqa: SLF001 - its own class
        return link

    @classmethod
    def from_env(cls, env_file: str | Path | None = ".env") -> MassageLink:
        """A link from ``APPWRITE_ENDPOINT``, ``APPWRITE_PROJECT_ID``, ``APPWRITE_API_KEY`` or ``APPWRITE_SESSION``.

        Raises:
            SettingsError: one is missing or malformed; the message names it.

        """
        return cls(**_from_env(env_file))

    def as_user(self, user_id: str) -> MassageLink:
        """The same connection, acting as a user through short JWTs that are renewed. Needs an API key."""
        return self._sharing(self._as_user(user_id))

    def with_key(self, api_key: str) -> MassageLink:
        """The same connection, acting with this API key."""
        return self._sharing(self._acting_as(_checked_secret("key", api_key)))

    def with_session(self, session: str) -> MassageLink:
        """The same connection, acting with this session's secret."""
        return self._sharing(self._acting_as(_checked_secret("session", session)))

    def sign_in(self, email: str, password: str) -> MassageLink:
        """The same connection, acting as the user who has this email and password.

        Raises:
            Unauthorized: they do not match.

        """
        secret = self.send(sign_in(self.project_id, email, password))
        return self._sharing(self._acting_as(Secret("session", secret)))

    def watch(
        self,
        *,
        bookings: bool = True,
        messages: bool = True,
        commissions: bool = True,
        reads: bool = False,
        checkpoint: Checkpoint | None = None,
        since: datetime | None = None,
        policy: Policy | None = None,
    ) -> BlockingSubscriber[Any]:
        """Everything that the user may see, as it happens, over one socket::

            with link.as_user("maria").watch() as changes:
                for change in changes:
                    print(change.table, change.kind, change.row)

        A thread of its own listens. Arguments, promises and errors as `AsyncMassageLink.watch`.

        """
        flags = {"bookings": bookings, "messages": messages, "commissions": commissions, "reads": reads}
        chosen = frozenset(name for name, wanted in flags.items() if wanted)
        return subscribe_blocking(self, Watch(partial(_everything, chosen), checkpoint, since, policy))

    def as_async(self) -> AsyncMassageLink:
        """A link to the same server that acts as the same, to be awaited; it has connections of its own."""
        return AsyncMassageLink._made(self._session, self.ports)  # noqa: SLF001 - our own other colour

    def verify_integration(self, *, deep: bool = False) -> HealthReport:
        """Check everything that the marketplace needs of its server; see `AsyncMassageLink.verify_integration`.

        A thread of its own does it, on connections of its own.
        """
        from massage_link.health.blocking import verify_blocking  # noqa: PLC0415 - few programs check, and it takes time

        return verify_blocking(self, deep=deep)

    def run(self, flow: Flow[T]) -> T:
        """Run a flow of calls (see `massage_link.usecases`)."""
        return drive(self._http, perform(self._session, flow))

    def send(self, call: Call[T]) -> T:
        """Send one call (see `massage_link.wire`) and give its result."""
        return self.run(_just(call))

    def close(self) -> None:
        """Close the connections, unless they belong to the link that this one was made from."""
        if self._owns_http:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncMassageLink(BaseLink):
    """The marketplace's tables over one Appwrite project, awaited. Arguments and errors as `MassageLink`."""

    def __init__(
        self,
        endpoint: str,
        project_id: str,
        *,
        api_key: str | None = None,
        session: str | None = None,
        jwt: str | None = None,
        database: str | None = None,
        freeze_after: timedelta | None = None,
        timeout: float | httpx.Timeout | None = None,
        retries: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        ports: Ports | None = None,
    ) -> None:
        secrets = {"key": api_key, "session": session, "jwt": jwt}
        http = async_http(_timeout(timeout), transport)
        self._set_up(
            _session(endpoint, project_id, secrets, retries),
            _ports(ports, database=database, freeze_after=freeze_after),
            http,
            owns=True,
        )

    def _set_up(self, session: Session, ports: Ports, http: httpx.AsyncClient, *, owns: bool) -> None:
        BaseLink.__init__(self, session, ports)
        self._http = http
        self._owns_http = owns
        self.account = AsyncAccountResource(self)
        self.analytics = AsyncAnalytics(self)
        self.availability = AsyncAvailability(self)
        self.bookings = AsyncBookings(self)
        self.chat = AsyncChat(self)
        self.commissions = AsyncCommissions(self)

    def _sharing(self, session: Session) -> AsyncMassageLink:
        link = AsyncMassageLink.__new__(AsyncMassageLink)
        link._set_up(session, self.ports, self._http, owns=False)  # noqa: SLF001 - its own class
        return link

    @classmethod
    def _made(cls, session: Session, ports: Ports) -> AsyncMassageLink:
        link = cls.__new__(cls)
        link._set_up(session, ports, async_http(), owns=True)  # noqa: SLF001 - its own class
        return link

    @classmethod
    def from_env(cls, env_file: str | Path | None = ".env") -> AsyncMassageLink:
        """A link from the environment; see `MassageLink.from_env`."""
        return cls(**_from_env(env_file))

    def as_user(self, user_id: str) -> AsyncMassageLink:
        """The same connection, acting as a user through short JWTs that are renewed. Needs an API key."""
        return self._sharing(self._as_user(user_id))

    def with_key(self, api_key: str) -> AsyncMassageLink:
        """The same connection, acting with this API key."""
        return self._sharing(self._acting_as(_checked_secret("key", api_key)))

    def with_session(self, session: str) -> AsyncMassageLink:
        """The same connection, acting with this session's secret."""
        return self._sharing(self._acting_as(_checked_secret("session", session)))

    async def sign_in(self, email: str, password: str) -> AsyncMassageLink:
        """The same connection, acting as the user who has this email and password.

        Raises:
            Unauthorized: they do not match.

        """
        secret = await self.send(sign_in(self.project_id, email, password))
        return self._sharing(self._acting_as(Secret("session", secret)))

    def watch(
        self,
        *,
        bookings: bool = True,
        messages: bool = True,
        commissions: bool = True,
        reads: bool = False,
        checkpoint: Checkpoint | None = None,
        since: datetime | None = None,
        policy: Policy | None = None,
    ) -> Subscriber[Any]:
        """Everything that the user may see, as it happens, over one socket::

            async with link.as_user("maria").watch() as changes:
                async for change in changes:
                    print(change.table, change.kind, change.row)

        What is promised: of bookings and commissions the newest state, versions strictly increasing, each at most once;
        of messages every one, in order. Whatever happens while the connection is down is read back.

        Args:
            bookings, messages, commissions, reads: what to watch; reads are the read marks of conversations.
            checkpoint: where progress is kept over restarts; None begins now.
            since: a new consumer begins with what was written from this instant on.
            policy: timings.

        Raises:
            CredentialRequired: the link acts with an API key, which has no rights in realtime, or as nobody.

        """
        flags = {"bookings": bookings, "messages": messages, "commissions": commissions, "reads": reads}
        chosen = frozenset(name for name, wanted in flags.items() if wanted)
        return subscribe(self, Watch(partial(_everything, chosen), checkpoint, since, policy))

    async def verify_integration(self, *, deep: bool = False) -> HealthReport:
        """Check everything that the marketplace needs of its server: the same as `massage-link health`.

        Takes some hundred milliseconds when all is well, and never more than 15 seconds. What it writes, it removes,
        also when it is cancelled. Every call is tried once, so that what is measured is what happened.

        Args:
            deep: also send a canary booking the whole way, and prove that a transaction which fails leaves nothing.

        Returns:
            Every probe with its state, its time, what it means and what to do; `report.state` is that of the worst.

        Raises:
            CredentialRequired: the link acts without an API key.

        """
        from massage_link.health import verify  # noqa: PLC0415 - few programs check, and it takes time

        async with self._trying_once() as link:
            return await verify(link, deep=deep)

    def _trying_once(self) -> AsyncMassageLink:
        """A link that acts as the same on connections of its own, and repeats no call."""
        once = replace(self._session, retries=RetryPolicy(stop=stop_after_attempt(1)))
        return AsyncMassageLink._made(once, self.ports)

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow of calls (see `massage_link.usecases`)."""
        return await adrive(self._http, perform(self._session, flow))

    async def send(self, call: Call[T]) -> T:
        """Send one call (see `massage_link.wire`) and give its result."""
        return await self.run(_just(call))

    async def proof(self) -> tuple[str, str]:
        """The kind of credential and a secret of it that is valid now, for the realtime connection."""
        headers = await adrive(self._http, prove(self._session))
        return self.credential.kind, next(iter(headers.values()))

    async def aclose(self) -> None:
        """Close the connections, unless they belong to the link that this one was made from."""
        if self._owns_http:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _just(call: Call[T]) -> Flow[T]:
    return (yield from call)


def _timeout(timeout: float | httpx.Timeout | None) -> httpx.Timeout | None:
    if timeout is None or isinstance(timeout, httpx.Timeout):
        return timeout
    if not isinstance(timeout, int | float) or not 0 < timeout <= _LONGEST_WAIT:
        raise UsageError(f"timeout is a number of seconds, or an httpx.Timeout, not {timeout!r}.")
    return httpx.Timeout(timeout)


def _ports(ports: Ports | None, *, database: str | None, freeze_after: timedelta | None) -> Ports:
    ports = ports or Ports()
    if database is not None:
        ports = replace(ports, database=checked_id("database", database))
    if freeze_after is None:
        return ports
    if not isinstance(freeze_after, timedelta) or freeze_after <= timedelta(0):
        raise UsageError(f"freeze_after is a time longer than none, a timedelta, not {freeze_after!r}.")
    return replace(ports, freeze_after=freeze_after)


def _from_env(env_file: str | Path | None) -> dict[str, Any]:
    # pydantic-settings costs 100 ms, which only those pay who read the environment.
    from massage_link.settings import Settings  # noqa: PLC0415

    arguments: dict[str, Any] = {**Settings.load(env_file).link_arguments()}
    return arguments


def _everything(chosen: frozenset[str], link: AsyncMassageLink) -> Any:
    return watching().everything(link, chosen)
