"""The WebSocket side of uvicorn with the transport in reach.

Fan-out writes one ready-made frame to many sockets without a task or a queue between, and planted faults need what
no ASGI message offers: a connection that vanishes without a closing frame, or one that says nothing any more.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    import asyncio

    from websockets.frames import Frame
    from websockets.http11 import Request

SOCKET = "emulator.socket"  # the key in scope["state"] under which the endpoint finds its protocol
_MOST_UNREAD = 16 * 2**20  # bytes; a client that reads nothing is dropped rather than kept in memory


def text_frame(text: bytes) -> bytes:
    """One unmasked, unfragmented text frame, as a server sends it."""
    size = len(text)
    if size < 126:
        return bytes((0x81, size)) + text
    if size < 65536:
        return struct.pack(">BBH", 0x81, 126, size) + text
    return struct.pack(">BBQ", 0x81, 127, size) + text


class RealtimeProtocol(WebSocketsSansIOProtocol):
    """uvicorn's own protocol, plus what the realtime hub does to a socket. Give it to uvicorn as ``ws``."""

    frozen = False
    _thaw: asyncio.TimerHandle | None = None

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["state"][SOCKET] = self

    @property
    def open(self) -> bool:
        """Whether a frame written now can still arrive."""
        return not (self.disconnected or self.close_sent or self.transport.is_closing())

    def write_frame(self, frame: bytes) -> bool:
        """Send a ready-made frame; False when the socket is closed, or frozen by a planted fault."""
        if self.frozen or not self.open:
            return False
        waiting = self.transport.get_write_buffer_size()
        if waiting > _MOST_UNREAD:
            self.transport.abort()
            return False
        rest = frame if waiting else self._write_at_once(frame)
        if rest:
            self.transport.write(rest)
        return True

    def _write_at_once(self, frame: bytes) -> bytes:
        """Give ``frame`` to the kernel now and return what it did not take.

        uvloop sends what is written at the end of its turn: the first of a thousand receivers would wait for the
        last one's frame to be prepared.
        """
        try:
            return frame[os.write(self.transport.get_extra_info("socket").fileno(), frame) :]
        except OSError:  # full, or broken: the transport finds out
            return frame

    def hang_up(self) -> None:
        """Close the TCP connection without a closing frame, after what was written has gone out."""
        self.close_sent = True
        self.transport.close()

    def cut(self) -> None:
        """Break the connection now; the peer sees a reset."""
        self.close_sent = True
        self.transport.abort()

    def close_with(self, code: int) -> None:
        """Close properly, with ``code``."""
        if self.open:
            self.conn.send_close(code)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.hang_up()

    def freeze(self, seconds: float) -> None:
        """Neither read nor write for ``seconds``: to the peer the connection is half open."""
        if self._thaw is not None:
            self._thaw.cancel()
        self.frozen = True
        if not self.transport.is_closing():
            self.transport.pause_reading()
        self._thaw = self.loop.call_later(seconds, self._unfreeze)

    def _unfreeze(self) -> None:
        self.frozen, self._thaw = False, None
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def handle_text(self, event: Frame) -> None:
        self.handle_bytes(event)  # the real server does not ask whether text is UTF-8: its JSON parser does

    def handle_ping(self) -> None:
        if self.frozen:
            self.conn.data_to_send()  # the pong that a dead peer would not send
        else:
            super().handle_ping()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._thaw is not None:
            self._thaw.cancel()
        super().connection_lost(exc)
