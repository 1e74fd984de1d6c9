"""A connection that is not admitted: what it may send, and for how long.

Owns the first header, which is read to its end here before the HTTP server gets it, and the time that a connection has.
Cookies are left out of it. None of them is ours, and a page of another port of this machine may set so many for our
address that a browser sends megabytes of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

HEADER_SECONDS = 5.0
"""For a complete header. A browser sends it in one piece."""

ANSWER_SECONDS = 30.0
"""For the answer to a request, up to its last byte. The page's largest file takes milliseconds."""

MAX_HEADER_BYTES = 1024 * 1024
"""With the cookies: browsers keep at most some 180 of 4 KiB for a host."""

MAX_BYTES = 64 * 1024
"""Of everything after the first header, while a connection is not admitted: its proof is a few hundred."""

_END = b"\r\n\r\n"
_COOKIE = b"cookie:"


class Guest(asyncio.Protocol):
    """Passes a connection on to the HTTP server, and ends it where it takes too long or too much.

    Args:
        server: the HTTP server's protocol for this connection.
        on_gone: called when the connection no longer counts as one that is not admitted: it was admitted, or is gone.
    """

    def __init__(
        self,
        server: asyncio.Protocol,
        on_gone: Callable[[Guest], None],
        *,
        header_seconds: float = HEADER_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._server = server
        self._on_gone = on_gone
        self._header_seconds, self._answer_seconds = header_seconds, answer_seconds
        self._header = bytearray()
        self._is_passing = self._is_admitted = False
        self._bytes_left = MAX_BYTES
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def admit(self) -> None:
        """The page has proved who it is: it may take any time, and send any amount."""
        self._is_admitted = True
        self._leave()

    def abort(self) -> None:
        """End the connection immediately."""
        if self._transport is not None:
            self._transport.abort()

    # --- what the event loop calls ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._set_deadline(self._header_seconds)

    def data_received(self, data: bytes) -> None:
        if self._is_admitted:
            self._server.data_received(data)
        elif self._is_passing:
            self._bytes_left -= len(data)
            if self._bytes_left < 0:
                self.abort()
            else:
                self._server.data_received(data)
        else:
            self._read_header(data)

    def eof_received(self) -> bool | None:
        return self._server.eof_received() if self._is_passing else False

    def connection_lost(self, error: Exception | None) -> None:
        self._leave()
        if self._is_passing:
            self._server.connection_lost(error)

    def pause_writing(self) -> None:
        if self._is_passing:
            self._server.pause_writing()

    def resume_writing(self) -> None:
        if self._is_passing:
            self._server.resume_writing()

    # --- the first header ----------------------------------------------------------------------------------------

    def _read_header(self, data: bytes) -> None:
        searched = max(len(self._header) - len(_END), 0)
        self._header += data
        end = self._header.find(_END, searched)
        if end < 0:
            if len(self._header) > MAX_HEADER_BYTES:
                self.abort()
            return
        header, rest = bytes(self._header[:end]), bytes(self._header[end:])
        self._header = bytearray()
        self._is_passing = True
        self._set_deadline(self._answer_seconds)
        if self._transport is not None:
            self._server.connection_made(self._transport)
            self._server.data_received(without_cookies(header) + rest)

    def _set_deadline(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _leave(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._on_gone(self)


def without_cookies(header: bytes) -> bytes:
    """A header, up to its empty line, without its cookies."""
    return b"\r\n".join(line for line in header.split(b"\r\n") if not line.lower().startswith(_COOKIE))
