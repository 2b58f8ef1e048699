"""One realtime socket, from its handshake to its end. The conversation itself is `RealtimeProtocol`'s."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from massage_link.errors import UsageError
from massage_link.realtime.protocol import Failed, Output, RealtimeProtocol, Remedy, Send, Subscribed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from massage_link.realtime.policy import Policy
    from massage_link.realtime.protocol import Subscription
    from massage_link.realtime.source import Credential

_MAX_FRAME = 8 * 2**20  # a row has at most 64 KiB, yet its JSON may escape every character, and names come on top
_FAREWELL = 1.0  # seconds
_REMEDIES = {1008: Remedy.GIVE_UP, 1013: Remedy.WAIT}  # of close frames; any other is worth another connection
_HEADERS = {"session": "X-Appwrite-Session", "jwt": "X-Appwrite-JWT"}


class ConnectionEnded(Exception):
    """The socket is gone, by a clean close or not; `remedy` says what to do. Never leaves this package."""

    def __init__(self, remedy: Remedy, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.reason = reason
        self.code = code


def realtime_url(endpoint: str, project: str) -> str:
    """The socket's address for an API endpoint such as ``https://cloud.appwrite.io/v1``.

    Raises UsageError when the endpoint is no HTTP address or the project is empty.
    """
    parts = urlsplit(endpoint)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme)
    if scheme is None or not parts.netloc:
        raise UsageError(f"the endpoint must look like https://host/v1, not {endpoint!r}")
    if not project:
        raise UsageError("realtime needs a project id: without one the server connects us to nothing")
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + "/realtime", urlencode({"project": project}), ""))


async def converse(
    url: str,
    credential: Credential,
    subscriptions: Sequence[Subscription],
    *,
    policy: Policy,
    handle: Callable[[Output], None],
) -> None:
    """Connect, subscribe, and pass on what arrives until the socket ends or is due for renewal (then it returns).

    Raises ConnectionEnded.
    """
    socket = await _open(url, credential, policy)
    connection = _Connection(socket, RealtimeProtocol(subscriptions), policy, handle)
    try:
        await first_to_end(connection.read(), connection.watch())
    except (ConnectionClosed, OSError) as error:
        raise _ended_by(error) from error
    except asyncio.CancelledError:
        await _say_goodbye(socket)
        raise
    else:
        await _say_goodbye(socket)
    finally:
        socket.transport.abort()  # a dead peer would make a proper end wait


async def _say_goodbye(socket: ClientConnection) -> None:
    """Close properly if the server answers soon; the caller cuts the connection in any case."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_FAREWELL):
            await socket.close()


async def first_to_end(*coroutines: Coroutine[None, None, None]) -> None:
    """Run them side by side until the first one ends, then cancel the others; raises what it raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _open(url: str, credential: Credential, policy: Policy) -> ClientConnection:
    try:
        return await connect(
            url,
            additional_headers={_HEADERS[credential.kind]: credential.secret},
            open_timeout=policy.open_within,
            ping_interval=None,  # Appwrite's own heartbeat takes its place: a proxy would answer for a dead server
            compression=None,
            max_size=_MAX_FRAME,
            proxy=None,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        raise ConnectionEnded(_remedy_of(status), f"the handshake was answered with HTTP {status}", status) from error
    except (InvalidHandshake, OSError, EOFError) as error:
        raise ConnectionEnded(Remedy.RETRY, f"no connection: {type(error).__name__} {error}".rstrip()) from error


def _remedy_of(status: int) -> Remedy:
    if status == 401:
        return Remedy.NEW_CREDENTIAL
    if status == 429:
        return Remedy.WAIT
    return Remedy.RETRY if status >= 500 or status == 408 else Remedy.GIVE_UP


def _ended_by(error: Exception) -> ConnectionEnded:
    if not isinstance(error, ConnectionClosed):
        return ConnectionEnded(Remedy.RETRY, f"the connection broke: {error}")
    if error.rcvd is None:
        return ConnectionEnded(Remedy.RETRY, "the connection broke")
    # Appwrite tells of a refusal in a message and closes without a frame; a gateway in front of it may do it like this.
    code = int(error.rcvd.code)
    return ConnectionEnded(_REMEDIES.get(code, Remedy.RETRY), f"the server closed the connection with {code}", code)


class _Connection:
    def __init__(
        self, socket: ClientConnection, protocol: RealtimeProtocol, policy: Policy, handle: Callable[[Output], None]
    ) -> None:
        self._socket = socket
        self._protocol = protocol
        self._policy = policy
        self._handle = handle
        self._subscribed = asyncio.Event()
        self._heard = False

    async def read(self) -> None:
        while True:
            frame = await self._socket.recv()
            self._heard = True
            output = self._protocol.receive(frame)
            if output is None:
                continue
            if isinstance(output, Failed):
                raise ConnectionEnded(output.remedy, output.reason, output.code)
            if isinstance(output, Send):
                await self._socket.send(output.text)
                continue
            if isinstance(output, Subscribed):
                self._subscribed.set()
            self._handle(output)

    async def watch(self) -> None:
        """Raise when the server falls silent; return when it is time for a fresh credential."""
        policy = self._policy
        try:
            async with asyncio.timeout(policy.open_within):
                await self._subscribed.wait()
        except TimeoutError:
            raise ConnectionEnded(Remedy.RETRY, "the subscriptions were not confirmed in time") from None
        clock = asyncio.get_running_loop().time
        renewal = clock() + policy.renew_every
        while (left := renewal - clock()) > 0:
            await asyncio.sleep(min(left, policy.ping_every - policy.pong_within))
            await self._prove_life()

    async def _prove_life(self) -> None:
        self._heard = False
        try:
            async with asyncio.timeout(self._policy.pong_within):
                await self._socket.send(self._protocol.ping())
        except TimeoutError:
            raise ConnectionEnded(Remedy.RETRY, "the heartbeat could not be sent") from None
        clock = asyncio.get_running_loop().time
        busy = True
        while busy:  # a handler that blocked the loop, or a laptop that slept: the answer may lie there unread
            begun = clock()
            await asyncio.sleep(self._policy.pong_within)
            if self._heard:
                return
            busy = clock() - begun > 1.5 * self._policy.pong_within
        raise ConnectionEnded(Remedy.RETRY, f"no sign of life for {self._policy.pong_within:g} s")
